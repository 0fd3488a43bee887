"""Blocks of time, cut by the data alone: the same blocks, and so the same result, for any number of workers."""

from itertools import pairwise

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout

# Memory that one block's visibilities take; a task holds about four times as much at its peak.
BLOCK_BYTES = 128_000_000
# The same where a task makes new visibilities of them: what is read, chosen, averaged and written is there at once.
COPIED_BYTES = 48_000_000
# Memory of a part of a block that is worked on at once: it stays in the processor's cache, and memory is used again.
PIECE_BYTES = 4_000_000
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

    Examples
    --------
    >>> scans(np.array([0.0, 1.0, 2.0, 10.0, 11.0]), 1.0)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    starts = [0, *(np.flatnonzero(np.diff(times) > GAP * interval) + 1).tolist(), len(times)]
    return [slice(a, b) for a, b in pairwise(starts) if b > a]


def windows(layout: Layout, limit: int = BLOCK_BYTES) -> list[slice]:
    """Blocks of time whose visibilities fit a memory bound.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    limit : int
        Bytes of complex64 visibilities in one block; a single slot is never cut.

    Returns
    -------
    list of slice
        All slots, in order; blocks are as even as can be.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots of 7168 bytes
    >>> [(part.start, part.stop) for part in windows(LAYOUT, limit=3 * 7168)]
    [(0, 2), (2, 5), (5, 8)]
    """
    n_time = len(layout.times)
    slot = len(layout.antenna1) * len(layout.frequencies) * len(layout.correlations) * 8
    count = -(-n_time // max(1, limit // slot))
    return [slice(a, b) for a, b in pairwise(i * n_time // count for i in range(count + 1))]


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

    Examples
    --------
    >>> groups(np.array([0.0, 1.0, 2.0, 10.0, 11.0]), 1.0, 2).tolist()
    [0, 1, 3]
    """
    starts = []
    for scan in scans(times, interval):
        n_slot = scan.stop - scan.start
        count = -(-n_slot // most)
        starts += [scan.start + i * n_slot // count for i in range(count)]
    return np.array(starts, dtype=np.int64)


def blocks(layout: Layout, starts: np.ndarray, limit: int = COPIED_BYTES) -> list[tuple[int, int]]:
    """Ranges of groups whose visibilities fit a memory bound.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    starts : (group,) int
        First slot of each group, from `groups`.
    limit : int
        Bytes of complex64 visibilities in one block; a single group is never cut.

    Returns
    -------
    list of tuple of int
        First group of each block, and the one after its last.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots of 7168 bytes
    >>> blocks(LAYOUT, np.array([0, 2, 4, 6]), limit=5 * 7168)
    [(0, 2), (2, 4)]
    """
    slot = len(layout.antenna1) * len(layout.frequencies) * len(layout.correlations) * 8
    most = max(1, limit // slot)
    ends = np.append(starts[1:], len(layout.times))
    edges = [0]
    for group in range(1, len(starts)):
        if ends[group] - starts[edges[-1]] > most:
            edges.append(group)
    return list(pairwise([*edges, len(starts)]))


def pieces(layout: Layout, starts: np.ndarray, stop: int) -> list[slice]:
    """Parts of a block of time to be worked on one after the other.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    starts : (group,) int
        First slot of each group of the block; a group is never cut.
    stop : int
        Slot after the block's last.

    Returns
    -------
    list of slice
        Slots.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # all of it is less than a piece
    >>> pieces(LAYOUT, np.array([2, 4, 6]), 8)
    [slice(2, 8, None)]
    """
    edges = np.append(starts, stop)
    return [slice(int(edges[a]), int(edges[b])) for a, b in blocks(layout, starts, PIECE_BYTES)]
