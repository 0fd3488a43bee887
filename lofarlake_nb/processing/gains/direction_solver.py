"""Phases of stations towards several directions at once, and what they explain of visibilities.

After the gains of all directions are corrected for, a visibility is the sum over directions d of
``g_pd M_pqd conj(g_qd)``. Towards one direction after the other, with the others subtracted as they are known
(peeling), the phases are those of StefCal; the rounds are repeated until they stay. Bright directions are solved for
shorter than faint ones. All that is needed of the data are sums over the channels and hands of each slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

# Phases of a station that hardly sees a direction wander for ever: what is waited for is their rms change, rad.
ROUNDS = 20
TOLERANCE = 0.02


@dataclass(frozen=True)
class Baselines:
    """Stations of each baseline: (baseline,) int both; and how many stations there are.

    Examples
    --------
    >>> Baselines(np.array([0, 0, 1]), np.array([1, 2, 2]), 3).n_station
    3
    """

    antenna1: np.ndarray
    antenna2: np.ndarray
    n_station: int


@dataclass(frozen=True)
class Sums:
    """Sums of weighted products in each slot.

    Parameters
    ----------
    cross : (slot, baseline, direction) complex64
        Σ w V conj(M_d).
    power : (slot, baseline, direction, direction) complex64
        Σ w conj(M_d) M_e.
    total : (slot,) float64
        Σ w |V|².

    Examples
    --------
    >>> Sums(np.full((1, 1, 1), 2j), np.ones((1, 1, 1, 1)), np.array([4.0])).total.tolist()
    [4.0]
    """

    cross: np.ndarray
    power: np.ndarray
    total: np.ndarray


def empty(n_slot: int, n_baseline: int, n_direction: int) -> Sums:
    """Sums of nothing.

    Examples
    --------
    >>> empty(2, 6, 3).power.shape
    (2, 6, 3, 3)
    """
    return Sums(
        np.zeros((n_slot, n_baseline, n_direction), np.complex64),
        np.zeros((n_slot, n_baseline, n_direction, n_direction), np.complex64),
        np.zeros(n_slot),
    )


def add(sums: Sums, data: np.ndarray, models: np.ndarray, weight: np.ndarray) -> None:
    """Add visibilities to sums.

    Parameters
    ----------
    sums : Sums
        Changed.
    data : (slot, baseline, sample) complex64
        Channels, hands: corrected for the gains of all directions.
    models : (direction, slot, baseline, sample) complex64
    weight : (slot, baseline, sample) float32
        1 / σ²; 0 where flagged.

    Examples
    --------
    >>> sums = empty(1, 1, 1)
    >>> add(sums, np.full((1, 1, 2), 2, "c8"), np.full((1, 1, 1, 2), 1j, "c8"), np.ones((1, 1, 2), "f4"))
    >>> sums.cross.ravel().tolist(), sums.power.ravel().tolist(), sums.total.tolist()
    ([-4j], [(2+0j)], [8.0])
    """
    _add(data, models, weight, sums.cross, sums.power.view(np.float32), sums.total)


def solve(sums: Sums, intervals: np.ndarray, baselines: Baselines, used: np.ndarray | None = None) -> np.ndarray:
    """Phases towards all directions but the first, whose gains are 1.

    Parameters
    ----------
    sums : Sums
    intervals : (direction, slot) int
        Solution interval that each slot is in, from 0 and ascending, as each direction has them.
    baselines : Baselines
    used : (slot,) bool, optional
        Slots that are solved on; without it, all.

    Returns
    -------
    (slot, station, direction) complex64
        Of amplitude 1; 1 where there are no data. The phase of each set is free.

    Examples
    --------
    >>> p, q = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3])
    >>> cross = np.stack([0 * p, np.exp(0.1j * (p - q))], axis=-1)[None].astype("c8")  # the first direction is dark
    >>> sums = Sums(cross, np.tile(np.diag([0, 1]).astype("c8"), (1, 6, 1, 1)), np.array([6.0]))
    >>> gains = solve(sums, np.zeros((2, 1), int), Baselines(p, q, 4))
    >>> np.angle(gains[0, :, 1] / gains[0, 0, 1]).astype(float).round(2).tolist()
    [0.0, 0.1, 0.2, 0.3]
    """
    used = np.ones(len(sums.total), bool) if used is None else used
    gains = np.ones((len(used), baselines.n_station, len(intervals)), np.complex64)
    ours, theirs = np.ascontiguousarray(sums.power.real), np.ascontiguousarray(sums.power.imag)
    _solve(sums.cross, ours, theirs, intervals, used, baselines.antenna1, baselines.antenna2, gains)
    return gains


def residual(sums: Sums, gains: np.ndarray, baselines: Baselines) -> np.ndarray:
    """What models through gains leave of the visibilities: Σ w |V - Σ_d g_pd M_d conj(g_qd)|².

    Parameters
    ----------
    sums : Sums
    gains : (slot, station, direction) complex
    baselines : Baselines

    Returns
    -------
    (1 + direction,) float64
        Of all slots: with all gains, then with those of one direction after the other left at 1.

    Examples
    --------
    >>> sums = Sums(np.full((1, 1, 1), 2), np.ones((1, 1, 1, 1)), np.array([4.0]))  # 2 Jy, where 1 is expected
    >>> residual(sums, np.array([[[1], [-1]]]), Baselines(np.array([0]), np.array([1]), 2)).tolist()
    [9.0, 1.0]
    """
    factor = gains[:, baselines.antenna1] * np.conj(gains[:, baselines.antenna2])  # slot, baseline, direction
    modelled = (sums.power @ factor[..., None])[..., 0]
    left = sums.total.sum() - (np.conj(factor) * (2 * sums.cross - modelled)).real.sum(dtype=np.float64)
    # The residual is a square in each factor: from the slope and the bend there, exactly what another one leaves.
    change = 1 - factor
    slope = -2 * (np.conj(change) * (sums.cross - modelled)).real.sum(axis=(0, 1), dtype=np.float64)
    bend = (np.abs(change) ** 2 * np.einsum("tbdd->tbd", sums.power).real).sum(axis=(0, 1), dtype=np.float64)
    return np.concatenate([[left], left + slope + bend])


def between(gains: np.ndarray, intervals: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Gains on straight lines between the middles of intervals, at any slots.

    Parameters
    ----------
    gains : (slot, station, direction) complex
        Of amplitude 1, the same all over an interval.
    intervals : (direction, slot) int
    known : (slot,) bool
        Slots that were solved on.
    wanted : (other,) float64
        Numbers of slots.

    Returns
    -------
    (other, station, direction) complex64
        Of amplitude 1; before the first middle and after the last one, the nearest.

    Examples
    --------
    >>> gains = np.exp(1j * np.array([0, 0, 1, 1]))[:, None, None]  # two intervals of two slots
    >>> seen = between(gains, np.array([[0, 0, 1, 1]]), np.ones(4, bool), np.array([0.0, 1.5, 3.0]))
    >>> np.angle(seen).ravel().round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    result = np.empty((len(wanted), *gains.shape[1:]), np.complex64)
    slots = np.flatnonzero(known)
    for d, its in enumerate(intervals[:, slots]):
        _, first, which = np.unique(its, return_index=True, return_inverse=True)
        middles = np.bincount(which.ravel(), slots) / np.bincount(which.ravel())
        result[..., d] = line(middles, gains[slots[first], :, d], wanted)
    return result


def line(middles: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Phasors on straight lines between some moments, of amplitude 1.

    Parameters
    ----------
    middles : (moment,) float64
        Ascending.
    values : (moment, station) complex
    wanted : (other,) float64

    Returns
    -------
    (other, station) complex
        Before the first moment and after the last one, the nearest.

    Examples
    --------
    >>> seen = line(np.array([0.0, 2.0]), np.exp([[0j], [1j]]), np.array([0.0, 1.0, 5.0]))
    >>> np.angle(seen).ravel().round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    place = np.interp(wanted, middles, np.arange(len(middles)))
    low = np.minimum(place.astype(int), max(0, len(middles) - 2))
    high = np.minimum(low + 1, len(middles) - 1)
    part = (place - low)[:, None]
    line = values[low] * (1 - part) + values[high] * part
    size = np.abs(line)
    return np.where(size > 0, line / np.where(size > 0, size, 1), 1)


def slots_needed(errors: Sequence[float], wanted: float, most: int) -> list[int]:
    """Slots of a solution for its thermal error to be as wanted.

    Parameters
    ----------
    errors : sequence of float
        Of one slot alone, rad.
    wanted : float
        Rad.
    most : int

    Returns
    -------
    list of int
        1 to `most`.

    Examples
    --------
    >>> slots_needed([0.1, 0.4, 5.0], 0.2, 15)
    [1, 4, 15]
    """
    return [int(np.clip(np.ceil((error / wanted) ** 2), 1, most)) for error in errors]


@numba.njit(nogil=True, cache=True, fastmath=True)
def _add(data, models, weight, cross, power, total):  # type: ignore[no-untyped-def]  # compiled
    """Sums of products; `power` (slot, baseline, direction, 2 direction) has real and imaginary parts by turns."""
    count, n_slot, n_baseline, n_sample = models.shape
    real, imaginary = np.empty(count, np.float32), np.empty(count, np.float32)
    ours, theirs = np.empty((count, count), np.float32), np.empty((count, count), np.float32)
    for t in range(n_slot):
        for b in range(n_baseline):
            ours[:] = 0
            theirs[:] = 0
            for s in range(n_sample):
                w = weight[t, b, s]
                if not w > 0:
                    continue
                v = data[t, b, s]
                total[t] += w * (v.real * v.real + v.imag * v.imag)
                for d in range(count):
                    real[d], imaginary[d] = models[d, t, b, s].real, models[d, t, b, s].imag
                for d in range(count):
                    x, y = w * real[d], w * imaginary[d]
                    cross[t, b, d] += complex(v.real * x + v.imag * y, v.imag * x - v.real * y)
                    for e in range(count):
                        ours[d, e] += x * real[e] + y * imaginary[e]
                        theirs[d, e] += x * imaginary[e] - y * real[e]
            for d in range(count):
                for e in range(count):
                    power[t, b, d, 2 * e] += ours[d, e]
                    power[t, b, d, 2 * e + 1] += theirs[d, e]


@numba.njit(nogil=True, cache=True, fastmath=True)
def _peeled(cross, ours, theirs, real, imaginary, d, left):  # type: ignore[no-untyped-def]
    """Add to `left` (baseline,) what other directions leave in one slot of the products with direction d."""
    n_baseline, count = cross.shape
    for b in range(n_baseline):
        x, y = np.float32(0), np.float32(0)
        for e in range(count):
            x += ours[b, d, e] * real[b, e] - theirs[b, d, e] * imaginary[b, e]
            y += ours[b, d, e] * imaginary[b, e] + theirs[b, d, e] * real[b, e]
        own = ours[b, d, d]
        left[b] += cross[b, d] - complex(x - own * real[b, d], y - own * imaginary[b, d])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _step(left, antenna1, antenna2, phase):  # type: ignore[no-untyped-def]
    """Two steps of StefCal on phases (station,), halfway each, as whole ones swing; the sum of the squared changes."""
    start = phase.copy()
    turned = np.empty_like(phase)
    for _ in range(2):
        turned[:] = 0
        for b in range(len(left)):
            p, q = antenna1[b], antenna2[b]
            turned[p] += left[b] * phase[q]
            turned[q] += np.conj(left[b]) * phase[p]
        for p in range(len(phase)):
            size = abs(turned[p])
            if size > 0:
                mean = turned[p] / size + phase[p]
                if abs(mean) > 0:
                    phase[p] = mean / abs(mean)
    return (np.abs(phase - start) ** 2).sum()


@numba.njit(nogil=True, cache=True)
def _solve(cross, ours, theirs, intervals, used, antenna1, antenna2, gains):  # type: ignore[no-untyped-def]
    n_slot, n_baseline, count = cross.shape
    real = np.ones((n_slot, n_baseline, count), np.float32)
    imaginary = np.zeros((n_slot, n_baseline, count), np.float32)
    left = np.zeros(n_baseline, np.complex128)
    for _ in range(ROUNDS):
        change, solutions = 0.0, 0
        for d in range(1, count):
            start = 0
            while start < n_slot:
                stop = start + 1
                while stop < n_slot and intervals[d, stop] == intervals[d, start]:
                    stop += 1
                left[:] = 0
                for t in range(start, stop):
                    if used[t]:
                        _peeled(cross[t], ours[t], theirs[t], real[t], imaginary[t], d, left)
                phase = gains[start, :, d].astype(np.complex128)
                change += _step(left, antenna1, antenna2, phase)
                solutions += len(phase)
                for t in range(start, stop):
                    gains[t, :, d] = phase
                    for b in range(n_baseline):
                        seen = phase[antenna1[b]] * np.conj(phase[antenna2[b]])
                        real[t, b, d], imaginary[t, b, d] = seen.real, seen.imag
                start = stop
        if change < TOLERANCE**2 * solutions:
            return
