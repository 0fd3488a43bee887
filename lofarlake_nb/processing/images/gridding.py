"""Visibilities to images and back (ducc0's w-gridder), a chunk in each task."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import ducc0
import numpy as np

from lofarlake_nb.processing.images import chunks
from lofarlake_nb.processing.images.chunks import Chunk, OnDisk
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.parts import Part
from lofarlake_nb.processing.images.primary_beam import ChunkBeam, through
from lofarlake_nb.processing.mapped import mapped

# Relative error of the gridder where it does not matter, and the smallest that it takes in single precision.
COARSE = 1e-3
FINE = 1.1e-5
# Measured on a source of 90 Jy amid fainter ones: the image's largest error is a tenth of the accuracy asked for, in
# units of the peak. So this keeps it at the noise right at the brightest source, and far below elsewhere.
HEADROOM = 10.0
# The psf guides the clean, which looks at the visibilities again: it need not be as exact as the image.
PSF = 1e-4


def accuracy(peak: float, noise: float) -> float:
    """Relative accuracy that the gridder needs.

    Parameters
    ----------
    peak : float
        Of the image, at most, Jy / beam.
    noise : float
        Of the image, Jy / beam.

    Returns
    -------
    float
        Below `FINE` the gridder computes in double precision.

    Examples
    --------
    >>> round(accuracy(90.0, 1e-3), 6), accuracy(90.0, 1.0)  # by the dynamic range
    (0.000111, 0.001)
    """
    return float(np.clip(HEADROOM * noise / peak, 1e-7, COARSE)) if peak > 0 else COARSE


def to_sky(image: np.ndarray) -> np.ndarray:
    """From the gridder's axes (l, m) to a FITS image's (north up, east left), the phase centre at npix / 2.

    Examples
    --------
    >>> image = np.zeros((4, 4))
    >>> image[3, 2] = 1  # one pixel east of the middle
    >>> np.argwhere(to_sky(image)).tolist()
    [[2, 1]]
    """
    turned, found = image.T[:, ::-1], np.empty(image.T.shape, image.dtype)
    found[:, 0], found[:, 1:] = turned[:, -1], turned[:, :-1]
    return found


def from_sky(image: np.ndarray) -> np.ndarray:
    """Undo `to_sky`.

    Examples
    --------
    >>> image = np.zeros((4, 4))
    >>> image[2, 1] = 1  # one pixel to the left of the middle
    >>> np.argwhere(from_sky(image)).tolist()
    [[3, 2]]
    """
    found = np.empty(image.T.shape, image.dtype)
    turned = found.T[:, ::-1]
    turned[:, -1], turned[:, :-1] = image[:, 0], image[:, 1:]
    return found


def image_of(visibilities: np.ndarray, chunk: Chunk, geometry: Geometry, accuracy: float) -> np.ndarray:
    """Weighted sum of visibilities at each pixel, not divided by the sum of weights.

    Parameters
    ----------
    visibilities : (row, frequency) complex64, Jy
    chunk : Chunk
        For baselines, frequencies and weights.
    geometry : Geometry
    accuracy : float
        Relative.

    Returns
    -------
    (npix, npix) float32
        North up, east left; float64 where the accuracy needs it.

    Examples
    --------
    >>> data, weight = np.full((1, 1), 3 + 0j), np.full((1, 1), 4.0)
    >>> chunk = Chunk(np.ones((1, 3)), np.array([150e6]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> image = image_of(data, chunk, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 1e-4)
    >>> image.shape, round(float(image[32, 32]), 2)
    ((64, 64), 12.0)
    """
    double = accuracy < FINE
    if not len(visibilities):
        return np.zeros((geometry.npix, geometry.npix), np.float64 if double else np.float32)
    return to_sky(
        ducc0.wgridder.vis2dirty(
            vis=visibilities.astype(np.complex128 if double else np.complex64, copy=False),
            wgt=chunk.weight.astype(np.float64 if double else np.float32, copy=False),
            npix_x=geometry.npix,
            npix_y=geometry.npix,
            **_settings(chunk, geometry, accuracy),
        )
    )


def visibilities_of(model: np.ndarray, chunk: Chunk, geometry: Geometry, accuracy: float) -> np.ndarray:
    """Visibilities of a model image.

    Parameters
    ----------
    model : (npix, npix) float32, Jy / pixel
        North up, east left.
    chunk : Chunk
    geometry : Geometry
    accuracy : float

    Returns
    -------
    (row, frequency) complex64, Jy
        0 where the weight is.

    Examples
    --------
    >>> data, weight, uvw = np.zeros((1, 1), complex), np.ones((1, 1)), np.array([[250.0, 0, 0]])
    >>> chunk = Chunk(uvw, np.array([299792458.0]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> image = np.zeros((64, 64))
    >>> image[32, 22] = 2  # 1e-3 rad east: a quarter of a turn over 250 wavelengths
    >>> seen = visibilities_of(image, chunk, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 1e-4)
    >>> round(float(seen[0, 0].imag), 2)
    2.0
    """
    kind = np.float64 if accuracy < FINE else np.float32
    if not len(chunk.uvw):
        return np.zeros(chunk.weight.shape, np.complex64)
    model = from_sky(model).astype(kind, copy=False)  # what was given is let go of, for images are large
    return ducc0.wgridder.dirty2vis(dirty=model, **_settings(chunk, geometry, accuracy))


def psf(chunk: Chunk | OnDisk, geometry: Geometry, accuracy: float) -> np.ndarray:
    """Point spread function (npix, npix), not normalised; a task.

    Examples
    --------
    >>> uvw, data, weight = np.array([[250.0, 0, 0]]), np.zeros((1, 1), complex), np.full((1, 1), 4.0)
    >>> chunk = Chunk(uvw, np.array([299792458.0]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> image = psf(chunk, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 1e-4)
    >>> [round(float(image[32, column]), 2) for column in (32, 12)]  # half a turn away
    [4.0, -4.0]
    """
    opened = chunk.open()
    # Towards the image's centre, which need not be the phase centre.
    seen = point(opened, *geometry.centre) if any(geometry.centre) else np.ones(opened.weight.shape, np.complex64)
    return image_of(seen, opened, geometry, accuracy)


def point(chunk: Chunk, l: float, m: float) -> np.ndarray:  # noqa: E741
    """Visibilities (row, frequency) complex64 of a source of 1 Jy at direction cosines l (east) and m (north).

    Examples
    --------
    >>> uvw = np.array([[250.0, 0, 0], [0, 0, 0]])
    >>> chunk = Chunk(uvw, np.array([299792458.0]), *np.ones((2, 2, 1)), *np.zeros((3, 2), int), np.zeros(4))
    >>> point(chunk, 1e-3, 0.0).round(4).ravel().tolist()  # a quarter of a turn on the first baseline
    [1j, (1+0j)]
    """
    path = chunk.uvw @ np.array([l, m, np.sqrt(1 - l * l - m * m) - 1])
    return np.exp(2j * np.pi * (path[:, None] * chunk.waves)).astype(np.complex64)


def dirty(chunk: Chunk | OnDisk, beam: ChunkBeam | None, geometry: Geometry, accuracy: float) -> np.ndarray:
    """Dirty image (npix, npix), not normalised; a task.

    Examples
    --------
    >>> data, weight = np.full((1, 1), 3 + 0j), np.full((1, 1), 4.0)
    >>> chunk = Chunk(np.ones((1, 3)), np.array([150e6]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> image = dirty(chunk, None, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 1e-4)
    >>> round(float(image[32, 32]), 2)
    12.0
    """
    opened = chunk.open()
    return through(beam, image_of(opened.visibilities, opened, geometry, accuracy), geometry)


def residual(
    chunk: Chunk | OnDisk, beam: ChunkBeam | None, models: Path, geometry: Geometry, accuracy: float, group: int
) -> np.ndarray:
    """Image (npix, npix) of what a model leaves of the visibilities, not normalised; a task.

    Parameters
    ----------
    chunk : Chunk or OnDisk
    beam : ChunkBeam or None
    models : Path
        File (group, npix, npix) float32, Jy / pixel.
    geometry : Geometry
    accuracy : float
    group : int
        The chunk's model.

    Examples
    --------
    >>> data, weight, sky = np.full((1, 1), 3 + 0j), np.full((1, 1), 4.0), np.zeros((1, 64, 64), np.float32)
    >>> chunk = Chunk(np.ones((1, 3)), np.array([150e6]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> sky[0, 32, 32] = 2
    >>> np.save("sky.npy", sky)
    >>> left = residual(chunk, None, Path("sky.npy"), Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 1e-4, 0)
    >>> round(float(left[32, 32]), 2)  # (3 Jy - 2 Jy) × 4
    4.0
    """
    opened = chunk.open()
    # Nothing here keeps the model: a file that is mapped takes memory too.
    seen = [through(beam, mapped(models)[group], geometry)]
    left = opened.visibilities - visibilities_of(seen.pop(), opened, geometry, accuracy)
    return through(beam, image_of(left, opened, geometry, accuracy), geometry)


def image_of_part(
    part: Part, parameter: str, cells: np.ndarray | None, robust: float, geometry: Geometry
) -> tuple[np.ndarray, np.ndarray]:
    """Dirty image, not normalised, and `chunks.Chunk.sums` of a Stokes parameter that is not held; a task.

    Examples
    --------
    >>> part = Part(calibrated.measurement_sets, slice(0, 2))
    >>> dirty, sums = image_of_part(part, "I", None, 0.0, Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)))
    >>> 80 < float(dirty.max() / sums[0]) < 100  # Jy / beam: 3C196
    True
    """
    (loaded,) = chunks.load(replace(part, classes=()), geometry, parameter)
    chunk = chunks.weigh(loaded, cells, robust, geometry)
    return image_of(chunk.visibilities, chunk, geometry, COARSE), chunk.sums


def _settings(chunk: Chunk, geometry: Geometry, accuracy: float) -> dict[str, Any]:
    return {
        "uvw": chunk.uvw,
        "freq": chunk.frequencies,
        "pixsize_x": geometry.cell,
        "pixsize_y": geometry.cell,
        "center_x": -geometry.centre[0],
        "center_y": -geometry.centre[1],
        "epsilon": accuracy,
        "do_wgridding": True,
        # LOFAR's phase is +2 pi (u l + v m + w (n - 1)) / wavelength, the gridder's has the other sign of u and v.
        "flip_u": True,
        "flip_v": True,
        "divide_by_n": False,
        "nthreads": 1,  # of several, each sums in an order of its own, and a clean makes more of what that changes
        "mask": (chunk.weight > 0).astype(np.uint8),
    }
