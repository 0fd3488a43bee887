"""Visibilities without the stations' gains."""

import numba
import numpy as np


def corrected(data: np.ndarray, gains: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
    """Visibilities without the stations' gains: ``G_p^-1 V_pq G_q^-H``.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex
        2 polarizations (XX, YY) or 4.
    gains : (time, frequency, station, 2 or 4) complex
        Of X and Y, or the Jones matrix (XX, XY, YX, YY).
    antenna1, antenna2 : (baseline,) int

    Returns
    -------
    same shape as `data`, complex64
        0 where a gain is missing.

    Raises
    ------
    ValueError
        When polarizations don't fit: Jones matrices are for all four.

    Examples
    --------
    >>> gains = np.array([[[[2, 2], [3j, 3]]]])  # of two stations, X and Y
    >>> corrected(np.full((1, 1, 1, 2), 6, np.complex64), gains, np.array([0]), np.array([1])).ravel().tolist()
    [1j, (1+0j)]
    """
    if data.shape[-1] != 4 and (data.shape[-1], gains.shape[-1]) != (2, 2):
        raise ValueError(f"gains of {gains.shape[-1]} numbers are not for data of {data.shape[-1]} polarizations")
    inverse = inverted(gains)
    result = np.empty(data.shape, np.complex64)
    if gains.shape[-1] == 2:
        _diagonal(data, inverse, antenna1, antenna2, result)
    else:
        _full(data, inverse, antenna1, antenna2, result)
    return result


def inverted(gains: np.ndarray) -> np.ndarray:
    """Inverse of gains (..., 2) or Jones matrices (..., 4), complex64; 0 where there is none.

    Parameters
    ----------
    gains : (..., 2 or 4) complex
        NaN where there is no solution.

    Examples
    --------
    >>> inverted(np.array([2, np.nan])).real.tolist()
    [0.5, 0.0]
    >>> inverted(np.array([1, 2, 3, 4])).real.tolist()
    [-2.0, 1.0, 1.5, -0.5]
    """
    if gains.shape[-1] == 2:
        known = np.isfinite(gains) & (gains != 0)
        return np.where(known, 1 / np.where(known, gains, 1), 0).astype(np.complex64)
    xx, xy, yx, yy = (gains[..., k] for k in range(4))
    determinant = xx * yy - xy * yx
    known = np.isfinite(determinant) & (determinant != 0)
    with np.errstate(invalid="ignore"):
        adjugate = np.stack([yy, -xy, -yx, xx], axis=-1) / np.where(known, determinant, 1)[..., None]
    return np.where(known[..., None], adjugate, 0).astype(np.complex64)


def of_hands(jones: np.ndarray) -> np.ndarray:
    """Gains (..., 2) that Jones matrices (..., 4) are for parallel hands alone.

    Of an unpolarised source, and of stations that see alike: without cross hands more can't be corrected for.

    Examples
    --------
    >>> of_hands(np.array([3, 4, 0, 2j])).tolist()
    [5.0, 2.0]
    """
    return np.sqrt((np.abs(jones) ** 2).reshape(*jones.shape[:-1], 2, 2).sum(axis=-1))


@numba.njit(nogil=True, cache=True)
def flagged(flag: np.ndarray) -> np.ndarray:
    """Whether any polarization of samples (time, baseline, frequency, polarization) is flagged: bool of three axes."""
    result = np.empty(flag.shape[:3], np.bool_)
    for t in range(flag.shape[0]):
        for b in range(flag.shape[1]):
            for f in range(flag.shape[2]):
                bad = False
                for k in range(flag.shape[3]):
                    bad |= flag[t, b, f, k]
                result[t, b, f] = bad
    return result


def missing(data: np.ndarray) -> np.ndarray:
    """Samples that a gain was missing for, or that had no data: a parallel hand is exactly 0.

    A cross hand of 0 is what an unpolarised model has.

    Parameters
    ----------
    data : (..., polarization) complex
        From `corrected`.

    Returns
    -------
    (...) bool

    Examples
    --------
    >>> missing(np.array([[5, 0, 0, 5], [0, 1, 0, 5]])).tolist()
    [False, True]
    """
    return (data[..., 0] == 0) | (data[..., -1] == 0)


@numba.njit(nogil=True, cache=True)
def weigh(data: np.ndarray, flag: np.ndarray, weight: np.ndarray, scale: np.ndarray) -> int:
    """Scale weights, and flag what has no data or no weight.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
        Corrected: see `missing`.
    flag : same shape, bool
        Changed: all polarizations go together.
    weight : same shape, float32
        Changed; 0 where flagged.
    scale : (baseline,) float32

    Returns
    -------
    int
        Samples, all polarizations as one, that are flagged.
    """
    count, last = 0, data.shape[3] - 1
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                bad = False
                for k in range(data.shape[3]):
                    weight[t, b, f, k] *= scale[b]
                    bad |= flag[t, b, f, k] or not weight[t, b, f, k] > 0
                bad |= data[t, b, f, 0] == 0 or data[t, b, f, last] == 0
                if bad:
                    count += 1
                    for k in range(data.shape[3]):
                        flag[t, b, f, k] = True
                        weight[t, b, f, k] = 0
    return count


@numba.njit(nogil=True, cache=True)
def _diagonal(
    data: np.ndarray, inverse: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, out: np.ndarray
) -> None:
    four = data.shape[3] == 4
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            p, q = antenna1[b], antenna2[b]
            for f in range(data.shape[2]):
                px, py = inverse[t, f, p, 0], inverse[t, f, p, 1]
                qx, qy = np.conj(inverse[t, f, q, 0]), np.conj(inverse[t, f, q, 1])
                out[t, b, f, 0] = data[t, b, f, 0] * (px * qx)
                if four:
                    out[t, b, f, 1] = data[t, b, f, 1] * (px * qy)
                    out[t, b, f, 2] = data[t, b, f, 2] * (py * qx)
                    out[t, b, f, 3] = data[t, b, f, 3] * (py * qy)
                else:
                    out[t, b, f, 1] = data[t, b, f, 1] * (py * qy)


@numba.njit(nogil=True, cache=True)
def _full(data: np.ndarray, inverse: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, out: np.ndarray) -> None:
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                p, q, v = inverse[t, f, antenna1[b]], inverse[t, f, antenna2[b]], data[t, b, f]
                for i in range(2):
                    left = p[2 * i] * v[0] + p[2 * i + 1] * v[2]
                    right = p[2 * i] * v[1] + p[2 * i + 1] * v[3]
                    for j in range(2):
                        out[t, b, f, 2 * i + j] = left * np.conj(q[2 * j]) + right * np.conj(q[2 * j + 1])
