"""Visibilities to images and back (ducc0's w-gridder), a chunk in each task, partial images summed as a tree."""

from collections.abc import Sequence

import distributed
import ducc0
import numpy as np

from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.geometry import Geometry

# Relative error of the gridder: 1e-4 of 90 Jy, spread over the image, stays below the noise of a few hours.
ACCURACY = 1e-4


def to_sky(image: np.ndarray) -> np.ndarray:
    """From the gridder's axes (l, m) to a FITS image's (north up, east left), the phase centre at npix / 2."""
    return np.ascontiguousarray(np.roll(image.T[:, ::-1], 1, axis=1))


def from_sky(image: np.ndarray) -> np.ndarray:
    """Undo `to_sky`."""
    return np.ascontiguousarray(np.roll(image, -1, axis=1)[:, ::-1].T)


def image_of(visibilities: np.ndarray, chunk: Chunk, geometry: Geometry, *, accuracy: float = ACCURACY) -> np.ndarray:
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
        North up, east left.
    """
    return to_sky(
        ducc0.wgridder.vis2dirty(
            vis=visibilities,
            wgt=chunk.weight,
            npix_x=geometry.npix,
            npix_y=geometry.npix,
            **_settings(chunk, geometry, accuracy),
        )
    )


def visibilities_of(model: np.ndarray, chunk: Chunk, geometry: Geometry, *, accuracy: float = ACCURACY) -> np.ndarray:
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
    """
    return ducc0.wgridder.dirty2vis(dirty=from_sky(model), **_settings(chunk, geometry, accuracy))


def psf(chunk: Chunk, geometry: Geometry) -> np.ndarray:
    """Point spread function (npix, npix), not normalised; a task."""
    return image_of((chunk.weight > 0).astype(np.complex64), chunk, geometry)


def dirty_and_psf(chunk: Chunk, geometry: Geometry) -> np.ndarray:
    """Dirty image and point spread function (2, npix, npix), not normalised; a task."""
    return np.stack([image_of(chunk.visibilities, chunk, geometry), psf(chunk, geometry)])


def residual(chunk: Chunk, model: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Image (npix, npix) of what the model leaves of the visibilities, not normalised; a task."""
    left = chunk.visibilities - visibilities_of(model, chunk, geometry)
    return image_of(left, chunk, geometry)


def tree_sum(futures: Sequence[distributed.Future], client: distributed.Client) -> distributed.Future:
    """Sum of arrays that stay on the workers, in an order that their number alone decides.

    Parameters
    ----------
    futures : sequence of Future
        Of arrays of one shape.
    client : distributed.Client

    Returns
    -------
    Future
        Of the sum.
    """
    level = list(futures)
    while len(level) > 1:
        pairs = [client.submit(np.add, a, b, pure=False) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def _settings(chunk: Chunk, geometry: Geometry, accuracy: float) -> dict:
    return {
        "uvw": chunk.uvw,
        "freq": chunk.frequencies,
        "pixsize_x": geometry.cell,
        "pixsize_y": geometry.cell,
        "epsilon": accuracy,
        "do_wgridding": True,
        # LOFAR's phase is +2 pi (u l + v m + w (n - 1)) / wavelength, the gridder's has the other sign of u and v.
        "flip_u": True,
        "flip_v": True,
        "divide_by_n": False,
        "nthreads": 1,
        "mask": (chunk.weight > 0).astype(np.uint8),
    }
