"""The subtables of a LOFAR Measurement Set, filled from values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import makearrcoldesc, makescacoldesc, maketabdesc, table

from lofarlake_nb.observation.layout import CORRELATIONS, Layout
from lofarlake_nb.observation.stations import StationField

POSITION = {"QuantumUnits": ["m", "m", "m"], "MEASINFO": {"type": "position", "Ref": "ITRF"}}
DIRECTION = {"QuantumUnits": ["rad", "rad"], "MEASINFO": {"type": "direction", "Ref": "J2000"}}
EPOCH = {"QuantumUnits": ["s"], "MEASINFO": {"type": "epoch", "Ref": "UTC"}}
MEGAHERTZ = {"QuantumUnits": ["MHz"]}
DUTCH_FIELD_DIAMETER = 31.3  # m, of a core field
TOPOCENTRIC = 5


@dataclass(frozen=True)
class Identity:
    """What the OBSERVATION table says about an observation.

    Examples
    --------
    >>> Identity("LC0_000", "667520", "3C196", "L667520_SAP000_SB003_uv.MS", 3).antenna_set
    'HBA_DUAL'
    """

    project: str
    observation_id: str  # digits, without the L
    target: str
    filename: str  # L667520_SAP000_SB000_uv.MS
    subband: int  # of the 512 in the 110 to 190 MHz band
    sap: int = 0
    antenna_set: str = "HBA_DUAL"
    filter_selection: str = "HBA_110_190"
    clock_mhz: float = 200.0
    observer: str = "unknown"


def fill(path: Path, layout: Layout, identity: Identity, fields: Sequence[StationField]) -> None:
    """Fill the subtables of a new Measurement Set as LOFAR's correlator does.

    Parameters
    ----------
    path : Path
        The Measurement Set, with empty subtables, closed.
    layout : Layout
        Stations, times, frequencies.
    identity : Identity
        Who observed what.
    fields : sequence of StationField
        One for each station; EveryBeam computes the station beams from them.

    Examples
    --------
    >>> from casacore.tables import default_ms
    >>> from lofarlake_nb.observation import measurement_set, stations
    >>> default_ms("filled.MS").close()
    >>> found = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> fill(Path("filled.MS"), found, Identity("LC0_000", "1", "3C196", "filled.MS", 0), stations.dutch_hba()[:3])
    >>> with table("filled.MS/LOFAR_ANTENNA_FIELD", ack=False) as t:
    ...     t.getcell("ELEMENT_OFFSET", 0).shape
    (24, 3)
    """
    _antenna(path, layout)
    _feed(path, layout)
    _field(path, layout, identity)
    _observation(path, layout, identity)
    _station_fields(path, fields)
    describe_axes(path, layout, f"SB-{identity.subband}")


def describe_axes(path: Path, layout: Layout, name: str) -> None:
    """Fill the subtables that say what the axes of a visibility are.

    Parameters
    ----------
    path : Path
        New Measurement Set, closed.
    layout : Layout
        Frequencies and correlations.
    name : str
        Of the spectral window.

    Examples
    --------
    >>> from casacore.tables import default_ms
    >>> from lofarlake_nb.observation import measurement_set
    >>> default_ms("axes.MS").close()
    >>> found = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> describe_axes(Path("axes.MS"), found, "SB-0")
    >>> with table("axes.MS/POLARIZATION", ack=False) as t:
    ...     t.getcell("CORR_TYPE", 0).tolist()
    [9, 10, 11, 12]
    """
    count = len(layout.frequencies)
    width = np.full(count, layout.channel_width)
    with _subtable(path, "SPECTRAL_WINDOW") as t:
        _add(
            t,
            NUM_CHAN=count,
            NAME=name,
            REF_FREQUENCY=float(layout.frequencies.mean()),
            CHAN_FREQ=layout.frequencies,
            CHAN_WIDTH=width,
            EFFECTIVE_BW=width,
            RESOLUTION=width,
            TOTAL_BANDWIDTH=float(width.sum()),
            MEAS_FREQ_REF=TOPOCENTRIC,
        )
    codes = {text: code for code, text in CORRELATIONS.items()}
    hands = {"X": 0, "R": 0, "Y": 1, "L": 1}
    with _subtable(path, "POLARIZATION") as t:
        _add(
            t,
            NUM_CORR=len(layout.correlations),
            CORR_TYPE=np.array([codes[c] for c in layout.correlations], dtype=np.int32),
            CORR_PRODUCT=np.array([[hands.get(h, 0) for h in (c[0], c[-1])] for c in layout.correlations], np.int32),
        )
    with _subtable(path, "DATA_DESCRIPTION") as t:
        _add(t, SPECTRAL_WINDOW_ID=0, POLARIZATION_ID=0)


def _antenna(path: Path, layout: Layout) -> None:
    with _subtable(path, "ANTENNA") as t:
        t.addcols(makescacoldesc("LOFAR_STATION_ID", 0))
        t.addcols(makearrcoldesc("LOFAR_PHASE_REFERENCE", 0.0, ndim=1, shape=[3], options=5))
        t.putcolkeywords("LOFAR_PHASE_REFERENCE", POSITION)
        for i, (name, position) in enumerate(zip(layout.stations, layout.positions, strict=True)):
            _add(
                t,
                NAME=name,
                STATION="LOFAR",
                TYPE="GROUND-BASED",
                MOUNT="X-Y",
                POSITION=position,
                OFFSET=np.zeros(3),
                DISH_DIAMETER=DUTCH_FIELD_DIAMETER,
                LOFAR_STATION_ID=i,
                LOFAR_PHASE_REFERENCE=position,
            )


def _feed(path: Path, layout: Layout) -> None:
    with _subtable(path, "FEED") as t:
        for i in range(len(layout.stations)):
            _add(
                t,
                ANTENNA_ID=i,
                FEED_ID=0,
                SPECTRAL_WINDOW_ID=-1,
                TIME=float(layout.times.mean()),
                INTERVAL=float(np.ptp(layout.times) + layout.interval),
                NUM_RECEPTORS=2,
                BEAM_ID=-1,
                BEAM_OFFSET=np.zeros((2, 2)),
                POLARIZATION_TYPE=["X", "Y"],
                POL_RESPONSE=np.eye(2, dtype=np.complex64),
                POSITION=np.zeros(3),
                RECEPTOR_ANGLE=np.full(2, -np.pi / 4),
            )


def _field(path: Path, layout: Layout, identity: Identity) -> None:
    direction = np.array([layout.phase_centre])
    with _subtable(path, "FIELD") as t:
        t.addcols(makearrcoldesc("LOFAR_TILE_BEAM_DIR", 0.0, ndim=1, shape=[2], options=5))
        t.putcolkeywords("LOFAR_TILE_BEAM_DIR", DIRECTION)
        _add(
            t,
            NAME=identity.target,
            TIME=float(layout.times[0]),
            DELAY_DIR=direction,
            PHASE_DIR=direction,
            REFERENCE_DIR=direction,
            SOURCE_ID=-1,
            LOFAR_TILE_BEAM_DIR=direction[0],
        )


def _observation(path: Path, layout: Layout, identity: Identity) -> None:
    start, end = layout.times[0] - layout.interval / 2, layout.times[-1] + layout.interval / 2
    centre = float(layout.frequencies.mean()) / 1e6
    half = len(layout.frequencies) * layout.channel_width / 2e6
    texts = {
        "LOFAR_OBSERVATION_ID": identity.observation_id,
        "LOFAR_PROJECT_NAME": identity.project,
        "LOFAR_PROJECT_TITLE": identity.project,
        "LOFAR_ANTENNA_SET": identity.antenna_set,
        "LOFAR_FILTER_SELECTION": identity.filter_selection,
        "LOFAR_FILENAME": identity.filename,
        "LOFAR_FILETYPE": "uv",
    }
    epochs = {"LOFAR_OBSERVATION_START": start, "LOFAR_OBSERVATION_END": end}
    megahertz = {
        "LOFAR_CLOCK_FREQUENCY": identity.clock_mhz,
        "LOFAR_OBSERVATION_FREQUENCY_CENTER": centre,
        "LOFAR_OBSERVATION_FREQUENCY_MIN": centre - half,
        "LOFAR_OBSERVATION_FREQUENCY_MAX": centre + half,
    }
    with _subtable(path, "OBSERVATION") as t:
        for names, sample, keywords in ((texts, "", {}), (epochs, 0.0, EPOCH), (megahertz, 0.0, MEGAHERTZ)):
            for name in names:
                t.addcols(makescacoldesc(name, sample))
                t.putcolkeywords(name, keywords)
        t.addcols(makescacoldesc("LOFAR_SUB_ARRAY_POINTING", 0))
        t.addcols(makearrcoldesc("LOFAR_TARGET", "", ndim=1))
        _add(
            t,
            TELESCOPE_NAME="LOFAR",
            TIME_RANGE=np.array([start, end]),
            OBSERVER=identity.observer,
            PROJECT=identity.project,
            SCHEDULE_TYPE="LOFAR",
            LOFAR_SUB_ARRAY_POINTING=identity.sap,
            LOFAR_TARGET=[identity.target],
            **texts,
            **epochs,
            **megahertz,
        )


def _station_fields(path: Path, fields: Sequence[StationField]) -> None:
    stations = sorted({f.station for f in fields})
    columns = [makescacoldesc("NAME", ""), makescacoldesc("CLOCK_ID", 0), makescacoldesc("FLAG_ROW", False)]
    with _new_subtable(path, "LOFAR_STATION", columns) as t:
        for i, name in enumerate(stations):
            # The fields of the core share one clock.
            _add(t, NAME=name, CLOCK_ID=i if name.startswith("RS") else 0)
    columns = [makescacoldesc("ANTENNA_ID", 0), makescacoldesc("NAME", ""), makescacoldesc("TILE_ROTATION", 0.0)]
    columns += [makearrcoldesc(c, 0.0, ndim=2) for c in ("COORDINATE_AXES", "ELEMENT_OFFSET", "TILE_ELEMENT_OFFSET")]
    columns += [makearrcoldesc("POSITION", 0.0, ndim=1), makearrcoldesc("ELEMENT_RCU", 0, ndim=2)]
    columns += [makearrcoldesc("ELEMENT_FLAG", False, ndim=2)]
    with _new_subtable(path, "LOFAR_ANTENNA_FIELD", columns) as t:
        for name in ("POSITION", "ELEMENT_OFFSET", "TILE_ELEMENT_OFFSET"):
            t.putcolkeywords(name, POSITION)
        t.putcolkeywords(
            "COORDINATE_AXES", {"QuantumUnits": ["m", "m"], "MEASINFO": {"type": "direction", "Ref": "ITRF"}}
        )
        t.putcolkeywords("TILE_ROTATION", {"QuantumUnits": ["rad"]})
        for i, field in enumerate(fields):
            tiles = len(field.tile_offsets)
            _add(
                t,
                ANTENNA_ID=i,
                NAME=field.field,
                POSITION=field.position,
                COORDINATE_AXES=field.axes,
                ELEMENT_OFFSET=field.tile_offsets,
                TILE_ELEMENT_OFFSET=field.dipole_offsets,
                ELEMENT_RCU=np.arange(2 * tiles, dtype=np.int32).reshape(-1, 2),
                ELEMENT_FLAG=np.zeros((tiles, 2), dtype=bool),
            )
    columns = [makescacoldesc("ANTENNA_FIELD_ID", 0), makescacoldesc("ELEMENT_INDEX", 0), makescacoldesc("TIME", 0.0)]
    _new_subtable(path, "LOFAR_ELEMENT_FAILURE", columns).close()


def _subtable(path: Path, name: str) -> Any:
    return table(str(path / name), readonly=False, ack=False)


def _new_subtable(path: Path, name: str, columns: list) -> Any:
    made = table(str(path / name), maketabdesc(columns), ack=False)
    with table(str(path), readonly=False, ack=False) as ms:
        ms.putkeyword(name, made)
    return made


def _add(subtable: Any, **cells: object) -> None:
    row = subtable.nrows()
    subtable.addrows(1)
    for name, value in cells.items():
        subtable.putcell(name, row, value)
