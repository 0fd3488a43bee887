"""Which row of a Measurement Set is which time slot and baseline, in whatever order the rows are stored."""

from pathlib import Path

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError

# Times of one slot agree to this fraction of the interval.
SAME_TIME = 0.1
# Slots and baselines that have no row are held as well: they may outnumber the rows so many times.
SPARSEST = 100


def slots(stored: np.ndarray, interval: float, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times of the slots (time,), and each row's slot (row,). Times need not be on a grid."""
    if not np.isfinite(stored).all():
        raise NotAMeasurementSet(f"{path}: times that are no numbers")
    values, inverse = np.unique(stored, return_inverse=True)
    slot_of_value = np.cumsum(np.diff(values, prepend=values[0]) > SAME_TIME * interval)
    starts = np.flatnonzero(np.diff(slot_of_value, prepend=-1))
    return values[starts], slot_of_value[inverse]


def baselines(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row where each baseline first appears (baseline,), and each row's baseline (row,)."""
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def row_of(slot: np.ndarray, baseline: np.ndarray, shape: tuple[int, int], path: Path) -> np.ndarray:
    """Row number of each slot and baseline (time, baseline), -1 where there is none."""
    if shape[0] * shape[1] > SPARSEST * len(slot):
        raise ObservationError(
            f"{path}: {len(slot)} rows of {shape[1]} baselines and {shape[0]} times: nearly all missing"
        )
    cell = slot * shape[1] + baseline
    rising = bool((np.diff(cell) > 0).all())  # as they are stored, as a rule: then none is twice
    if not rising and len(np.unique(cell)) != len(cell):
        raise ObservationError(f"{path}: a baseline appears twice in one time slot", "sort or split it first")
    rows = np.full(shape, -1, dtype=np.int64)
    rows.reshape(-1)[cell] = np.arange(len(cell))
    return rows
