"""How visibilities see the field: the average of their stations' beams, over each chunk and over all of them."""

from dataclasses import dataclass

import numpy as np
import scipy.interpolate

from lofarlake_nb.processing.images.chunks import Chunk, OnDisk
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.station_beams import KeptBeams, StationBeams

# Below this part of the beam's peak an image is not corrected for it: it would show amplified noise.
LEAST = 0.05
# Rows of an image that a beam is computed for at once.
ROWS = 256


@dataclass(frozen=True)
class ChunkBeam:
    """How the visibilities of one chunk see the field, in units of how all do.

    Parameters
    ----------
    ratio : (grid, grid) float64
        1 where the beam of all is too low to tell; the phase centre in pixel grid / 2, north up, east left.
    step : float
        Its pixels, rad.

    Examples
    --------
    >>> beam = ChunkBeam(np.full((8, 8), 0.5), step=0.01)
    >>> image = np.full((64, 64), 4, np.float32)
    >>> through(beam, image, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)))[0, :2].round(3).tolist()
    [2.0, 2.0]
    """

    ratio: np.ndarray
    step: float


def through(beam: ChunkBeam | None, image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Image (npix, npix) as a chunk sees it: itself where all see the same.

    Examples
    --------
    >>> size, image = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), np.full((64, 64), 4.0)
    >>> through(None, image, size) is image
    True
    >>> float(through(ChunkBeam(np.full((8, 8), 0.25), 0.01), image, size).mean().round(3))
    1.0
    """
    if beam is None:
        return image
    seen = over_image(beam.ratio, beam.step, geometry)
    return np.multiply(image, seen, out=seen if image.dtype == seen.dtype else None)


def ratios(beams: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beams of chunks in units of the average.

    Parameters
    ----------
    beams : (chunk, grid, grid) float64
    weights : (chunk,) float64

    Returns
    -------
    ratios : (chunk, grid, grid) float64
    mean : (grid, grid) float64

    Examples
    --------
    >>> each, mean = ratios(np.array([[[1.0]], [[3.0]]]), np.array([5.0, 5.0]))
    >>> each.ravel().tolist(), mean.tolist()
    ([0.5, 1.5], [[2.0]])
    """
    mean = np.tensordot(weights / weights.sum(), beams, 1)
    low = mean < LEAST * mean.max()
    return np.where(low, 1, beams / np.where(low, 1, mean)), mean


def of_chunk(chunk: Chunk | OnDisk, kept: KeptBeams) -> tuple[float, np.ndarray]:
    """Sum of a chunk's imaging weights, and the `average` of what it sees; a task.

    Parameters
    ----------
    chunk : Chunk or OnDisk
    kept : KeptBeams

    Returns
    -------
    weight : float
    seen : (grid, grid) float64

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.processing.images.station_beams import put
    >>> beams = StationBeams(np.zeros(1), 0.01, np.tile([0.5, 0, 0, 0.5], (1, 2, 8, 8, 1)), 150e6)
    >>> times, first, second = np.zeros(2), np.array([0, 0]), np.array([1, 1])
    >>> chunk = Chunk(np.zeros((2, 3)), np.array([150e6]), *np.full((2, 2, 1), 3.0), times, first, second, np.zeros(4))
    >>> weight, seen = of_chunk(chunk, put(Path(), beams))
    >>> weight, round(float(seen[4, 4]), 6)
    (6.0, 0.25)
    """
    opened, beams = chunk.open(), kept.open()
    weights = baseline_weights(opened, beams.times, beams.jones.shape[1])
    total = float(weights.sum())
    seen = average(beams, weights, float(opened.frequencies.mean())) if total else np.zeros(beams.jones.shape[2:4])
    return total, seen


def baseline_weights(opened: Chunk, times: np.ndarray, n_station: int) -> np.ndarray:
    """Sum of imaging weights of each baseline around each of some times (time, station, station).

    Examples
    --------
    >>> times, first, second = np.zeros(2), np.array([0, 0]), np.array([1, 1])
    >>> chunk = Chunk(np.zeros((2, 3)), np.array([150e6]), *np.full((2, 2, 1), 3.0), times, first, second, np.zeros(4))
    >>> baseline_weights(chunk, np.zeros(1), 2).tolist()
    [[[0.0, 6.0], [0.0, 0.0]]]
    """
    nearest = np.argmin(np.abs(opened.times[:, None] - times), axis=1) if len(times) > 1 else 0
    index = (nearest * n_station + opened.antenna1.astype(np.int64)) * n_station + opened.antenna2
    weight = opened.weight.sum(axis=1, dtype=np.float64)
    size = len(times) * n_station**2
    return np.bincount(index, weights=weight, minlength=size).reshape(-1, n_station, n_station)


def average(beams: StationBeams, weights: np.ndarray, frequency: float) -> np.ndarray:
    """Part of a source's flux that the image of all visibilities shows.

    A baseline of stations p and q sees the part (row of p) · (row of q)* of an unpolarised source in each parallel
    hand; Stokes I is the mean of the two.

    Parameters
    ----------
    beams : StationBeams
    weights : (time, station, station)
        From `baseline_weights`.
    frequency : float
        Of the visibilities, Hz: beams are narrower in proportion.

    Returns
    -------
    (grid, grid) float64
        1 in the phase centre.

    Examples
    --------
    >>> jones = np.tile([0.5, 0, 0, 0.5], (1, 2, 8, 8, 1)).astype(np.complex64)  # each station sees half of the voltage
    >>> beams, weights = StationBeams(np.zeros(1), 0.01, jones, 150e6), np.array([[[0.0, 6.0], [0.0, 0.0]]])
    >>> average(beams, weights, 150e6)[0, :2].round(6).tolist()
    [0.25, 0.25]
    """
    grid = beams.jones.shape[2]
    total = np.zeros(grid * grid)
    for jones, weight in zip(beams.jones, weights, strict=True):
        flat = jones.reshape(len(jones), -1)
        seen = (weight.astype(np.float32) @ flat.conj()) * flat
        total += 0.5 * seen.real.sum(axis=0).reshape(grid * grid, 4).sum(axis=1)
    axis = (np.arange(grid) - grid // 2) * beams.step
    there = np.clip(axis * frequency / beams.frequency, axis[0], axis[-1])
    return scipy.interpolate.RectBivariateSpline(axis, axis, total.reshape(grid, grid) / weights.sum())(there, there)


def over_image(grid: np.ndarray, step: float, geometry: Geometry) -> np.ndarray:
    """A beam on a coarse grid, at the pixels of an image.

    Parameters
    ----------
    grid : (grid, grid) float64
        The phase centre in pixel grid / 2; north up, east left.
    step : float
        Its pixels, rad.
    geometry : Geometry

    Returns
    -------
    (npix, npix) float32

    Examples
    --------
    >>> north = 0.01 * (np.arange(8) - 4)
    >>> seen = over_image(np.tile(north[:, None], 8), 0.01, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)))
    >>> [round(float(seen[row, 0]), 5) for row in (37, 42)]
    [0.0005, 0.001]
    """
    axis = (np.arange(len(grid)) - len(grid) // 2) * step
    pixels = (np.arange(geometry.npix) - geometry.npix // 2) * geometry.cell
    # A cubic spline along each axis; what it is at a pixel is a sum of the grid's values, a product of matrices so.
    spline = scipy.interpolate.make_interp_spline(axis, np.eye(len(axis)))
    north, west = (np.clip(at, axis[0], axis[-1]) for at in (geometry.centre[1] + pixels, pixels - geometry.centre[0]))
    down, across = spline(north), grid @ spline(west).T
    found = np.empty((len(pixels), len(pixels)), np.float32)
    for start in range(0, len(pixels), ROWS):  # in double precision, and images are large
        rows = slice(start, start + ROWS)
        found[rows] = down[rows] @ across
    return found


def corrected(image: np.ndarray, beam: np.ndarray) -> np.ndarray:
    """Image (npix, npix) in true flux: NaN where the beam (npix, npix) is too low to tell.

    Examples
    --------
    >>> corrected(np.array([[2.0, 2.0, 2.0]]), np.array([[1.0, 0.5, 0.01]])).tolist()
    [[2.0, 4.0, nan]]
    """
    return np.where(beam >= LEAST * beam.max(), image / np.maximum(beam, 1e-9), np.nan).astype(np.float32)
