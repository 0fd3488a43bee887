"""Which row of a Measurement Set is which time slot and baseline, in whatever order the rows are stored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError

# Times of one slot agree to this fraction of the interval.
SAME_TIME = 0.1
# Rows whose interval is not the usual one, to this fraction of it, may be this part of all: a last slot that was cut.
SAME_INTERVAL = 0.1
MOST_OTHERS = 0.1
# Slots and baselines that have no row are held as well: they may outnumber the rows so many times.
SPARSEST = 100
# Rows that are looked at together.
PIECE = 1 << 17
COLUMNS = ("INTERVAL", "ANTENNA1", "ANTENNA2", "TIME")


@dataclass(frozen=True)
class Rows:
    """Slots and baselines, and their rows; see `layout.Layout`.

    Examples
    --------
    >>> Rows(np.array([1.0]), np.array([0, 0]), np.array([1, 2]), np.array([[0, -1]]), 1.0).rows.shape
    (1, 2)
    """

    times: np.ndarray  # (time,)
    antenna1: np.ndarray  # (baseline,)
    antenna2: np.ndarray
    rows: np.ndarray  # (time, baseline), -1 where there is none
    interval: float  # s


def in_order(ms: Any, path: Path) -> Rows | None:
    """Rows that repeat all baselines in one order, slot by slot, as nearly all do; None where any does not.

    They are read in pieces: whole columns of a long observation, and what is made of them, are ten times what is kept.

    Examples
    --------
    >>> from lofarlake_nb.observation.tables import opened
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> with opened(path) as ms:
    ...     in_order(ms, path).rows.shape
    (4, 6)
    """
    count = ms.nrows()
    usual, first, second, _ = (np.asarray(ms.getcol(name, 0, min(count, PIECE))) for name in COLUMNS)
    code = (first.astype(np.int64) << 32) + second
    size = _first_again(code)
    if count % size or len(np.unique(code[:size])) < size:
        return None
    first, second, times = first[:size], second[:size], []
    step = size * max(1, PIECE // size)
    for start in range(0, count, step):
        its = (np.asarray(ms.getcol(name, start, min(step, count - start))).reshape(-1, size) for name in COLUMNS)
        interval, antenna1, antenna2, time = its
        same = (interval == usual[0]).all() and (antenna1 == first).all() and (antenna2 == second).all()
        if not (same and (time == time[:, :1]).all()):
            return None
        times.append(time[:, 0])
    found = np.concatenate(times)
    width = one_interval(usual[:1], path)
    if not (np.isfinite(found).all() and (np.diff(found) > SAME_TIME * width).all()):
        return None
    return Rows(found, first, second, np.arange(count).reshape(-1, size), width)


def in_any_order(ms: Any, chosen: np.ndarray | None, path: Path) -> Rows:
    """As `in_order`, of a choice of rows (row,), or of all, in whatever order they are stored.

    Raises
    ------
    NotAMeasurementSet
        When times or intervals make no sense.
    ObservationError
        When a baseline is twice in one slot, or baselines have different intervals.

    Examples
    --------
    >>> from lofarlake_nb.observation.tables import opened
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> with opened(path) as ms:
    ...     in_any_order(ms, np.array([13, 8]), path).rows.tolist()
    [[-1, 8], [13, -1]]
    """
    interval, antenna1, antenna2, time = (
        np.asarray(ms.getcol(name)) if chosen is None else np.asarray(ms.getcol(name))[chosen] for name in COLUMNS
    )
    usual = one_interval(interval, path)
    times, slot = slots(time, usual, path)
    first, baseline = baselines((antenna1.astype(np.int64) << 32) + antenna2)
    rows = row_of(slot, baseline, (len(times), len(first)), path)
    if chosen is not None:
        rows = np.where(rows >= 0, chosen[rows], -1)
    return Rows(times, antenna1[first], antenna2[first], rows, usual)


def one_interval(intervals: np.ndarray, path: Path) -> float:
    """The interval of the rows, in s: there must be one.

    Raises
    ------
    NotAMeasurementSet
        When it is not more than 0.
    ObservationError
        When many rows have another: baselines were averaged differently.

    Examples
    --------
    >>> one_interval(np.array([2.0] * 19 + [1.5]), Path("a.MS"))  # the last slot was cut
    2.0
    """
    alike = bool((intervals == intervals[0]).all())
    usual = float(intervals[0] if alike else np.median(intervals))
    if not (np.isfinite(usual) and usual > 0):
        raise NotAMeasurementSet(f"{path}: INTERVAL is {usual} s, expected more than 0")
    others = float((np.abs(intervals - usual) > SAME_INTERVAL * usual).mean())
    if others > MOST_OTHERS:
        raise ObservationError(
            f"{path}: {100 * others:.0f} % of the rows do not last {usual:.3g} s, expected one interval",
            "data averaged by baseline must be expanded first (DP3's bdaexpander)",
        )
    return usual


def slots(stored: np.ndarray, interval: float, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times of the slots (time,), and each row's slot (row,). Times need not be on a grid.

    Examples
    --------
    >>> times, slot = slots(np.array([12.0, 10.0, 10.1]), 2.0, Path("a.MS"))
    >>> times.tolist(), slot.tolist()
    ([10.0, 12.0], [1, 0, 0])
    """
    if not np.isfinite(stored).all():
        raise NotAMeasurementSet(f"{path}: times that are no numbers")
    values, inverse = _distinct(stored)
    slot_of_value = np.cumsum(np.diff(values, prepend=values[0]) > SAME_TIME * interval)
    starts = np.flatnonzero(np.diff(slot_of_value, prepend=-1))
    return values[starts], slot_of_value[inverse]


def baselines(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row where each baseline first appears (baseline,), and each row's baseline (row,).

    Examples
    --------
    >>> first, baseline = baselines(np.array([5, 7, 7, 5, 3]))
    >>> first.tolist(), baseline.tolist()
    ([0, 1, 4], [0, 1, 1, 0, 2])
    """
    count = _period(code)
    if count:
        return np.arange(count), np.tile(np.arange(count), len(code) // count)
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def row_of(slot: np.ndarray, baseline: np.ndarray, shape: tuple[int, int], path: Path) -> np.ndarray:
    """Row number of each slot and baseline (time, baseline), -1 where there is none.

    Examples
    --------
    >>> row_of(np.array([0, 0, 1]), np.array([0, 1, 1]), (2, 2), Path("a.MS")).tolist()
    [[0, 1], [-1, 2]]
    """
    if shape[0] * shape[1] > SPARSEST * len(slot):
        raise ObservationError(
            f"{path}: {len(slot)} rows of {shape[1]} baselines and {shape[0]} times: nearly all missing"
        )
    cell = slot * shape[1] + baseline
    rows = np.full(shape, -1, dtype=np.int64)
    numbers = np.arange(len(cell))
    rows.reshape(-1)[cell] = numbers
    if not np.array_equal(rows.reshape(-1)[cell], numbers):  # a later row took the place of an earlier one
        raise ObservationError(f"{path}: a baseline appears twice in one time slot", "sort or split it first")
    return rows


def _distinct(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values (value,), ascending, and which one each row has (row,); rows in order need no sorting."""
    steps = np.diff(stored, prepend=stored[:1])
    if not (steps >= 0).all():
        return np.unique(stored, return_inverse=True)
    changed = steps > 0
    changed[0] = True
    return stored[changed], np.cumsum(changed) - 1


def _period(code: np.ndarray) -> int:
    """Number of baselines, where the rows repeat them all in one order, as they nearly always do; else 0."""
    count = _first_again(code)
    if len(code) % count or len(np.unique(code[:count])) < count:
        return 0
    return count if (code.reshape(-1, count) == code[:count]).all() else 0


def _first_again(code: np.ndarray) -> int:
    """Row where the first baseline appears again; the number of rows where it doesn't."""
    again = np.flatnonzero(code[1:] == code[0])
    return int(again[0]) + 1 if len(again) else len(code)
