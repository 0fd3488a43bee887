"""What stations see of each patch: their beams, and the ionosphere's phases where they were solved."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lofarlake_nb.processing.gains import screen
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.images.facets import Facet, Place
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.image_figures import direction
from lofarlake_nb.processing.images.station_beams import StationBeams

# Patches whose phases are computed at once.
TOGETHER = 16


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
        With directions, of each Measurement Set; empty where there are none. Phases of the first one's are taken, as
        the ionosphere's, between the directions that they were solved in (`gains.screen`).
    geometry : Geometry
    frequency : float
        Hz, of phases where there are no gains.
    n_station : int

    Returns
    -------
    list of Facet
        Their `scale` still to be set.

    Examples
    --------
    >>> size = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> (facet,) = facets([Place(0, 0, 32, 0.0, 0.0, 5.0)], None, [], size, 135e6, 2)
    >>> facet.jones.real.tolist(), facet.phases  # nothing is known of beams and ionosphere
    ([[[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]], None)
    """
    found = []
    there = np.array([place.l for place in places]), np.array([place.m for place in places])
    seen = None if beams is None else (beams.at(*there), beams.slope(*there))
    for i, place in enumerate(places):
        its = place.x, place.y, place.size, place.l, place.m
        if beams is None or seen is None:
            jones = np.zeros((1, n_station, 4), np.complex64)
            jones[..., [0, 3]] = 1
            found.append(Facet(*its, np.zeros(1), jones, frequency=frequency))
        else:
            jones, slope = (values[:, :, i] for values in seen)
            own: dict[str, Any] = {"frequency": frequency, "beam_frequency": beams.frequency, "slope": slope}
            found.append(Facet(*its, beams.times, jones, **own))
    return _with_phases(found, gains[0], geometry) if gains else found


def _with_phases(facets: Sequence[Facet], gains: Gains, geometry: Geometry) -> list[Facet]:
    ra, dec = np.deg2rad([direction(f.l, f.m, geometry.phase_centre) for f in facets]).reshape(-1, 2).T
    common: dict[str, Any] = {"phase_times": gains.times, "frequency": float(gains.frequencies[0])}
    found: list[Facet] = []
    for start in range(0, len(facets), TOGETHER):  # what they have in common is computed once, and memory is bounded
        some = slice(start, start + TOGETHER)
        phases = screen.towards_all(gains, ra[some], dec[some])
        found += [replace(f, phases=unwound(np.angle(p)), **common) for f, p in zip(facets[some], phases, strict=True)]
    return found


def unwound(phases: np.ndarray) -> np.ndarray:
    """Phases (time, station) float32, rad, without jumps, so that they can be brought to other times and frequencies.

    Each station's are in the turn that has their median nearest to 0.

    Examples
    --------
    >>> [round(float(phase), 2) for phase in unwound(np.array([[3.0], [-3.2], [-2.9]]))[:, 0]]
    [3.0, 3.08, 3.38]
    """
    steady = np.unwrap(phases, axis=0)
    return (steady - 2 * np.pi * np.rint(np.median(steady, axis=0) / (2 * np.pi))).astype(np.float32)
