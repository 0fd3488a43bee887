"""Tasks of calibration: solve some solution intervals of one Measurement Set, write a calibrated one."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.processing import engines, windows
from lofarlake_nb.processing.gains import outside as outside_of
from lofarlake_nb.processing.gains import solutions, solving
from lofarlake_nb.processing.gains.block import Block, Window, make, solution_of
from lofarlake_nb.processing.gains.correcting import corrected, inverted, missing, of_hands, weigh
from lofarlake_nb.processing.gains.outside import Outside
from lofarlake_nb.processing.gains.transfer import Transferred
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.components import Model, ModelColumn, NoModel, SkyModel
from lofarlake_nb.processing.sky.predict import Predictor, direction_cosines
from lofarlake_nb.processing.windows import blocks, groups


def solve_window(
    path: Path,
    intervals: tuple[int, int],
    model: Model,
    parameters: CalibrationParameters,
    with_beam: bool,
    layout: Layout | None = None,
    transferred: Transferred | None = None,
) -> solving.Solved:
    """Solve some solution intervals of one Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Averaged Measurement Set, without autocorrelations.
    intervals : tuple of int
        First solution interval, and the one after the last.
    model : SkyModel, ModelColumn or NoModel
    parameters : CalibrationParameters
    with_beam : bool
        Station beams in the model.
    layout : Layout, optional
        Of the Measurement Set, where it is known already; it may be `brief`.
    transferred : Transferred, optional
        Gains of another scan, to be corrected for beforehand.

    Returns
    -------
    Solved

    Examples
    --------
    >>> found = solve_window(averaged.measurement_sets[0], (0, 4), model, chosen.calibrate, False)
    >>> found.gains.shape, np.flatnonzero(np.isnan(found.gains[0, 0, :, 0])).tolist()  # two stations are bad
    ((4, 4, 20, 2), [6, 8])
    """
    engines.prepare()
    layout = measurement_set.layout(path) if layout is None else layout.whole()
    starts = groups(layout.times, layout.interval, parameters.slots)
    ends = np.append(starts[1:], len(layout.times))
    times = slice(int(starts[intervals[0]]), int(ends[intervals[1] - 1]))
    pieces = windows.pieces(layout, starts[slice(*intervals)], times.stop)
    with measurement_set.reading(path, layout) as read:
        whole = _modelled(path, layout, model, parameters, with_beam, times, read)
        if transferred is not None:
            whole = _less(whole, transferred, layout)
        return solving.solve_pieces(Window(pieces, whole), parameters.solve)


def _modelled(
    path: Path,
    layout: Layout,
    model: Model,
    parameters: CalibrationParameters,
    with_beam: bool,
    times: slice,
    read: Callable[[Sequence[str], slice], dict[str, np.ndarray]],
) -> Callable[[slice], Block]:
    """Reader of visibilities with the model of them.

    Parameters
    ----------
    path : Path
    layout : Layout
        Its own.
    model : SkyModel, ModelColumn or NoModel
    parameters : CalibrationParameters
    with_beam : bool
    times : slice
        Slots of which some are asked for.
    read : callable
        From `measurement_set.reading`.

    Returns
    -------
    callable
        Takes slots, whole solution intervals, and returns their Block. A model is predicted once and kept, as are the
        flags: when the same slots are asked for again, visibilities and weights alone are read.
    """
    columns = ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"]
    if isinstance(model, ModelColumn):

        def stored(piece: slice) -> Block:
            found = read([*columns, model.name], piece)
            return make(found, found[model.name], layout, piece, parameters)

        return stored
    if isinstance(model, NoModel):

        def nothing(piece: slice) -> Block:
            found = read(columns, piece)
            return make(found, np.zeros((*found["DATA"].shape[:3], 1), np.complex64), layout, piece, parameters)

        return nothing
    expected = predictor(path, layout, model, parameters, with_beam, times)
    kept: dict[int, Block] = {}

    def predicted(piece: slice) -> Block:
        if piece.start in kept:
            found = read(["DATA", "WEIGHT_SPECTRUM"], piece)
            return replace(kept[piece.start], data=found["DATA"], weight=found["WEIGHT_SPECTRUM"])
        found = read(columns, piece)
        values = expected.visibilities(found["UVW"], piece)
        values = values[..., [0, -1]] if values.shape[-1] > found["DATA"].shape[-1] else values
        block = make(found, values, layout, piece, parameters)
        kept[piece.start] = replace(block, data=np.empty(0), weight=np.empty(0))
        return block

    return predicted


def _less(whole: Callable[[slice], Block], transferred: Transferred, layout: Layout) -> Callable[[slice], Block]:
    """Reader of visibilities that another scan's gains are corrected for beforehand."""

    def read(piece: slice) -> Block:
        block = whole(piece)
        before = transferred.during(layout, layout.times[piece])
        data = corrected(block.data, before, layout.antenna1, layout.antenna2)
        return replace(block, data=data, flag=block.flag | missing(data))

    return read


def predictor(
    path: Path, layout: Layout, model: SkyModel, parameters: CalibrationParameters, with_beam: bool, times: slice
) -> Predictor:
    """Predictor of a model for some slots of a Measurement Set.

    Parameters
    ----------
    path : Path
    layout : Layout
    model : SkyModel
    parameters : CalibrationParameters
        For the beam's interval.
    with_beam : bool
    times : slice

    Returns
    -------
    Predictor

    Examples
    --------
    >>> path = averaged.measurement_sets[0]
    >>> layout = measurement_set.layout(path)
    >>> expected = predictor(path, layout, model, chosen.calibrate, False, slice(0, 1))
    >>> seen = expected.visibilities(np.zeros((1, 190, 3)), slice(0, 1))
    >>> round(float(seen[0, 0, 0, 0].real)), round(float(model.fluxes(layout.frequencies[:1]).sum()))
    (90, 90)
    """
    if not with_beam:
        return Predictor(model, layout)
    lm = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre)[:2], axis=-1)
    places = np.stack([model.ra, model.dec], axis=-1)
    interval = seconds("beam_interval", parameters.beam_interval)
    return Predictor(model, layout, beam.evaluate(path, layout, lm, places, interval, times))


def of_slots_and_channels(
    gains: solutions.Gains, layout: Layout, parameters: CalibrationParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the gains of a file each slot and each channel is calibrated with: those that were solved on it.

    The nearest ones need not be: a block or an interval that is shorter than its neighbour reaches less far.

    Parameters
    ----------
    gains : Gains
        From `solutions.read`.
    layout : Layout
        Of the averaged Measurement Set that they were solved on.
    parameters : CalibrationParameters
        That they were solved with.

    Returns
    -------
    interval : (time,) int
    block : (frequency,) int

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots, 8 channels
    >>> gains = solutions.Gains(np.ones((8, 2, 8, 2)), LAYOUT.times, LAYOUT.frequencies[[3, 7]])
    >>> of_slots_and_channels(gains, LAYOUT, CalibrationParameters(channels=7))[1].tolist()
    [0, 0, 0, 0, 0, 0, 0, 1]
    """
    interval, block = solution_of(layout, parameters)
    # Where gains of another scan are in them too, there are some for each channel.
    return interval, np.arange(len(block)) if len(gains.frequencies) == len(block) else block


def apply_one(
    path: Path,
    output: Path,
    solution_file: Path,
    noise: np.ndarray,
    parameters: CalibrationParameters,
    beam_interval: float | None,
    outside: Outside | None = None,
    layout: Layout | None = None,
) -> tuple[int, int]:
    """Write a calibrated Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Averaged Measurement Set.
    output : Path
        The new one; replaced when there.
    solution_file : Path
        From `solutions.write`; samples without a solution are flagged.
    noise : (station,) float64
        Factors of the noise power of calibrated visibilities of weight 1, Jy²; NaN where not known.
    parameters : CalibrationParameters
        That the solutions were found with: they tell which slots and channels one is for.
    beam_interval : float or None
        Where the beams were in the model: what the stations see towards the phase centre is corrected for too,
        evaluated at this interval, s.
    outside : Outside, optional
        Sources to be subtracted.
    layout : Layout, optional
        Of the averaged Measurement Set, where it is known already; it may be `brief`.

    Returns
    -------
    tuple of int
        Samples, and those flagged.

    Examples
    --------
    >>> path, file = averaged.measurement_sets[0], calibrated.solution_files[0]
    >>> samples, flagged = apply_one(path, Path("applied.MS"), file, np.ones(20), chosen.calibrate, None)
    >>> samples, round(flagged / samples, 2), "CORRECTED_DATA" in measurement_set.describe(Path("applied.MS")).columns
    (22800, 0.22, True)
    """
    engines.prepare()
    layout = measurement_set.layout(path) if layout is None else layout.whole()
    gains = solutions.read(solution_file)
    slot_of, channel_of = of_slots_and_channels(gains, layout, parameters)
    samples = flagged = 0
    shutil.rmtree(output, ignore_errors=True)  # a worker that died may have written it, and its result is lost
    every = np.arange(len(layout.times))
    new_columns = ("CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM")
    with (
        measurement_set.reading(path, layout) as read,
        writer.create(output, layout, like=path, of_this_layout=True, columns=new_columns) as new,
    ):
        for first, last in blocks(layout, every):
            times = slice(first, last)
            jones, factors = gains.values[slot_of[times]][:, channel_of], noise
            if beam_interval is not None:
                towards = beam.towards_centre(path, layout, beam_interval, times)
                centre = np.stack([towards.at(float(time))[:, 0] for time in layout.times[times]])
                jones = _through_beam(jones, centre, len(layout.correlations))
                factors = noise * _noise_of(centre)
            away = None if outside is None else outside_of.seen(outside, path, layout, times)
            variance = factors[layout.antenna1] * factors[layout.antenna2]
            # σ² of the real part is half of E|n|². Where no station's noise is known, weights stay relative; where
            # some are, the others get none.
            scale = np.where(np.isfinite(variance), 2 / variance, 0 if np.isfinite(noise).any() else 1)
            for piece in windows.pieces(layout, every[times], last):
                block = read(["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], piece)
                its = slice(piece.start - first, piece.stop - first)
                data = corrected(block["DATA"], jones[its], layout.antenna1, layout.antenna2)
                if away is not None:
                    away.subtract(data, block["UVW"], its)
                flag, weight = block["FLAG"], block["WEIGHT_SPECTRUM"]
                flagged += weigh(data, flag, weight, scale.astype(np.float32))
                samples += flag[..., 0].size
                new.write(piece.start, block["UVW"], CORRECTED_DATA=data, FLAG=flag, WEIGHT_SPECTRUM=weight)
    return samples, flagged


def _through_beam(gains: np.ndarray, centre: np.ndarray, hands: int) -> np.ndarray:
    """Jones matrices (time, frequency, station, 4) of gains (..., 2 or 4) behind a beam (time, station, 2, 2).

    For data of two hands, gains (..., 2).
    """
    if hands == 2:
        return gains * of_hands(centre.reshape(*centre.shape[:2], 4))[:, None]
    matrix = np.zeros((*gains.shape[:-1], 2, 2), np.complex128)
    if gains.shape[-1] == 2:
        matrix[..., 0, 0], matrix[..., 1, 1] = gains[..., 0], gains[..., 1]
    else:
        matrix = gains.reshape(matrix.shape)
    return (matrix @ centre[:, None]).reshape(*gains.shape[:-1], 4)


def _noise_of(centre: np.ndarray) -> np.ndarray:
    """(station,) power by which correcting for a beam (time, station, 2, 2) raises the noise, the mean of X and Y."""
    power = np.abs(inverted(centre.reshape(*centre.shape[:2], 4))) ** 2
    return power.sum(axis=2).mean(axis=0) / 2
