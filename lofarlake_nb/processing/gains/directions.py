"""Gains that differ between directions: phases of the ionosphere towards groups of sources, kept where they help.

They are solved on what is corrected for the gains of all directions, in every Measurement Set, joined as phases of one
ionosphere, and judged on held-out slots: phases of the even slots of an interval are held against its odd slots, and
the other way round. A direction whose phases leave more of the held-out visibilities than no phases do gets none.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.gains import direction_tasks, grouping, solutions, tec
from lofarlake_nb.processing.gains.direction_solver import Baselines
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.solver import refer
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import direction_cosines
from lofarlake_nb.processing.windows import BLOCK_BYTES, blocks

logger = logging.getLogger(__name__)

# A direction whose phases would be noisier than this, on the median station, is left as it is.
NOISIEST = np.deg2rad(25.0)


@dataclass(frozen=True)
class Judged:
    """What phases towards one direction do.

    Parameters
    ----------
    direction : str
        Name of the group.
    flux_jy : float
        Apparent.
    gain : float
        Part of the residual's power on held-out slots that they take away; below 0 where they add to it.
    used : bool
    reason : str
        Why not; empty where they are used.
    """

    direction: str
    flux_jy: float
    gain: float
    used: bool
    reason: str


def solve(
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    solution_files: Sequence[Path],
    noises: Sequence[np.ndarray],
    reference: int,
    model: SkyModel,
    parameters: CalibrationParameters,
    with_beam: bool,
    folder: Path,
    client: distributed.Client,
) -> tuple[list[Path], list[Judged]]:
    """Solve phases towards groups of a model's sources.

    Parameters
    ----------
    paths : sequence of Path
        Averaged Measurement Sets.
    layouts : sequence of Layout
        Theirs.
    solution_files : sequence of Path
        Their gains of all directions.
    noises : sequence of (station,) float64
        Factors of their noise, as `solving.Solved` has them.
    reference : int
        Index of the station whose phases are 0.
    model : SkyModel
    parameters : CalibrationParameters
    with_beam : bool
    folder : Path
        For the solutions.
    client : distributed.Client

    Returns
    -------
    tuple
        h5parm files, one for each Measurement Set, none where no direction is helped; and what is thought of each
        direction.
    """
    found = grouping.group(model, _power(paths[0], layouts[0], model, with_beam), parameters.directions)
    if len(found) < 2 or not all(np.isfinite(n).any() for n in noises):
        return [], []
    if len({len(direction_tasks.interval_starts(layout, parameters)) for layout in layouts}) > 1:
        logger.warning("no gains of directions: the Measurement Sets are of different times")
        return [], []
    files = _sum(paths, layouts, solution_files, noises, model, found, parameters, with_beam, folder, client)
    try:
        phases = _phases(files, layouts, reference, client)
        noisy = _noise(files, layouts, client)
        phases[..., noisy > NOISIEST] = 0
        left = _left(files, phases, layouts, client)
        without = _left(files, np.zeros_like(phases), layouts, client)[0]
        judged = _judge(found, left, without, noisy)
        used = [i for i, one in enumerate(judged) if one.used]
        for one in judged[1:]:
            logger.info("%s, %.2f Jy: %s", one.direction, one.flux_jy, one.reason or f"{100 * one.gain:.2f} % better")
        if not used:
            return [], judged[1:]
        return _write(phases[0], [0, *used], found, paths, layouts, reference, parameters, folder), judged[1:]
    finally:
        for file in (f for its in files for f in its):
            file.unlink(missing_ok=True)


def _sum(
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    solution_files: Sequence[Path],
    noises: Sequence[np.ndarray],
    model: SkyModel,
    found: list[Group],
    parameters: CalibrationParameters,
    with_beam: bool,
    folder: Path,
    client: distributed.Client,
) -> list[list[Path]]:
    """Files of sums, of each Measurement Set those of its blocks of time."""
    limit = 3 * BLOCK_BYTES // (len(found) + 1)
    futures = []
    for path, layout, file, noise in zip(paths, layouts, solution_files, noises, strict=True):
        ranges = blocks(layout, direction_tasks.interval_starts(layout, parameters), limit)
        outputs = [folder / f".{path.stem}_{first}.npz" for first, _ in ranges]
        futures.append(
            [
                client.submit(
                    direction_tasks.sum_window,
                    path,
                    part,
                    file,
                    noise,
                    model,
                    found,
                    parameters,
                    with_beam,
                    output,
                    pure=False,
                )
                for part, output in zip(ranges, outputs, strict=True)
            ]
        )
    return client.gather(futures)


def _phases(
    files: list[list[Path]], layouts: Sequence[Layout], reference: int, client: distributed.Client
) -> np.ndarray:
    """(3, measurement set, interval, station, direction) rad: of all slots, the even and the odd ones."""
    futures = [
        [client.submit(direction_tasks.solve_file, file, _baselines(layouts[0]), pure=False) for file in its]
        for its in files
    ]
    each = [np.concatenate(parts, axis=1) for parts in client.gather(futures)]
    # The phase of a set is free: referred to one station, subbands can be compared.
    angles = np.stack([np.angle(g * np.conj(g[:, :, reference, None])) for g in each])
    frequencies = np.array([layout.frequencies.mean() for layout in layouts])
    return np.moveaxis(tec.joined(angles, frequencies), 0, 1)


def _noise(files: list[list[Path]], layouts: Sequence[Layout], client: distributed.Client) -> np.ndarray:
    """(direction,) rad, thermal error of the joined phases of the median station and interval."""
    futures = [
        client.submit(direction_tasks.expected_error, file, _baselines(layouts[0]), pure=False)
        for its in files
        for file in its
    ]
    errors = np.concatenate(client.gather(futures))
    return np.median(errors.reshape(-1, errors.shape[2]), axis=0) / np.sqrt(len(files))


def _left(
    files: list[list[Path]], phases: np.ndarray, layouts: Sequence[Layout], client: distributed.Client
) -> np.ndarray:
    """(1 + direction,) residual power on held-out slots: with all phases, and without those of each direction."""
    futures = []
    for its, angles in zip(files, np.moveaxis(phases[1:], 1, 0), strict=True):
        start = 0
        for file in its:
            with np.load(file) as kept:
                count = len(kept["even_total"])
            gains = np.exp(1j * angles[:, start : start + count])
            futures.append(client.submit(direction_tasks.held_out, file, gains, _baselines(layouts[0]), pure=False))
            start += count
    return np.sum(client.gather(futures), axis=0)


def _baselines(layout: Layout) -> Baselines:
    return Baselines(layout.antenna1, layout.antenna2, len(layout.stations))


def _judge(found: list[Group], left: np.ndarray, without: float, noisy: np.ndarray) -> list[Judged]:
    judged = []
    for i, group in enumerate(found):
        gain = float((left[1 + i] - left[0]) / without) if without > 0 else 0.0
        reason = ""
        if i == 0:
            reason = "the gains of all directions are its own"
        elif noisy[i] > NOISIEST:
            reason = f"too faint: phases to {np.rad2deg(noisy[i]):.0f}° in an interval"
        elif gain <= 0:
            reason = "held-out slots are no better"
        judged.append(Judged(group.direction.name, group.flux, gain, not reason, reason))
    return judged


def _write(
    phases: np.ndarray,
    used: list[int],
    found: list[Group],
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    reference: int,
    parameters: CalibrationParameters,
    folder: Path,
) -> list[Path]:
    """h5parm of each Measurement Set, of the directions that are used and of the brightest, whose gains are 1."""
    files = []
    for path, layout, angles in zip(paths, layouts, phases, strict=True):
        starts = direction_tasks.interval_starts(layout, parameters)
        size = np.diff(np.append(starts, len(layout.times)))
        times = np.add.reduceat(layout.times - layout.times[0], starts) / size + layout.times[0]
        gains = np.moveaxis(np.exp(1j * angles[..., used]), 2, 0)  # direction, interval, station
        values = refer(gains, reference)[:, :, None, :, None]
        one = Gains(values, times, np.array([layout.frequencies.mean()]), tuple(found[i].direction for i in used))
        files.append(solutions.write(folder / f"{path.stem}_directions.h5", one, layout))
    return files


def _power(path: Path, layout: Layout, model: SkyModel, with_beam: bool) -> np.ndarray:
    """(component,) what the beam of the first station leaves of each component, relative to the phase centre."""
    if not with_beam:
        return np.ones(len(model.flux))
    lm = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre)[:2], axis=-1)
    places = np.stack([model.ra, model.dec], axis=-1)
    middle = len(layout.times) // 2
    seen = beam.evaluate(path, layout, lm, places, np.inf, slice(middle, middle + 1))
    jones = seen.at(float(layout.times[middle]))[0]
    centre = beam.towards_centre(path, layout, np.inf, slice(middle, middle + 1)).jones[0, 0, 0]
    return (np.abs(jones) ** 2).sum(axis=(1, 2)) / (np.abs(centre) ** 2).sum()
