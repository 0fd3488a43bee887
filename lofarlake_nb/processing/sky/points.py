"""Visibilities of point sources: each a product of a factor of each station, so that their sum is one of matrices."""

import numba
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.sky.waves import spacing, turn_on, turned

# Rows of a product at a time: a multiple of the hands.
ROWS = 32


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


def add_points(
    uvw: np.ndarray,
    lmn: np.ndarray,
    flux: np.ndarray,
    jones: np.ndarray,
    wave: np.ndarray,
    layout: Layout,
    out: np.ndarray,
) -> None:
    """Add point sources in one slot.

    Parameters
    ----------
    uvw : (station, 3) float64, m
        From `station_uvw`.
    lmn : (source, 3) float64
        Direction cosines, the third less 1.
    flux : (source, frequency) float64, Jy
    jones : (station, source, hand, hand) complex64
        Responses: of one hand, 1 everywhere, or of two.
    wave : (frequency,) float64, 1/m
    layout : Layout
        Of the baselines.
    out : (baseline, frequency, 1 or 4) complex64, Jy
        What they are added to.

    Examples
    --------
    >>> layout, one = flagged.sources[0].layout(), np.ones((20, 1, 1, 1), np.complex64)
    >>> out = np.zeros((len(layout.antenna1), 1, 1), np.complex64)
    >>> centre, flux = np.zeros((1, 3)), np.array([[2.5]])
    >>> add_points(np.zeros((20, 3)), centre, flux, one[: len(layout.stations)], np.array([3.0]), layout, out)
    >>> bool(np.allclose(out, 2.5))
    True
    """
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
    step, even = spacing(wave)
    path, now, turn = np.empty(n_source), np.empty((2, n_source)), np.empty((2, n_source))
    for p in range(n_station):
        for s in range(n_source):
            # The phase is + of q and - of p in the baseline (p, q).
            path[s] = -(uvw[p, 0] * lmn[s, 0] + uvw[p, 1] * lmn[s, 1] + uvw[p, 2] * lmn[s, 2])
            turn[0, s], turn[1, s] = turned(path[s] * step)
        for f in range(len(wave)):
            if f and even:
                turn_on(now, turn)
            else:
                for s in range(n_source):
                    now[0, s], now[1, s] = turned(path[s] * wave[f])
            for s in range(n_source):
                there = np.complex64(complex(now[0, s], now[1, s]))
                for a in range(hands):
                    for b in range(hands):
                        term[f, p, a, s * hands + b] = there * jones[p, s, a, b]
    return term
