"""What is left of visibilities when a model is taken off them with its patches as they are seen: the workers' tasks."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lofarlake_nb.processing.images import facet_cells
from lofarlake_nb.processing.images.chunks import Chunk, OnDisk
from lofarlake_nb.processing.images.facet_cells import Cells
from lofarlake_nb.processing.images.facets import take
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.gridding import image_of, visibilities_of
from lofarlake_nb.processing.images.primary_beam import ChunkBeam, through
from lofarlake_nb.processing.mapped import mapped


def means(chunk: Chunk | OnDisk, file: Path) -> np.ndarray:
    """Sums over a chunk (facet,) of weight × amplitude of what is seen; a task.

    Examples
    --------
    >>> from lofarlake_nb.processing.images.facets import Facet, put
    >>> weight, stations = np.full((6, 1), 2, np.float32), np.zeros((2, 6), np.int16)
    >>> chunk = Chunk(np.zeros((6, 3)), np.array([150e6]), weight, weight, np.zeros(6), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.full((1, 1, 4), 0.5, np.complex64))
    >>> means(chunk, put(Path(), [facet], 64)).round(3).tolist()  # 6 × 2 × (4 × 0.5²) / 2
    [6.0]
    """
    opened = chunk.open()
    facets = take(file)[0]
    return facet_cells.means(opened, facets)


def residual(
    chunk: Chunk | OnDisk,
    beam: ChunkBeam | None,
    models: Path,
    geometry: Geometry,
    accuracy: float,
    file: Path,
    group: int,
) -> tuple[np.ndarray, ...]:
    """Image of what a model leaves of the visibilities, and of each patch seen as its source is; a task.

    Parameters
    ----------
    chunk : Chunk or OnDisk
    beam : ChunkBeam or None
        For what is outside of the facets.
    models : Path
        File (group, npix, npix) float32, Jy / pixel, as the image shows it.
    geometry : Geometry
    accuracy : float
    file : Path
        Of the facets.
    group : int
        The chunk's model.

    Returns
    -------
    image : (npix, npix)
        Not normalised.
    patches : (size, size), one a facet
        Not normalised.

    Examples
    --------
    >>> from lofarlake_nb.processing.images.facets import Facet, put
    >>> data, weight, stations = np.full((6, 1), 3j), np.ones((6, 1), np.float32), np.array(6 * [[0, 1]], np.int16).T
    >>> chunk = Chunk(np.zeros((6, 3)), np.array([150e6]), data, weight, np.zeros(6), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.array([[[1j, 0, 0, 1j], [1, 0, 0, 1]]], np.complex64))
    >>> np.save("nothing.npy", np.zeros((1, 64, 64), np.float32))
    >>> file, size = put(Path(), [facet], 64), Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> image, patch = residual(chunk, None, Path("nothing.npy"), size, 1e-4, file, 0)
    >>> abs(round(float(image[32, 32]), 2)), round(float(patch[16, 16]), 2)
    (0.0, 18.0)
    """
    opened = chunk.open()
    facets = take(file)[0]
    cells = facet_cells.plan(opened, facets, geometry)
    left = left_of(opened, beam, mapped(models)[group], geometry, accuracy, file, cells)
    patches = [facet_cells.image_of(left, opened, cells, facet, geometry, accuracy) for facet in facets]
    return through(beam, image_of(left, opened, geometry, accuracy), geometry), *patches


def left_of(
    chunk: Chunk,
    beam: ChunkBeam | None,
    model: np.ndarray,
    geometry: Geometry,
    accuracy: float,
    file: Path,
    cells: Cells,
) -> np.ndarray:
    """Visibilities (row, frequency) complex64 less a model (npix, npix), Jy / pixel, its patches as they are seen.

    Examples
    --------
    >>> from lofarlake_nb.processing.images.facets import Facet, put
    >>> data, weight, stations = np.full((6, 1), 3j), np.ones((6, 1), np.float32), np.array(6 * [[0, 1]], np.int16).T
    >>> chunk = Chunk(np.zeros((6, 3)), np.array([150e6]), data, weight, np.zeros(6), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.array([[[1j, 0, 0, 1j], [1, 0, 0, 1]]], np.complex64))
    >>> file, size, sky = put(Path(), [facet], 64), Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), np.zeros((64, 64))
    >>> sky[32, 32] = 2
    >>> left = left_of(chunk, None, sky, size, 1e-4, file, facet_cells.plan(chunk, [facet], size))
    >>> left.imag.round(2).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    facets, owner = take(file)
    patches = [
        np.where(owner[facet.window] == i, model[facet.window], 0) / facet.scale for i, facet in enumerate(facets, 1)
    ]
    seen = [through(beam, np.where(owner == 0, model, np.float32(0)), geometry)]
    del owner, model  # files that are mapped take memory too
    left = chunk.visibilities - visibilities_of(seen.pop(), chunk, geometry, accuracy)
    left = left.astype(np.complex64, copy=False)
    for patch, facet in zip(patches, facets, strict=True):
        if patch.any() and len(left):
            facet_cells.subtract(left, patch, chunk, cells, facet, geometry, accuracy)
    return left


def less(
    chunk: Chunk | OnDisk,
    beam: ChunkBeam | None,
    models: Path,
    geometry: Geometry,
    accuracy: float,
    file: Path,
    group: int,
) -> Chunk | OnDisk:
    """A chunk of another image, less a model of this one; a task. Longer baselines than this one's stay as they are.

    Parameters
    ----------
    chunk : Chunk or OnDisk
    beam, models, geometry, accuracy, file, group
        As `residual` takes them.

    Examples
    --------
    >>> from lofarlake_nb.processing.images.facets import put
    >>> uvw, stations, sky = np.array([[0.0, 0, 0], [0, 900, 0]]), np.zeros((2, 2), np.int16), np.zeros((1, 64, 64))
    >>> chunk = Chunk(uvw, np.array([150e6]), *np.ones((2, 2, 1), np.float32), np.zeros(2), *stations, np.zeros(4))
    >>> sky[0, 32, 32] = 0.75
    >>> np.save("sky.npy", sky)
    >>> size, file = Geometry(64, 1e-4, 0.0, 300.0, 0.0, (0.0, 0.8)), put(Path(), [], 64)  # to 300 wavelengths
    >>> less(chunk, None, Path("sky.npy"), size, 1e-4, file, 0).visibilities.real.round(2).ravel().tolist()
    [0.25, 1.0]
    """
    opened = chunk.open()
    length = np.hypot(opened.uvw[:, 0], opened.uvw[:, 1])[:, None] * opened.waves
    there = length <= geometry.maximum_uv
    short = replace(opened, weight=np.where(there, opened.weight, np.float32(0)))
    cells = facet_cells.plan(short, take(file)[0], geometry)
    left = left_of(short, beam, mapped(models)[group], geometry, accuracy, file, cells)
    data = np.where(there, left, opened.visibilities)
    if isinstance(chunk, OnDisk):
        return chunk.with_visibilities(data)
    return replace(opened, visibilities=data)
