"""Gains that differ between directions: phases of the ionosphere towards groups of sources, kept where they help.

They are solved on what is corrected for the gains of all directions, for all Measurement Sets of about one frequency
together, joined as phases of one ionosphere, and judged on held-out slots: phases of the even slots are held against
the odd ones, and the other way round. A direction whose phases leave more of the held-out visibilities than no phases
do gets none; where all of them together do, none gets any. Bright directions get new phases in every slot, faint ones
as rarely as their noise asks for.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.gains import direction_solver, direction_tasks, grouping, solutions, tec
from lofarlake_nb.processing.gains.direction_tasks import Phases, Source
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.solver import refer
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import direction_cosines
from lofarlake_nb.processing.windows import scans

logger = logging.getLogger(__name__)

# Thermal error of the median station's phases, rad, that a solution is made long enough for; and the error beyond which
# a direction is left as it is.
WANTED_ERROR = 0.2
NOISIEST = np.deg2rad(25.0)
# Of the frequency: over less than this, phases are taken for the same while they are solved.
NARROW = 0.1


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


@dataclass(frozen=True)
class Plan:
    """What is solved for.

    Parameters
    ----------
    its : list of Group
        Brightest first.
    lengths : list of int
        Slots of a solution of each.
    errors : list of float
        Thermal error of one solution of the median station, rad.
    """

    its: list[Group]
    lengths: list[int]
    errors: list[float]


def solve(
    sources: Sequence[Source],
    layouts: Sequence[Layout],
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
    sources : sequence of Source
        Averaged Measurement Sets, with their gains of all directions.
    layouts : sequence of Layout
        Theirs.
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
    power = _power(sources[0].path, layouts[0], model, with_beam)
    found = grouping.group(model, power, parameters.directions)
    if len(found) < 2 or not all(np.isfinite(one.noise).any() for one in sources):
        return [], []
    if any(not np.array_equal(layout.times, layouts[0].times) for layout in layouts):
        logger.warning("no gains of directions: the Measurement Sets are of different times")
        return [], []
    weight = sum(client.gather([client.submit(direction_tasks.station_weight, s, parameters) for s in sources]))
    if not (weight > 0).any():
        return [], []
    most = direction_tasks.most_slots(layouts[0], parameters)
    chosen, faint = chosen_groups(found, weight, most, model, power)
    if len(chosen.its) < 2:
        return [], _too_faint(faint)
    bands = close_together(np.array([layout.frequencies.mean() for layout in layouts]))
    solved = _solved(sources, layouts[0], bands, model, chosen, parameters, with_beam, client)
    judged = _judge(chosen, solved)
    for one in judged[1:]:
        logger.info("%s, %.2f Jy: %s", one.direction, one.flux_jy, one.reason or f"{100 * one.gain:.2f} % better")
    used = [0, *(i for i, one in enumerate(judged) if one.used)]
    told = [*judged[1:], *_too_faint(faint)]
    if len(used) < 2:
        return [], told
    frequencies = np.array([np.mean([layouts[i].frequencies.mean() for i in band]) for band in bands])
    slots, turns = angles([phases.gains for phases in solved], chosen, layouts[0], reference, parameters, frequencies)
    times = np.interp(slots, np.arange(len(layouts[0].times)), layouts[0].times)
    directions = tuple(replace(chosen.its[i].direction, error=chosen.errors[i] if i else 0.0) for i in used)
    files = []
    for source, layout in zip(sources, layouts, strict=True):
        frequency = layout.frequencies.mean()
        gains = np.exp(1j * np.moveaxis(turns[..., used], 2, 0) * (frequencies[0] / frequency))
        phases = Gains(refer(gains, reference)[:, :, None, :, None], times, np.array([frequency]), directions)
        files.append(solutions.write(folder / f"{source.path.stem}_directions.h5", phases, layout))
    return files, told


def chosen_groups(
    found: list[Group], weight: np.ndarray, most: int, model: SkyModel, power: np.ndarray
) -> tuple[Plan, list[Group]]:
    """Groups that phases are solved for, and those that are too faint for it.

    Parameters
    ----------
    found : list of Group
        Brightest first; the first one's gains are those of all directions, however noisy.
    weight, most, model, power
        As `plan` takes them.
    """
    errors = plan(found, weight, most, model, power).errors
    faint = [one for one, error in zip(found[1:], errors[1:], strict=True) if error > NOISIEST]
    # Sources of what is too faint for phases of its own go to its neighbours.
    its = grouping.group(model, power, len(found) - 1 - len(faint))
    return plan(its, weight, most, model, power), faint


def plan(its: list[Group], weight: np.ndarray, most: int, model: SkyModel, power: np.ndarray) -> Plan:
    """How long each group's solutions are.

    Parameters
    ----------
    its : list of Group
    weight : (station,) float64
        Σ 1 / E|n|² of a slot, 1 / Jy².
    most : int
        Slots of the longest.
    model : SkyModel
    power : (component,) float64
        What the beam leaves of each component's flux.

    Returns
    -------
    Plan
    """
    # A group's sources beat against each other: they tell as much as their squares together.
    flux = np.array([np.sqrt(((model.flux * power)[g.components] ** 2).sum()) for g in its])
    error = 1 / (np.sqrt(2 * np.median(weight[weight > 0])) * np.maximum(flux, 1e-12))
    lengths = direction_solver.slots_needed(error, WANTED_ERROR, most)
    return Plan(its, lengths, [float(e / np.sqrt(n)) for e, n in zip(error, lengths, strict=True)])


def close_together(frequencies: np.ndarray) -> list[list[int]]:
    """Which frequencies (n,), Hz, are within `NARROW` of each other, in bands as wide as each other."""
    lowest, highest = float(frequencies.min()), float(frequencies.max())
    count = 1 + int((highest - lowest) / (NARROW * lowest))
    place = np.minimum((frequencies - lowest) * count // max(highest - lowest, 1.0), count - 1)
    order = np.argsort(frequencies, kind="stable")
    return [its.tolist() for its in (order[place[order] == band] for band in range(count)) if len(its)]


def _solved(
    sources: Sequence[Source],
    layout: Layout,
    bands: list[list[int]],
    model: SkyModel,
    chosen: Plan,
    parameters: CalibrationParameters,
    with_beam: bool,
    client: distributed.Client,
) -> list[Phases]:
    """Phases of each band, of all slots."""
    edges = [*direction_tasks.window_starts(layout, parameters).tolist(), len(layout.times)]
    step = direction_tasks.WINDOWS
    futures = [
        [
            client.submit(
                direction_tasks.solve_windows,
                [sources[i] for i in band],
                edges[first : first + step + 1],
                model,
                chosen.its,
                chosen.lengths,
                parameters,
                with_beam,
                pure=False,
            )
            for first in range(0, len(edges) - 1, step)
        ]
        for band in bands
    ]
    return [
        Phases(
            np.concatenate([part.gains for parts in tasks for part in parts]),
            np.sum([part.left for parts in tasks for part in parts], axis=0),
            sum(part.without for parts in tasks for part in parts),
        )
        for tasks in client.gather(futures)
    ]


def angles(
    gains: list[np.ndarray],
    chosen: Plan,
    layout: Layout,
    reference: int,
    parameters: CalibrationParameters,
    frequencies: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Slots (interval,), as numbers, and phases (interval, station, direction) there, rad at the first frequency."""
    count = len(layout.times)
    starts = direction_tasks.window_starts(layout, parameters)
    window = np.searchsorted(starts, np.arange(count), side="right") - 1
    place = np.arange(count) - starts[window]
    intervals = np.stack([window * count + place // length for length in chosen.lengths])
    shortest = np.unique(window * count + place // min(chosen.lengths), return_index=True)[1]
    middles = (shortest + np.append(shortest[1:], count) - 1) / 2
    # The phase of a set is free: referred to one station, bands can be compared. Over a pause there is no line.
    lines = []
    for band in gains:
        referred = _referred(band, reference)
        parts = []
        for scan in scans(layout.times, layout.interval):
            its = np.zeros(count, bool)
            its[scan] = True
            wanted = middles[(middles >= scan.start) & (middles < scan.stop)]
            parts.append(direction_solver.between(referred, intervals, its, wanted))
        lines.append(np.concatenate(parts))
    return middles, tec.joined(np.stack([np.angle(one) for one in lines]), frequencies)[0]


def _referred(gains: np.ndarray, reference: int) -> np.ndarray:
    """Gains (slot, station, direction) whose phase is 0 at a reference station."""
    return gains * np.conj(gains[:, reference, None])


def _judge(chosen: Plan, solved: list[Phases]) -> list[Judged]:
    left = np.sum([phases.left for phases in solved], axis=0)
    without = sum(phases.without for phases in solved)
    judged = []
    for i, group in enumerate(chosen.its):
        gain = float((left[1 + i] - left[0]) / without) if without > 0 else 0.0
        reason = "" if gain > 0 else "held-out slots are no better"
        if left[0] >= without:  # then one that seems to help does so by chance
            reason = "held-out slots are no better with all directions together"
        if i == 0:
            reason = "the gains of all directions are its own"
        judged.append(Judged(group.direction.name, group.flux, gain, not reason, reason))
    return judged


def _too_faint(its: list[Group]) -> list[Judged]:
    return [Judged(g.direction.name, g.flux, 0.0, False, "too faint for phases of its own") for g in its]


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
