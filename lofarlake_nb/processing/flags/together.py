"""Interference that many baselines see together, each too faintly for itself.

AOFlagger looks at one baseline at a time. A transmitter is seen by all baselines of about the same length alike, so
that the middle one of their residual powers tells of a sample that no single one of them would.
"""

import numpy as np

from lofarlake_nb.processing.flags.residuals import confirmed, residual_power

# Baselines are compared with others of about their length: so many to a class at least, and at most so many classes.
FEWEST_BASELINES = 12
MOST_CLASSES = 6
# Interference of this many times the noise's power matters, where it is this many times the scatter.
MATTERS = 0.25
SURE = 5.0
# From slot to slot the sky turns and the receivers drift, not by chance but now and then: more is asked for.
SURE_IN_TIME = 10.0
# Beside interference, a sample has a quarter of its residual power; at the edge of a block, three quarters.
PEAK = 0.8
FEWEST_SLOTS = 6
# A channel with interference in more than this part of the slots has a transmitter that stays.
BUSY = 0.03
# Per cent of the slots that are without it, at least.
QUIET = 25
# What is found in all but this part of a stretch of slots is taken for all of it: another transmitter crosses it.
GAPS = 0.25
# Median of |z|² averaged over 1 or 2 hands, of complex Gaussian noise of power 1.
MEDIAN = {1: 0.693, 2: 0.839}


def classes(lengths: np.ndarray) -> np.ndarray:
    """Class (n,) of each baseline, by its length (n,) in m.

    Examples
    --------
    >>> np.bincount(classes(np.arange(30.0))).tolist()
    [15, 15]
    >>> classes(np.array([300.0, 20.0, 5.0])).tolist()  # too few to part
    [0, 0, 0]
    """
    count = int(np.clip(len(lengths) // FEWEST_BASELINES, 1, MOST_CLASSES))
    rank = np.empty(len(lengths), dtype=np.int64)
    rank[np.argsort(lengths, kind="stable")] = np.arange(len(lengths))
    return rank * count // max(1, len(lengths))


def find(
    data: np.ndarray, flag: np.ndarray, level: np.ndarray, baselines: np.ndarray, group: np.ndarray, power: np.ndarray
) -> np.ndarray:
    """Samples with interference that a class of baselines has in common, and whatever other baseline has it too.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
        One scan.
    flag : (time, baseline, frequency) bool
        Samples that are known to be bad.
    level : (frequency,) float32
        Response of each channel, see `searching.channel_levels`.
    baselines : (n,) int
        Those that are compared.
    group : (n,) int
        Class of each, from `classes`.
    power : (n,) float64
        Noise power of one sample on each; a baseline where it is NaN is left out.

    Returns
    -------
    (n, time, frequency) bool

    Examples
    --------
    >>> data = np.random.default_rng(1).normal(size=(40, 24, 32, 4, 2)).astype(np.float32).view(np.complex64)[..., 0]
    >>> data[20, :, 16] += 2  # on noise of 1.4
    >>> group, power, level = classes(np.arange(24.0)), np.full(24, 2.0), np.ones(32, np.float32)
    >>> found = find(data, np.zeros((40, 24, 32), bool), level, np.arange(24), group, power)
    >>> bool(found[:, 20, 16].all()), bool(found.mean() < 0.01)
    (True, True)
    """
    n_time, _, n_channel, _ = data.shape
    found = np.zeros((len(baselines), n_time, n_channel), dtype=bool)
    known = np.isfinite(power) & (power > 0)
    if n_time < FEWEST_SLOTS or not known.any():
        return found
    members = [m for k in range(int(group.max()) + 1) if (m := (group == k) & known).sum() >= FEWEST_BASELINES]
    part = np.full(len(baselines), -1)
    for k, chosen in enumerate(members):
        part[chosen] = k
    for over_time in (False, True) if n_channel > 2 else (True,):
        hidden = flag
        seen = _common(data, flag, level, baselines, part, power, over_time)
        if not over_time and (carriers := _carriers(seen)).any():
            # Half a carrier that falls between two channels is no peak beside the other: without that, it is.
            hidden = flag | carriers
            rest = _common(data, hidden, level, baselines, part, power, over_time, carriers)
            # Only while one is on: the sky's slope beside a hidden channel is not the same for hours.
            on = np.asarray(_continued((np.stack(seen) > 0).any(axis=0) & carriers).any(axis=1))
            kept = ~on[:, None] | carriers | _pairs(carriers)
            seen = [np.where(kept, old, new) for old, new in zip(seen, rest, strict=True)]
        everywhere = np.zeros((n_time, n_channel), dtype=bool)
        for chosen, common in zip(members, seen, strict=True):
            found[chosen] |= common > 0
            everywhere |= common > 0
        if not over_time:
            everywhere = _continued(everywhere)
        found[known] |= confirmed(data, flag, level, baselines[known], power[known], everywhere, over_time)
        if hidden is not flag:
            found[known] |= confirmed(data, hidden, level, baselines[known], power[known], everywhere, over_time)
        flag = flag | everywhere[:, None]  # what moves over the band is none of its neighbours' in time
    return found


def _common(
    data: np.ndarray,
    flag: np.ndarray,
    level: np.ndarray,
    baselines: np.ndarray,
    part: np.ndarray,
    power: np.ndarray,
    over_time: bool,
    hidden: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Excess (time, frequency) of each class, where its baselines have interference in common, 0 elsewhere."""
    found = []
    for usual in residual_power(data, flag, level, baselines, part, power, over_time):
        excess = usual / MEDIAN[min(data.shape[3], 2)] - 1
        if hidden is not None:  # beside a hidden channel the sky's slope is left, in slots without interference too
            known = np.isfinite(excess).any(axis=0)
            excess[:, known] -= np.nanpercentile(excess[:, known], QUIET, axis=0)
        found.append(np.where(_above(excess, 0 if over_time else 1), excess, 0))
    return found


def _carriers(seen: list[np.ndarray]) -> np.ndarray:
    """Channels (frequency,) with a transmitter that stays: of neighbours, the one where it is strongest."""
    if not seen:
        return np.zeros(0, dtype=bool)
    often = np.mean([(common > 0).mean(axis=0) for common in seen], axis=0)
    strength = np.pad(np.sum([common.sum(axis=0) for common in seen], axis=0), 2)
    around = np.max([strength[i : i + len(often)] for i in (0, 1, 3, 4)], axis=0)
    return (often > BUSY) & (strength[2:-2] > around)


def _pairs(hidden: np.ndarray) -> np.ndarray:
    """Channels (frequency,) of which two stand alone beside hidden ones: nobody can tell which of them differs."""
    known = np.pad(~hidden, 2)
    neighbours = known[1:-3].astype(int) + known[3:-1]  # of each channel
    one = np.pad(~hidden & (neighbours == 1), 1)
    return one[1:-1] & (one[:-2] | one[2:])


def _above(excess: np.ndarray, axis: int) -> np.ndarray:
    """Peaks of the excess (time, frequency) along an axis, that matter against the others along it."""
    if not np.isfinite(excess).any():
        return np.zeros(excess.shape, dtype=bool)
    finite = np.where(np.isfinite(excess), excess, np.nanmedian(excess))
    finite = finite - np.median(finite, axis=axis, keepdims=True)
    scatter = 1.4826 * np.median(np.abs(finite))
    along = np.moveaxis(finite, axis, 0)
    around = np.zeros_like(along)
    around[1:] = along[:-1]
    around[:-1] = np.maximum(around[:-1], along[1:])
    sure = SURE_IN_TIME if axis == 0 else SURE
    return (finite > max(MATTERS, sure * scatter)) & (finite > PEAK * np.moveaxis(around, 0, axis))


def _continued(where: np.ndarray) -> np.ndarray:
    """Samples (time, frequency) in a stretch of slots of which all but `GAPS`, its first and its last are there.

    The scale-invariant rank operator (Offringa, van de Gronde & Roerdink 2012, A&A 539, A95), along time, inwards only.
    """
    count = np.zeros((len(where) + 1, where.shape[1]))
    np.cumsum(where - (1 - GAPS), axis=0, out=count[1:])
    lowest = np.minimum.accumulate(np.where(where, count[:-1], np.inf), axis=0)  # of all beginnings up to here
    highest = np.maximum.accumulate(np.where(where, count[1:], -np.inf)[::-1], axis=0)[::-1]  # of all ends from here
    return highest >= lowest
