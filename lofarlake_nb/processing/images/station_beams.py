"""How each station sees the field, by EveryBeam, relative to the phase centre."""

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.interpolate

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.sky import beam, telescopes

logger = logging.getLogger(__name__)

# Distance of the places at which EveryBeam computes a beam: a sixteenth of the narrowest one at 135 MHz.
STEP = np.deg2rad(0.2)
MARGIN = 3
# Between beams, s: in this time the sky turns by 2.5 degrees.
INTERVAL = 600.0
# Stations whose beams differ by more than this part two thirds of the way out belong to different classes, of which
# there are few: each pair of them is gridded apart.
ALIKE = 0.05
MOST_CLASSES = 3
# Part of the frequency over which the change of a beam with it is taken.
NEARBY = 0.02


@dataclass(frozen=True)
class StationBeams:
    """How each station sees the field, as calibration on the phase centre leaves it.

    Parameters
    ----------
    times : (time,) float64
        MJD UTC seconds.
    step : float
        Of the grid, rad.
    jones : (time, station, grid, grid, 4) complex64
        XX, XY, YX, YY, or RR, RL, LR, LL, as the correlations are; each row in units of its length towards the phase
        centre, which is in pixel grid / 2; north up, east left.
    frequency : float
        Hz.

    Examples
    --------
    >>> axis = 0.02 * (np.arange(8) - 4)
    >>> jones = (1 - axis[:, None] + 2 * axis)[..., None] * np.ones(4)  # falls north, and east more
    >>> beams = StationBeams(np.zeros(1), 0.02, jones[None, None], 150e6)
    >>> round(float(beams.at(l=np.array([0.05]), m=np.array([0.03]))[0, 0, 0, 0].real), 3)
    0.87
    """

    times: np.ndarray
    step: float
    jones: np.ndarray
    frequency: float

    def at(self, l: np.ndarray, m: np.ndarray) -> np.ndarray:  # noqa: E741
        """Towards directions (place,): (time, station, place, 4) complex64; see also `slope`."""
        half = self.jones.shape[2] // 2
        axis = (np.arange(2 * half) - half) * self.step
        # A spline is linear in what it goes through: what each pixel of the grid counts for in each direction.
        each = scipy.interpolate.CubicSpline(axis, np.eye(2 * half))
        weights = (each(m)[:, :, None] * each(-l)[:, None, :]).reshape(len(l), -1)
        # A time after the other, for it is in double precision.
        return np.stack([_times_real(weights, jones.reshape(len(jones), -1, 4)) for jones in self.jones])

    def slope(self, l: np.ndarray, m: np.ndarray) -> np.ndarray:  # noqa: E741
        """Change of `at` with the logarithm of the frequency: the same beam, narrower in proportion."""
        return (self.at(l * (1 + NEARBY), m * (1 + NEARBY)) - self.at(l * (1 - NEARBY), m * (1 - NEARBY))) / (
            2 * NEARBY
        )


def _times_real(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Products (station, place, 4) complex64 of real weights (place, pixel) and complex values (station, pixel, 4)."""
    parts = np.stack([values.real, values.imag], axis=-1).astype(np.float64)
    products = weights @ parts.reshape(*values.shape[:2], -1)
    return products.view(np.complex128).astype(np.complex64)


def classes(beams: StationBeams) -> tuple[int, ...]:
    """Stations that see the field alike, by the width of their beams: a class for each, from 0, widest beam first.

    LOFAR's Dutch stations are of two sizes; so baselines are of three kinds.

    Examples
    --------
    >>> square = np.add.outer(*2 * [(STEP * (np.arange(24) - 12)) ** 2])[..., None]
    >>> jones = np.stack([np.exp(-square / np.deg2rad(width) ** 2) * [1, 0, 0, 1] for width in (2, 3, 3)])
    >>> classes(StationBeams(np.zeros(1), STEP, jones[None], 150e6))
    (1, 0, 0)
    """
    half = beams.jones.shape[2] // 2
    reach = half - MARGIN
    places = [(half + 2 * i * reach // 3, half + 2 * j * reach // 3) for i, j in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    power = np.mean([np.abs(beams.jones[..., y, x, :]).sum(axis=(0, 2)) for y, x in places], axis=0)
    order = np.argsort(-power)
    falls = np.append(False, np.diff(power[order]) < -ALIKE * power.max())
    found = np.empty(len(power), int)
    found[order] = np.cumsum(falls)
    return tuple(int(c) for c in np.minimum(found, MOST_CLASSES - 1))


def beam_times(layout: Layout) -> np.ndarray:
    """Times (time,) at which beams are computed: MJD UTC seconds, evenly over the observation.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> beam_times(measurement_set.layout("observation/L990100_SAP000_SB000_uv.MS")).tolist()  # of 8 s
    [5000000004.0]
    >>> np.diff(beam_times(measurement_set.layout(paths[0]))).round().tolist()  # of half an hour
    [599.0, 599.0, 599.0]
    """
    first, last = layout.times[0], layout.times[-1]
    count = max(1, round((last - first) / INTERVAL) + 1)
    return np.linspace(first, last, count) if count > 1 else np.array([0.5 * (first + last)])


def station_beams(path: Path, layout: Layout, geometry: Geometry, frequency: float) -> StationBeams | None:
    """Beams of all stations over the field; a task.

    Parameters
    ----------
    path : Path
        Measurement Set, from which EveryBeam reads the stations.
    layout : Layout
        Its layout.
    geometry : Geometry
        Of the image that is to be covered.
    frequency : float
        Hz.

    Returns
    -------
    StationBeams or None
        None where EveryBeam does not know the telescope, or the Measurement Set does not describe its stations.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path, size = calibrated.measurement_sets[0], Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> beams = station_beams(path, measurement_set.layout(path), size, 135e6)
    >>> beams.jones.shape[1:], round(float(np.linalg.norm(beams.jones[0, 0, 4, 4, :2])), 3)  # 1 at the phase centre
    ((20, 8, 8, 4), 1.0)
    """
    engines.prepare()
    import everybeam  # after its environment is set

    try:
        telescope = telescopes.opened(path, data_column="CORRECTED_DATA")
    except RuntimeError as error:
        logger.warning("no primary beam: EveryBeam says of %s: %s", path.name, error)
        return None
    reach = max(abs(c) for c in geometry.centre) + geometry.npix * geometry.cell / 2
    settings = everybeam.GridSettings()
    half = int(np.ceil(reach / STEP)) + MARGIN
    settings.width = settings.height = 2 * half
    settings.ra, settings.dec = layout.phase_centre
    settings.dl = settings.dm = STEP
    settings.l_shift = settings.m_shift = 0.0
    times = beam_times(layout)
    jones = []
    for time in times:
        seen = np.asarray(telescope.gridded_response(settings, float(time), frequency))
        grid = beam.in_hands(seen, layout.correlations)
        centre = grid[:, half, half]
        length = np.sqrt((np.abs(centre) ** 2).sum(axis=2))[:, None, None, :, None]
        jones.append(np.divide(grid, length, out=np.zeros_like(grid), where=length > 0))
    shape = (len(times), len(layout.stations), 2 * half, 2 * half, 4)
    return StationBeams(times, STEP, np.asarray(jones, np.complex64).reshape(shape), frequency)


@dataclass(frozen=True)
class KeptBeams:
    """Beams in a file: they are large, and are needed only now and then.

    Parameters
    ----------
    path : Path
        Seen by all workers.
    step : float
        Of the grid, rad.
    classes : tuple of int
        Of the stations, from `classes`.

    Examples
    --------
    >>> kept = put(Path(), StationBeams(np.zeros(1), STEP, np.ones((1, 2, 8, 8, 4)), 150e6))
    >>> kept.classes, kept.open().jones.shape
    ((0, 0), (1, 2, 8, 8, 4))
    """

    path: Path
    step: float
    classes: tuple[int, ...]

    def open(self) -> StationBeams:
        """The beams."""
        # Written a moment ago by this very run, in its own work folder.
        found: StationBeams = pickle.loads(self.path.read_bytes())
        return found


def put(folder: Path, beams: StationBeams) -> KeptBeams:
    """Leave beams where the workers find them, and no worker's death loses them.

    Examples
    --------
    >>> put(Path(), StationBeams(np.zeros(1), STEP, np.zeros((1, 2, 8, 8, 4)), 150e6)).path.name
    'beams.pickle'
    """
    path = folder / "beams.pickle"
    path.write_bytes(pickle.dumps(beams))
    return KeptBeams(path, beams.step, classes(beams))


def kept(path: Path, layout: Layout, geometry: Geometry, frequency: float, folder: Path) -> KeptBeams | None:
    """`station_beams`, left in a folder; a task: what Dask brings to the client stays there three times.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path, size = calibrated.measurement_sets[0], Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> left = kept(path, measurement_set.layout(path), size, 135e6, Path())
    >>> left.path.name, left.open().frequency
    ('beams.pickle', 135000000.0)
    """
    beams = station_beams(path, layout, geometry, frequency)
    return None if beams is None else put(folder, beams)
