"""Residual powers: by how much samples differ from their neighbours, on many baselines, in units of the noise."""

import numba
import numpy as np

from lofarlake_nb.processing import noise

# Where a class has interference, a sample of any other baseline with this many times its noise's power has it too:
# noise alone reaches it once in 25 times with four hands.
CONFIRMED = 2.0
# Or where the mean of so many of its slots is above the noise's by this many times what chance gives.
SPANS = (8, 32, 128)
CHANCE = 2.0
# Slots, and baselines, of which residual powers are kept at a time, in the processor's cache.
SLOTS, BATCH = 16, 32


@numba.njit(nogil=True, cache=True)
def _ratios(level: np.ndarray, step: int) -> np.ndarray:
    """(2, frequency), by which the neighbours below and above a channel are brought to its level."""
    result = np.ones((2, len(level)), dtype=np.float32)
    for f in range(step, len(level)):
        result[0, f] = level[f] / level[f - step]
        result[1, f - step] = level[f - step] / level[f]
    return result


@numba.njit(nogil=True, cache=True)
def _residuals(
    data: np.ndarray,
    flag: np.ndarray,
    ratios: np.ndarray,
    t: int,
    b: int,
    over_time: bool,
    every: int,
    power: np.ndarray,
) -> None:
    """Power (frequency,) by which one spectrum differs from its neighbours' mean, where noise of power 1 has 1.

    Mean over the hands that are `every` apart; −1 where it is unknown.
    """
    n_time, _, n_channel, n_polarization = data.shape
    step, slot = (0, 1) if over_time else (1, 0)
    has_low, has_high = t >= slot, t + slot < n_time
    t_low, t_high = max(t - slot, 0), min(t + slot, n_time - 1)
    for f in range(n_channel):
        power[f] = -1.0
        if flag[t, b, f]:
            continue
        before = has_low and f >= step and not flag[t_low, b, f - step]
        after = has_high and f + step < n_channel and not flag[t_high, b, f + step]
        if not (before or after):
            continue
        share = np.float32(0.5 if before and after else 1.0)
        first = share * ratios[0, f] if before else np.float32(0)
        second = share * ratios[1, f] if after else np.float32(0)
        i, j = f - step if before else f, f + step if after else f
        total, hands = np.float32(0), 0
        for p in range(0, n_polarization, every):
            here, low, high = data[t, b, f, p], data[t_low, b, i, p], data[t_high, b, j, p]
            real = here.real - first * low.real - second * high.real
            imaginary = here.imag - first * low.imag - second * high.imag
            total += real * real + imaginary * imaginary
            hands += 1
        power[f] = total / (hands * (np.float32(1) + first * first + second * second))


@numba.njit(nogil=True, cache=True)
def _residual_powers(
    data: np.ndarray,
    flag: np.ndarray,
    level: np.ndarray,
    baselines: np.ndarray,
    part: np.ndarray,
    power: np.ndarray,
    over_time: bool,
    start: int,
    values: np.ndarray,
) -> None:
    """Fill (class, time, frequency, n) with residual powers of the parallel hands, from slot `start` on.

    In the order of memory: of one class after the other, each spectrum would be waited for.
    """
    every = max(1, data.shape[3] - 1)
    ratios = _ratios(level, 0 if over_time else 1)
    rest = np.empty(data.shape[2], dtype=np.float32)
    for t in range(values.shape[1]):
        counts = np.zeros(values.shape[0], dtype=np.int64)
        for i in range(len(baselines)):
            k = part[i]
            if k < 0:
                continue
            _residuals(data, flag, ratios, start + t, baselines[i], over_time, every, rest)
            for f in range(data.shape[2]):
                values[k, t, f, counts[k]] = rest[f] / power[i] if rest[f] >= 0 else np.nan
            counts[k] += 1


def residual_power(
    data: np.ndarray,
    flag: np.ndarray,
    level: np.ndarray,
    baselines: np.ndarray,
    part: np.ndarray,
    power: np.ndarray,
    over_time: bool,
) -> np.ndarray:
    """Median over baselines of the power by which a sample's parallel hands differ from their neighbours' mean.

    Parameters
    ----------
    data, flag, level
        As in `find`.
    baselines : (n,) int
    part : (n,) int
        Class of each, from 0 on; negative where it is in none.
    power : (n,) float64
        Noise power of each.
    over_time : bool
        Neighbours in time instead of frequency.

    Returns
    -------
    (class, time, frequency) float64
        In units of what noise alone has; NaN where fewer than half of the baselines have the sample and a neighbour.

    Examples
    --------
    >>> parts = np.random.default_rng(1).normal(size=(30, 200, 16, 4, 2)).astype(np.float32)
    >>> arguments = parts.view(np.complex64)[..., 0], np.zeros((30, 200, 16), bool), np.ones(16, np.float32)
    >>> its = np.arange(200), np.zeros(200, int), np.full(200, 2.0)
    >>> round(float(np.median(residual_power(*arguments, *its, False))), 2)  # of two hands, noise has 0.84
    0.84
    """
    sizes = np.bincount(part[part >= 0])
    result = np.full((len(sizes), data.shape[0], data.shape[2]), np.nan)
    if not len(sizes):
        return result
    for start in range(0, data.shape[0], SLOTS):
        shape = len(sizes), min(SLOTS, data.shape[0] - start), data.shape[2], int(sizes.max())
        values = np.full(shape, np.nan, dtype=np.float32)
        _residual_powers(data, flag, level, baselines, part, power, over_time, start, values)
        there = 2 * (~np.isnan(values)).sum(axis=3) >= sizes[:, None, None]
        result[:, start : start + SLOTS] = np.where(there, noise.median(values, axis=3), np.nan)
    return result


@numba.njit(nogil=True, cache=True)
def confirmed(
    data: np.ndarray,
    flag: np.ndarray,
    level: np.ndarray,
    baselines: np.ndarray,
    power: np.ndarray,
    where: np.ndarray,
    over_time: bool,
) -> np.ndarray:
    """Samples whose own residual power is that of interference, at places where there is some.

    Alone, or together with others of its channel at such places: a carrier that stays is seen over its minutes.

    Parameters
    ----------
    data, flag, level, baselines, power, over_time
        As in `residual_power`.
    where : (time, frequency) bool

    Returns
    -------
    (n, time, frequency) bool
    """
    n_time, n_channel = where.shape
    found = np.zeros((len(baselines), n_time, n_channel), dtype=np.bool_)
    rest = np.empty((BATCH, n_time, n_channel), dtype=np.float32)
    ratios = _ratios(level, 0 if over_time else 1)
    for start in range(0, len(baselines), BATCH):
        stop = min(start + BATCH, len(baselines))
        for t in range(n_time):
            if where[t].any():
                for i in range(start, stop):
                    _residuals(data, flag, ratios, t, baselines[i], over_time, 1, rest[i - start, t])
        for f in range(n_channel):
            if where[:, f].any():
                for i in range(start, stop):
                    _confirm(rest[i - start, :, f], where[:, f], power[i], data.shape[3], found[i, :, f])
    return found


@numba.njit(nogil=True, cache=True)
def _confirm(rest: np.ndarray, where: np.ndarray, power: float, hands: int, found: np.ndarray) -> None:
    """Fill in the samples (time,) of one channel of one baseline."""
    for t in range(len(rest)):
        found[t] = where[t] and rest[t] > CONFIRMED * power
    for span in SPANS:
        _confirm_runs(rest, where, power, hands, span, found)


@numba.njit(nogil=True, cache=True)
def _confirm_runs(rest: np.ndarray, where: np.ndarray, power: float, hands: int, span: int, found: np.ndarray) -> None:
    """Add the samples (time,) around which a span of residual powers is more than chance, where there is interference.

    A mean of n powers of noise, of h hands each, is 1 ± 1 / √(n h).
    """
    total, count, first = 0.0, 0, 0
    for t in range(len(rest)):
        if t - first == span:
            if where[first] and rest[first] >= 0:
                total -= rest[first]
                count -= 1
            first += 1
        if where[t] and rest[t] >= 0:
            total += rest[t]
            count += 1
        full = t - first == span - 1 and count >= span // 2
        if full and total / (count * power) > 1 + CHANCE / np.sqrt(count * hands):
            for k in range(first, t + 1):
                found[k] |= where[k] and rest[k] >= 0
