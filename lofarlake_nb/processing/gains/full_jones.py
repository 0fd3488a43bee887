"""Jones matrices of stations: StefCal with full polarisation (Salvini & Wijnholds 2014, A&A 571, A97, their section 4).

The measured visibility matrix of baseline (p, q) is ``G_p M_pq G_q^H`` plus noise. With all other stations held, the
best ``G_p`` is ``(Σ V_pq Z_pq^H) (Σ Z_pq Z_pq^H)^-1`` with ``Z_pq = M_pq G_q^H``: both sums are linear in products of V
and M, and of M and M, that are summed over slots and channels once.
"""

import numba
import numpy as np

from lofarlake_nb.processing.gains.block import Block
from lofarlake_nb.processing.gains.solver import TOLERANCE, enough_baselines

# What a weakly polarised model tells of the unitary that an unpolarised one leaves free is found slowly.
ITERATIONS = 1000
# A step that is smaller than this, when they are spent, is good enough.
ENOUGH = 1e-3


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

    Examples
    --------
    >>> from lofarlake_nb.parameters import CalibrationParameters
    >>> from lofarlake_nb.processing.gains.block import make
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE
    >>> read = {"DATA": np.tile(np.array([4, 0, 0, 4], "c8"), (*SHAPE[:3], 1)), "FLAG": np.zeros(SHAPE, bool),
    ...         "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"), "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> parameters = CalibrationParameters(slots=8, channels=8)
    >>> one = make(read, np.ones((*SHAPE[:3], 1), "c8"), LAYOUT, slice(0, 8), parameters)  # of 1 Jy, seen as 4
    >>> gains, _, _ = solve(one, one.long & ~one.flag)
    >>> np.abs(gains[0, 0, 0]).round(3).tolist()
    [2.0, 0.0, 0.0, 2.0]
    """
    sizes = (int(block.interval.max()) + 1, int(block.channel_block.max()) + 1)
    gains = np.full((*sizes, block.n_station, 4), np.nan, np.complex128)
    iterations = np.zeros((*sizes, 2), int)
    solvable = np.zeros((*sizes, 2), bool)
    model = block.model
    if model.shape[-1] == 1:
        model = np.concatenate([model, np.zeros_like(model), np.zeros_like(model), model], axis=-1)
    weight = np.where(usable, block.weight.min(axis=3), np.float32(0))
    for i in range(sizes[0]):
        slots = np.flatnonzero(block.interval == i)
        if not len(slots):
            continue
        its = slice(int(slots[0]), int(slots[-1]) + 1)
        chosen = np.where((block.interval[its] == i)[:, None, None], weight[its], np.float32(0))
        for j in range(sizes[1]):
            channels = np.flatnonzero(block.channel_block == j)
            part = slice(int(channels[0]), int(channels[-1]) + 1)
            cross, power = (np.zeros((len(block.antenna1), 4, 4), np.complex128) for _ in range(2))
            _sum(block.data[its, :, part], model[its, :, part], chosen[:, :, part], cross, power)
            solvable[i, j] = (power != 0).any()
            found, iterations[i, j] = _solve(cross, power, block)
            # An unpolarised model leaves a unitary free; beams in the model leave nothing.
            gains[i, j] = (_turned(found) if block.model.shape[-1] == 1 else found).reshape(-1, 4)
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
def _sum(data: np.ndarray, model: np.ndarray, weight: np.ndarray, cross: np.ndarray, power: np.ndarray) -> None:
    """Σ w V_a conj(M_b) and Σ w M_a conj(M_b) of each baseline, a and b counting XX, XY, YX, YY."""
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            for f in range(data.shape[2]):
                w = weight[t, b, f]
                if w > 0:
                    for k in range(4):
                        m = w * np.conj(model[t, b, f, k])
                        for a in range(4):
                            cross[b, a, k] += data[t, b, f, a] * m
                            power[b, a, k] += model[t, b, f, a] * m


def _solve(cross: np.ndarray, power: np.ndarray, block: Block) -> tuple[np.ndarray, int]:
    """Jones matrices (station, 2, 2), NaN where there are none, and the steps taken."""
    n = block.n_station
    gains = np.full((n, 2, 2), np.nan, np.complex128)
    count = np.zeros((n, n))
    count[block.antenna1, block.antenna2] = power[:, 0, 0].real + power[:, 3, 3].real
    count += count.T
    usable = enough_baselines(count)
    both = usable[block.antenna1] & usable[block.antenna2]
    if not both.any():
        return gains, 0
    cross, power = cross * both[:, None, None], power * both[:, None, None]
    above, below = (_by_station(sums, block) for sums in (cross, power))
    start = np.sqrt(np.abs(cross[:, [0, 3], [0, 3]]).sum() / power[:, [0, 3], [0, 3]].real.sum())
    now = start * np.eye(2) * usable[:, None, None] + 0j
    steps = 0
    change = np.inf
    while change > TOLERANCE and steps < ITERATIONS:
        steps += 2
        after = 0.5 * (once := _step(above, below, now)) + 0.5 * _step(above, below, once)
        change = float(np.linalg.norm(after - now) / np.linalg.norm(after))
        now = after
    if change <= ENOUGH:
        solved = usable & (now != 0).any(axis=(1, 2))
        gains[solved] = now[solved]
    return gains, steps


def _by_station(sums: np.ndarray, block: Block) -> np.ndarray:
    """Sums (baseline, ij, kl) as a matrix (4 station, 4 station): rows p, i, k; columns q, j, l."""
    n = block.n_station
    table = np.zeros((n, n, 2, 2, 2, 2), np.complex128)
    split = sums.reshape(-1, 2, 2, 2, 2)
    table[block.antenna1, block.antenna2] = split
    # V_qp is the adjoint of V_pq.
    table[block.antenna2, block.antenna1] = split.conj().transpose(0, 2, 1, 4, 3)
    return np.ascontiguousarray(table.transpose(0, 2, 4, 1, 3, 5)).reshape(4 * n, 4 * n)


def _step(above: np.ndarray, below: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The best matrix of each station with all others held."""
    # (V Z^H)_ik = Σ_jl V_ij G_jl conj(M_kl) and (Z Z^H)_ik = Σ_jl M_ij (G^H G)_jl conj(M_kl), as Z = M G^H.
    square = gains.conj().transpose(0, 2, 1) @ gains
    numerator = (above @ gains.ravel()).reshape(-1, 2, 2)
    a, b, c, d = (below @ square.ravel()).reshape(-1, 4).T
    determinant = a * d - b * c
    adjugate = np.stack([d, -b, -c, a], axis=-1).reshape(-1, 2, 2)
    known = np.abs(determinant) > 0
    return numerator @ (adjugate * (known / np.where(known, determinant, 1))[:, None, None])
