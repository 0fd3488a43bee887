"""Station beams by EveryBeam, for an observation on disk: how each station sees the sources of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.tables import first_row, opened
from lofarlake_nb.processing.sky import telescopes

# Pixel of the grid on which EveryBeam computes beams, rad at 150 MHz. A station of 41 m makes nothing finer than 2.8°:
# interpolation by polynomials of the fifth degree errs by less than 1e-4 of the peak.
STEP = np.deg2rad(0.45)
NODES = 6
# What a pixel of a grid takes, with what is interpolated from it, and a direction by itself, of one station, CPU µs:
# sources are asked for one by one where a grid that reaches them would take longer.
PIXEL_COST, DIRECTION_COST = 3.0, 2.2
# Right and left hand of X and Y, so that V is (XY - YX) / 2i and (RR - LL) / 2: as the IAU and casacore have it.
CIRCULAR = (np.array([[1, 1j], [1, -1j]]) / np.sqrt(2)).astype(np.complex64)


@dataclass(frozen=True)
class Beam:
    """Responses at some moments, to be interpolated linearly between them.

    Parameters
    ----------
    times : (moment,) float64
        MJD s, ascending.
    jones : (moment, station, source, 2, 2) complex64
        X and Y of the station by those of the sky, or right and left hand by those of the sky: what the correlations
        are of (see `in_hands`). The array factor is 1 towards the phase centre; the response of the dipoles is in it,
        not normalised.

    Examples
    --------
    >>> falling = Beam(np.array([0.0, 60.0]), np.array([1.0, 0.8], np.complex64).reshape(2, 1, 1, 1, 1))
    >>> round(float(falling.at(15.0).real.item()), 2)
    0.95
    """

    times: np.ndarray
    jones: np.ndarray

    def at(self, time: float) -> np.ndarray:
        """Response (station, source, 2, 2) at a time (MJD s)."""
        if len(self.times) == 1:
            return self.jones[0]
        i = int(np.clip(np.searchsorted(self.times, time) - 1, 0, len(self.times) - 2))
        part = float(np.clip((time - self.times[i]) / (self.times[i + 1] - self.times[i]), 0, 1))
        return self.jones[i] * np.float32(1 - part) + self.jones[i + 1] * np.float32(part)


def in_hands(jones: np.ndarray, correlations: tuple[str, ...]) -> np.ndarray:
    """Jones matrices of X and Y, as EveryBeam makes them, in the hands that correlations are of.

    Parameters
    ----------
    jones : (..., 2, 2) complex
    correlations : tuple of str
        Of a `Layout`.

    Returns
    -------
    same shape, complex
        Of circular ones the right and left hand; else `jones` itself.

    Examples
    --------
    >>> exchanged = np.array([[0, 1], [1, 0]])  # X sees what Y should: the sense of rotation is the other one
    >>> np.allclose(in_hands(exchanged, ("RR", "LL")), [[0, 1j], [-1j, 0]])
    True
    >>> in_hands(exchanged, ("XX", "YY")) is exchanged
    True
    """
    if not correlations[0].startswith(("R", "L")):
        return jones
    return CIRCULAR @ jones @ CIRCULAR.conj().T


def moments(layout: Layout, interval: float) -> np.ndarray:
    """Times to evaluate a beam at so that neighbours are at most an interval apart.

    Parameters
    ----------
    layout : Layout
    interval : float
        s.

    Returns
    -------
    (moment,) float64
        MJD s, from the first slot to the last.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()  # half an hour
    >>> found = moments(layout, 600.0)
    >>> len(found), bool(np.diff(found).max() <= 600), bool(found[0] == layout.times[0])
    (4, True, True)
    """
    first, last = layout.times[0], layout.times[-1]
    return np.linspace(first, last, 1 + int(np.ceil((last - first) / interval - 1e-9)))


def evaluate(
    path: Path,
    layout: Layout,
    lm: np.ndarray,
    places: np.ndarray,
    interval: float,
    times: slice,
    telescope: Any = None,
) -> Beam:
    """Beams of every station towards the sources of a model, over some slots.

    Parameters
    ----------
    path : Path
        Measurement Set with LOFAR's antenna tables.
    layout : Layout
        Its own; the beam is that of its mean frequency, in the hands of its correlations.
    lm : (source, 2) float64
        Direction cosines.
    places : (source, 2) float64
        Right ascension and declination, rad.
    interval : float
        Between two evaluations, s.
    times : slice
        Slots that it is wanted for.
    telescope : everybeam.Telescope, optional
        From `telescopes.known`, of the same stations and field; by default that of the Measurement Set.

    Returns
    -------
    Beam

    Raises
    ------
    ProcessingError
        When EveryBeam doesn't know the stations.

    Examples
    --------
    >>> layout, away = flagged.sources[0].layout(), np.array([[0.0, 0.0], [0.0, 0.08]])  # the centre, and 5° north
    >>> found = evaluate(paths[0], layout, np.sin(away), layout.phase_centre + away, 600.0, slice(0, 4))
    >>> centre, north = np.abs(found.jones).max(axis=(0, 1, 3, 4)).tolist()
    >>> round(centre, 1), north < 0.5 * centre
    (0.7, True)
    """
    telescope = telescopes.known(path, layout) if telescope is None else telescope
    if telescope is None:
        raise ProcessingError(
            f"{Path(path).name}: EveryBeam knows no beam of its stations", 'calibrate with beam "never"'
        )
    nodes = moments(layout, interval)
    low = max(0, int(np.searchsorted(nodes, layout.times[times][0], side="right")) - 1)
    high = min(len(nodes) - 1, int(np.searchsorted(nodes, layout.times[times][-1])))
    wanted = nodes[low : high + 1]
    pointing = _pointing(path, layout)
    found = [_responses(telescope, layout, lm, places, pointing, float(time)) for time in wanted]
    return Beam(wanted, in_hands(np.stack(found), layout.correlations))


def towards_centre(path: Path, layout: Layout, interval: float, times: slice, telescope: Any = None) -> Beam:
    """Beams towards the phase centre alone; parameters and errors as of `evaluate`.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> towards_centre(paths[0], layout, 60.0, slice(0, 4)).jones.shape
    (2, 20, 1, 2, 2)
    """
    centre = np.array([layout.phase_centre])
    return evaluate(path, layout, np.zeros((1, 2)), centre, interval, times, telescope)


def one_by_one(telescope: Any, path: Path, layout: Layout, places: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Responses towards some directions at some times, without a grid: for few directions, or far apart.

    Parameters
    ----------
    telescope : everybeam.Telescope
        From `telescopes`.
    path : Path
        Measurement Set that is pointed as the beams are.
    layout : Layout
        Its own; the responses are those of its mean frequency.
    places : (direction, 2) float64
        Right ascension and declination, rad. Far from the phase centre they are right to 20″, by the difference in
        aberration.
    times : (time,) float64
        MJD s.

    Returns
    -------
    (time, station, direction, 2, 2) complex128
        X and Y, whatever its correlations: see `in_hands`.

    Raises
    ------
    RuntimeError, AttributeError, TypeError
        When EveryBeam doesn't know the stations.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> telescope = telescopes.of_field(paths[0], layout)
    >>> one_by_one(telescope, paths[0], layout, np.array([layout.phase_centre]), layout.times[:3]).shape
    (3, 20, 1, 2, 2)
    """
    pointing, frequency = _pointing(path, layout), float(layout.frequencies.mean())
    return np.stack([_single(telescope, layout, places, pointing, frequency, float(time)) for time in times])


def _pointing(path: Path, layout: Layout) -> np.ndarray:
    """(2, 2) rad, right ascension and declination that stations and their tiles are phased up towards."""
    with opened(path) as ms:
        field = first_row(ms, "FIELD", layout.field)
    stations = np.asarray(field["DELAY_DIR"], float).reshape(-1, 2)[0]
    return np.stack([stations, np.asarray(field.get("LOFAR_TILE_BEAM_DIR", stations), float).reshape(-1, 2)[0]])


def _responses(
    telescope: Any, layout: Layout, lm: np.ndarray, places: np.ndarray, pointing: np.ndarray, time: float
) -> np.ndarray:
    """(station, source, 2, 2) complex64."""
    frequency = float(layout.frequencies.mean())
    result = np.empty((len(layout.stations), len(lm), 2, 2), np.complex64)
    alone = _alone(lm, places, layout, frequency)
    if not alone.all():
        result[:, ~alone] = _gridded(telescope, layout, lm[~alone], frequency, time)
    if alone.any():
        result[:, alone] = _single(telescope, layout, places[alone], pointing, frequency, time)
    return result


def _alone(lm: np.ndarray, places: np.ndarray, layout: Layout, frequency: float) -> np.ndarray:
    """(source,) bool, those to be asked for one by one."""
    away = np.abs(lm).max(axis=1)
    # Behind the sphere's edge l and m come back.
    behind = np.cos(places[:, 1] - layout.phase_centre[1]) * np.cos(places[:, 0] - layout.phase_centre[0]) < 0.5
    away = np.where(behind, np.inf, away)
    reaches = np.sort(away)
    pixels = (2 * (reaches / (STEP * 150e6 / frequency) + 1)) ** 2
    cost = pixels * PIXEL_COST + (len(away) - 1 - np.arange(len(away))) * DIRECTION_COST
    best = int(np.argmin(cost))
    if len(away) * DIRECTION_COST <= cost[best]:
        return np.ones(len(away), bool)
    return away > reaches[best]


def _single(
    telescope: Any, layout: Layout, places: np.ndarray, pointing: np.ndarray, frequency: float, time: float
) -> np.ndarray:
    """(station, source, 2, 2)."""
    every = np.concatenate([pointing, places])
    turned = uvw.directions(np.array([time]), layout.positions[0], layout.phase_centre, every[:, 0], every[:, 1])[0]
    towards = [np.ascontiguousarray(direction) for direction in turned]
    where = np.array([time]), np.arange(len(layout.stations), dtype=np.uint64), np.array([frequency])
    found = [telescope.station_response(*where, direction, *towards[:2])[0, :, 0] for direction in towards[2:]]
    return np.stack(found, axis=1)


def _gridded(telescope: Any, layout: Layout, lm: np.ndarray, frequency: float, time: float) -> np.ndarray:
    import everybeam

    step = STEP * 150e6 / frequency
    half = max(NODES // 2, int(np.ceil(float(np.abs(lm).max()) / step)) + 1)
    settings = everybeam.GridSettings()
    settings.width = settings.height = 2 * half
    settings.ra, settings.dec = layout.phase_centre
    settings.dl = settings.dm = step
    settings.l_shift = settings.m_shift = 0.0
    # EveryBeam's pixels run to the west, and to the north.
    weights, pixels = _interpolation(half - lm[:, 0] / step, half + lm[:, 1] / step, 2 * half)
    grid = np.asarray(telescope.gridded_response(settings, time, frequency))
    table = np.zeros((len(lm), (2 * half) ** 2), np.complex64)
    table[np.arange(len(lm))[:, None], pixels] = weights
    return (table @ grid.reshape(len(grid), -1, 4)).reshape(len(grid), -1, 2, 2)


def _interpolation(x: np.ndarray, y: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Lagrange weights and flat pixels (source, NODES²) around places (source,) on the grid."""
    weights, starts = [], []
    for place in (x, y):
        # Off centre at the edge of the grid, where beams are weak: a margin would double the pixels.
        start = np.clip(np.floor(place).astype(int) - (NODES // 2 - 1), 0, width - NODES)
        d = place - start
        nodes = np.arange(NODES)
        factor = np.ones((len(place), NODES))
        for i in nodes:
            for j in nodes[nodes != i]:
                factor[:, i] *= (d - j) / (i - j)
        weights.append(factor)
        starts.append(start)
    rows = starts[1][:, None, None] + np.arange(NODES)[None, :, None]
    columns = starts[0][:, None, None] + np.arange(NODES)[None, None, :]
    both = weights[1][:, :, None] * weights[0][:, None, :]
    return both.reshape(len(x), -1), (rows * width + columns).reshape(len(x), -1)
