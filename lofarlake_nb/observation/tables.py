"""casacore's tables, opened with care: what isn't a Measurement Set that can be used becomes one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

from lofarlake_nb.errors import LofarlakeError, NotAMeasurementSet, ObservationError

TABLE_FILE = "table.dat"
VISIBILITIES = ("DATA", "CORRECTED_DATA", "MODEL_DATA")
NEEDED_COLUMNS = ("TIME", "INTERVAL", "ANTENNA1", "ANTENNA2", "UVW", "FLAG", "FLAG_ROW", "DATA_DESC_ID", "FIELD_ID")
NEEDED_TABLES = ("ANTENNA", "DATA_DESCRIPTION", "FIELD", "OBSERVATION", "POLARIZATION", "SPECTRAL_WINDOW")

# What casacore raises when it reads a table whose bytes are wrong.
BROKEN = (RuntimeError, UnicodeError, MemoryError, IndexError, TypeError)


@contextmanager
def opened(path: Path, *, writable: bool = False) -> Iterator[Any]:
    """An open Measurement Set, checked; its errors become one line.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    writable : bool
        False reads without a lock, so that several processes may read at once.

    Yields
    ------
    casacore.tables.table

    Raises
    ------
    NotAMeasurementSet
        For anything else, or a broken one.
    """
    path = Path(path)
    if not (path / TABLE_FILE).is_file():
        what = "a folder" if path.is_dir() else "a file" if path.exists() else "nothing"
        raise NotAMeasurementSet(f"{path}: expected a Measurement Set, found {what}", "check the path")
    try:
        ms = table(str(path), readonly=not writable, ack=False, lockoptions="auto" if writable else "usernoread")
        try:
            _check(ms, path)
            yield ms
        finally:
            ms.close()
    except LofarlakeError:
        raise
    except BROKEN as error:
        raise NotAMeasurementSet(f"{path}: broken Measurement Set ({_one_line(error)})", "get it again") from error


def _check(ms: Any, path: Path) -> None:
    missing = [c for c in NEEDED_COLUMNS if c not in ms.colnames()]
    if missing:
        raise NotAMeasurementSet(f"{path}: a table without {', '.join(missing)} is no Measurement Set")
    if not any(c in ms.colnames() for c in VISIBILITIES):
        raise NotAMeasurementSet(f"{path}: no visibilities, expected one of the columns {', '.join(VISIBILITIES)}")
    keywords = ms.getkeywords()
    root = path.resolve()
    for name in NEEDED_TABLES:
        place = str(keywords.get(name, "")).removeprefix("Table: ")
        if not place or not Path(place).resolve().is_relative_to(root):
            raise NotAMeasurementSet(f"{path}: no subtable {name} inside it")
    if ms.nrows() == 0:
        raise NotAMeasurementSet(f"{path}: a Measurement Set without rows")


def selected(ms: Any) -> tuple[int, int]:
    """Spectral window and field that the rows are of: there must be one of each."""
    chosen = []
    for column, what in (("DATA_DESC_ID", "spectral windows"), ("FIELD_ID", "fields")):
        values = np.unique(ms.getcol(column))
        if len(values) > 1:
            raise ObservationError(f"{ms.name()}: {len(values)} {what}, expected one", "split it, one subband a set")
        chosen.append(int(values[0]))
    return int(ask(ms, "DATA_DESCRIPTION", lambda t: t.getcell("SPECTRAL_WINDOW_ID", chosen[0]))), chosen[1]


def ask(ms: Any, name: str, question: Callable[[Any], Any]) -> Any:
    """Answer of a function that is given the open subtable of that name."""
    subtable = table(ms.getkeyword(name).removeprefix("Table: "), ack=False, lockoptions="usernoread")
    try:
        return question(subtable)
    finally:
        subtable.close()


def first_row(ms: Any, name: str, row: int = 0) -> dict[str, Any]:
    """Cells of one row of a subtable, by column; those that hold nothing are left out."""

    def question(subtable: Any) -> dict[str, Any]:
        if subtable.nrows() <= row:
            return {}
        return {c: subtable.getcell(c, row) for c in subtable.colnames() if subtable.iscelldefined(c, row)}

    return ask(ms, name, question)


def cells(ms: Any, name: str, rows: np.ndarray) -> np.ndarray:
    """Column for row numbers (row,), in that order; one read where they lie together, as they nearly always do."""
    if rows.size == 0:
        sample = np.asarray(ms.getcell(name, 0))
        return np.zeros((0, *sample.shape), dtype=sample.dtype)
    low, high = int(rows.min()), int(rows.max())
    if high - low + 1 > 2 * rows.size:
        selected = ms.selectrows(rows)
        values = np.asarray(selected.getcol(name))
        selected.close()
        return values
    values = np.asarray(ms.getcol(name, low, high - low + 1))
    return values if np.array_equal(rows, np.arange(low, high + 1)) else values[rows - low]


def text_of(value: object) -> str:
    """One printable line, whatever was stored; the first of several."""
    if isinstance(value, list | tuple | np.ndarray):
        value = value[0] if len(value) else ""
    return "".join(c for c in str(value if value is not None else "") if c.isprintable()).strip()[:200]


def _one_line(error: Exception) -> str:
    return text_of(" ".join(str(error).split())) or type(error).__name__
