"""The subtables of a Measurement Set, copied from another one."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

# Made anew from the layout, or no longer true of other visibilities.
NOT_COPIED = ("SPECTRAL_WINDOW", "DATA_DESCRIPTION", "POLARIZATION", "SORTED_TABLE")
# Of FEED, SOURCE and others.
WINDOW_COLUMN = "SPECTRAL_WINDOW_ID"


def copy(source: Path, path: Path, field: int = 0, window: int = 0, observation: int = 0) -> None:
    """Copy all subtables that stay true when visibilities are averaged.

    EveryBeam knows no Measurement Set with several fields, and takes the telescope's name from the first observation.

    Parameters
    ----------
    source : Path
        Measurement Set to copy from.
    path : Path
        New Measurement Set, closed.
    field, observation : int
        Rows of FIELD and OBSERVATION that are copied, the others are not.
    window : int
        Spectral window that becomes the first and only one: what is said of others is left out.

    Examples
    --------
    >>> from casacore.tables import default_ms
    >>> default_ms("copied.MS").close()
    >>> copy(Path("observation/L990100_SAP000_SB000_uv.MS"), Path("copied.MS"))
    >>> with table("copied.MS/ANTENNA", ack=False) as t:
    ...     t.getcol("NAME")
    ['CS001HBA0', 'CS002HBA0', 'CS003HBA0']
    """
    root = source.resolve()
    with table(str(path), readonly=False, ack=False) as ms:
        for name, place in _places(source).items():
            inside = Path(place).resolve().is_relative_to(root)
            if name in NOT_COPIED or name.startswith("QUALITY_") or not inside:
                continue
            shutil.rmtree(path / name, ignore_errors=True)
            with table(place, ack=False, lockoptions="usernoread") as subtable:
                rows = _rows(subtable, name, field, window, observation)
                chosen = subtable if len(rows) == subtable.nrows() else subtable.selectrows(rows)
                with chosen.copy(str(path / name), deep=True, valuecopy=True) as copied:
                    ms.putkeyword(name, copied)
                    of_window = window > 0 and copied.nrows() and WINDOW_COLUMN in copied.colnames()
            if of_window:
                with table(str(path / name), readonly=False, ack=False) as copied:
                    copied.putcol(WINDOW_COLUMN, np.minimum(copied.getcol(WINDOW_COLUMN), 0))


def copy_files(source: Path, path: Path) -> None:
    """Copy all subtables of a Measurement Set that was written here: they are plain tables, and lie in its folder.

    Parameters
    ----------
    source : Path
        Measurement Set to copy from, closed.
    path : Path
        New Measurement Set without subtables, closed.

    Examples
    --------
    >>> from casacore.tables import required_ms_desc
    >>> table("alike.MS", required_ms_desc(), ack=False).close()
    >>> copy_files(Path("observation/L990100_SAP000_SB000_uv.MS"), Path("alike.MS"))
    >>> with table("alike.MS/ANTENNA", ack=False) as t:
    ...     t.getcol("NAME")
    ['CS001HBA0', 'CS002HBA0', 'CS003HBA0']
    """
    with table(str(path), readonly=False, ack=False) as ms:
        for name in _places(source):
            shutil.copytree(source / name, path / name)
            ms.putkeyword(name, f"Table: {path / name}")


def _places(source: Path) -> dict[str, str]:
    """Folders of the subtables, by name."""
    with table(str(source), ack=False, lockoptions="usernoread") as ms:
        return {k: v.removeprefix("Table: ") for k, v in ms.getkeywords().items() if str(v).startswith("Table: ")}


def _rows(subtable: Any, name: str, field: int, window: int, observation: int) -> list[int]:
    """Rows of a subtable that are said of one field, spectral window (-1 is any) and observation."""
    every = list(range(subtable.nrows()))
    if name in ("FIELD", "OBSERVATION"):
        return [row for row in every if row == (field if name == "FIELD" else observation)]
    if every and WINDOW_COLUMN in subtable.colnames():
        return np.flatnonzero(np.isin(subtable.getcol(WINDOW_COLUMN), (-1, window))).tolist()
    return every
