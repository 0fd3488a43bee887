"""Diagonal station gains: StefCal (Salvini & Wijnholds 2014, A&A 571, A97), one solution after the other, compiled.

The measured visibility of baseline (p, q) is ``g_p M_pq conj(g_q)`` plus noise, for each of the two parallel hands.
"""

from dataclasses import dataclass

import numba
import numpy as np

ITERATIONS = 200
TOLERANCE = 1e-5
# A gain needs baselines to this many other stations: with fewer, an error in one of them goes through whole.
LEAST_BASELINES = 3


@dataclass(frozen=True)
class Solutions:
    """Gains of one batch.

    Parameters
    ----------
    gains : (solution, station) complex128
        NaN where there is no solution.
    converged : (solution,) bool
        Whether the last step was below the tolerance.
    iterations : (solution,) int
        Steps taken.

    Examples
    --------
    >>> p, q = np.triu_indices(4, 1)
    >>> found = solve(np.full((1, 6), 4 + 0j), np.ones((1, 6)), p, q, 4)
    >>> found.converged.tolist(), found.iterations.tolist()
    ([True], [2])
    """

    gains: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


def normal_sums(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    usable: np.ndarray,
    interval: np.ndarray,
    block: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over each solution's slots and channels, which are all that StefCal needs of the data.

    Parameters
    ----------
    data : (time, baseline, frequency, hand) complex
        Measured visibilities of the parallel hands; finite.
    model : (time, baseline, frequency, 1 or hand) complex, Jy
        What a perfect instrument would measure.
    weight : same shape as `data`, float
    usable : (time, baseline, frequency) bool
    interval : (time,) int
        Solution interval of each slot, from 0.
    block : (frequency,) int
        Block of each channel, from 0.

    Returns
    -------
    numerator : (interval, block, hand, baseline) complex128
        Sum of w V conj(M).
    denominator : (interval, block, hand, baseline) float64
        Sum of w \\|M\\|².

    Examples
    --------
    >>> shape = (2, 1, 3, 2)  # 2 slots, a baseline, 3 channels, XX and YY; all of weight 1
    >>> seen, sky, weight = np.full(shape, 4j), np.full(shape, 2 + 0j), np.ones(shape)
    >>> above, below = normal_sums(seen, sky, weight, np.ones(shape[:3], bool), np.zeros(2, int), np.zeros(3, int))
    >>> above.ravel().tolist(), below.ravel().tolist()
    ([48j, 48j], [24.0, 24.0])
    """
    shape = (int(interval.max()) + 1, int(block.max()) + 1, data.shape[3], data.shape[1])
    numerator, denominator = np.zeros(shape, np.complex128), np.zeros(shape)
    _sum(data, model, weight, usable, interval, block, numerator, denominator)
    return numerator, denominator


def solve(
    numerator: np.ndarray,
    denominator: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    n_station: int,
    *,
    phase_only: bool = False,
) -> Solutions:
    """Gains that bring the model to the data.

    Parameters
    ----------
    numerator, denominator : (solution, baseline) complex128 and float64
        From `normal_sums`.
    antenna1, antenna2 : (baseline,) int
        Stations of each baseline, each pair once, no autocorrelations.
    n_station : int
        Number of stations.
    phase_only : bool
        Gains of amplitude 1.

    Returns
    -------
    Solutions
        With the phase of the whole set free: `refer` it to a station.

    Examples
    --------
    >>> p, q = np.triu_indices(4, 1)
    >>> gains = np.array([1, 2, 3, 2j])
    >>> found = refer(solve((gains[p] * np.conj(gains[q]))[None], np.ones((1, 6)), p, q, 4).gains, 0)[0]
    >>> np.abs(found).round(3).tolist(), round(float(np.angle(found[3])), 3)
    ([1.0, 2.0, 3.0, 2.0], 1.571)
    """
    gains = np.full((len(numerator), n_station), np.nan, np.complex128)
    converged = np.zeros(len(numerator), bool)
    iterations = np.zeros(len(numerator), np.int64)
    places = antenna1.astype(np.int64), antenna2.astype(np.int64)
    _solve(numerator, denominator, *places, gains, converged, iterations, phase_only)
    return Solutions(gains, converged, iterations)


def refer(gains: np.ndarray, station: int) -> np.ndarray:
    """Gains whose phase is zero at a reference station.

    Parameters
    ----------
    gains : (..., station) complex
        NaN where there is no solution.
    station : int
        Index of the reference station; where it has no solution, the first station that has one.

    Returns
    -------
    (..., station) complex
        Same amplitudes.

    Examples
    --------
    >>> np.angle(refer(2 * np.exp([0.1j, 0.4j, 0.6j]), 0)).round(2).tolist()
    [0.0, 0.3, 0.5]
    >>> refer(np.array([np.nan, 2j, -1]), 0).tolist()
    [(nan+nanj), (2+0j), 1j]
    """
    there = np.isfinite(gains)
    first = np.argmax(there, axis=-1)[..., None]
    index = np.where(there[..., station, None], station, first)
    reference = np.take_along_axis(gains, index, axis=-1)
    with np.errstate(invalid="ignore"):
        return gains * np.conj(reference) / np.abs(reference)


def enough_baselines(power: np.ndarray) -> np.ndarray:
    """Stations that have baselines enough, counting only such stations.

    Parameters
    ----------
    power : (station, station) float64
        Above 0 where there are data.

    Returns
    -------
    (station,) bool

    Examples
    --------
    >>> power = np.ones((5, 5)) - np.eye(5)
    >>> power[4, :3] = power[:3, 4] = 0  # one baseline is left of it
    >>> enough_baselines(power).tolist()
    [True, True, True, True, False]
    """
    usable = np.ones(len(power), np.bool_)
    _find_usable(power, usable)
    return usable


@numba.njit(nogil=True, cache=True)
def _sum(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    usable: np.ndarray,
    time: np.ndarray,
    channel: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
) -> None:
    of_its_own = model.shape[3] > 1
    for t in range(data.shape[0]):
        above, below = numerator[time[t]], denominator[time[t]]
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                if not usable[t, b, f]:
                    continue
                for h in range(data.shape[3]):
                    w = weight[t, b, f, h]
                    if w > 0:
                        m = model[t, b, f, h if of_its_own else 0]
                        above[channel[f], h, b] += w * (data[t, b, f, h] * np.conj(m))
                        below[channel[f], h, b] += w * (m.real * m.real + m.imag * m.imag)


@numba.njit(nogil=True, cache=True)
def _solve(
    numerator: np.ndarray,
    denominator: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    gains: np.ndarray,
    converged: np.ndarray,
    iterations: np.ndarray,
    phase_only: bool,
) -> None:
    count = gains.shape[1]
    # Real and imaginary parts apart, for the compiler to take several stations at once.
    sums = np.zeros((3, count, count))  # real and imaginary part of the numerator, denominator
    once, twice = np.zeros((2, count)), np.zeros((2, count))
    usable = np.zeros(count, np.bool_)
    for s in range(len(numerator)):
        for b in range(len(antenna1)):
            p, q, above = antenna1[b], antenna2[b], numerator[s, b]
            sums[0, p, q] = sums[0, q, p] = above.real
            sums[1, p, q], sums[1, q, p] = above.imag, -above.imag
            sums[2, p, q] = sums[2, q, p] = denominator[s, b]
        if not _find_usable(sums[2], usable):
            continue
        now = np.zeros((2, count))
        now[0] = np.where(usable, 1.0 if phase_only else _start(sums, usable), 0.0)
        for step in range(1, ITERATIONS // 2 + 1):
            _step(sums, usable, now, once)
            _step(sums, usable, once, twice)
            change = size = 0.0
            for p in range(count):
                # The mean of two steps converges where single steps swing (their eq. 20).
                real, imaginary = 0.5 * (once[0, p] + twice[0, p]), 0.5 * (once[1, p] + twice[1, p])
                square = real * real + imaginary * imaginary
                if phase_only and square > 0:
                    real, imaginary, square = real / np.sqrt(square), imaginary / np.sqrt(square), 1.0
                change += (real - now[0, p]) ** 2 + (imaginary - now[1, p]) ** 2
                size += square
                now[0, p], now[1, p] = real, imaginary
            iterations[s] = 2 * step
            if change <= TOLERANCE**2 * size:
                converged[s] = True
                for p in range(count):
                    if usable[p] and (now[0, p] != 0 or now[1, p] != 0):
                        gains[s, p] = complex(now[0, p], now[1, p])
                break


@numba.njit(nogil=True, cache=True)
def _find_usable(power: np.ndarray, usable: np.ndarray) -> bool:
    """Mark stations with enough baselines, counting only such stations; whether there are any."""
    usable[:] = True
    while True:
        fewer = False
        for p in range(len(usable)):
            there = 0
            for q in range(len(usable)):
                there += usable[q] and power[p, q] > 0
            if usable[p] and there < LEAST_BASELINES:
                usable[p] = False
                fewer = True
        if not fewer:
            return bool(usable.any())


@numba.njit(nogil=True, cache=True, fastmath=True)
def _start(sums: np.ndarray, usable: np.ndarray) -> float:
    """One amplitude for all stations, so that raw correlator units do no harm."""
    signal = total = 0.0
    for p in range(len(usable)):
        if usable[p]:
            for q in range(len(usable)):
                real, imaginary = sums[0, p, q], sums[1, p, q]
                signal += np.sqrt(real * real + imaginary * imaginary) if usable[q] else 0.0
                total += sums[2, p, q] if usable[q] else 0.0
    return np.sqrt(signal / total)


@numba.njit(nogil=True, cache=True, fastmath=True)
def _step(sums: np.ndarray, usable: np.ndarray, gains: np.ndarray, out: np.ndarray) -> None:
    """Least-squares gain of each station with all the others held (their algorithm 1)."""
    count = len(usable)
    for p in range(count):
        real = imaginary = below = 0.0
        if usable[p]:
            for q in range(count):  # the gains of stations that aren't usable are 0
                gr, gi = gains[0, q], gains[1, q]
                real += sums[0, p, q] * gr - sums[1, p, q] * gi
                imaginary += sums[0, p, q] * gi + sums[1, p, q] * gr
                below += sums[2, p, q] * (gr * gr + gi * gi)
        out[0, p], out[1, p] = (real / below, imaginary / below) if below > 0 else (0.0, 0.0)
