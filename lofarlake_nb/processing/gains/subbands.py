"""Gains of all Measurement Sets of an observation: solved on the workers, judged together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import checking
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.gains import (
    cross_hands,
    gain_checks,
    response,
    sensitivity,
    solving,
    transfer,
)
from lofarlake_nb.processing.gains.assessment import Assessment, Stations, assess
from lofarlake_nb.processing.gains.response import Response
from lofarlake_nb.processing.gains.tasks import solve_window
from lofarlake_nb.processing.gains.transfer import Transferred
from lofarlake_nb.processing.sky import telescopes
from lofarlake_nb.processing.sky.components import Model, ModelColumn, NoModel, SkyModel
from lofarlake_nb.processing.windows import BLOCK_BYTES, blocks, groups

logger = logging.getLogger(__name__)

# A model that reaches further than this from the phase centre is seen through the beams: at 0.5° a core station has
# 0.96 of its power.
REACH = np.deg2rad(0.5)


@dataclass(frozen=True)
class Found:
    """Solutions of all Measurement Sets, and what they are worth.

    Parameters
    ----------
    layouts : list of Layout
        Brief ones: see `Layout.whole`.
    solved : list of Solved
    with_beam : bool
        Whether station beams were in the model.
    transferred : list of Transferred or None
        Gains of another scan that each was corrected for before.
    responses : list of Response or None
        What the gains of each hold of the station beams; None where that is not known.
    assessment : Assessment
    cross_phases : list of float or None
        Of each: X against Y at the reference station, rad; None where it is not known, and taken for 0.

    Examples
    --------
    >>> found = solve(averaged, model, chosen.calibrate, session.client)
    >>> found.with_beam, len(found.layouts), found.assessment.judged.verdict
    (False, 2, 'good')
    """

    layouts: list[Layout]
    solved: list[solving.Solved]
    with_beam: bool
    transferred: list[Transferred | None]
    responses: list[Response | None]
    assessment: Assessment
    cross_phases: list[float | None]


def solve(averaged: Averaged, model: Model, parameters: CalibrationParameters, client: distributed.Client) -> Found:
    """Solve the gains of all Measurement Sets.

    Parameters
    ----------
    averaged : Averaged
    model : SkyModel, ModelColumn or NoModel
    parameters : CalibrationParameters
    client : distributed.Client

    Returns
    -------
    Found

    Raises
    ------
    ProcessingError
        When the Measurement Sets are not of the same stations or lack correlations, beams are wanted that aren't known,
        or there is no model to solve gains on.
    UsageError
        When there are no solutions to transfer where they are said to be.

    Examples
    --------
    >>> found = solve(averaged, model, chosen.calibrate, session.client)
    >>> [one.gains.shape for one in found.solved], found.assessment.judged.verdict
    ([(30, 4, 20, 2), (30, 4, 20, 2)], 'good')
    """
    if isinstance(model, NoModel) and parameters.solves:
        raise ProcessingError("there is no sky model to solve gains on", 'name one, or calibrate with solve "none"')
    paths = averaged.measurement_sets
    receivers = transfer.load(parameters.solutions) if parameters.solutions else None
    for note in transfer.notes(receivers):
        logger.warning("%s: %s", parameters.solutions, note)
    layouts: list[Layout] = []
    with_beam = False
    tasks: list[list[distributed.Future]] = []
    held: list[Any] = []  # what gains hold of the beams
    transferred: list[Any] = []
    for path in paths:
        layout = _layout(path, layouts)
        checking.correlations(path, layout, parameters.solve)
        if not layouts:
            with_beam = _with_beam(path, layout, model, parameters)
        layouts.append(layout)
        if receivers is None:
            transferred.append(None)
        else:
            held.append(_response(path, layout, with_beam, client))
            transferred.append(client.submit(transfer.through, receivers, held[-1], pure=False))
        # Visibilities are read in pieces: of a whole block a task keeps the model alone.
        ranges = blocks(layout, groups(layout.times, layout.interval, parameters.slots), BLOCK_BYTES)
        its = layout, transferred[-1]
        tasks.append(
            [client.submit(solve_window, path, part, model, parameters, with_beam, *its, pure=False) for part in ranges]
        )
    seen = held or _seen(paths, layouts, model, with_beam, client)
    nominal = [
        sensitivity.expected(layout, measurement_set.antenna_set(path))
        for path, layout in zip(paths, layouts, strict=True)
    ]
    parts, responses, transferred = client.gather((tasks, seen, transferred))
    solved = [solving.joined(of) for of in parts]
    # Whether beams are in a column isn't known.
    powers = [response.power(one if isinstance(model, SkyModel) else None) for one in responses]
    stations = [Stations(*known) for known in zip(nominal, powers, strict=True)]
    if isinstance(model, ModelColumn) or (receivers is None and parameters.solve in ("phase", "none")):
        responses = [None] * len(paths)  # amplitudes of 1 hold nothing of anything
    known_bad = {station.name: station for station in averaged.bad_stations}
    distance = None if isinstance(model, NoModel) else float(np.rad2deg(model.distance(layouts[0].phase_centre)))
    assessment = assess(solved, layouts, stations, known_bad, distance)
    crossed = _cross_phases(solved, assessment, layouts, model, with_beam, parameters)
    return Found(layouts, solved, with_beam, transferred, responses, assessment, crossed)


def _cross_phases(
    solved: list[solving.Solved],
    assessment: Assessment,
    layouts: list[Layout],
    model: Model,
    with_beam: bool,
    parameters: CalibrationParameters,
) -> list[float | None]:
    """Phase of X against Y at the reference station, of each Measurement Set, where that can be told."""
    without_beam = isinstance(model, SkyModel) and not with_beam
    # Of R and L it is the angle of linear polarisation, of which a model without beams says nothing.
    if parameters.solve not in ("diagonal", "phase") or (without_beam and layouts[0].correlations[:1] != ("XX",)):
        return [None] * len(solved)
    crossed = []
    for one, gains in zip(solved, assessment.usable, strict=True):
        crossed.append(cross_hands.turned(one.crossed, gains, gain_checks.referred(gains, assessment.reference)))
    middle = np.array([layout.frequencies.mean() for layout in layouts])
    return cross_hands.phases(crossed, [one.crossed_power for one in solved], middle, not without_beam)


def _with_beam(path: Path, layout: Layout, model: Model, parameters: CalibrationParameters) -> bool:
    """Whether station beams go into the model."""
    if parameters.beam == "never" or (parameters.solves and not isinstance(model, SkyModel)):
        return False  # a column has what it has
    reach = model.reach(layout.phase_centre) if isinstance(model, SkyModel) else 0.0
    if parameters.beam == "auto" and (not parameters.solves or reach <= REACH):
        return False
    known = telescopes.known(path, layout) is not None
    if parameters.beam == "always" and not known:
        raise ProcessingError(f"{path.name}: EveryBeam knows no beam of its stations", 'calibrate with beam "never"')
    return known


def _response(path: Path, layout: Layout, with_beam: bool, client: distributed.Client) -> Response | distributed.Future:
    """What gains that are solved on a model hold of the station beams."""
    if with_beam:
        return response.of_receivers(layout)
    return client.submit(response.towards_centre, path, layout, pure=False)


def _seen(
    paths: tuple[Path, ...], layouts: list[Layout], model: Model, with_beam: bool, client: distributed.Client
) -> Sequence[Response | None] | distributed.Future:
    """As `_response`, of all of them."""
    if not isinstance(model, SkyModel):
        return [None] * len(layouts)
    if with_beam:
        return [response.of_receivers(layout) for layout in layouts]
    # Before the second of the solutions: else the one worker has it to do when the other is done.
    return client.submit(response.seen, list(paths), layouts, pure=False, priority=1)


def _layout(path: Path, others: list[Layout]) -> Layout:
    """Layout of a Measurement Set, which must be of the same stations as others; a brief one, as tasks are sent it."""
    layout = measurement_set.layout(path).brief()
    if others and (layout.stations, *_baselines(layout)) != (others[0].stations, *_baselines(others[0])):
        raise ProcessingError(f"{path.name} has other stations or baselines than the first", "process them apart")
    return layout


def _baselines(layout: Layout) -> tuple[bytes, bytes]:
    return layout.antenna1.tobytes(), layout.antenna2.tobytes()
