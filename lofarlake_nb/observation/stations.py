"""LOFAR's Dutch HBA station fields: where they stand and how their tiles lie, from the lofarantpos package."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lofarantpos.db import LofarAntennaDatabase

from lofarlake_nb.errors import UsageError

# A tile is 4 by 4 dual dipoles, 1.25 m apart (van Haarlem et al. 2013, section 4.4).
DIPOLE_PITCH = 1.25
CORE_FIELDS = ("HBA0", "HBA1")
REMOTE_FIELD = "HBA"


@dataclass(frozen=True)
class StationField:
    """One field of HBA tiles, the unit that LOFAR's correlator calls a station.

    Examples
    --------
    >>> field = dutch_hba()[-1]
    >>> field.station, field.field, field.is_remote, len(field.tile_offsets)
    ('RS509', 'HBA', True, 48)
    """

    name: str  # CS001HBA0
    position: np.ndarray  # (3,) m, ITRF, phase centre of the field
    axes: np.ndarray  # (3, 3), the field's p, q and r axes in ITRF, one a row
    tile_offsets: np.ndarray  # (tile, 3) m, ITRF, from `position`
    dipole_offsets: np.ndarray  # (16, 3) m, ITRF, from the centre of a tile
    rotation: float  # rad, of the tiles in the field's plane

    @property
    def station(self) -> str:
        """Name without the field, ``CS001``."""
        return self.name[:5]

    @property
    def field(self) -> str:
        """Name of the field, ``HBA0``."""
        return self.name[5:]

    @property
    def is_remote(self) -> bool:
        """Whether the field stands outside the core, with 48 tiles instead of 24 and a clock of its own."""
        return self.name.startswith("RS")


def dutch_hba() -> list[StationField]:
    """All Dutch HBA fields: 48 in the core, then 14 remote ones.

    Returns
    -------
    list of StationField
        In the order of LOFAR's correlator: by name.

    Examples
    --------
    >>> fields = dutch_hba()
    >>> len(fields), sum(field.is_remote for field in fields), fields[0].name
    (62, 14, 'CS001HBA0')
    """
    with warnings.catch_warnings():
        # lofarantpos leaves the files that it has read to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        database = LofarAntennaDatabase()
    stations = sorted({name[:5] for name in database.phase_centres if name[:2] in ("CS", "RS")})
    names = [
        station + field
        for station in stations
        for field in (CORE_FIELDS if station.startswith("CS") else (REMOTE_FIELD,))
    ]
    return [_station_field(database, name) for name in names if name in database.phase_centres]


def choose(fields: Sequence[StationField], count: int) -> list[StationField]:
    """Fewer fields that still span core and remote stations.

    Parameters
    ----------
    fields : sequence of StationField
        To choose from.
    count : int
        How many to keep; 0 for all.

    Returns
    -------
    list of StationField
        Evenly spread over the core fields and, for about a third, over the remote ones; in the order of `fields`.

    Raises
    ------
    UsageError
        When there are not that many.

    Examples
    --------
    >>> [field.name for field in choose(dutch_hba(), 3)]
    ['CS001HBA0', 'CS501HBA1', 'RS106HBA']
    """
    if count == 0 or count == len(fields):
        return list(fields)
    if not 3 <= count < len(fields):
        raise UsageError(f"stations: expected 0 (all) or 3 to {len(fields)}, got {count}")
    core = [f for f in fields if not f.is_remote]
    remote = [f for f in fields if f.is_remote]
    n_remote = max(min(count // 3, len(remote)), count - len(core))
    kept = _spread(core, count - n_remote) + _spread(remote, n_remote)
    return [f for f in fields if f.name in {k.name for k in kept}]


def _spread(fields: list[StationField], count: int) -> list[StationField]:
    return [fields[i] for i in np.linspace(0, len(fields) - 1, count).round().astype(int)]


def _station_field(database: LofarAntennaDatabase, name: str) -> StationField:
    position = np.asarray(database.phase_centres[name], dtype=np.float64)
    to_etrs = np.asarray(database.pqr_to_etrs[name], dtype=np.float64)
    rotation = float(database.hba_rotations.get(name, 0.0))
    steps = DIPOLE_PITCH * (np.arange(4) - 1.5)
    q, p = np.meshgrid(steps[::-1], steps, indexing="ij")
    flat = np.stack([p.ravel(), q.ravel(), np.zeros(16)])
    turn = np.array(
        [[np.cos(rotation), np.sin(rotation), 0.0], [-np.sin(rotation), np.cos(rotation), 0.0], [0.0, 0.0, 1.0]]
    )
    return StationField(
        name=name,
        position=position,
        axes=np.ascontiguousarray(to_etrs.T),
        tile_offsets=np.ascontiguousarray(database.antenna_etrs(name) - position),
        dipole_offsets=np.ascontiguousarray((to_etrs @ turn @ flat).T),
        rotation=rotation,
    )
