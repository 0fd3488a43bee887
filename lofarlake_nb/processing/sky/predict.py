"""Visibilities of a sky model: the analytic Fourier transform of its points and Gaussians, through station beams.

The term of a point source on a baseline is a product of one factor of each of its stations, so that the sum over points
is a matrix product for all baselines of a slot and channel; a Gaussian's extent does not split, and it is summed apart.
"""

from dataclasses import dataclass

import numba
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.sky.beam import Beam
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.waves import exponential, turned

LIGHT_M_S = 299_792_458.0
# exp(-ENVELOPE (FWHM baseline / wavelength)²) is the visibility of a Gaussian.
ENVELOPE = np.pi**2 / (4 * np.log(2))
# Baselines that are worked on at a time: what is in between stays in the fastest cache.
TOGETHER = 256
# Rows of a product at a time: a multiple of the hands.
ROWS = 32


def direction_cosines(
    ra: np.ndarray, dec: np.ndarray, phase_centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction cosines l (east), m (north) and n - 1 of directions.

    Parameters
    ----------
    ra, dec : (component,) float64, rad
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    tuple of (component,) float64

    Examples
    --------
    >>> east = direction_cosines(np.deg2rad([1.0]), np.zeros(1), (0.0, 0.0))
    >>> [round(float(cosine[0]), 6) for cosine in east]
    [0.017452, 0.0, -0.000152]
    """
    ra0, dec0 = phase_centre
    l = np.cos(dec) * np.sin(ra - ra0)  # noqa: E741 - the field's name
    m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    n = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    return l, m, n - 1.0


@dataclass(frozen=True)
class Predictor:
    """A sky model as one Measurement Set sees it.

    Parameters
    ----------
    model : SkyModel
    layout : Layout
        Of the Measurement Set.
    beam : Beam or None
        Towards the components of the model, in their order.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> seen = Predictor(model, layout).visibilities(np.zeros((1, len(layout.antenna1), 3)), slice(0, 1))
    >>> seen.shape, bool(np.allclose(seen[0, 0, :, 0], model.fluxes(layout.frequencies).sum(axis=0)))
    ((1, 210, 16, 1), True)
    """

    model: SkyModel
    layout: Layout
    beam: Beam | None = None

    def chosen(self, components: np.ndarray) -> "Predictor":
        """Predictor of some components only: indices, or (component,) bool."""
        seen = None if self.beam is None else Beam(self.beam.times, self.beam.jones[:, :, components])
        return Predictor(self.model.chosen(components), self.layout, seen)

    def visibilities(self, uvw: np.ndarray, times: slice) -> np.ndarray:
        """Visibilities that an instrument with these beams, and perfect otherwise, would measure.

        Parameters
        ----------
        uvw : (time, baseline, 3) float64, m
            As LOFAR's Measurement Sets have them: a source at l, m has the phase
            ``+2 pi (u l + v m + w (n - 1)) / lambda``.
        times : slice
            Slots of the layout that they are of.

        Returns
        -------
        (time, baseline, frequency, 1) complex64, Jy
            Stokes I, which X and Y see alike; with a beam (..., 4): XX, XY, YX, YY.
        """
        model, layout = self.model, self.layout
        lmn = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre), axis=-1)
        flux = model.fluxes(layout.frequencies)
        large = (model.major > 0) | (model.minor > 0)
        shape = np.stack([model.major, model.minor, model.position_angle], axis=-1)[large]
        wave = 2 * np.pi * layout.frequencies / LIGHT_M_S
        one = np.ones((len(layout.stations), len(flux), 1, 1), np.complex64)
        hands = 1 if self.beam is None else 2
        result = np.zeros((*uvw.shape[:2], len(wave), hands**2), np.complex64)
        stations = None if large.all() else station_uvw(uvw, layout)
        for t, time in enumerate(layout.times[times]):
            jones = one if self.beam is None else self.beam.at(float(time))
            if stations is not None:
                _add_points(stations[t], lmn[~large], flux[~large], jones[:, ~large], wave, layout, result[t])
            if large.any():
                _add_extended(
                    uvw[t],
                    lmn[large],
                    flux[large],
                    np.ascontiguousarray(jones[:, large]),
                    shape,
                    wave,
                    layout.antenna1,
                    layout.antenna2,
                    result[t],
                )
        return result


def visibilities(
    model: SkyModel, uvw: np.ndarray, frequencies: np.ndarray, phase_centre: tuple[float, float]
) -> np.ndarray:
    """Stokes I visibilities that a perfect instrument would measure, on any baselines.

    Parameters
    ----------
    model : SkyModel
    uvw : (..., 3) float64, m
    frequencies : (frequency,) float64, Hz
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    (..., frequency) complex64, Jy

    Examples
    --------
    >>> from lofarlake_nb.processing.sky_model import calibrator
    >>> perfect = visibilities(calibrator("3C196"), np.zeros((1, 3)), np.array([150e6, 135e6]), (2.154, 0.8416))
    >>> perfect.real.astype(float).round(2).tolist()  # Jy, of stations in one place
    [[83.08, 89.39]]
    """
    flat = np.ascontiguousarray(uvw.reshape(-1, 3), dtype=np.float64)
    lmn = np.stack(direction_cosines(model.ra, model.dec, phase_centre), axis=-1)
    shape = np.stack([model.major, model.minor, model.position_angle], axis=-1)
    result = np.zeros((len(flat), len(frequencies), 1), np.complex64)
    here = np.zeros(len(flat), np.int64)
    one = np.ones((1, len(lmn), 1, 1), np.complex64)
    wave = 2 * np.pi * np.asarray(frequencies) / LIGHT_M_S
    _add_extended(flat, lmn, model.fluxes(frequencies), one, shape, wave, here, here, result)
    return result[..., 0].reshape(*uvw.shape[:-1], len(frequencies))


def station_uvw(uvw: np.ndarray, layout: Layout) -> np.ndarray:
    """Coordinates of stations whose differences are those of the baselines.

    Parameters
    ----------
    uvw : (time, baseline, 3) float64, m
        Of missing rows: 0.
    layout : Layout

    Returns
    -------
    (time, station, 3) float64, m

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> where = np.random.default_rng(1).normal(size=(1, len(layout.stations), 3))
    >>> back = station_uvw(where[:, layout.antenna2] - where[:, layout.antenna1], layout)
    >>> bool(np.allclose(np.diff(back, axis=1), np.diff(where, axis=1)))
    True
    """
    n_baseline, n_station = len(layout.antenna1), len(layout.stations)
    every = np.arange(n_baseline)
    between = np.zeros((n_baseline, n_station))
    between[every, layout.antenna2] += 1
    between[every, layout.antenna1] -= 1
    present = (uvw != 0).any(axis=2) | ~layout.cross
    steady = len(present) > 0 and bool((present == present[0]).all())
    patterns, which = (
        (present[:1], np.zeros(len(present), int)) if steady else np.unique(present, axis=0, return_inverse=True)
    )
    result = np.empty((len(uvw), n_station, 3))
    for i, pattern in enumerate(patterns):
        its = which.ravel() == i
        there = between * pattern[:, None]
        # Least squares; shifts of all stations alike have an eigenvalue of 0, but for rounding.
        inverse = np.linalg.pinv(there.T @ there, rcond=1e-9, hermitian=True)
        result[its] = inverse @ (there.T @ uvw[its])
    return result


def _add_points(
    uvw: np.ndarray,
    lmn: np.ndarray,
    flux: np.ndarray,
    jones: np.ndarray,
    wave: np.ndarray,
    layout: Layout,
    out: np.ndarray,
) -> None:
    """Add point sources (baseline, frequency, 1 or 4) in one slot."""
    term = _station_terms(uvw, lmn, np.ascontiguousarray(jones), wave)
    n_frequency, n_station, hands, columns = term.shape
    rows = term.reshape(n_frequency, n_station * hands, columns)
    spectrum = np.repeat(flux.T, hands, axis=1).astype(np.float32)[:, None, :]
    product = _upper(rows * spectrum, rows.conj().transpose(0, 2, 1))
    product = product.reshape(n_frequency, n_station, hands, n_station, hands)
    swapped = layout.antenna1 > layout.antenna2
    first, second = np.minimum(layout.antenna1, layout.antenna2), np.maximum(layout.antenna1, layout.antenna2)
    found = product[:, first, :, second, :]  # baseline, frequency, hand, hand
    if swapped.any():
        found[swapped] = found[swapped].conj().swapaxes(2, 3)
    out += found.reshape(len(found), n_frequency, hands * hands)


def _upper(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Product (frequency, row, row) of which only what is above the diagonal is wanted: the rest may be anything."""
    count = left.shape[1]
    product = np.empty((len(left), count, count), left.dtype)
    for start in range(0, count, ROWS):
        product[:, start : start + ROWS, start:] = left[:, start : start + ROWS] @ right[:, :, start:]
    return product


@numba.njit(nogil=True, cache=True, fastmath=True)
def _station_terms(uvw: np.ndarray, lmn: np.ndarray, jones: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Factors (frequency, station, hand, source × hand) complex64 of each station."""
    n_station, n_source, hands = jones.shape[0], jones.shape[1], jones.shape[2]
    term = np.empty((len(wave), n_station, hands, n_source * hands), np.complex64)
    step, even = _steps(wave)
    path, now, turn = np.empty(n_source), np.empty((2, n_source)), np.empty((2, n_source))
    for p in range(n_station):
        for s in range(n_source):
            # The phase is + of q and - of p in the baseline (p, q).
            path[s] = -(uvw[p, 0] * lmn[s, 0] + uvw[p, 1] * lmn[s, 1] + uvw[p, 2] * lmn[s, 2])
            turn[0, s], turn[1, s] = turned(path[s] * step)
        for f in range(len(wave)):
            if f and even:
                _turn(now, turn)
            else:
                for s in range(n_source):
                    now[0, s], now[1, s] = turned(path[s] * wave[f])
            for s in range(n_source):
                there = np.complex64(complex(now[0, s], now[1, s]))
                for a in range(hands):
                    for b in range(hands):
                        term[f, p, a, s * hands + b] = there * jones[p, s, a, b]
    return term


@numba.njit(nogil=True, cache=True)
def _steps(wave: np.ndarray) -> tuple[float, bool]:
    """Mean step of the wave numbers, and whether all are alike."""
    step = (wave[-1] - wave[0]) / max(1, len(wave) - 1)
    return step, np.abs(wave - (wave[0] + step * np.arange(len(wave)))).max() < 1e-6 * abs(wave[0])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _turn(now: np.ndarray, turn: np.ndarray) -> None:
    """Multiply complex numbers, real and imaginary parts apart, by others."""
    for k in range(now.shape[1]):
        real = now[0, k] * turn[0, k] - now[1, k] * turn[1, k]
        now[1, k] = now[0, k] * turn[1, k] + now[1, k] * turn[0, k]
        now[0, k] = real


@numba.njit(nogil=True, cache=True, fastmath=True)
def _add_extended(
    uvw: np.ndarray,
    lmn: np.ndarray,
    flux: np.ndarray,
    jones: np.ndarray,
    shape: np.ndarray,
    wave: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add components with a size (baseline, frequency, 1 or 4) in one slot; responses of one hand are 1."""
    hands = jones.shape[2]
    step, even = _steps(wave)
    now, turn = np.empty((2, TOGETHER)), np.empty((2, TOGETHER))
    fall = np.empty((3, TOGETHER))  # the envelope, what it shrinks by to the next channel, and what that shrinks by
    seen = np.empty((TOGETHER, hands, hands), np.complex64)
    for first in range(0, len(uvw), TOGETHER):
        its = slice(first, min(first + TOGETHER, len(uvw)))
        for c in range(len(lmn)):
            if hands > 1:
                _between(jones[:, c], antenna1[its], antenna2[its], seen)
            for f in range(len(wave)):
                if f and even:
                    _turn(now, turn)
                    fall[0] *= fall[1]
                    fall[1] *= fall[2]
                else:
                    _waves(uvw[its], lmn[c], shape[c], wave[f], step, now, turn, fall)
                _add(flux[c, f], now, fall[0], seen, out[its, f])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _add(flux: float, now: np.ndarray, fall: np.ndarray, seen: np.ndarray, out: np.ndarray) -> None:
    """Add one component at one frequency (baseline, 1 or 4)."""
    hands = seen.shape[1]
    for b in range(len(out)):
        size = flux * fall[b]
        there = np.complex64(complex(now[0, b] * size, now[1, b] * size))
        if hands == 1:
            out[b, 0] += there
        else:
            for i in range(hands):
                for j in range(hands):
                    out[b, i * hands + j] += there * seen[b, i, j]


@numba.njit(nogil=True, cache=True, fastmath=True)
def _waves(
    uvw: np.ndarray,
    lmn: np.ndarray,
    shape: np.ndarray,
    wave: float,
    step: float,
    now: np.ndarray,
    turn: np.ndarray,
    fall: np.ndarray,
) -> None:
    """Phase and envelope of a component on some baselines at one wave number, and their change with it."""
    sine, cosine = np.sin(shape[2]), np.cos(shape[2])
    path, width = np.empty(len(uvw)), np.empty(len(uvw))
    for b in range(len(uvw)):
        u, v, w = uvw[b, 0], uvw[b, 1], uvw[b, 2]
        path[b] = u * lmn[0] + v * lmn[1] + w * lmn[2]
        # The major axis points from north towards east.
        along = (u * sine + v * cosine) * shape[0]
        across = (u * cosine - v * sine) * shape[1]
        width[b] = ENVELOPE * (along * along + across * across) / (4 * np.pi**2)
    _rotations(path, wave, now)
    _rotations(path, step, turn)
    # exp(-width wave²) of even steps: each is the last times a factor that shrinks by a constant.
    for i, factor in enumerate((wave * wave, step * (2 * wave + step), 2 * step * step)):
        _exponentials(width, -factor, fall[i])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _rotations(path: np.ndarray, wave: float, out: np.ndarray) -> None:
    real, imaginary = out[0], out[1]
    for b in range(len(path)):
        real[b], imaginary[b] = turned(path[b] * wave)


@numba.njit(nogil=True, cache=True, fastmath=True)
def _exponentials(width: np.ndarray, factor: float, out: np.ndarray) -> None:
    for b in range(len(width)):
        out[b] = exponential(width[b] * factor)


@numba.njit(nogil=True, cache=True)
def _between(jones: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, seen: np.ndarray) -> None:
    """What the responses (station, hand, hand) of two stations make of a source (baseline, hand, hand)."""
    hands = jones.shape[1]
    for b in range(len(antenna1)):
        for i in range(hands):
            for j in range(hands):
                total = np.complex64(0)
                for k in range(hands):
                    total += jones[antenna1[b], i, k] * np.conj(jones[antenna2[b], j, k])
                seen[b, i, j] = total
