"""casacore's tables, opened with care: what isn't a Measurement Set that can be used becomes one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     ms.nrows()
    24
    """
    with broken_told(path):
        ms = open_checked(path, writable=writable)
        try:
            yield ms
        finally:
            ms.close()


@contextmanager
def broken_told(path: Path) -> Iterator[None]:
    """What casacore raises for a broken table, told in one line.

    Examples
    --------
    >>> with broken_told(Path("a.MS")):
    ...     raise RuntimeError("a.MS/table.f0 is too short")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.NotAMeasurementSet: a.MS: broken Measurement Set (a.MS/table.f0 is too short); get it again
    """
    try:
        yield
    except LofarlakeError:
        raise
    except BROKEN as error:
        raise NotAMeasurementSet(f"{path}: broken Measurement Set ({_one_line(error)})", "get it again") from error


def open_checked(path: Path, *, writable: bool = False) -> Any:
    """As `opened`, but casacore's own errors are raised, and whoever opens it closes it.

    Examples
    --------
    >>> open_checked(Path("image.fits"))
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.NotAMeasurementSet: image.fits: expected a Measurement Set, found a file; check the path
    """
    path = Path(path)
    if not (path / TABLE_FILE).is_file():
        what = "a folder" if path.is_dir() else "a file" if path.exists() else "nothing"
        raise NotAMeasurementSet(f"{path}: expected a Measurement Set, found {what}", "check the path")
    ms = table(str(path), readonly=not writable, ack=False, lockoptions="auto" if writable else "usernoread")
    try:
        _check(ms, path)
    except BaseException:
        ms.close()
        raise
    return ms


def _check(ms: Any, path: Path) -> None:
    missing = [c for c in NEEDED_COLUMNS if c not in ms.colnames()]
    if missing:
        raise NotAMeasurementSet(f"{path}: a table without {', '.join(missing)} is no Measurement Set")
    if not visibility_columns(ms):
        raise NotAMeasurementSet(f"{path}: no visibilities, expected a complex column as {', '.join(VISIBILITIES)}")
    keywords = ms.getkeywords()
    root = path.resolve()
    for name in NEEDED_TABLES:
        place = str(keywords.get(name, "")).removeprefix("Table: ")
        if not place or not Path(place).resolve().is_relative_to(root):
            raise NotAMeasurementSet(f"{path}: no subtable {name} inside it")
    if ms.nrows() == 0:
        raise NotAMeasurementSet(f"{path}: a Measurement Set without rows")


def visibility_columns(ms: Any) -> list[str]:
    """Names of the columns that hold visibilities.

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     visibility_columns(ms)
    ['DATA']
    """
    return [c for c in ms.colnames() if ms.getcoldesc(c)["valueType"] in ("complex", "dcomplex")]


@dataclass(frozen=True)
class Selection:
    """Rows of one spectral window and one field.

    Examples
    --------
    >>> Selection(window=0, field=1, description=0, rows=np.array([3, 5]), observation=0).rows.tolist()
    [3, 5]
    """

    window: int  # row of SPECTRAL_WINDOW
    field: int  # row of FIELD
    description: int  # row of DATA_DESCRIPTION
    rows: np.ndarray | None  # (row,) int; None for all
    observation: int  # row of OBSERVATION; of the first of the rows where they name several


def selected(ms: Any, spectral_window: int | None = None, field: int | None = None) -> Selection:
    """Rows of one spectral window and field.

    Parameters
    ----------
    ms : casacore.tables.table
    spectral_window, field : int, optional
        Numbers in their subtables; may be left out where the rows are of one only.

    Raises
    ------
    ObservationError
        When there are several and none is chosen, or none of the chosen one.

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     selected(ms)
    Selection(window=0, field=0, description=0, rows=None, observation=0)
    """
    descriptions, fields = np.asarray(ms.getcol("DATA_DESC_ID")), np.asarray(ms.getcol("FIELD_ID"))
    windows = np.asarray(ask(ms, "DATA_DESCRIPTION", lambda t: t.getcol("SPECTRAL_WINDOW_ID")))
    if min(descriptions.min(), fields.min()) < 0 or descriptions.max() >= len(windows):
        raise NotAMeasurementSet(f"{ms.name()}: rows that name no row of DATA_DESCRIPTION or FIELD")
    if (descriptions == descriptions[0]).all() and (fields == fields[0]).all():  # as nearly always
        descriptions, fields = descriptions[:1], fields[:1]
    window = _one_of(ms, windows[descriptions], spectral_window, "spectral window", "spectral_window")
    chosen = _one_of(ms, fields, field, "field", "field_id")
    mask = (windows[descriptions] == window) & (fields == chosen)
    if not mask.any():
        raise ObservationError(f"{ms.name()}: field {chosen} was not observed in spectral window {window}")
    setups = _distinct(descriptions[mask])
    if len(setups) > 1:
        raise ObservationError(
            f"{ms.name()}: spectral window {window} comes with {len(setups)} sets of correlations, expected one",
            "split it",
        )
    observation = _observation(ms, int(mask.argmax()))
    return Selection(window, chosen, int(setups[0]), None if mask.all() else np.flatnonzero(mask), observation)


def _observation(ms: Any, row: int) -> int:
    """Row of OBSERVATION that a row of visibilities names; 0 where it names none that is there."""
    named = int(ms.getcell("OBSERVATION_ID", row)) if "OBSERVATION_ID" in ms.colnames() else 0
    return named if 0 <= named < ask(ms, "OBSERVATION", lambda t: t.nrows()) else 0


def _one_of(ms: Any, values: np.ndarray, wanted: int | None, what: str, option: str) -> int:
    there = _distinct(values)
    listed = ", ".join(map(str, there[:20]))
    if wanted is None:
        if len(there) > 1:
            raise ObservationError(f"{ms.name()}: {len(there)} {what}s, expected one", f"choose by {option}: {listed}")
        return int(there[0])
    if wanted not in there:
        raise ObservationError(f"{ms.name()}: no rows of {what} {wanted}", f"choose by {option}: {listed}")
    return wanted


def _distinct(values: np.ndarray) -> np.ndarray:
    """Different values, ascending; nearly always there is one, which needs no sorting."""
    return values[:1] if (values == values[0]).all() else np.unique(values)


def ask(ms: Any, name: str, question: Callable[[Any], Any]) -> Any:
    """Answer of a function that is given the open subtable of that name.

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     ask(ms, "ANTENNA", lambda subtable: subtable.getcell("NAME", 2))
    'CS003HBA0'
    """
    subtable = table(ms.getkeyword(name).removeprefix("Table: "), ack=False, lockoptions="usernoread")
    try:
        return question(subtable)
    finally:
        subtable.close()


def first_row(ms: Any, name: str, row: int = 0) -> dict[str, Any]:
    """Cells of one row of a subtable, by column; those that hold nothing are left out.

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     first_row(ms, "FIELD")["NAME"], first_row(ms, "FIELD", row=7)
    ('3C196', {})
    """

    def question(subtable: Any) -> dict[str, Any]:
        if subtable.nrows() <= row:
            return {}
        return {c: subtable.getcell(c, row) for c in subtable.colnames() if subtable.iscelldefined(c, row)}

    return ask(ms, name, question)


def cells(ms: Any, name: str, rows: np.ndarray) -> np.ndarray:
    """Column for row numbers (row,), in that order; one read where they lie together, as they nearly always do.

    Examples
    --------
    >>> with opened(Path("observation/L990100_SAP000_SB000_uv.MS")) as ms:
    ...     cells(ms, "ANTENNA2", np.array([4, 0, 1])).tolist()
    [2, 0, 1]
    """
    if rows.size == 0:
        sample = np.asarray(ms.getcell(name, 0))
        return np.zeros((0, *sample.shape), dtype=sample.dtype)
    low, high = int(rows.min()), int(rows.max())
    if high - low + 1 > 2 * rows.size:
        return _chosen(ms, name, rows)
    if np.array_equal(rows, np.arange(low, high + 1)):
        sample = np.asarray(ms.getcell(name, low))
        if sample.ndim and sample.dtype.kind in "bifc":
            # Into numpy's memory, where `getcol` fills its own and copies that.
            values = np.empty((len(rows), *sample.shape), sample.dtype)
            ms.getcolnp(name, values, low, len(rows))
            return values
        return np.asarray(ms.getcol(name, low, len(rows)))
    try:
        return np.asarray(ms.getcol(name, low, high - low + 1))[rows - low]
    except RuntimeError:  # rows of other spectral windows between, of another shape
        return _chosen(ms, name, rows)


def _chosen(ms: Any, name: str, rows: np.ndarray) -> np.ndarray:
    chosen = ms.selectrows(rows)
    try:
        return np.asarray(chosen.getcol(name))
    finally:
        chosen.close()


def text_of(value: object) -> str:
    """One printable line, whatever was stored; the first of several.

    Examples
    --------
    >>> text_of([" 3C196 ", "3C295"]), text_of(None)
    ('3C196', '')
    """
    if isinstance(value, list | tuple | np.ndarray):
        value = value[0] if len(value) else ""
    return "".join(c for c in str(value if value is not None else "") if c.isprintable()).strip()[:200]


def _one_line(error: Exception) -> str:
    return text_of(" ".join(str(error).split())) or type(error).__name__
