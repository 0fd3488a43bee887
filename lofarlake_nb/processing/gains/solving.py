"""Solve the gains of one block of time, and test them on slots that they were not solved on."""

from dataclasses import dataclass, replace

import numba
import numpy as np

from lofarlake_nb.processing import noise
from lofarlake_nb.processing.gains import cross_hands, full_jones, sensitivity, solver
from lofarlake_nb.processing.gains.block import Block, Window
from lofarlake_nb.processing.gains.correcting import corrected, missing

# Variance of a phase that can be anything.
RANDOM_PHASE = np.pi**2 / 3
# Samples of a baseline that its noise is measured on: they tell it to a tenth.
NOISE_SAMPLES = 200


@dataclass(frozen=True)
class Solved:
    """Gains of a block of time of one Measurement Set, and what they are worth.

    Parameters
    ----------
    gains : (interval, block, station, 2 or 4) complex128
        Of XX and YY, or Jones matrices; NaN where there is no solution. The phase of each set is free.
    iterations : (interval, block, 2) int
        Of X and Y; of both at once for Jones matrices.
    solvable : (interval, block, 2) bool
        Where there were data to solve on.
    noise : (station,) float64
        Factors of the noise power of calibrated visibilities of weight 1, Jy²; NaN where it can't be had.
    sefd : (station,) float64
        Root of the product of the SEFD of a station and the usual one of the others, Jy; NaN where it can't be had.
    held_out : (4, 2, baseline) float64
        For XX and YY, sums over visibilities that were not solved on: weight × squared phase error (rad²), weight ×
        what thermal noise makes of that (rad²), weight, weight × squared error relative to the model.
    crossed : (interval, block) complex128
    crossed_power : (interval, block) float64
        What the cross hands say, from `cross_hands.sums`; the phase of each is as free as that of its gains.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains.tasks import solve_window
    >>> found = solve_window(averaged.measurement_sets[0], (0, 4), model, chosen.calibrate, False)
    >>> found.gains.shape, found.held_out.shape, np.flatnonzero(np.isnan(found.noise)).tolist()
    ((4, 4, 20, 2), (4, 2, 190), [6, 8])
    """

    gains: np.ndarray
    iterations: np.ndarray
    solvable: np.ndarray
    noise: np.ndarray
    sefd: np.ndarray
    held_out: np.ndarray
    crossed: np.ndarray
    crossed_power: np.ndarray


def solve(block: Block, mode: str = "diagonal") -> Solved:
    """Solve, measure the noise of the calibrated visibilities, and test on held-out slots.

    Parameters
    ----------
    block : Block
    mode : str
        ``diagonal`` for a gain of X and one of Y, ``phase`` for those of amplitude 1, ``full`` for Jones matrices,
        ``none`` for gains of 1.

    Returns
    -------
    Solved

    Examples
    --------
    >>> from lofarlake_nb.parameters import CalibrationParameters
    >>> from lofarlake_nb.processing.gains.block import make
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE
    >>> read = {"DATA": np.full(SHAPE, 4, "c8"), "FLAG": np.zeros(SHAPE, bool), "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"),
    ...         "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> one = make(read, np.ones((*SHAPE[:3], 1), "c8"), LAYOUT, slice(0, 8), CalibrationParameters())
    >>> np.abs(solve(one).gains[0, 0, :2]).round(3).tolist()  # 1 Jy, seen as 4
    [[2.0, 2.0], [2.0, 2.0]]
    """
    return solve_pieces(Window((slice(0, len(block.data)),), lambda _: block), mode)


def solve_pieces(window: Window, mode: str = "diagonal") -> Solved:
    """As `solve`, of a window whose blocks are read twice: to solve on them, and to test.

    Examples
    --------
    >>> from lofarlake_nb.parameters import CalibrationParameters
    >>> from lofarlake_nb.processing.gains.block import make
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE
    >>> read = {"DATA": np.full(SHAPE, 4, "c8"), "FLAG": np.zeros(SHAPE, bool), "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"),
    ...         "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> sky, parameters = np.ones((*SHAPE[:3], 1), "c8"), CalibrationParameters()
    >>> part = lambda its: make({name: read[name][its] for name in read}, sky[its], LAYOUT, its, parameters)
    >>> found = solve_pieces(Window([slice(0, 4), slice(4, 8)], part))
    >>> found.gains.shape, np.abs(found.gains[7, 0, 0]).round(3).tolist()
    ((8, 8, 8, 2), [2.0, 2.0])
    """
    n_time = window.pieces[-1].stop - window.pieces[0].start
    parts, samples, scan, trained = [], [], [], []
    for piece, block in zip(window.pieces, window.blocks(), strict=True):
        parts.append(_gains(block, mode))
        slots = _sampled(piece, window.pieces[0].start, n_time, block.data.shape[2])
        samples.append(_calibrated(block, parts[-1][0], slots))
        trained.append(_trained(block, parts[-1][0], mode))
        scan.append(block.scan)
    gains, iterations, solvable = (np.concatenate(of) for of in zip(*parts, strict=True))
    factors, sefd = _noise(block, *(np.concatenate(of) for of in zip(*samples, strict=True)))
    if len(gains) == n_time and mode != "none":
        neighbours = _of_neighbours(gains, np.concatenate(scan))
        trained = [neighbours[p.start - window.pieces[0].start :][: p.stop - p.start] for p in window.pieces]
    sums = np.zeros((4, 2, len(block.antenna1)))
    crossed = []
    for block, values, its in zip(window.blocks(), trained, parts, strict=True):
        _add_held_out(sums, block, values, factors)
        crossed.append(cross_hands.sums(block, its[0], factors))
    if not np.isfinite(factors).any():
        sums[1, sums[2] > 0] = np.nan  # then the weights are relative only
    return Solved(gains, iterations, solvable, factors, sefd, sums, *map(np.concatenate, zip(*crossed, strict=True)))


def joined(parts: list[Solved]) -> Solved:
    """One `Solved` of consecutive blocks of time.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains.tasks import solve_window
    >>> its = averaged.measurement_sets[0]
    >>> parts = [solve_window(its, slots, model, chosen.calibrate, False) for slots in ((0, 4), (4, 10))]
    >>> [len(part.gains) for part in parts], len(joined(parts).gains)
    ([4, 6], 10)
    """
    return Solved(
        gains=np.concatenate([p.gains for p in parts]),
        iterations=np.concatenate([p.iterations for p in parts]),
        solvable=np.concatenate([p.solvable for p in parts]),
        noise=noise.median(np.stack([p.noise for p in parts]), axis=0),
        sefd=noise.median(np.stack([p.sefd for p in parts]), axis=0),
        held_out=np.sum([p.held_out for p in parts], axis=0),
        crossed=np.concatenate([p.crossed for p in parts]),
        crossed_power=np.concatenate([p.crossed_power for p in parts]),
    )


def _gains(block: Block, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gains (interval, block, station, 2 or 4), iterations and whether there were data (interval, block, 2)."""
    usable = block.long & ~block.flag
    if mode == "full":
        return full_jones.solve(block, usable)
    sizes = (int(block.interval.max()) + 1, int(block.channel_block.max()) + 1)
    if mode == "none":
        ones = np.ones((*sizes, block.n_station, 2), np.complex128)
        return ones, np.zeros((*sizes, 2), int), np.ones((*sizes, 2), bool)
    numerator, denominator = solver.normal_sums(
        block.hands(block.data),
        block.hands(block.model),
        block.hands(block.weight),
        usable,
        block.interval,
        block.channel_block,
    )
    flat = (sizes[0] * sizes[1] * 2, -1)
    solved = solver.solve(
        numerator.reshape(flat),
        denominator.reshape(flat),
        block.antenna1,
        block.antenna2,
        block.n_station,
        phase_only=mode == "phase",
    )
    gains = solved.gains.reshape(*sizes, 2, block.n_station)
    solvable = np.asarray((denominator > 0).any(axis=3))
    return np.moveaxis(gains, 2, 3), solved.iterations.reshape(*sizes, 2), solvable


def _trained(block: Block, gains: np.ndarray, mode: str) -> np.ndarray:
    """Gains (time, block, station, ...) that were solved without the slot that they are for; NaN where there are none.

    An interval's even slots are solved for its odd ones, and the other way round; of intervals of one slot see
    `_of_neighbours`.
    """
    if mode == "none":
        return gains[block.interval]
    if len(gains) == len(block.interval):
        return np.full_like(gains, np.nan)
    every = np.arange(len(block.interval))
    place = every - np.searchsorted(block.interval, block.interval)  # within the interval
    # Halves of an interval are intervals of their own, twice as many.
    halves = _gains(replace(block, interval=2 * block.interval + place % 2), mode)[0]
    other = 2 * block.interval + (place + 1) % 2
    lacking = np.full((max(0, int(other.max()) + 1 - len(halves)), *halves.shape[1:]), np.nan, np.complex128)
    return np.concatenate([halves, lacking])[other]


def _of_neighbours(gains: np.ndarray, scan: np.ndarray) -> np.ndarray:
    """Gains (time, block, station, ...) of the slot before in the same scan (time,), or the one after; NaN for none."""
    every = np.arange(len(gains))
    before, after = np.maximum(every - 1, 0), np.minimum(every + 1, len(gains) - 1)
    neighbour = np.where((scan[before] == scan) & (before < every), before, after)
    trained = gains[neighbour].copy()
    trained[(neighbour == every) | (scan[neighbour] != scan)] = np.nan
    return trained


def _sampled(piece: slice, start: int, n_time: int, n_channel: int) -> np.ndarray:
    """Slots of a piece, counted from its first, that the noise of a window is measured on."""
    # Differences are of neighbours in frequency, or in time where there is one channel: then all slots are needed.
    most = max(1, NOISE_SAMPLES // (2 * max(1, n_channel - 1)))
    step = 1 if n_channel == 1 else max(1, n_time // most)
    every = np.arange(piece.start, piece.stop) - start
    return np.flatnonzero(every % step == 0)


def _calibrated(block: Block, gains: np.ndarray, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated visibilities of some slots, their flags and weights (time, baseline, frequency)."""
    at = gains[block.interval[slots]][:, block.channel_block]
    data = corrected(block.data[slots], at, block.antenna1, block.antenna2)
    return data, block.flag[slots] | missing(data), block.weight[slots].min(axis=3)


def _noise(block: Block, data: np.ndarray, flag: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(station,) factors of the noise power of calibrated visibilities of weight 1, Jy², and SEFD, Jy."""
    power = noise.baseline_noise(data, flag, weight)
    factors = noise.station_noise(power, block.antenna1, block.antenna2, block.n_station)
    return factors, sensitivity.measured(data, flag, weight, block)


def _add_held_out(sums: np.ndarray, block: Block, gains: np.ndarray, factors: np.ndarray) -> None:
    """Add to sums (4, 2, baseline): see `Solved`. Weights are the expected signal to noise ratio, squared."""
    known = bool(np.isfinite(factors).any())
    variance = factors[block.antenna1] * factors[block.antenna2] if known else np.ones(len(block.antenna1))
    # The noise of the two stations' gains adds to the visibility's own.
    more = 1 + 2 / max(1, block.n_station - 1)
    at = gains[:, block.channel_block]
    if gains.shape[-1] == 2:  # X and Y don't mix
        data = corrected(block.hands(block.data), at, block.antenna1, block.antenna2)
    else:
        data = block.hands(corrected(block.data, at, block.antenna1, block.antenna2))
    usable = block.long & ~block.flag
    _sum_errors(data, block.hands(block.model), block.hands(block.weight), usable, variance, more, sums)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _sum_errors(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    usable: np.ndarray,
    variance: np.ndarray,
    more: float,
    sums: np.ndarray,
) -> None:
    of_its_own = model.shape[3] > 1
    for t in range(data.shape[0]):
        for b in range(data.shape[1]):
            if not np.isfinite(variance[b]):
                continue
            inverse = 1 / variance[b]
            for h in range(data.shape[3]):
                phase = thermal = total = error = 0.0
                for f in range(data.shape[2]):
                    if not usable[t, b, f]:
                        continue
                    d, m = data[t, b, f, h], model[t, b, f, h if of_its_own else 0]
                    power = m.real * m.real + m.imag * m.imag
                    scaled = weight[t, b, f, h] * inverse
                    signal = power * scaled  # to noise, squared
                    if d == 0 or not signal > 0:
                        continue
                    turned, apart = d * np.conj(m), d - m
                    square = apart.real * apart.real + apart.imag * apart.imag
                    phase += signal * _angle(turned.real, turned.imag) ** 2
                    thermal += min(0.5 * more, RANDOM_PHASE * signal)
                    total += signal
                    error += scaled * min(square, 100 * power)
                sums[0, h, b] += phase
                sums[1, h, b] += thermal
                sums[2, h, b] += total
                sums[3, h, b] += error


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _angle(real: float, imaginary: float) -> float:
    """Size of a phase, rad, to 2e-8 (Abramowitz & Stegun 1964, 4.4.49), in a third of the C library's time."""
    x, y = abs(real), abs(imaginary)
    ratio = min(x, y) / max(x, y, 1e-300)
    s = ratio * ratio
    series = 0.0429096138 + s * (-0.0161657367 + s * 0.0028662257)
    series = -0.1420889944 + s * (0.1065626393 + s * (-0.0752896400 + s * series))
    angle = ratio * (1 + s * (-0.3333314528 + s * (0.1999355085 + s * series)))
    angle = 0.5 * np.pi - angle if y > x else angle
    return np.pi - angle if real < 0 else angle
