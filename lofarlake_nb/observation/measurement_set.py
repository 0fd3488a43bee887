"""A Measurement Set on disk: what it is, how its rows are laid out, and blocks of its visibilities."""

import datetime
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet
from lofarlake_nb.observation.layout import Layout, layout_of
from lofarlake_nb.observation.tables import TABLE_FILE, broken_told, first_row, open_checked, opened, selected, text_of
from lofarlake_nb.observation.visibilities import block_of


@dataclass(frozen=True)
class Description:
    """What a Measurement Set holds, from its metadata. Texts are empty and numbers None where it doesn't say.

    Examples
    --------
    >>> described = describe(find(Path("observation"))[0])
    >>> described.exposure_s, round(described.min_frequency_hz / 1e6, 3), described.subband
    (8.0, 134.902, 0)
    """

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
    with opened(path) as ms:
        chosen = selected(ms, spectral_window, field)
        found = layout_of(ms, path, chosen)
        observation = first_row(ms, "OBSERVATION", chosen.observation)
        window_name = str(first_row(ms, "SPECTRAL_WINDOW", chosen.window).get("NAME", ""))
        field_name = str(first_row(ms, "FIELD", chosen.field).get("NAME", ""))
        columns, rows = tuple(sorted(ms.colnames())), ms.nrows()
    names = f"{observation.get('LOFAR_FILENAME', '')} {Path(path).resolve().name}"
    half = 0.5 * found.channel_width
    try:
        start = _iso(found.times[0] - 0.5 * found.interval)
    except OverflowError as error:
        raise NotAMeasurementSet(f"{path}: TIME {found.times[0]:g} s is no date of this calendar") from error
    return Description(
        path=Path(path),
        telescope=text_of(observation.get("TELESCOPE_NAME")),
        project=text_of(observation.get("LOFAR_PROJECT_NAME")) or text_of(observation.get("PROJECT")),
        observation_id=text_of(observation.get("LOFAR_OBSERVATION_ID")),
        target=text_of(observation.get("LOFAR_TARGET")) or text_of(field_name),
        antenna_set=text_of(observation.get("LOFAR_ANTENNA_SET")),
        ra_deg=float(np.rad2deg(found.phase_centre[0]) % 360.0),
        dec_deg=float(np.rad2deg(found.phase_centre[1])),
        start=start,
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
    """Antenna set that a Measurement Set says it was observed with, as ``HBA_DUAL_INNER``; empty where it doesn't.

    Examples
    --------
    >>> antenna_set(find(Path("observation"))[0])
    'HBA_DUAL'
    """
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
        return layout_of(ms, path, selected(ms, spectral_window, field))


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

    Examples
    --------
    >>> path = find(Path("observation"))[0]
    >>> with reading(path, layout(path)) as get:
    ...     [get(["UVW"], times)["UVW"].shape for times in (slice(0, 1), slice(1, 4))]
    [(1, 6, 3), (3, 6, 3)]
    """
    with broken_told(path):
        ms = open_checked(path)

    def get(columns: Sequence[str], times: slice) -> dict[str, np.ndarray]:
        with broken_told(path):
            return block_of(ms, layout, columns, times)

    try:
        yield get
    finally:
        ms.close()


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
