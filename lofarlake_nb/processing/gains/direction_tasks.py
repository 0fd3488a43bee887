"""Tasks of direction-dependent calibration: sums of some intervals, kept in a file, and what is made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains import direction_solver, solutions
from lofarlake_nb.processing.gains.correcting import corrected
from lofarlake_nb.processing.gains.direction_solver import Baselines, Sums
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.gains.tasks import predictor
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import LIGHT_M_S
from lofarlake_nb.processing.windows import groups

PARITIES = ("even", "odd")


def interval_starts(layout: Layout, parameters: CalibrationParameters) -> np.ndarray:
    """(interval,) int, first slot of each interval that has phases of its own towards each direction."""
    wanted = seconds("direction_interval", parameters.direction_interval)
    return groups(layout.times, layout.interval, max(2, round(wanted / layout.interval)))


def sum_window(
    path: Path,
    intervals: tuple[int, int],
    solution_file: Path,
    noise: np.ndarray,
    model: SkyModel,
    its: Sequence[Group],
    parameters: CalibrationParameters,
    with_beam: bool,
    output: Path,
) -> Path:
    """Sums of some intervals, of even and of odd slots apart; a task.

    Parameters
    ----------
    path : Path
        Averaged Measurement Set.
    intervals : tuple of int
        First interval, and the one after the last.
    solution_file : Path
        Gains of all directions.
    noise : (station,) float64
        Factors of the noise power, as `solving.Solved` has them.
    model : SkyModel
    its : sequence of Group
        Of the model.
    parameters : CalibrationParameters
    with_beam : bool
    output : Path
        File for the sums.

    Returns
    -------
    Path
        `output`.
    """
    engines.prepare()
    layout = measurement_set.layout(path)
    starts = interval_starts(layout, parameters)[intervals[0] : intervals[1] + 1]
    last = len(layout.times) if len(starts) == intervals[1] - intervals[0] else int(starts[-1])
    starts = starts[: intervals[1] - intervals[0]]
    times = slice(int(starts[0]), last)
    read = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], times)
    whole = predictor(path, layout, model, parameters, with_beam, times)
    models = np.stack([whole.chosen(g.components).visibilities(read["UVW"], times) for g in its])
    data = _calibrated(read["DATA"], solution_file, layout, times)
    weight = _weight(read, data, noise, layout, parameters)
    slots = np.arange(times.start, times.stop)
    interval = np.searchsorted(starts, slots, side="right") - 1
    place = slots - starts[interval]
    kept: dict[str, Any] = {}
    for parity, name in enumerate(PARITIES):
        chosen = place % 2 == parity
        sums = direction_solver.empty(len(starts), len(layout.antenna1), len(its))
        for hand in (0, -1):
            direction_solver.add(
                sums,
                data[chosen][..., hand],
                models[:, chosen][..., hand],
                weight[chosen][..., hand],
                interval[chosen],
            )
        kept |= {f"{name}_cross": sums.cross, f"{name}_power": sums.power, f"{name}_total": sums.total}
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez(output, **kept)
    return output


def solve_file(path: Path, baselines: Baselines) -> np.ndarray:
    """Phases of a file's intervals (3, interval, station, direction): of all slots, the even and the odd; a task."""
    even, odd = _sums(path)
    both = Sums(even.cross + odd.cross, even.power + odd.power, even.total + odd.total)
    return np.stack([direction_solver.solve(sums, baselines) for sums in (both, even, odd)])


def expected_error(path: Path, baselines: Baselines) -> np.ndarray:
    """Thermal error of phases (interval, station, direction) of a file's intervals, rad; a task."""
    even, odd = _sums(path)
    diagonal = np.einsum("ibdd->ibd", even.power + odd.power).real
    total = np.zeros((len(diagonal), baselines.n_station, diagonal.shape[2]))
    for station in range(baselines.n_station):
        its = (baselines.antenna1 == station) | (baselines.antenna2 == station)
        total[:, station] = diagonal[:, its].sum(axis=1)
    # Weights are 1 / E|n|², so that the noise of a phase is 1 / √(2 Σ w |M|²).
    return 1 / np.sqrt(2 * np.maximum(total, 1e-12))


def held_out(path: Path, gains: np.ndarray, baselines: Baselines) -> np.ndarray:
    """Residuals of a file's intervals through phases that were solved on the other slots; a task.

    Parameters
    ----------
    path : Path
        From `sum_window`.
    gains : (2, interval, station, direction) complex
        Solved on even and on odd slots.
    baselines : Baselines

    Returns
    -------
    (1 + direction,) float64
        Summed over the intervals: with all phases, and without those of one direction after the other.
    """
    sums = _sums(path)
    trained = gains[::-1]  # those of the odd slots for the even ones
    result = np.zeros(1 + gains.shape[3])
    for left_out in range(-1, gains.shape[3]):
        used = trained.copy()
        if left_out >= 0:
            used[..., left_out] = 1
        result[left_out + 1] = sum(
            direction_solver.residual(s, g, baselines).sum() for s, g in zip(sums, used, strict=True)
        )
    return result


def _sums(path: Path) -> tuple[Sums, Sums]:
    with np.load(path) as kept:
        even, odd = (Sums(kept[f"{n}_cross"], kept[f"{n}_power"], kept[f"{n}_total"]) for n in PARITIES)
    return even, odd


def _calibrated(data: np.ndarray, solution_file: Path, layout: Layout, times: slice) -> np.ndarray:
    gains = solutions.read(solution_file)
    slot_of = np.argmin(np.abs(layout.times[times, None] - gains.times), axis=1)
    channel_of = np.argmin(np.abs(layout.frequencies[:, None] - gains.frequencies), axis=1)
    return corrected(data, gains.values[slot_of][:, channel_of], layout.antenna1, layout.antenna2)


def _weight(
    read: dict[str, np.ndarray],
    data: np.ndarray,
    noise: np.ndarray,
    layout: Layout,
    parameters: CalibrationParameters,
) -> np.ndarray:
    """1 / E|n|² (time, baseline, frequency, polarization); 0 where flagged or too short a baseline."""
    length = np.linalg.norm(read["UVW"], axis=2)[..., None] * layout.frequencies / LIGHT_M_S
    used = (length >= parameters.minimum_uv) & ~read["FLAG"].any(axis=3) & (data != 0).all(axis=3)
    variance = noise[layout.antenna1] * noise[layout.antenna2]
    inverse = np.where(np.isfinite(variance) & (variance > 0), 1 / np.where(variance > 0, variance, 1), 0)
    return (read["WEIGHT_SPECTRUM"] * inverse[None, :, None, None] * used[..., None]).astype(np.float32)
