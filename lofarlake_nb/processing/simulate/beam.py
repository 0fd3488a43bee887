"""Station beams by EveryBeam: how each station sees each source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.sky import telescopes

# Pixels of the grid on which EveryBeam computes beams: one of 0.2° is a sixteenth of the narrowest beam at 135 MHz, and
# cubic interpolation between them errs by less than 1e-3 of the peak.
GRID_PIXELS = 36
MARGIN_PIXELS = 3
GRID_RADIUS = np.deg2rad(3.1)


@dataclass(frozen=True)
class Nodes:
    """Times at which beams are computed, and how those of the time slots come from them: by a line between two.

    Examples
    --------
    >>> halfway = Nodes(np.array([0.0, 60.0]), first=np.array([0]), second=np.array([1]), weight=np.array([0.5]))
    >>> float(halfway.at(np.float32([1.0, 0.5]), 0))
    0.75
    """

    times: np.ndarray  # (node,) MJD UTC s
    first: np.ndarray  # (time,) int
    second: np.ndarray  # (time,) int
    weight: np.ndarray  # (time,) of the second

    def at(self, beams: np.ndarray, slot: int) -> np.ndarray:
        """Beams (...) of a slot from those of the nodes (node, ...)."""
        if self.first[slot] == self.second[slot]:
            return beams[self.first[slot]]
        weight = np.float32(self.weight[slot])
        return (1 - weight) * beams[self.first[slot]] + weight * beams[self.second[slot]]


def nodes(times: np.ndarray, scan: np.ndarray, interval: float) -> Nodes:
    """Times for the beams: the middles of equal parts of each scan.

    Parameters
    ----------
    times : (time,) MJD UTC s
    scan : (time,) int
    interval : float
        s; no part is longer.

    Returns
    -------
    Nodes
        A scan that is shorter than the interval has one.

    Examples
    --------
    >>> found = nodes(2.0 + 4 * np.arange(30), np.zeros(30, int), interval=60.0)
    >>> found.times.tolist(), found.weight[[0, 15, 29]].round(2).tolist()
    ([30.0, 90.0], [-0.47, 0.53, 1.47])
    """
    slot = float(np.diff(times).min()) if len(times) > 1 else 0.0
    places: list[np.ndarray] = []
    first, second = np.zeros((2, len(times)), dtype=int)
    weight = np.zeros(len(times))
    for which in np.unique(scan):
        here = np.flatnonzero(scan == which)
        length = times[here[-1]] - times[here[0]] + slot
        count, start = max(1, int(np.ceil(length / interval - 1e-6))), sum(len(p) for p in places)
        part = length / count
        places.append(times[here[0]] - slot / 2 + (np.arange(count) + 0.5) * part)
        if count > 1:
            below = np.clip(np.floor((times[here] - places[-1][0]) / part).astype(int), 0, count - 2)
            weight[here] = (times[here] - places[-1][below]) / part
            first[here], second[here] = start + below, start + below + 1
        else:
            first[here] = second[here] = start
    return Nodes(np.concatenate(places), first, second, weight)


def station_beams(
    layout: Layout,
    identity: Identity,
    fields: Sequence[StationField],
    times: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
) -> np.ndarray:
    """Full Jones response of every station towards every source.

    LOFAR's stations are phased up towards the phase centre, so that their array factor is 1 there; the response of the
    dipoles (Hamaker's model) stays in the data, as it does in what the correlator writes. Near the phase centre the
    responses are interpolated on a grid, elsewhere each is computed; below the horizon they are 0.

    Parameters
    ----------
    layout : Layout
        Where the stations point, and the frequencies, of whose mean the beams are.
    identity : Identity
    fields : sequence of StationField
        One for each station.
    times : (time,) MJD UTC seconds
    ra, dec : (source,) rad, J2000

    Returns
    -------
    (time, station, source, 2, 2) complex64
        X and Y of the station by the two polarizations of the sky.

    Examples
    --------
    >>> from lofarlake_nb.observation import stations
    >>> layout, fields = flagged.sources[0].layout(), stations.choose(stations.dutch_hba(), 20)
    >>> identity, (ra, dec) = Identity("SIMULATED", "667520", "3C196", "first.MS", 0), np.array([layout.phase_centre]).T
    >>> found = station_beams(layout, identity, fields, layout.times[:1], ra, dec)
    >>> found.shape, round(float(np.abs(found).max()), 1)
    ((1, 20, 1, 2, 2), 0.7)
    """
    engines.prepare()
    import everybeam  # after its environment is set

    telescope = telescopes.of_stations(layout, identity, fields)

    def seen(centre: tuple[float, float], pixels: int, step: float, time: float) -> np.ndarray:
        settings = everybeam.GridSettings()
        settings.width = settings.height = pixels
        settings.ra, settings.dec = centre
        settings.dl = settings.dm = step
        settings.l_shift = settings.m_shift = 0.0
        return np.asarray(telescope.gridded_response(settings, time, float(layout.frequencies.mean())))

    near, lm = _near(ra, dec, layout.phase_centre)
    reach = max(float(np.abs(lm).max(initial=0.0)), np.deg2rad(0.5))
    step = 2 * reach / (GRID_PIXELS - 2 * MARGIN_PIXELS)
    # EveryBeam's pixels run to the west, and to the north.
    weights, pixels = _cubic(GRID_PIXELS / 2 - lm[:, 0] / step, GRID_PIXELS / 2 + lm[:, 1] / step)
    beams = np.zeros((len(times), len(fields), len(ra), 2, 2), dtype=np.complex64)
    for k, time in enumerate(times):
        grid = seen(layout.phase_centre, GRID_PIXELS, step, float(time))
        around = grid.reshape(len(grid), GRID_PIXELS**2, 2, 2)[:, pixels]  # station, source, 16, 2, 2
        beams[k][:, near] = np.einsum("sk,askij->asij", weights, around)
        for source in np.flatnonzero(~near):
            # A pixel that is no wider than a point: it lies half of itself off the centre.
            beams[k][:, source] = seen((float(ra[source]), float(dec[source])), 1, 1e-9, float(time))[:, 0, 0]
    return beams


def _near(ra: np.ndarray, dec: np.ndarray, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Which sources the grid holds (source,), and their direction cosines (near source, 2)."""
    turn = ra - centre[0]
    east = np.cos(dec) * np.sin(turn)
    north = np.sin(dec) * np.cos(centre[1]) - np.cos(dec) * np.sin(centre[1]) * np.cos(turn)
    up = np.sin(dec) * np.sin(centre[1]) + np.cos(dec) * np.cos(centre[1]) * np.cos(turn)
    near = (up > 0) & (np.hypot(east, north) < np.sin(GRID_RADIUS))
    return near, np.stack([east, north], axis=-1)[near]


def relative_amplitudes(beams: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """How strongly each station sees each source, relative to the phase centre.

    Parameters
    ----------
    beams : (time, station, source, 2, 2)
    centre : (time, station, 2, 2)
        Towards the phase centre.

    Returns
    -------
    (source, station) float64
        Mean over time, X and Y. The product of two stations' is what calibration on the phase centre leaves of the
        source's flux on their baseline.

    Examples
    --------
    >>> centre = np.ones((1, 3, 1, 1)) * np.eye(2)  # three stations
    >>> relative_amplitudes(0.5 * centre[:, :, None], centre).tolist()
    [[0.5, 0.5, 0.5]]
    """
    overlap = np.einsum("tasij,taij->tasi", beams, centre.conj()).real
    power = np.einsum("taij,taij->tai", centre, centre.conj()).real
    return (overlap / power[:, :, None]).mean(axis=(0, 3)).T


def _cubic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lagrange weights (source, 16) and flat pixels (source, 16) around places (source,) on the grid."""
    weights, starts = [], []
    for place in (x, y):
        start = np.floor(place).astype(int) - 1
        d = place - start
        nodes = np.arange(4)
        factor = np.ones((len(place), 4))
        for i in nodes:
            for j in nodes[nodes != i]:
                factor[:, i] *= (d - j) / (i - j)
        weights.append(factor)
        starts.append(start)
    rows = starts[1][:, None, None] + np.arange(4)[None, :, None]
    columns = starts[0][:, None, None] + np.arange(4)[None, None, :]
    both = weights[1][:, :, None] * weights[0][:, None, :]
    return both.reshape(len(x), 16), (rows * GRID_PIXELS + columns).reshape(len(x), 16)
