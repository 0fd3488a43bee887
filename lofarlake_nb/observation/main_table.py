"""The main table of a Measurement Set in LOFAR's layout: its columns, how they are stored, its rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import default_ms, makearrcoldesc, maketabdesc, required_ms_desc, table

from lofarlake_nb.observation.layout import Layout

TILE_BYTES = 1 << 20
KINDS = {"FLAG": (False, "boolean"), "WEIGHT_SPECTRUM": (0.0, "float")}
VISIBILITY = (0j, "complex")
# Columns that are the same, or change only with time: an incremental storage manager keeps each value once.
SLOW_COLUMNS = (
    "ARRAY_ID",
    "DATA_DESC_ID",
    "EXPOSURE",
    "FEED1",
    "FEED2",
    "FIELD_ID",
    "FLAG_CATEGORY",
    "INTERVAL",
    "OBSERVATION_ID",
    "PROCESSOR_ID",
    "SCAN_NUMBER",
    "STATE_ID",
    "TIME",
    "TIME_CENTROID",
    "WEIGHT",
    "SIGMA",
)
# As casacore writes it.
README = "This is a MeasurementSet Table holding measurements from a Telescope"


def make(path: Path, layout: Layout, columns: Sequence[str], bare: bool = False) -> None:
    """Make a table without rows.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    layout : Layout
        For the shape of a visibility.
    columns : sequence of str
        Visibility-shaped columns.
    bare : bool
        Without subtables; else all that a Measurement Set must have are there, empty.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> make(Path("made.MS"), measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS")), ["DATA"])
    >>> with table("made.MS", ack=False) as ms:
    ...     ms.nrows(), ms.getcoldesc("DATA")["shape"].tolist(), "ANTENNA" in ms.keywordnames()
    (0, [4, 4], True)
    """
    shape = [len(layout.frequencies), len(layout.correlations)]
    managers: dict[str, dict] = {}
    for name in columns:
        managers |= _manager(name, shape)
    managers["uvw"] = _tiled_manager("TiledUVW", "UVW", [3, TILE_BYTES // 24])
    managers["slow"] = {"NAME": "LofarStMan", "TYPE": "IncrementalStMan", "COLUMNS": list(SLOW_COLUMNS), "SPEC": {}}
    managers["fast"] = {
        "NAME": "SSMVar",
        "TYPE": "StandardStMan",
        "COLUMNS": ["ANTENNA1", "ANTENNA2", "FLAG_ROW"],
        "SPEC": {"BUCKETSIZE": TILE_BYTES},
    }
    for i, key in enumerate(managers):
        managers[key]["SEQNR"] = i
    numbered = {f"*{i + 1}": manager for i, manager in enumerate(managers.values())}
    description = maketabdesc([_tiled(name, shape) for name in columns])
    if bare:
        made = table(str(path), {**required_ms_desc(), **description}, dminfo=numbered, ack=False)
    else:
        made = default_ms(str(path), description, numbered)
    with made as ms:
        if bare:  # what casacore says itself where it makes the subtables
            ms.putinfo({"type": "Measurement Set", "subType": "", "readme": README})
            ms.putcolkeyword("FLAG_CATEGORY", "CATEGORY", np.array([], str))
        ms.putcolkeyword("UVW", "MEASINFO", {"type": "uvw", "Ref": "J2000"})


def add_rows(ms: Any, layout: Layout, scans: np.ndarray | None) -> None:
    """Add all rows, with the columns that say what each one is.

    Parameters
    ----------
    ms : casacore.tables.table
        From `make`, open for writing.
    layout : Layout
    scans : (time,) int or None
        Scan number of each slot; 0 where None.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> make(Path("rows.MS"), layout, ["DATA"], bare=True)
    >>> with table("rows.MS", readonly=False, ack=False) as ms:
    ...     add_rows(ms, layout, None)
    ...     ms.nrows(), ms.getcol("ANTENNA2")[:6].tolist()
    (24, [0, 1, 2, 1, 2, 2])
    """
    count, baselines = len(layout.times), len(layout.antenna1)
    ones = np.ones(len(layout.correlations), dtype=np.float32)
    values: dict[str, Any] = {"INTERVAL": layout.interval, "EXPOSURE": layout.interval, "WEIGHT": ones, "SIGMA": ones}
    values |= {"PROCESSOR_ID": -1, "STATE_ID": -1}
    values |= dict.fromkeys(("ARRAY_ID", "DATA_DESC_ID", "FEED1", "FEED2", "FIELD_ID", "OBSERVATION_ID"), 0)
    scans = np.zeros(count, dtype=int) if scans is None else scans
    for i, (time, scan) in enumerate(zip(layout.times, scans, strict=True)):
        values |= {"TIME": float(time), "TIME_CENTROID": float(time), "SCAN_NUMBER": int(scan)}
        # Rows that are added later inherit what the last one holds in the incremental storage manager.
        ms.addrows(1)
        for name, value in values.items():
            ms.putcell(name, i * baselines, value)
        ms.addrows(baselines - 1)
        values = {}
    ms.putcol("ANTENNA1", np.tile(layout.antenna1, count).astype(np.int32))
    ms.putcol("ANTENNA2", np.tile(layout.antenna2, count).astype(np.int32))


def add_column(ms: Any, name: str, shape: list[int]) -> None:
    """Add a column of visibilities (frequency, polarization), or what is shaped as they are.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> make(Path("column.MS"), measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS")), ["DATA"])
    >>> with table("column.MS", readonly=False, ack=False) as ms:
    ...     add_column(ms, "MODEL_DATA", [4, 4])
    ...     ms.coldatatype("MODEL_DATA")
    'complex'
    """
    ms.addcols(maketabdesc([_tiled(name, shape)]), _manager(name, shape))


def _tiled(name: str, shape: list[int]) -> dict:
    zero, kind = KINDS.get(name, VISIBILITY)
    # Option 4 is a fixed shape, kept by the storage manager.
    return makearrcoldesc(name, zero, options=4, ndim=2, shape=shape, valuetype=kind)


def _manager(name: str, shape: list[int]) -> dict[str, dict]:
    size = {"FLAG": 1 / 8, "WEIGHT_SPECTRUM": 4}.get(name, 8)
    rows = max(1, int(TILE_BYTES / (size * shape[0] * shape[1])))
    return {name: _tiled_manager(f"Tiled{name}", name, [*reversed(shape), rows])}


def _tiled_manager(name: str, column: str, tile: list[int]) -> dict:
    spec = {"DEFAULTTILESHAPE": np.array(tile, dtype=np.int32)}
    return {"NAME": name, "TYPE": "TiledColumnStMan", "COLUMNS": [column], "SPEC": spec}
