"""Jones matrices of stations: StefCal with full polarisation (Salvini & Wijnholds 2014, A&A 571, A97, their section 4).

The measured visibility matrix of baseline (p, q) is ``G_p M_pq G_q^H`` plus noise. With all other stations held, the
best ``G_p`` is ``(Σ V_pq Z_pq^H) (Σ Z_pq Z_pq^H)^-1`` with ``Z_pq = M_pq G_q^H``: both sums are linear in products of V
and M, and of M and M, that are summed over slots and channels once.
"""

import numba
import numpy as np

from lofarlake_nb.processing.gains.block import Block
from lofarlake_nb.processing.gains.solver import ITERATIONS, LEAST_BASELINES, TOLERANCE


def solve(block: Block, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Jones matrices of a block.

    Parameters
    ----------
    block : Block
        With four polarizations.
    usable : (time, baseline, frequency) bool
        What to solve on.

    Returns
    -------
    gains : (interval, block, station, 4) complex128
        XX, XY, YX, YY; NaN where there is no solution. A unitary matrix on the right is free unless the model is
        polarised; it is chosen so that the mean of the matrices is as close to a diagonal as it gets.
    iterations, solvable : (interval, block, 2)
        The same twice.
    """
    sizes = (int(block.interval.max()) + 1, int(block.channel_block.max()) + 1)
    gains = np.full((*sizes, block.n_station, 4), np.nan, np.complex128)
    iterations = np.zeros((*sizes, 2), int)
    solvable = np.zeros((*sizes, 2), bool)
    model = block.model
    if model.shape[-1] == 1:
        model = np.concatenate([model, np.zeros_like(model), np.zeros_like(model), model], axis=-1)
    weight = np.where(usable, block.weight.min(axis=3), np.float32(0))
    shape = (block.n_station, block.n_station, 2, 2, 2, 2)
    for i in range(sizes[0]):
        slots = np.flatnonzero(block.interval == i)
        if not len(slots):
            continue
        its = slice(int(slots[0]), int(slots[-1]) + 1)
        chosen = np.where((block.interval[its] == i)[:, None, None], weight[its], np.float32(0))
        for j in range(sizes[1]):
            channels = np.flatnonzero(block.channel_block == j)
            part = slice(int(channels[0]), int(channels[-1]) + 1)
            cross, power = np.zeros(shape, np.complex128), np.zeros(shape, np.complex128)
            count = np.zeros((block.n_station, block.n_station))
            _sums(
                block.data[its, :, part],
                model[its, :, part],
                chosen[:, :, part],
                block.antenna1,
                block.antenna2,
                cross,
                power,
                count,
            )
            solvable[i, j] = (count > 0).any()
            found, steps = _solve(cross, power, count)
            iterations[i, j] = steps
            # An unpolarised model leaves a unitary free; beams in the model leave nothing.
            turned = _turned(found) if block.model.shape[-1] == 1 else found
            gains[i, j] = turned.reshape(-1, 4)
    return gains, iterations, solvable


def _turned(gains: np.ndarray) -> np.ndarray:
    """Matrices (station, 2, 2) times the unitary that brings their sum closest to a positive diagonal."""
    known = np.isfinite(gains).all(axis=(1, 2))
    if not known.any():
        return gains
    # The phase of each station is free too, so each counts with the phase of its trace taken out.
    trace = np.trace(gains[known], axis1=1, axis2=2)
    aligned = gains[known] * np.exp(-1j * np.angle(trace))[:, None, None]
    u, _, vh = np.linalg.svd(aligned.sum(axis=0))
    return gains @ (u @ vh).conj().T


@numba.njit(nogil=True, cache=True)
def _sums(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    cross: np.ndarray,
    power: np.ndarray,
    count: np.ndarray,
) -> None:
    """Σ w V_ij conj(M_kl) and Σ w M_ij conj(M_kl), for (p, q) and, of the adjoints, for (q, p)."""
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            p, q = antenna1[b], antenna2[b]
            for f in range(data.shape[2]):
                w = weight[t, b, f]
                if not w > 0:
                    continue
                count[p, q] += w
                count[q, p] += w
                for i in range(2):
                    for j in range(2):
                        v, m = w * data[t, b, f, 2 * i + j], w * model[t, b, f, 2 * i + j]
                        for k in range(2):
                            for l in range(2):  # noqa: E741
                                other = np.conj(model[t, b, f, 2 * k + l])
                                cross[p, q, i, j, k, l] += v * other
                                power[p, q, i, j, k, l] += m * other
                                cross[q, p, j, i, l, k] += np.conj(v * other)
                                power[q, p, j, i, l, k] += np.conj(m * other)


@numba.njit(nogil=True, cache=True)
def _solve(cross: np.ndarray, power: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, int]:
    """Jones matrices (station, 2, 2), NaN where there are none, and the steps taken."""
    n = len(count)
    usable = np.ones(n, np.bool_)
    fewer = True
    while fewer:
        fewer = False
        for p in range(n):
            if usable[p] and ((count[p] > 0) & usable).sum() < LEAST_BASELINES:
                usable[p] = False
                fewer = True
    gains = np.full((n, 2, 2), np.nan + 0j)
    if not usable.any():
        return gains, 0
    signal = total = 0.0
    for p in range(n):
        for q in range(n):
            if usable[p] and usable[q]:
                for i in range(2):
                    signal += abs(cross[p, q, i, i, i, i])
                    total += power[p, q, i, i, i, i].real
    now = np.zeros((n, 2, 2), np.complex128)
    for p in range(n):
        if usable[p]:
            now[p, 0, 0] = now[p, 1, 1] = np.sqrt(signal / total) if total > 0 else 0.0
    once, twice = np.zeros_like(now), np.zeros_like(now)
    for step in range(1, ITERATIONS // 2 + 1):
        _step(cross, power, usable, now, once)
        _step(cross, power, usable, once, twice)
        change = size = 0.0
        for p in range(n):
            for i in range(2):
                for j in range(2):
                    after = 0.5 * (once[p, i, j] + twice[p, i, j])
                    change += abs(after - now[p, i, j]) ** 2
                    size += abs(after) ** 2
                    now[p, i, j] = after
        if change <= TOLERANCE**2 * size:
            for p in range(n):
                if usable[p] and (now[p] != 0).any():
                    gains[p] = now[p]
            return gains, 2 * step
    return gains, ITERATIONS


@numba.njit(nogil=True, cache=True)
def _step(cross: np.ndarray, power: np.ndarray, usable: np.ndarray, gains: np.ndarray, out: np.ndarray) -> None:
    above, below = np.zeros((2, 2), np.complex128), np.zeros((2, 2), np.complex128)
    for p in range(len(gains)):
        out[p] = 0
        if not usable[p]:
            continue
        above[:] = 0
        below[:] = 0
        for q in range(len(gains)):
            if not usable[q] or q == p:
                continue
            g = gains[q]
            for i in range(2):
                for k in range(2):
                    # Z = M G^H, so (V Z^H)_ik = Σ_jl V_ij G_jl conj(M_kl).
                    for j in range(2):
                        for l in range(2):  # noqa: E741
                            above[i, k] += cross[p, q, i, j, k, l] * g[j, l]
                            # (Z Z^H)_ik = Σ_jl M_ij (G^H G)_jl conj(M_kl).
                            square = np.conj(g[0, j]) * g[0, l] + np.conj(g[1, j]) * g[1, l]
                            below[i, k] += power[p, q, i, j, k, l] * square
        determinant = below[0, 0] * below[1, 1] - below[0, 1] * below[1, 0]
        if abs(determinant) > 0:
            out[p, 0, 0] = (above[0, 0] * below[1, 1] - above[0, 1] * below[1, 0]) / determinant
            out[p, 0, 1] = (above[0, 1] * below[0, 0] - above[0, 0] * below[0, 1]) / determinant
            out[p, 1, 0] = (above[1, 0] * below[1, 1] - above[1, 1] * below[1, 0]) / determinant
            out[p, 1, 1] = (above[1, 1] * below[0, 0] - above[1, 0] * below[0, 1]) / determinant
