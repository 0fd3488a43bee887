"""Phases of stations towards several directions at once, and what they explain of visibilities.

After the gains of all directions are corrected for, a visibility is the sum over directions d of
``g_pd M_pqd conj(g_qd)``. Towards one direction after the other, with the others subtracted as they are known
(peeling), the phases are those of StefCal; the rounds are repeated until they stay. All that is needed of the data are
sums over slots, channels and hands.
"""

from dataclasses import dataclass

import numba
import numpy as np

ROUNDS = 50
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Baselines:
    """Stations of each baseline: (baseline,) int both; and how many stations there are."""

    antenna1: np.ndarray
    antenna2: np.ndarray
    n_station: int


@dataclass(frozen=True)
class Sums:
    """Sums of weighted products over each solution interval.

    Parameters
    ----------
    cross : (interval, baseline, direction) complex128
        Σ w V conj(M_d).
    power : (interval, baseline, direction, direction) complex128
        Σ w conj(M_d) M_e.
    total : (interval,) float64
        Σ w |V|².
    """

    cross: np.ndarray
    power: np.ndarray
    total: np.ndarray


def empty(n_interval: int, n_baseline: int, n_direction: int) -> Sums:
    """Sums of nothing."""
    return Sums(
        np.zeros((n_interval, n_baseline, n_direction), np.complex128),
        np.zeros((n_interval, n_baseline, n_direction, n_direction), np.complex128),
        np.zeros(n_interval),
    )


def add(sums: Sums, data: np.ndarray, models: np.ndarray, weight: np.ndarray, interval: np.ndarray) -> None:
    """Add visibilities to sums.

    Parameters
    ----------
    sums : Sums
        Changed.
    data : (time, baseline, frequency) complex
        Of one hand, corrected for the gains of all directions.
    models : (direction, time, baseline, frequency) complex
    weight : (time, baseline, frequency) float
        1 / σ²; 0 where flagged.
    interval : (time,) int
        Of each slot.
    """
    _add(data, models, weight, interval, sums.cross, sums.power, sums.total)


def solve(sums: Sums, baselines: Baselines) -> np.ndarray:
    """Phases towards all directions but the first, whose gains are 1.

    Parameters
    ----------
    sums : Sums
    baselines : Baselines

    Returns
    -------
    (interval, station, direction) complex128
        Of amplitude 1; 1 where there are no data. The phase of each set is free.
    """
    gains = np.ones((len(sums.cross), baselines.n_station, sums.cross.shape[2]), np.complex128)
    for i in range(len(gains)):
        _solve(sums.cross[i], sums.power[i], baselines.antenna1, baselines.antenna2, gains[i])
    return gains


def residual(sums: Sums, gains: np.ndarray, baselines: Baselines) -> np.ndarray:
    """What models through gains leave of the visibilities: Σ w |V - Σ_d g_pd M_d conj(g_qd)|².

    Parameters
    ----------
    sums : Sums
    gains : (interval, station, direction) complex
    baselines : Baselines

    Returns
    -------
    (interval,) float64
    """
    factor = gains[:, baselines.antenna1] * np.conj(gains[:, baselines.antenna2])  # interval, baseline, direction
    explained = 2 * (np.conj(factor) * sums.cross).sum(axis=(1, 2)).real
    modelled = np.einsum("ibd,ibde,ibe->i", np.conj(factor), sums.power, factor, optimize=True).real
    return sums.total - explained + modelled


@numba.njit(nogil=True, cache=True)
def _add(
    data: np.ndarray,
    models: np.ndarray,
    weight: np.ndarray,
    interval: np.ndarray,
    cross: np.ndarray,
    power: np.ndarray,
    total: np.ndarray,
) -> None:
    count = len(models)
    for t in range(data.shape[0]):
        i = interval[t]
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                w = weight[t, b, f]
                if not w > 0:
                    continue
                v = data[t, b, f]
                total[i] += w * (v.real * v.real + v.imag * v.imag)
                for d in range(count):
                    m = w * np.conj(models[d, t, b, f])
                    cross[i, b, d] += v * m
                    for e in range(count):
                        power[i, b, d, e] += m * models[e, t, b, f]


@numba.njit(nogil=True, cache=True)
def _solve(cross: np.ndarray, power: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, gains: np.ndarray) -> None:
    n_baseline, count = cross.shape
    n_station = len(gains)
    alone = np.zeros((n_station, n_station), np.complex128)
    turned = np.zeros(n_station, np.complex128)
    for _ in range(ROUNDS):
        change = 0.0
        for d in range(1, count):
            for b in range(n_baseline):
                p, q = antenna1[b], antenna2[b]
                left = cross[b, d]
                for e in range(count):
                    if e != d:
                        left -= power[b, d, e] * gains[p, e] * np.conj(gains[q, e])
                alone[p, q] = left
                alone[q, p] = np.conj(left)
            for _ in range(2):
                for p in range(n_station):
                    z = 0j
                    for q in range(n_station):
                        z += alone[p, q] * gains[q, d]
                    turned[p] = z / abs(z) if abs(z) > 0 else gains[p, d]
                for p in range(n_station):
                    # The mean of a step and its start, as steps alone swing.
                    mean = turned[p] + gains[p, d]
                    if abs(mean) > 0:
                        mean /= abs(mean)
                        change = max(change, abs(mean - gains[p, d]))
                        gains[p, d] = mean
        if change < TOLERANCE:
            return
