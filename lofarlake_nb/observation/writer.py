"""Write a Measurement Set in LOFAR's layout, in blocks of time: the whole one appears at its path, or none."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

from lofarlake_nb.errors import LofarlakeError, NoSpace, ObservationError
from lofarlake_nb.observation import main_table, subtable_copies, subtables
from lofarlake_nb.observation.layout import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.observation.tables import first_row, opened

# Less free space than this when a write fails means that the disk is full.
FULL_DISK_BYTES = 64 << 20


class Writer:
    """Rows of a Measurement Set that is being made: every baseline of every slot, in that order.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> source = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> with create(Path("refused.MS"), measurement_set.layout(source), like=source) as rows:
    ...     rows.write(3, np.zeros((2, 6, 3)))
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.ObservationError: slots 3 to 5 of 6 baselines do not fit (4, 6)
    """

    def __init__(self, ms: Any, shape: tuple[int, int], path: Path) -> None:
        self._ms = ms
        self._shape = shape  # time, baseline
        self._path = path  # where it appears

    def write(self, start: int, uvw: np.ndarray, **columns: np.ndarray) -> None:
        """Write a block of time.

        Parameters
        ----------
        start : int
            First slot of the block.
        uvw : (time, baseline, 3) float64, m
        **columns : (time, baseline, frequency, polarization)
            ``DATA=..., FLAG=..., WEIGHT_SPECTRUM=...``; what is left out stays 0 or False. ``FLAG_ROW`` follows
            ``FLAG``.

        Raises
        ------
        ObservationError
            When a shape doesn't fit, or casacore can't write.
        NoSpace
            When the disk is full.
        """
        count, baselines = uvw.shape[:2]
        if start < 0 or start + count > self._shape[0] or baselines != self._shape[1]:
            raise ObservationError(
                f"slots {start} to {start + count} of {baselines} baselines do not fit {self._shape}"
            )
        for name, values in {"UVW": uvw, **columns}.items():
            if values.shape[:2] != (count, baselines):
                raise ObservationError(f"{name}: expected {(count, baselines)}, got {values.shape[:2]}")
            rows = values.reshape(count * baselines, *values.shape[2:])
            with _told(self._path):
                self._ms.putcol(name, rows, start * baselines, count * baselines)
                if name == "FLAG":
                    self._ms.putcol("FLAG_ROW", _whole(rows), start * baselines, count * baselines)


@contextmanager
def create(
    path: Path,
    layout: Layout,
    *,
    like: Path | None = None,
    of_this_layout: bool = False,
    identity: Identity | None = None,
    fields: Sequence[StationField] = (),
    columns: Sequence[str] = ("DATA", "FLAG", "WEIGHT_SPECTRUM"),
    scans: np.ndarray | None = None,
) -> Iterator[Writer]:
    """New Measurement Set, that appears at its path when the block ends without an error.

    Parameters
    ----------
    path : Path
        Where it appears; nothing may be there.
    layout : Layout
        Times, baselines, frequencies, stations; its `rows` are not used: every baseline of every slot gets a row.
    like : Path, optional
        Measurement Set whose stations, field, observation and LOFAR tables are copied.
    of_this_layout : bool
        Whether `like` was made here and is of the same layout: then its subtables are copied as files, in a quarter of
        the time.
    identity : Identity, optional
        Without `like`: what the observation is.
    fields : sequence of StationField
        Without `like`: one for each station.
    columns : sequence of str
        Visibility-shaped columns to make.
    scans : (time,) int, optional
        Scan number of each slot.

    Yields
    ------
    Writer

    Raises
    ------
    ObservationError
        When something is at the path already, or casacore can't write.
    NoSpace
        When the disk is full.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> source = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> layout = measurement_set.layout(source)
    >>> with create(Path("ones.MS"), layout, like=source) as rows:
    ...     rows.write(0, np.zeros((4, 6, 3)), DATA=np.ones((4, 6, 4, 4), complex))
    >>> complex(measurement_set.read(Path("ones.MS"), layout, ["DATA"], slice(0, 4))["DATA"].sum())
    (384+0j)
    """
    path = Path(path)
    if path.exists():
        raise ObservationError(f"{path}: already there", "remove it, or choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _told(path):
            _make(partial, layout, columns, like, of_this_layout, identity, fields)
            ms = table(str(partial), readonly=False, ack=False)
        try:
            with _told(path):
                main_table.add_rows(ms, layout, scans)
            yield Writer(ms, (len(layout.times), len(layout.antenna1)), path)
        except BaseException:  # of whoever computes what is written, too: that is theirs to tell
            with suppress(RuntimeError):
                ms.close()
            raise
        with _told(path):
            ms.close()
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def add_column(path: Path, name: str, like: str = "DATA") -> None:
    """Add a column that is stored as another one is; nothing happens when it is there.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    name : str
        Such as ``CORRECTED_DATA``.
    like : str
        Column with the same shape and type.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> wider = Path(shutil.copytree("observation/L990100_SAP000_SB000_uv.MS", "wider.MS"))
    >>> add_column(wider, "CORRECTED_DATA")
    >>> "CORRECTED_DATA" in measurement_set.describe(wider).columns
    True
    """
    with _told(path), opened(path, writable=True) as ms:
        if name not in ms.colnames():
            shape = list(np.asarray(ms.getcell(like, 0)).shape)
            main_table.add_column(ms, name, shape)


def put(path: Path, layout: Layout, column: str, start: int, values: np.ndarray) -> None:
    """Write a block of time into a column that is there.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    layout : Layout
        Of this Measurement Set; values of missing rows are dropped.
    column : str
        Such as ``FLAG``.
    start : int
        First slot of the block.
    values : (time, baseline, ...)

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> flagged = Path(shutil.copytree("observation/L990100_SAP000_SB000_uv.MS", "flagged.MS"))
    >>> layout = measurement_set.layout(flagged)
    >>> put(flagged, layout, "FLAG", 2, np.ones((2, 6, 4, 4), bool))
    >>> measurement_set.read(flagged, layout, ["FLAG_ROW"], slice(0, 4))["FLAG_ROW"][:, 1].tolist()
    [False, False, True, True]
    """
    rows = layout.rows[start : start + len(values)]
    if rows.shape != values.shape[:2]:
        raise ObservationError(f"{column}: expected {rows.shape} times and baselines, got {values.shape[:2]}")
    present = rows >= 0
    wanted, flat = rows[present], values[present]
    if not wanted.size:
        return
    with _told(path), opened(path, writable=True) as ms:
        low, high = int(wanted.min()), int(wanted.max())
        for name, stored in {column: flat, **({"FLAG_ROW": _whole(flat)} if column == "FLAG" else {})}.items():
            if np.array_equal(wanted, np.arange(low, high + 1)):
                ms.putcol(name, stored, low, len(stored))
            else:
                ms.selectrows(wanted).putcol(name, stored)


def _make(
    path: Path,
    layout: Layout,
    columns: Sequence[str],
    like: Path | None,
    of_this_layout: bool,
    identity: Identity | None,
    fields: Sequence[StationField],
) -> None:
    """Measurement Set without rows."""
    if like is not None and of_this_layout:
        main_table.make(path, layout, columns, bare=True)
        subtable_copies.copy_files(Path(like), path)
        return
    main_table.make(path, layout, columns)
    if like is not None:
        subtable_copies.copy(Path(like), path, layout.field, layout.window, layout.observation)
        subtables.describe_axes(path, layout, _window_name(Path(like), layout.window))
    elif identity is not None:
        subtables.fill(path, layout, identity, fields)
    else:
        raise TypeError("create: needs `like` or `identity`")


def _whole(flag: np.ndarray) -> np.ndarray:
    """Rows (row,) of which every sample is flagged."""
    return np.asarray(flag.reshape(len(flag), -1).all(axis=1))


def _window_name(path: Path, window: int) -> str:
    with opened(path) as ms:
        return str(first_row(ms, "SPECTRAL_WINDOW", window).get("NAME", ""))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """casacore's errors on writing, told in one line."""
    try:
        yield
    except LofarlakeError:
        raise
    except (RuntimeError, OSError) as error:
        folder = next(p for p in Path(path).resolve().parents if p.exists())
        free = shutil.disk_usage(folder).free
        if free < FULL_DISK_BYTES:
            raise NoSpace(
                f"{folder}: {free / 1e6:.0f} MB free, too little to write {Path(path).name}", "make room"
            ) from error
        reason = " ".join(str(error).split())
        raise ObservationError(
            f"{path}: can't be written ({reason})", "check the folder and its permissions"
        ) from error
