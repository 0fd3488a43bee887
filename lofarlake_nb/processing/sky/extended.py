"""Visibilities of Gaussians: their extent does not split by station, so that each baseline is summed apart."""

import numba
import numpy as np

from lofarlake_nb.processing.sky.waves import exponential, spacing, turn_on, turned

# exp(-ENVELOPE (FWHM baseline / wavelength)²) is the visibility of a Gaussian.
ENVELOPE = np.pi**2 / (4 * np.log(2))
# Baselines that are worked on at a time: what is in between stays in the fastest cache.
TOGETHER = 256


@numba.njit(nogil=True, cache=True, fastmath=True)
def add_extended(
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
    """Add components with a size in one slot.

    Parameters
    ----------
    uvw : (baseline, 3) float64, m
    lmn : (component, 3) float64
        Direction cosines, the third less 1.
    flux : (component, frequency) float64, Jy
    jones : (station, component, hand, hand) complex64
        Responses: of one hand, which are taken to be 1, or of two.
    shape : (component, 2, 3) float64, rad
        Major and minor axis, as `predict.axes` has them.
    wave : (frequency,) float64, 1/m
    antenna1, antenna2 : (baseline,) int
    out : (baseline, frequency, 1 or 4) complex64, Jy
        What they are added to.

    Examples
    --------
    >>> one, here = np.ones((1, 1, 1, 1), np.complex64), np.zeros(1, np.int64)
    >>> arcmin, wave = np.deg2rad(1 / 60), np.array([2 * np.pi / 2.0])  # of 2 m
    >>> out, half = np.zeros((1, 1, 1), np.complex64), 2 * np.log(2) / np.pi / arcmin * 2.0  # half of it is left there
    >>> uvw, shape = np.array([[0.0, half, 0.0]]), np.array([[[0, arcmin, 0], [0, 0, 0.0]]])  # north-south
    >>> add_extended(uvw, np.zeros((1, 3)), np.array([[3.0]]), one, shape, wave, here, here, out)
    >>> round(float(out[0, 0, 0].real), 4)
    1.5
    """
    hands = jones.shape[2]
    step, even = spacing(wave)
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
                    turn_on(now, turn)
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
    path, width = np.empty(len(uvw)), np.empty(len(uvw))
    for b in range(len(uvw)):
        u, v, w = uvw[b, 0], uvw[b, 1], uvw[b, 2]
        path[b] = u * lmn[0] + v * lmn[1] + w * lmn[2]
        along = u * shape[0, 0] + v * shape[0, 1] + w * shape[0, 2]
        across = u * shape[1, 0] + v * shape[1, 1] + w * shape[1, 2]
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
