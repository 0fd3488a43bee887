"""A Measurement Set on disk: what it is, how its rows are laid out, and blocks of its visibilities."""

import datetime
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet
from lofarlake_nb.observation.rows import baselines, one_interval, row_of, slots
from lofarlake_nb.observation.tables import (
    TABLE_FILE,
    ask,
    broken_told,
    cells,
    first_row,
    open_checked,
    opened,
    selected,
    text_of,
    visibility_columns,
)

# Stokes codes of casacore.
CORRELATIONS = {
    1: "I",
    2: "Q",
    3: "U",
    4: "V",
    5: "RR",
    6: "RL",
    7: "LR",
    8: "LL",
    9: "XX",
    10: "XY",
    11: "YX",
    12: "YY",
}


@dataclass(frozen=True)
class Description:
    """What a Measurement Set holds, from its metadata. Texts are empty and numbers None where it doesn't say."""

    path: Path
    telescope: str
    project: str
    observation_id: str
    target: str
    antenna_set: str
    ra_deg: float  # phase centre, J2000
    dec_deg: float
    start: str  # UTC, ISO 8601, start of the first slot
    duration_s: float  # first to last slot, including gaps
    exposure_s: float  # without gaps
    interval_s: float
    n_times: int
    n_baselines: int
    n_rows: int
    n_channels: int
    min_frequency_hz: float  # lower edge of the lowest channel
    max_frequency_hz: float  # upper edge of the highest channel
    channel_width_hz: float
    subband: int | None
    sap: int | None
    correlations: tuple[str, ...]
    stations: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How the rows of a Measurement Set map to time and baseline."""

    times: np.ndarray  # (time,) MJD UTC seconds, centre of the slot, ascending
    antenna1: np.ndarray  # (baseline,) int, in the order of first appearance
    antenna2: np.ndarray  # (baseline,) int
    rows: np.ndarray  # (time, baseline) int64, -1 where the row is missing
    frequencies: np.ndarray  # (frequency,) Hz, as stored
    stations: tuple[str, ...]
    positions: np.ndarray  # (station, 3) m, ITRF
    phase_centre: tuple[float, float]  # ra, dec in rad, J2000
    interval: float  # s
    channel_width: float  # Hz
    correlations: tuple[str, ...] = ("XX", "XY", "YX", "YY")
    window: int = 0  # rows of SPECTRAL_WINDOW and FIELD
    field: int = 0

    @property
    def cross(self) -> np.ndarray:
        """(baseline,) bool, True where the two stations differ."""
        return self.antenna1 != self.antenna2


def find(path: Path) -> list[Path]:
    """Measurement Sets at or below a path, by what they are and not by their name.

    Parameters
    ----------
    path : Path
        A Measurement Set, or a folder.

    Returns
    -------
    list of Path
        Sorted; empty when there are none. Links are not followed, and nothing is searched inside a table.

    Raises
    ------
    NotAMeasurementSet
        When there is nothing at the path.

    Examples
    --------
    >>> [path.name for path in find(Path("observation"))]
    ['L990100_SAP000_SB000_uv.MS']
    """
    path = Path(path)
    if not path.exists():
        raise NotAMeasurementSet(f"{path}: no such file or folder", "check the path")
    found = []
    for folder, below, files in os.walk(path):
        if TABLE_FILE in files:
            below.clear()
            if _says_measurement_set(Path(folder)):
                found.append(Path(folder))
    return sorted(found)


def describe(path: Path, spectral_window: int | None = None, field: int | None = None) -> Description:
    """What a Measurement Set holds.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    spectral_window, field : int, optional
        Which one, where there are several.

    Returns
    -------
    Description
        From its metadata; no visibilities are read.

    Raises
    ------
    NotAMeasurementSet
        For anything else, or a broken one.
    ObservationError
        When it holds several spectral windows or fields, and none is chosen.

    Examples
    --------
    >>> described = describe(find(Path("observation"))[0])
    >>> described.target, described.n_channels, len(described.stations)
    ('3C196', 4, 3)
    """
    found = layout(path, spectral_window, field)
    observation, window_name, field_name, columns, rows = _metadata(path, spectral_window, field)
    names = f"{observation.get('LOFAR_FILENAME', '')} {Path(path).resolve().name}"
    half = 0.5 * found.channel_width
    return Description(
        path=Path(path),
        telescope=text_of(observation.get("TELESCOPE_NAME")),
        project=text_of(observation.get("LOFAR_PROJECT_NAME")) or text_of(observation.get("PROJECT")),
        observation_id=text_of(observation.get("LOFAR_OBSERVATION_ID")),
        target=text_of(observation.get("LOFAR_TARGET")) or text_of(field_name),
        antenna_set=text_of(observation.get("LOFAR_ANTENNA_SET")),
        ra_deg=float(np.rad2deg(found.phase_centre[0]) % 360.0),
        dec_deg=float(np.rad2deg(found.phase_centre[1])),
        start=_iso(found.times[0] - 0.5 * found.interval),
        duration_s=float(found.times[-1] - found.times[0] + found.interval),
        exposure_s=len(found.times) * found.interval,
        interval_s=found.interval,
        n_times=len(found.times),
        n_baselines=len(found.antenna1),
        n_rows=rows,
        n_channels=len(found.frequencies),
        min_frequency_hz=float(found.frequencies.min() - half),
        max_frequency_hz=float(found.frequencies.max() + half),
        channel_width_hz=found.channel_width,
        subband=_number(r"SB-?(\d{1,4})", f"{window_name} {names}"),
        sap=_number(r"SAP(\d{1,4})", names),
        correlations=found.correlations,
        stations=found.stations,
        columns=columns,
    )


def antenna_set(path: Path) -> str:
    """Antenna set that a Measurement Set says it was observed with, as ``HBA_DUAL_INNER``; empty where it doesn't."""
    with opened(path) as ms:
        return text_of(first_row(ms, "OBSERVATION").get("LOFAR_ANTENNA_SET"))


def layout(path: Path, spectral_window: int | None = None, field: int | None = None) -> Layout:
    """How the rows of a Measurement Set map to time and baseline, in whatever order they are stored.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    spectral_window, field : int, optional
        Which one, where it holds several; the others' rows are left alone.

    Returns
    -------
    Layout
        Baselines in the order of their first appearance.

    Raises
    ------
    NotAMeasurementSet
        For anything else, or a broken one.
    ObservationError
        When it holds several spectral windows or fields and none is chosen, a baseline twice in one slot, or baselines
        of different intervals.

    Examples
    --------
    >>> found = layout(find(Path("observation"))[0])
    >>> len(found.times), found.stations
    (4, ('CS001HBA0', 'CS002HBA0', 'CS003HBA0'))
    """
    with opened(path) as ms:
        chosen = selected(ms, spectral_window, field)
        interval, antenna1, antenna2, time = (
            np.asarray(ms.getcol(c)) if chosen.rows is None else np.asarray(ms.getcol(c))[chosen.rows]
            for c in ("INTERVAL", "ANTENNA1", "ANTENNA2", "TIME")
        )
        usual = one_interval(interval, path)
        stations, positions = _stations(ms, int(max(antenna1.max(), antenna2.max())))
        if min(antenna1.min(), antenna2.min()) < 0:
            raise NotAMeasurementSet(f"{path}: a row names a station below 0")
        times, slot = slots(time, usual, path)
        first, baseline = baselines(antenna1.astype(np.int64) * len(stations) + antenna2)
        rows = row_of(slot, baseline, (len(times), len(first)), path)
        if chosen.rows is not None:
            rows = np.where(rows >= 0, chosen.rows[rows], -1)
        frequencies, width = _frequencies(ms, chosen.window)
        correlations = _correlations(ms, chosen.description)
        centre = np.asarray(ask(ms, "FIELD", lambda t: t.getcell("PHASE_DIR", chosen.field))).reshape(-1, 2)[0]
    return Layout(
        times=times,
        antenna1=antenna1[first].astype(np.int64),
        antenna2=antenna2[first].astype(np.int64),
        rows=rows,
        frequencies=frequencies,
        stations=stations,
        positions=positions,
        phase_centre=(float(centre[0]), float(centre[1])),
        interval=usual,
        channel_width=width,
        correlations=correlations,
        window=chosen.window,
        field=chosen.field,
    )


def read(path: Path, layout: Layout, columns: Sequence[str], times: slice) -> dict[str, np.ndarray]:
    """A block of time of some columns.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    layout : Layout
        Of this Measurement Set.
    columns : sequence of str
        Such as ``DATA``, ``FLAG``, ``WEIGHT_SPECTRUM``, ``UVW``. ``FLAG`` contains ``FLAG_ROW``; where there is no
        ``WEIGHT_SPECTRUM`` it is made from ``WEIGHT``, and where there is neither it is 1.
    times : slice
        Of the slots in `layout`, step 1.

    Returns
    -------
    dict of array
        Each (time, baseline, ...), visibilities (time, baseline, frequency, polarization), as stored. Missing rows are
        0, flagged, with weight 0. Visibilities and weights that are no finite numbers come as 0, flagged where ``FLAG``
        is among `columns`.

    Raises
    ------
    NotAMeasurementSet
        When it is broken, or a column is missing.

    Examples
    --------
    >>> path = find(Path("observation"))[0]
    >>> read(path, layout(path), ["DATA"], slice(0, 2))["DATA"].shape
    (2, 6, 4, 4)
    """
    with reading(path, layout) as get:
        return get(columns, times)


@contextmanager
def reading(path: Path, layout: Layout) -> Iterator[Callable[[Sequence[str], slice], dict[str, np.ndarray]]]:
    """As `read`, for many blocks of time one after the other: a Measurement Set that stays open.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    layout : Layout
        Of this Measurement Set.

    Yields
    ------
    callable
        Takes columns and slots, returns and raises what `read` does.
    """
    with broken_told(path):
        ms = open_checked(path)

    def get(columns: Sequence[str], times: slice) -> dict[str, np.ndarray]:
        with broken_told(path):
            return _read(ms, layout, columns, times)

    try:
        yield get
    finally:
        ms.close()


def _read(ms: Any, layout: Layout, columns: Sequence[str], times: slice) -> dict[str, np.ndarray]:
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


def _surely_finite(values: np.ndarray) -> bool:
    """Whether all are finite numbers, or False when in doubt: their sum is not where one of them is not."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.view(values.real.dtype).sum()))


def _metadata(
    path: Path, spectral_window: int | None, field: int | None
) -> tuple[dict[str, Any], str, str, tuple[str, ...], int]:
    """OBSERVATION's first row, names of spectral window and field, columns, number of rows."""
    with opened(path) as ms:
        chosen = selected(ms, spectral_window, field)
        return (
            first_row(ms, "OBSERVATION"),
            str(first_row(ms, "SPECTRAL_WINDOW", chosen.window).get("NAME", "")),
            str(first_row(ms, "FIELD", chosen.field).get("NAME", "")),
            tuple(sorted(ms.colnames())),
            ms.nrows(),
        )


def _stations(ms: Any, last: int) -> tuple[tuple[str, ...], np.ndarray]:
    names, positions = ask(ms, "ANTENNA", lambda t: (t.getcol("NAME"), t.getcol("POSITION")))
    if last >= len(names):
        raise NotAMeasurementSet(f"{ms.name()}: rows name station {last}, the ANTENNA table has {len(names)}")
    named = [text_of(name) or f"station{i:03d}" for i, name in enumerate(names)]
    # Two of one name (a telescope's pads, say) must not be taken for one.
    unique = [f"{name}_{i}" if named.count(name) > 1 else name for i, name in enumerate(named)]
    return tuple(unique), np.asarray(positions, dtype=np.float64)


def _frequencies(ms: Any, window: int) -> tuple[np.ndarray, float]:
    frequencies, widths = ask(
        ms, "SPECTRAL_WINDOW", lambda t: (t.getcell("CHAN_FREQ", window), t.getcell("CHAN_WIDTH", window))
    )
    frequencies = np.asarray(frequencies, dtype=np.float64)
    if frequencies.size == 0 or not (np.isfinite(frequencies).all() and (frequencies > 0).all()):
        raise NotAMeasurementSet(f"{ms.name()}: channel frequencies that are no positive numbers")
    return frequencies, float(abs(np.median(widths)))


def _correlations(ms: Any, description: int) -> tuple[str, ...]:
    setup = int(ask(ms, "DATA_DESCRIPTION", lambda t: t.getcell("POLARIZATION_ID", description)))
    codes = ask(ms, "POLARIZATION", lambda t: t.getcell("CORR_TYPE", setup))
    return tuple(CORRELATIONS.get(int(code), str(int(code))) for code in codes)


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


def _says_measurement_set(folder: Path) -> bool:
    """Whether the text file that every casacore table has says that this one is a Measurement Set."""
    try:
        return (
            re.search(rb"^Type\s*=\s*Measurement Set\s*$", (folder / "table.info").read_bytes()[:4096], re.M)
            is not None
        )
    except OSError:
        return False


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) if match else None


def _iso(mjd_seconds: float) -> str:
    moment = datetime.datetime(1858, 11, 17) + datetime.timedelta(seconds=float(mjd_seconds))
    return moment.isoformat(timespec="milliseconds") + "Z"
