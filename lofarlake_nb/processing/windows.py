"""Blocks of time, cut by the data alone: the same blocks, and so the same result, for any number of workers."""

from itertools import pairwise

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout

# Memory that one block's visibilities take; a task holds about four times as much at its peak.
BLOCK_BYTES = 128_000_000
# A pause longer than this many intervals parts two scans.
GAP = 1.5


def scans(times: np.ndarray, interval: float) -> list[slice]:
    """Slots without a pause between them.

    Parameters
    ----------
    times : (time,) s, ascending
    interval : float
        Of one slot, s.

    Returns
    -------
    list of slice
        One for each scan, in order.
    """
    starts = [0, *(np.flatnonzero(np.diff(times) > GAP * interval) + 1).tolist(), len(times)]
    return [slice(a, b) for a, b in pairwise(starts) if b > a]


def windows(layout: Layout, limit: int = BLOCK_BYTES, *, multiple: int = 1) -> list[slice]:
    """Blocks of time whose visibilities fit a memory bound.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    limit : int
        Bytes of complex64 visibilities in one block; a single slot is never cut.
    multiple : int
        Slots that belong together.

    Returns
    -------
    list of slice
        All slots, in order; blocks are as even as can be, and begin at multiples of `multiple`.
    """
    n_time = len(layout.times)
    slot = len(layout.antenna1) * len(layout.frequencies) * len(layout.correlations) * 8
    most = max(1, limit // (slot * multiple))
    groups = -(-n_time // multiple)
    count = -(-groups // most)
    edges = [min(n_time, multiple * (i * groups // count)) for i in range(count)] + [n_time]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def groups(times: np.ndarray, interval: float, most: int) -> np.ndarray:
    """First slot of each group of slots that may be averaged: groups never reach over a pause.

    Parameters
    ----------
    times : (time,) s, ascending
    interval : float
        Of one slot, s.
    most : int
        Slots in a group at most; the groups of a scan are as even as can be.

    Returns
    -------
    (group,) int
    """
    starts = []
    for scan in scans(times, interval):
        n_slot = scan.stop - scan.start
        count = -(-n_slot // most)
        starts += [scan.start + i * n_slot // count for i in range(count)]
    return np.array(starts, dtype=np.int64)
