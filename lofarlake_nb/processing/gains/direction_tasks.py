"""Tasks of direction-dependent calibration: phases of some slots, and what they are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains import direction_solver, solutions
from lofarlake_nb.processing.gains.correcting import corrected, missing
from lofarlake_nb.processing.gains.direction_solver import Baselines, Sums
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.tasks import of_slots_and_channels, predictor
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import LIGHT_M_S, Predictor
from lofarlake_nb.processing.windows import groups

# Windows that a task solves one after the other: what it opens and evaluates is for all of them.
WINDOWS = 6
# Bytes of visibilities that are predicted at once, of all directions.
PREDICTED_BYTES = 100_000_000


@dataclass(frozen=True)
class Source:
    """A Measurement Set that directions are solved on.

    Parameters
    ----------
    path : Path
        Averaged.
    solution_file : Path
        Its gains of all directions.
    noise : (station,) float64
        Factors of its noise power, as `solving.Solved` has them.

    Examples
    --------
    >>> source = Source(averaged.measurement_sets[0], calibrated.solution_files[0], np.ones(20))
    >>> solutions.read(source.solution_file).values.shape
    (30, 4, 20, 2)
    """

    path: Path
    solution_file: Path
    noise: np.ndarray


@dataclass(frozen=True)
class Phases:
    """Phases of some slots.

    Parameters
    ----------
    gains : (slot, station, direction) complex64
        Of amplitude 1, the same all over each direction's interval.
    left : (1 + direction,) float64
        Residual power on held-out slots: with all phases, then without those of one direction after the other.
    without : float
        The same without any phases.

    Examples
    --------
    >>> found = Phases(np.ones((4, 20, 2), "c8"), np.array([0.8, 0.9, 1.0]), 1.2)
    >>> round(float((found.left[2] - found.left[0]) / found.without), 2)  # what the second direction takes away
    0.17
    """

    gains: np.ndarray
    left: np.ndarray
    without: float


def window_starts(layout: Layout, parameters: CalibrationParameters) -> np.ndarray:
    """(window,) int, first slot of each of the longest solution intervals.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots of 1 s
    >>> window_starts(LAYOUT, CalibrationParameters(direction_interval="4 s")).tolist()
    [0, 4]
    """
    return groups(layout.times, layout.interval, most_slots(layout, parameters))


def most_slots(layout: Layout, parameters: CalibrationParameters) -> int:
    """Slots of the longest solution interval: two at least, for one to be held out.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # slots of 1 s
    >>> most_slots(LAYOUT, CalibrationParameters(direction_interval="1 min"))
    60
    """
    return max(2, round(seconds("direction_interval", parameters.direction_interval) / layout.interval))


@dataclass(frozen=True)
class _Opened:
    """A source, what was solved for all directions, and the model as it sees it."""

    source: Source
    layout: Layout
    gains: Gains
    predictor: Predictor | None

    def read(self, slots: slice, parameters: CalibrationParameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Parallel hands corrected for the gains, 1 / E|n|² of each (0: not to be used), and uvw."""
        layout, noise = self.layout, self.source.noise
        read = measurement_set.read(self.source.path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slots)
        slot_of, channel_of = of_slots_and_channels(self.gains, layout, parameters)
        gains = self.gains.values[slot_of[slots]][:, channel_of]
        data = corrected(read["DATA"], gains, layout.antenna1, layout.antenna2)
        length = np.linalg.norm(read["UVW"], axis=2)[..., None] * layout.frequencies / LIGHT_M_S
        used = (length >= parameters.minimum_uv) & ~read["FLAG"].any(axis=3) & ~missing(data)
        variance = noise[layout.antenna1] * noise[layout.antenna2]
        inverse = np.where(np.isfinite(variance) & (variance > 0), 1 / np.where(variance > 0, variance, 1), 0)
        weight = (read["WEIGHT_SPECTRUM"] * inverse[None, :, None, None] * used[..., None]).astype(np.float32)
        return _parallel(data), _parallel(weight), read["UVW"]


def station_weight(source: Source, parameters: CalibrationParameters) -> np.ndarray:
    """(station,) Σ 1 / E|n|² over a station's baselines, channels and parallel hands; a task.

    Of the middle slot, or the one nearest to it that has data.

    Examples
    --------
    >>> its = averaged.measurement_sets[0], calibrated.solution_files[0]
    >>> quiet = station_weight(Source(*its, np.full(20, 0.5)), chosen.calibrate)
    >>> noisy = station_weight(Source(*its, np.full(20, 1.0)), chosen.calibrate)
    >>> float(quiet.sum() / noisy.sum()), np.flatnonzero(noisy == 0).tolist()  # two stations are bad
    (4.0, [6, 8])
    """
    engines.prepare()
    layout = measurement_set.layout(source.path)
    opened = _Opened(source, layout, solutions.read(source.solution_file), None)
    middle = len(layout.times) // 2
    total = np.zeros(len(layout.stations))
    for slot in sorted(range(len(layout.times)), key=lambda slot: abs(slot - middle)):
        _, weight, _ = opened.read(slice(slot, slot + 1), parameters)
        if weight.any():
            for antennas in (layout.antenna1, layout.antenna2):
                np.add.at(total, antennas, weight.sum(axis=(0, 2)))
            break
    return total


def solve_windows(
    sources: Sequence[Source],
    edges: Sequence[int],
    model: SkyModel,
    its: Sequence[Group],
    lengths: Sequence[int],
    parameters: CalibrationParameters,
    with_beam: bool,
) -> list[Phases]:
    """Phases of some windows; a task.

    Parameters
    ----------
    sources : sequence of Source
        Whose phases are taken for the same: their frequencies are close together.
    edges : sequence of int
        First slot of each window, and the one after the last.
    model : SkyModel
    its : sequence of Group
        Of the model.
    lengths : sequence of int
        Slots of a solution, for each group.
    parameters : CalibrationParameters
    with_beam : bool

    Returns
    -------
    list of Phases
        One for each window.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from lofarlake_nb.processing.gains import grouping
    >>> source = Source(averaged.measurement_sets[0], calibrated.solution_files[0], np.ones(20))
    >>> apart = replace(model, dec=model.dec + np.deg2rad([0, 1, 2, 3]))  # a wrong one
    >>> its = grouping.group(apart, np.ones(4), 1)
    >>> found = solve_windows([source], [0, 5, 10], apart, its, [5, 5], chosen.calibrate, False)
    >>> [one.gains.shape for one in found], round(float(found[0].left[0] / found[0].without), 2)
    ([(5, 20, 2), (5, 20, 2)], 0.51)
    """
    engines.prepare()
    span = slice(edges[0], edges[-1])
    opened = []
    for source in sources:
        layout = measurement_set.layout(source.path)
        seen = predictor(source.path, layout, model, parameters, with_beam, span)
        opened.append(_Opened(source, layout, solutions.read(source.solution_file), seen))
    found = []
    for first, last in pairwise(edges):
        sums = direction_solver.empty(last - first, len(opened[0].layout.antenna1), len(its))
        for one in opened:
            _add(sums, one, slice(first, last), its, parameters)
        found.append(_phases(sums, opened[0].layout, lengths))
    return found


def _phases(sums: Sums, layout: Layout, lengths: Sequence[int]) -> Phases:
    baselines = Baselines(layout.antenna1, layout.antenna2, len(layout.stations))
    place = np.arange(len(sums.total))
    intervals = np.stack([place // length for length in lengths])
    left, without = np.zeros(1 + len(lengths)), 0.0
    for parity in (0, 1):
        known = place % 2 == parity
        others = np.flatnonzero(~known)
        if not (len(others) and known.any()):
            continue
        trained = direction_solver.solve(sums, intervals, baselines, known)
        held = Sums(sums.cross[others], sums.power[others], sums.total[others])
        gains = direction_solver.between(trained, intervals, known, others.astype(float))
        left += direction_solver.residual(held, gains, baselines)
        without += direction_solver.residual(held, np.ones_like(gains), baselines)[0]
    return Phases(direction_solver.solve(sums, intervals, baselines), left, without)


def _add(sums: Sums, one: _Opened, slots: slice, its: Sequence[Group], parameters: CalibrationParameters) -> None:
    """Add one Measurement Set's visibilities to sums."""
    assert one.predictor is not None
    size = len(one.layout.antenna1) * len(one.layout.frequencies) * 2 * 8 * len(its)
    step = max(1, PREDICTED_BYTES // size)
    for start in range(slots.start, slots.stop, step):
        some = slice(start, min(start + step, slots.stop))
        data, weight, uvw = one.read(some, parameters)
        models = np.stack([_parallel(one.predictor.chosen(g.components).visibilities(uvw, some)) for g in its])
        part = slice(some.start - slots.start, some.stop - slots.start)
        direction_solver.add(Sums(sums.cross[part], sums.power[part], sums.total[part]), data, models, weight)


def _parallel(visibilities: np.ndarray) -> np.ndarray:
    """Parallel hands (time, baseline, frequency × 2) of visibilities of 1, 2 or 4 polarizations."""
    return visibilities[..., [0, -1]].reshape(*visibilities.shape[:2], -1)
