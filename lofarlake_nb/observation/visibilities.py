"""Blocks of visibilities, flags and weights: what is missing, or is no finite number, comes flagged."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet
from lofarlake_nb.observation.layout import Layout
from lofarlake_nb.observation.tables import cells, visibility_columns


def block_of(ms: Any, layout: Layout, columns: Sequence[str], times: slice) -> dict[str, np.ndarray]:
    """A block of time of some columns of an open Measurement Set; see `measurement_set.read`.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> from lofarlake_nb.observation.tables import opened
    >>> path = "observation/L990100_SAP000_SB000_uv.MS"
    >>> with opened(path) as ms:
    ...     block_of(ms, measurement_set.layout(path), ["WEIGHT_SPECTRUM", "UVW"], slice(1, 3))["UVW"].shape
    (2, 6, 3)
    """
    missing = [c for c in columns if c not in ms.colnames() and c != "WEIGHT_SPECTRUM"]
    if missing:
        raise NotAMeasurementSet(
            f"{ms.name()}: no column {missing[0]}, it has {', '.join(sorted(ms.colnames()))}",
            f"visibilities are in {', '.join(visibility_columns(ms))}",
        )
    block = {name: _read_rows(ms, name, layout.rows[times], layout) for name in columns}
    for name in columns:
        if (np.iscomplexobj(block[name]) or name == "WEIGHT_SPECTRUM") and not _surely_finite(block[name]):
            good = np.isfinite(block[name])
            block[name][~good] = 0
            if "FLAG" in block:
                block["FLAG"] |= ~good
    return block


def _read_rows(ms: Any, name: str, rows: np.ndarray, layout: Layout) -> np.ndarray:
    """Column for a (time, baseline) array of row numbers."""
    present = rows >= 0
    wanted = rows[present]
    if name == "WEIGHT_SPECTRUM" and not _defined(ms, name, wanted):
        values = _plain_weights(ms, wanted, layout)
    else:
        values = cells(ms, name, wanted)
    if name == "FLAG":
        whole = cells(ms, "FLAG_ROW", wanted)
        if whole.any():
            values[whole] = True
    if present.all():
        return values.reshape(rows.shape + values.shape[1:])
    block = np.full(rows.shape + values.shape[1:], name == "FLAG", dtype=values.dtype)
    block[present] = values
    return block


def _defined(ms: Any, name: str, rows: np.ndarray) -> bool:
    return name in ms.colnames() and (rows.size == 0 or bool(ms.iscelldefined(name, int(rows[0]))))


def _plain_weights(ms: Any, rows: np.ndarray, layout: Layout) -> np.ndarray:
    """Weights (row, frequency, polarization) without a spectrum."""
    shape = (len(rows), len(layout.frequencies), len(layout.correlations))
    if not _defined(ms, "WEIGHT", rows):
        return np.ones(shape, dtype=np.float32)
    return np.broadcast_to(cells(ms, "WEIGHT", rows)[:, None, :], shape).astype(np.float32)


def _surely_finite(values: np.ndarray) -> bool:
    """Whether all are finite numbers, or False when in doubt: the sum of squares is not where one of them is not."""
    flat = values.reshape(-1)
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.vdot(flat, flat)))
