"""Gains that differ between directions: phases of the ionosphere towards groups of sources, kept where they help.

They are solved on what is corrected for the gains of all directions, for all Measurement Sets of about one frequency
together, joined as phases of one ionosphere, and judged on held-out slots: phases of the even slots are held against
the odd ones, and the other way round. A direction whose phases leave more of the held-out visibilities than no phases
do gets none; where all of them together do, none gets any. Bright directions get new phases in every slot, faint ones
as rarely as their noise asks for.

Measurement Sets of other slots than most, or whose noise isn't known, get what the others say of the ionosphere.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.processing.gains import direction_plan, direction_solver, direction_tasks, grouping, solutions, tec
from lofarlake_nb.processing.gains.direction_plan import Plan
from lofarlake_nb.processing.gains.direction_tasks import Phases, Source
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.solver import refer
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.windows import scans
from lofarlake_nb.wording import counted

logger = logging.getLogger(__name__)


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

    Examples
    --------
    >>> one = Judged("J0813+4813", 83.1, -0.01, False, "held-out slots are no better")
    >>> f"{one.direction}, {100 * one.gain:+.0f} %: {one.reason}"
    'J0813+4813, -1 %: held-out slots are no better'
    """

    direction: str
    flux_jy: float
    gain: float
    used: bool
    reason: str


@dataclass(frozen=True)
class Apart:
    """Gains that differ between directions.

    Parameters
    ----------
    files : list of Path
        h5parm, one for each Measurement Set; none where no direction is helped.
    judged : list of Judged
        What is thought of each direction.
    notes : list of str
        Why none was tried, or which Measurement Sets they were solved without.

    Examples
    --------
    >>> Apart(notes=["the sources of the model are one group"]).files
    []
    """

    files: list[Path] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def solve(
    sources: Sequence[Source],
    layouts: Sequence[Layout],
    reference: int,
    model: SkyModel,
    parameters: CalibrationParameters,
    with_beam: bool,
    folder: Path,
    client: distributed.Client,
) -> Apart:
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
    Apart

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in averaged.measurement_sets]
    >>> files = zip(averaged.measurement_sets, calibrated.solution_files, strict=True)
    >>> sources = [Source(path, file, np.ones(20)) for path, file in files]
    >>> apart = replace(model, dec=model.dec + np.deg2rad([0, 0, 0, 3]))  # 3C196 in two
    >>> found = solve(sources, layouts, 0, apart, chosen.calibrate, False, Path("directions"), session.client)
    >>> used = [one.direction for one in found.judged if one.used]
    >>> used, [len(solutions.read(file).directions) for file in found.files]
    (['J0813+5113'], [2, 2])
    """
    alike, notes = _alike(sources, layouts, seconds("direction_interval", parameters.direction_interval))
    if not alike:
        return Apart(notes=notes)
    its, like = [sources[i] for i in alike], layouts[alike[0]]
    power = direction_plan.power(its[0].path, like, model, with_beam)
    found = grouping.group(model, power, parameters.directions)
    if len(found) < 2:
        return Apart(notes=["the sources of the model are one group"])
    weight = sum(client.gather([client.submit(direction_tasks.station_weight, s, parameters) for s in its]))
    if not (weight > 0).any():
        return Apart(notes=["no sample has a weight to solve with"])
    most = direction_tasks.most_slots(like, parameters)
    chosen, faint = direction_plan.chosen(found, weight, most, model, power)
    if len(chosen.its) < 2:
        return Apart(judged=_too_faint(faint), notes=notes)
    middles = np.array([layouts[i].frequencies.mean() for i in alike])
    bands = direction_plan.close_together(middles)
    solved = _solved(its, like, bands, model, chosen, parameters, with_beam, client)
    judged = _judge(chosen, solved)
    for one in judged[1:]:
        logger.info("%s, %.2f Jy: %s", one.direction, one.flux_jy, one.reason or f"{100 * one.gain:.2f} % better")
    told = [*judged[1:], *_too_faint(faint)]
    if not any(one.used for one in judged):
        return Apart(judged=told, notes=notes)
    frequencies = np.array([np.mean(middles[band]) for band in bands])
    slots, turns = angles([phases.gains for phases in solved], chosen, like, reference, parameters, frequencies)
    times = np.interp(slots, np.arange(len(like.times)), like.times)
    used = [0, *(i for i, one in enumerate(judged) if one.used)]
    directions = tuple(replace(chosen.its[i].direction, error=chosen.errors[i] if i else 0.0) for i in used)
    files = []
    for source, layout in zip(sources, layouts, strict=True):
        frequency = layout.frequencies.mean()
        gains = np.exp(1j * np.moveaxis(turns[..., used], 2, 0) * (frequencies[0] / frequency))
        phases = Gains(refer(gains, reference)[:, :, None, :, None], times, np.array([frequency]), directions)
        files.append(solutions.write(folder / f"{source.path.stem}_directions.h5", phases, layout))
    return Apart(files, told, notes)


def _alike(sources: Sequence[Source], layouts: Sequence[Layout], reach: float) -> tuple[list[int], list[str]]:
    """Which Measurement Sets phases can be solved on together, none where some are too far, in s, and what to say."""
    known = [i for i, one in enumerate(sources) if np.isfinite(one.noise).any()]
    if not known:
        return [], ["the noise of no Measurement Set is known"]
    usual = Counter(layouts[i].times.tobytes() for i in known).most_common(1)[0][0]
    alike = [i for i in known if layouts[i].times.tobytes() == usual]
    rest = [i for i in range(len(sources)) if i not in alike]
    if not rest:
        return alike, []
    names = ", ".join(sources[i].path.name for i in rest)
    away = max(_furthest(layouts[i].times, layouts[alike[0]].times) for i in rest)
    if away > reach:
        return [], [f"{names}: slots that are {away:.0f} s from any of the other Measurement Sets'"]
    return alike, [
        f"solved on {counted(len(alike), 'Measurement Set')}, and taken for those of other slots or unknown noise "
        f"too: {names}"
    ]


def _furthest(times: np.ndarray, others: np.ndarray) -> float:
    """Longest time from any of some times to the next of others, both ascending, s."""
    after = np.searchsorted(others, times).clip(0, len(others) - 1)
    return float(np.minimum(np.abs(times - others[after]), np.abs(times - others[np.maximum(after - 1, 0)])).max())


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
    """Slots (interval,), as numbers, and phases (interval, station, direction) there, rad at the first frequency.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots of 1 s
    >>> gains = np.ones((8, 8, 2), np.complex64)
    >>> gains[:, 3, 1] = np.exp(0.5j)
    >>> parameters, plan = CalibrationParameters(direction_interval="4 s"), Plan([], [2, 4], [0.1, 0.1])
    >>> slots, found = angles([gains], plan, LAYOUT, 0, parameters, np.array([150e6]))
    >>> slots.tolist(), found[:, 3, 1].round(2).tolist()
    ([0.5, 2.5, 4.5, 6.5], [0.5, 0.5, 0.5, 0.5])
    """
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
