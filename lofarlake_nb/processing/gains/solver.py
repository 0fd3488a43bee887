"""Diagonal station gains: StefCal (Salvini & Wijnholds 2014, A&A 571, A97), for all solutions of a batch at once.

The measured visibility of baseline (p, q) is ``g_p M_pq conj(g_q)`` plus noise, for each of the two parallel hands.
"""

from dataclasses import dataclass

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
    data: np.ndarray, model: np.ndarray, weight: np.ndarray, blocks: np.ndarray, channel_blocks: np.ndarray
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
    blocks : (n_interval,) int
        First slot of each solution interval, ascending.
    channel_blocks : (n_block,) int
        First channel of each block of channels, ascending.

    Returns
    -------
    numerator : (n_interval, n_block, baseline) complex128
        Sum of w V conj(M).
    denominator : (n_interval, n_block, baseline) float64
        Sum of w \\|M\\|².
    """
    cross = (weight * data * np.conj(model)).astype(np.complex128)
    power = (weight * (model.real**2 + model.imag**2)).astype(np.float64)
    sums = [
        np.add.reduceat(np.add.reduceat(values, blocks, axis=0), channel_blocks, axis=2) for values in (cross, power)
    ]
    return sums[0].transpose(0, 2, 1), sums[1].transpose(0, 2, 1)


def solve(
    numerator: np.ndarray, denominator: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, n_station: int
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

    Returns
    -------
    Solutions
        With the phase of the whole set free: `refer` it to a station.
    """
    n_solution = len(numerator)
    cross = np.zeros((n_solution, n_station, n_station), np.complex128)
    power = np.zeros((n_solution, n_station, n_station))
    cross[:, antenna1, antenna2] = numerator
    cross[:, antenna2, antenna1] = np.conj(numerator)
    power[:, antenna1, antenna2] = power[:, antenna2, antenna1] = denominator
    usable = _usable(power)
    cross *= usable[:, :, None] & usable[:, None, :]
    power *= usable[:, :, None] & usable[:, None, :]

    gains = _start(cross, power) * usable
    converged = np.logical_not(usable.any(axis=1))
    iterations = np.zeros(n_solution, int)
    for step in range(1, ITERATIONS // 2 + 1):
        active = np.flatnonzero(~converged)
        if not len(active):
            break
        before = gains[active]
        once = _step(cross[active], power[active], before)
        twice = _step(cross[active], power[active], once)
        after = 0.5 * (once + twice)  # the mean of two steps converges where single steps swing (their eq. 20)
        change = np.linalg.norm(after - before, axis=1)
        gains[active] = after
        iterations[active] = 2 * step
        converged[active] = change <= TOLERANCE * np.linalg.norm(after, axis=1)
    usable = usable & converged[:, None] & (np.abs(gains) > 0)
    return Solutions(np.where(usable, gains, np.nan), converged & usable.any(axis=1), iterations)


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


def _usable(power: np.ndarray) -> np.ndarray:
    """(solution, station) bool: stations with enough baselines, counting only such stations."""
    usable = np.ones(power.shape[:2], bool)
    while True:
        baselines = ((power > 0) & usable[:, None, :]).sum(axis=2)
        fewer = usable & (baselines >= LEAST_BASELINES)
        if (fewer == usable).all():
            return usable
        usable = fewer


def _start(cross: np.ndarray, power: np.ndarray) -> np.ndarray:
    """(solution, 1): one amplitude for all stations, so that raw correlator units do no harm."""
    total = power.sum(axis=(1, 2))
    mean = np.abs(cross).sum(axis=(1, 2)) / np.where(total > 0, total, 1)
    return np.sqrt(mean)[:, None].astype(np.complex128)


def _step(cross: np.ndarray, power: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Least-squares gain of each station with all the others held (their algorithm 1)."""
    numerator = (cross @ gains[..., None])[..., 0]
    denominator = (power @ (gains.real**2 + gains.imag**2)[..., None])[..., 0]
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
