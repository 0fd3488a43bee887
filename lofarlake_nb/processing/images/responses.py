"""What stations see of each patch: their beams, and gains that differ between directions where they were solved."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.images.facets import Facet, Place, between
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.image_figures import direction
from lofarlake_nb.processing.images.primary_beam import StationBeams

# The diagonal of a Jones matrix multiplies its rows: XX and XY by X's gain, YX and YY by Y's.
ROWS = {1: [0, 0, 0, 0], 2: [0, 0, 1, 1]}


def facets(
    places: Sequence[Place],
    beams: StationBeams | None,
    gains: Sequence[Gains],
    geometry: Geometry,
    frequency: float,
    n_station: int,
) -> list[Facet]:
    """Patches with what stations see of them.

    Parameters
    ----------
    places : sequence of Place
    beams : StationBeams or None
        None where beams are not known.
    gains : sequence of Gains
        With directions, of each Measurement Set; empty where there are none. Each patch takes those of the direction
        that is nearest.
    geometry : Geometry
    frequency : float
        Of the beams, Hz.
    n_station : int

    Returns
    -------
    list of Facet
        Their `scale` and `power` still to be set.
    """
    found = []
    for place in places:
        if beams is None:
            times = np.zeros(1)
            jones = np.zeros((1, 1, n_station, 4), np.complex64)
            jones[..., [0, 3]] = 1
        else:
            times = beams.times
            jones = beams.at(np.array([place.l]), np.array([place.m])).reshape(len(times), 1, n_station, 4)
        facet = Facet(place.x, place.y, place.size, place.l, place.m, times, np.array([frequency]), jones)
        found.append(_with_gains(facet, gains, geometry) if gains else facet)
    return found


def _with_gains(facet: Facet, gains: Sequence[Gains], geometry: Geometry) -> Facet:
    ra, dec = np.deg2rad(direction(facet.l, facet.m, geometry.phase_centre))
    each = []
    for one in gains:
        away = [
            np.hypot((d.ra - ra + np.pi) % (2 * np.pi) - np.pi, (d.dec - dec) / np.cos(dec)) for d in one.directions
        ]
        values = one.values[int(np.argmin(away))]
        each.append(between(one.times, _filled(values), gains[0].times))
    values = np.concatenate(each, axis=1)  # time, block of every Measurement Set, station, polarization
    seen = between(facet.times, facet.jones, gains[0].times)
    rows = ROWS[1] if values.shape[-1] == 1 else ROWS[2]
    diagonal = values[..., [0, -1]] if values.shape[-1] > 1 else values
    frequencies = np.concatenate([one.frequencies for one in gains])
    return replace(
        facet,
        times=gains[0].times,
        frequencies=frequencies,
        jones=(seen * diagonal[..., rows]).astype(np.complex64),
    )


def _filled(values: np.ndarray) -> np.ndarray:
    """Gains (interval, block, station, polarization) with the station's last good ones, or 1, where there are none."""
    filled = values.copy()
    for i in range(1, len(filled)):
        filled[i] = np.where(np.isfinite(filled[i]), filled[i], filled[i - 1])
    for i in range(len(filled) - 2, -1, -1):
        filled[i] = np.where(np.isfinite(filled[i]), filled[i], filled[i + 1])
    return np.where(np.isfinite(filled), filled, 1)
