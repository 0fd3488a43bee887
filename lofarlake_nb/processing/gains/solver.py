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
    """

    gains: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


def normal_sums(
    data: np.ndarray, model: np.ndarray, weight: np.ndarray, interval: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over each solution's slots and channels, which are all that StefCal needs of the data.

    Parameters
    ----------
    data : (time, baseline, frequency) complex
        Measured visibilities of one parallel hand; finite.
    model : same shape, complex, Jy
        What a perfect instrument would measure.
    weight : same shape, float
        Zero where flagged.
    interval : (time,) int
        Solution interval of each slot, from 0.
    block : (frequency,) int
        Block of each channel, from 0.

    Returns
    -------
    numerator : (interval, block, baseline) complex128
        Sum of w V conj(M).
    denominator : (interval, block, baseline) float64
        Sum of w \\|M\\|².
    """
    shape = (int(interval.max()) + 1, int(block.max()) + 1, data.shape[1])
    numerator, denominator = np.zeros(shape, np.complex128), np.zeros(shape)
    _sum(data, model, weight, interval, block, numerator, denominator)
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
    """
    usable = np.ones(len(power), np.bool_)
    _find_usable(power, usable)
    return usable


@numba.njit(nogil=True, cache=True)
def _sum(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    time: np.ndarray,
    channel: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
) -> None:
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                w = weight[t, b, f]
                if w > 0:
                    m = model[t, b, f]
                    numerator[time[t], channel[f], b] += w * (data[t, b, f] * np.conj(m))
                    denominator[time[t], channel[f], b] += w * (m.real * m.real + m.imag * m.imag)


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
    cross = np.zeros((count, count), np.complex128)
    power = np.zeros((count, count))
    usable = np.zeros(count, np.bool_)
    once, twice = np.zeros(count, np.complex128), np.zeros(count, np.complex128)
    for s in range(len(numerator)):
        for b in range(len(antenna1)):
            p, q = antenna1[b], antenna2[b]
            cross[p, q], cross[q, p] = np.conj(numerator[s, b]), numerator[s, b]
            power[p, q] = power[q, p] = denominator[s, b]
        if not _find_usable(power, usable):
            continue
        start = 1 + 0j if phase_only else _start(cross, power, usable)
        now = np.where(usable, start, 0j)
        for step in range(1, ITERATIONS // 2 + 1):
            _step(cross, power, usable, now, once)
            _step(cross, power, usable, once, twice)
            change = size = 0.0
            for p in range(count):
                # The mean of two steps converges where single steps swing (their eq. 20).
                after = 0.5 * (once[p] + twice[p])
                if phase_only and after != 0:
                    after /= abs(after)
                change += abs(after - now[p]) ** 2
                size += abs(after) ** 2
                now[p] = after
            iterations[s] = 2 * step
            if change <= TOLERANCE**2 * size:
                converged[s] = True
                for p in range(count):
                    if usable[p] and now[p] != 0:
                        gains[s, p] = now[p]
                break


@numba.njit(nogil=True, cache=True)
def _find_usable(power: np.ndarray, usable: np.ndarray) -> bool:
    """Mark stations with enough baselines, counting only such stations; whether there are any."""
    usable[:] = True
    while True:
        fewer = False
        for p in range(len(usable)):
            if usable[p] and ((power[p] > 0) & usable).sum() < LEAST_BASELINES:
                usable[p] = False
                fewer = True
        if not fewer:
            return bool(usable.any())


@numba.njit(nogil=True, cache=True)
def _start(cross: np.ndarray, power: np.ndarray, usable: np.ndarray) -> complex:
    """One amplitude for all stations, so that raw correlator units do no harm."""
    signal = total = 0.0
    for p in range(len(usable)):
        for q in range(len(usable)):
            if usable[p] and usable[q]:
                signal += abs(cross[p, q])
                total += power[p, q]
    return complex(np.sqrt(signal / total))


@numba.njit(nogil=True, cache=True, fastmath=True)
def _step(cross: np.ndarray, power: np.ndarray, usable: np.ndarray, gains: np.ndarray, out: np.ndarray) -> None:
    """Least-squares gain of each station with all the others held (their algorithm 1)."""
    for p in range(len(gains)):
        real = imaginary = below = 0.0
        if usable[p]:
            for q in range(len(gains)):  # the gains of stations that aren't usable are 0
                g, c = gains[q], cross[p, q]
                real += c.real * g.real + c.imag * g.imag
                imaginary += c.real * g.imag - c.imag * g.real
                below += power[p, q] * (g.real * g.real + g.imag * g.imag)
        out[p] = complex(real / below, imaginary / below) if below > 0 else 0j
