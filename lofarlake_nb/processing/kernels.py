"""The steps' compiled kernels, each run once on next to nothing: loading them is what takes time, or compiling them."""

from dataclasses import replace

import numpy as np

from lofarlake_nb.observation import uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import calibration, engines, imaging, sky_model
from lofarlake_nb.processing.averages.mean import weighted_mean
from lofarlake_nb.processing.flags import samples, together
from lofarlake_nb.processing.gains import block, solving
from lofarlake_nb.processing.gains.correcting import corrected, weigh
from lofarlake_nb.processing.images import facet_cells
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.sky import telescopes
from lofarlake_nb.processing.sky.beam import Beam
from lofarlake_nb.processing.sky.predict import Predictor

__all__ = ["PIECES", "calibration", "imaging"]  # the modules of whole steps, imported for what they import

STATIONS, SLOTS, CHANNELS = 8, 8, 8
FIRST, SECOND = np.triu_indices(STATIONS, 1)
SHAPE = (SLOTS, len(FIRST), CHANNELS, 4)
LAYOUT = Layout(
    times=np.arange(float(SLOTS)),
    antenna1=FIRST,
    antenna2=SECOND,
    rows=np.arange(SLOTS * len(FIRST)).reshape(SLOTS, -1),
    frequencies=150e6 + 1e4 * np.arange(CHANNELS),
    stations=tuple(f"CS{i:03d}HBA0" for i in range(STATIONS)),
    positions=np.zeros((STATIONS, 3)),
    phase_centre=(2.15, 0.84),  # 3C196
    interval=1.0,
    channel_width=1e4,
)


def _flag() -> None:
    """As `flags.searching` runs them."""
    data, flagged = _data(), np.zeros(SHAPE, bool)
    bad, chosen = samples.known_bad(data, flagged), np.arange(len(FIRST))
    level = np.ones(CHANNELS, np.float32)
    samples.count(bad, np.ones(len(FIRST), bool))
    spectra = samples.images(data, level, chosen)
    samples.coherent_power(data, bad, chosen)
    common = together.find(data, bad, level, chosen, together.classes(np.ones(len(FIRST))), np.ones(len(FIRST)))
    samples.fill(spectra, common)


def _average() -> None:
    """As `averages.task` runs them."""
    # Picked by baseline, arrays lie in memory as they do there, which is a kind of argument of its own.
    cross, flagged, weight = LAYOUT.cross, np.zeros(SHAPE[:3], bool), np.ones(SHAPE, np.float32)
    weighted_mean(_data()[:, cross], flagged[:, cross], weight[:, cross], np.arange(SLOTS), 1)


def _predict() -> None:
    """A calibrator as it is, and a point through beams."""
    uvw = _uvw()
    model = sky_model.calibrator("3C196")
    jones = np.ones((1, STATIONS, len(model.flux), 2, 2), np.complex64)
    for beam in (None, Beam(LAYOUT.times[:1], jones)):
        Predictor(model, LAYOUT, beam).visibilities(uvw, slice(None))
    Predictor(sky_model.calibrator("3C48"), LAYOUT).visibilities(uvw, slice(None))


def _beam() -> None:
    """What dipoles see, without which gains have no scale: EveryBeam and casacore with the tables that they read."""
    core = np.array([3826577.0, 461022.0, 5064892.0])
    fields = [
        StationField(name, core, np.eye(3), np.zeros((24, 3)), np.zeros((16, 3)), 0.0) for name in LAYOUT.stations
    ]
    layout = replace(LAYOUT, times=telescopes.QUESTION[0] + LAYOUT.times, positions=np.tile(core, (STATIONS, 1)))
    telescopes.of_stations(layout, Identity("", "0", "3C196", "none.MS", 0), fields)
    uvw.directions(layout.times[:1], core, layout.phase_centre, *np.zeros((2, 1)))
    engines.trim()  # of what writing took


def _calibrate() -> None:
    """Diagonal gains, as `gains.tasks` solves and applies them."""
    parameters = CalibrationParameters()
    weight, flagged = np.ones(SHAPE, np.float32), np.zeros(SHAPE, bool)
    read = {"DATA": _data(), "FLAG": flagged, "WEIGHT_SPECTRUM": weight, "UVW": _uvw()}
    model = np.ones((*SHAPE[:3], 1), np.complex64)
    found = solving.solve(block.make(read, model, LAYOUT, slice(0, SLOTS), parameters))
    done = corrected(read["DATA"], found.gains, FIRST, SECOND)
    weigh(done, flagged, weight, np.ones(len(FIRST), np.float32))


def _image() -> None:
    """Patches of an image, as `images.facet_tasks` takes them off and images them."""
    rows, baselines = SLOTS * len(FIRST), len(FIRST)
    data, weight = np.ones((rows, CHANNELS), np.complex64), np.ones((rows, CHANNELS), np.float32)
    first, second = (np.tile(of, SLOTS).astype(np.int16) for of in (FIRST, SECOND))
    times = np.repeat(LAYOUT.times, baselines)
    chunk = Chunk(_uvw().reshape(rows, 3), LAYOUT.frequencies, data, weight, times, first, second, np.zeros(4))
    facet = Facet(0, 0, 32, 0.0, 0.0, LAYOUT.times[:1], np.ones((1, STATIONS, 4), np.complex64))
    size = Geometry(64, 1e-4, 0.0, 3000.0, 0.0, LAYOUT.phase_centre)
    facet_cells.means(chunk, [facet])
    cells = facet_cells.plan(chunk, [facet], size)
    facet_cells.subtract(data, np.ones((32, 32), np.float32), chunk, cells, facet, size, 1e-4)
    facet_cells.image_of(data, chunk, cells, facet, size, 1e-4)


PIECES = (engines.prepare, _flag, _average, _predict, _beam, _calibrate, _image)


def _data() -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(2, *SHAPE))
    return (10 + noise[0] + 1j * noise[1]).astype(np.complex64)


def _uvw() -> np.ndarray:
    return np.broadcast_to(np.array([1000.0, 1000.0, 0.0]), (*SHAPE[:2], 3)).copy()


if __name__ == "__main__":  # at an installation, so that nobody's first session compiles them
    for piece in PIECES:
        piece()
