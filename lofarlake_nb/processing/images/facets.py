"""Facets: patches of the image around bright sources, each seen through its own station beams and gains.

What a station sees of a source away from the phase centre depends on the station, the time and the direction, and one
image of all visibilities has one flux for a source. So the model's patches are turned into visibilities apart, each
multiplied by what its stations see; of what is left, each patch is imaged through the conjugate (van Weeren et al.
2016, ApJS 223, 2). A patch's plane touches the sphere at its centre (Kogan and Greisen 2009, AIPS memo 113), so that
it needs no w-terms while it is small: 30 ns a visibility and patch where the whole image takes 300 ns and more.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ducc0
import numba
import numpy as np
import scipy.ndimage

from lofarlake_nb.processing.images.chunks import Chunk, OnDisk
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.gridding import FINE, from_sky, image_of, to_sky, visibilities_of
from lofarlake_nb.processing.images.primary_beam import ChunkBeam, through

# Where the workers find the facets, in the work folder.
FILE = "facets.pickle"
# Pixels that a patch reaches from its brightest source: the gridder takes no fewer than 32 a side.
LEAST_REACH = 20
BEAMS_REACH = 8
# Phase, rad, that the curvature of the sky may add at a patch's edge before the gridder has to follow it.
CURVED = 0.03


@dataclass(frozen=True)
class Facet:
    """A patch of the image, and how it is seen.

    Parameters
    ----------
    x, y : int
        Its first pixel.
    size : int
        Pixels a side, even.
    l, m : float
        Direction cosines of its pixel size / 2.
    times : (time,) float64
        MJD UTC seconds.
    frequencies : (block,) float64
        Hz.
    jones : (time, block, station, 4) complex64
        XX, XY, YX, YY at these times (straight lines between them), relative to the phase centre.
    scale : float
        Mean over the visibilities of what they see of it: flux in the image over flux on the sky.
    power : float
        Mean of the square.
    """

    x: int
    y: int
    size: int
    l: float  # noqa: E741
    m: float
    times: np.ndarray
    frequencies: np.ndarray
    jones: np.ndarray
    scale: float = 1.0
    power: float = 1.0

    @property
    def window(self) -> tuple[slice, slice]:
        """Of its pixels in the image."""
        return slice(self.y, self.y + self.size), slice(self.x, self.x + self.size)


@dataclass(frozen=True)
class Place:
    """A patch that has been chosen: its first pixel, its size, its centre, and the flux of its brightest pixel."""

    x: int
    y: int
    size: int
    l: float  # noqa: E741
    m: float
    flux: float


def choose(
    smooth: np.ndarray, geometry: Geometry, beam: float, *, least: float, most: int, apart: float
) -> list[Place]:
    """Patches around the brightest sources.

    Parameters
    ----------
    smooth : (npix, npix) float32, Jy / beam
        Model through the beam.
    geometry : Geometry
    beam : float
        FWHM, rad.
    least : float
        Sources fainter than this do without, Jy / beam.
    most : int
        Patches.
    apart : float
        Distance from the phase centre within which the visibilities are calibrated already, rad.

    Returns
    -------
    list of Place
        Brightest first.
    """
    reach = max(LEAST_REACH, int(np.ceil(BEAMS_REACH * beam / geometry.cell)))
    size = 2 * int(ducc0.fft.good_size(reach))
    rows, columns = np.nonzero((smooth >= least) & (smooth == scipy.ndimage.maximum_filter(smooth, 2 * reach // 2 + 1)))
    order = np.argsort(-smooth[rows, columns])
    places: list[Place] = []
    for row, column in zip(rows[order], columns[order], strict=True):
        y = int(np.clip(row - size // 2, 0, geometry.npix - size))
        x = int(np.clip(column - size // 2, 0, geometry.npix - size))
        east = geometry.centre[0] - (x + size // 2 - geometry.npix // 2) * geometry.cell
        north = geometry.centre[1] + (y + size // 2 - geometry.npix // 2) * geometry.cell
        inside = any(p.x + 2 < column < p.x + p.size - 2 and p.y + 2 < row < p.y + p.size - 2 for p in places)
        if not inside and np.hypot(east, north) > apart and len(places) < most:
            places.append(Place(x, y, size, east, north, float(smooth[row, column])))
    return places


def owners(facets: Sequence[Facet], npix: int) -> np.ndarray:
    """Which patch each pixel belongs to (npix, npix) uint8: 0 for none, else 1 and more; the brighter one's first.

    A patch's own first column and row are nobody's: the gridder has them for the other edge too.
    """
    owner = np.zeros((npix, npix), np.uint8)
    for i, facet in enumerate(facets, 1):
        part = owner[facet.y + 1 : facet.y + facet.size, facet.x + 1 : facet.x + facet.size]
        part[part == 0] = i
    return owner


def put(folder: Path, facets: Sequence[Facet], npix: int) -> Path:
    """Leave facets where the workers find them: the file."""
    np.save(folder / "owners.npy", owners(facets, npix))
    path = folder / FILE
    path.write_bytes(pickle.dumps(list(facets)))
    return path


def take(path: Path) -> tuple[list[Facet], np.ndarray]:
    """Facets and their `owners`, as `put` left them."""
    # Written a moment ago by this very run, in its own work folder.
    return pickle.loads(path.read_bytes()), np.load(path.parent / "owners.npy", mmap_mode="r")


def means(chunk: Chunk | OnDisk, file: Path) -> np.ndarray:
    """Sums over a chunk (facet, 2): of weight × what is seen, and of weight × its square; a task."""
    opened = chunk.open()
    facets, _ = take(file)
    weight = opened.weight
    found = []
    for facet in facets:
        seen = np.ones(weight.shape, np.complex64)
        _multiply(seen, False, *_terms(opened, facet, shifted=False))
        amplitude = np.abs(seen)
        found.append([(weight * amplitude).sum(dtype=np.float64), (weight * amplitude**2).sum(dtype=np.float64)])
    return np.array(found)


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
    """
    opened = chunk.open()
    facets, _ = take(file)
    left = left_of(opened, beam, np.load(models, mmap_mode="r")[group], geometry, accuracy, file)
    patches = []
    for facet in facets:
        seen = left.copy()
        _multiply(seen, True, *_terms(opened, facet))
        patches.append(_patch_image(seen, opened, facet, geometry, accuracy))
    return through(beam, image_of(left, opened, geometry, accuracy), geometry), *patches


def left_of(
    chunk: Chunk, beam: ChunkBeam | None, model: np.ndarray, geometry: Geometry, accuracy: float, file: Path
) -> np.ndarray:
    """Visibilities (row, frequency) complex64 less a model (npix, npix), Jy / pixel, its patches as they are seen."""
    facets, owner = take(file)
    seen = visibilities_of(
        through(beam, np.where(owner == 0, model, np.float32(0)), geometry), chunk, geometry, accuracy
    )
    left = (chunk.visibilities - seen).astype(np.complex64, copy=False)
    for i, facet in enumerate(facets, 1):
        patch = np.where(owner[facet.window] == i, model[facet.window], 0) / facet.scale
        if patch.any() and len(left):
            _subtract(left, _patch_visibilities(patch, chunk, facet, geometry, accuracy), *_terms(chunk, facet))
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
    """
    opened = chunk.open()
    length = np.hypot(opened.uvw[:, 0], opened.uvw[:, 1])[:, None] * opened.waves
    there = length <= geometry.maximum_uv
    short = replace(opened, weight=np.where(there, opened.weight, np.float32(0)))
    left = left_of(short, beam, np.load(models, mmap_mode="r")[group], geometry, accuracy, file)
    data = np.where(there, left, opened.visibilities)
    if isinstance(chunk, OnDisk):
        return chunk.with_visibilities(data)
    return replace(opened, visibilities=data)


def inserted(image: np.ndarray, patches: Sequence[np.ndarray], facets: Sequence[Facet]) -> np.ndarray:
    """Residual (npix, npix) with its patches in their places, all normalised by the sum of weights.

    A patch shows a source's flux times `scale`, as the image around it does.
    """
    owner = owners(facets, len(image))
    for i, (facet, patch) in enumerate(zip(facets, patches, strict=True), 1):
        mine = owner[facet.window] == i
        image[facet.window][mine] = (patch * (facet.scale / facet.power))[mine]
    return image


def _patch_settings(chunk: Chunk, facet: Facet, geometry: Geometry, accuracy: float) -> dict[str, Any]:
    n = np.sqrt(1 - facet.l**2 - facet.m**2)
    uvw = chunk.uvw.copy()
    uvw[:, 0] -= uvw[:, 2] * (facet.l / n)
    uvw[:, 1] -= uvw[:, 2] * (facet.m / n)
    edge = facet.size / np.sqrt(2) * geometry.cell
    deepest = np.abs(uvw[:, 2]).max(initial=0.0) * chunk.waves[-1]
    return {
        "uvw": uvw,
        "freq": chunk.frequencies,
        "pixsize_x": geometry.cell,
        "pixsize_y": geometry.cell,
        "epsilon": max(accuracy, FINE),
        "do_wgridding": bool(np.pi * deepest * edge**2 > CURVED),
        "flip_u": True,
        "flip_v": True,
        "divide_by_n": False,
        "nthreads": 0,  # as many as the worker was given (engines.variables)
    }


def _patch_visibilities(
    patch: np.ndarray, chunk: Chunk, facet: Facet, geometry: Geometry, accuracy: float
) -> np.ndarray:
    settings = _patch_settings(chunk, facet, geometry, accuracy)
    return ducc0.wgridder.dirty2vis(dirty=from_sky(patch.astype(np.float32)), **settings)


def _patch_image(
    visibilities: np.ndarray, chunk: Chunk, facet: Facet, geometry: Geometry, accuracy: float
) -> np.ndarray:
    if not len(visibilities):
        return np.zeros((facet.size, facet.size), np.float32)
    settings = _patch_settings(chunk, facet, geometry, accuracy)
    return to_sky(
        ducc0.wgridder.vis2dirty(vis=visibilities, wgt=chunk.weight, npix_x=facet.size, npix_y=facet.size, **settings)
    )


def _terms(chunk: Chunk, facet: Facet, *, shifted: bool = True) -> tuple[np.ndarray, ...]:
    """Arguments of the compiled loops: path of each row, waves, slots, stations, response, block of each channel."""
    slots, slot = np.unique(chunk.times, return_inverse=True)
    jones = between(facet.times, facet.jones, slots)
    block = np.argmin(np.abs(chunk.frequencies[:, None] - facet.frequencies), axis=1)
    lmn = np.array([facet.l, facet.m, np.sqrt(1 - facet.l**2 - facet.m**2) - 1])
    path = chunk.uvw @ lmn if shifted else np.zeros(len(chunk.uvw))
    return path, chunk.waves, slot, np.asarray(chunk.antenna1), np.asarray(chunk.antenna2), jones, block


def between(times: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values (time, ...) on straight lines between times, at wanted ones; the first and the last beyond them."""
    if len(times) == 1:
        return np.repeat(values, len(wanted), axis=0)
    place = np.clip(np.interp(wanted, times, np.arange(len(times))), 0, len(times) - 1)
    low = np.minimum(place.astype(int), len(times) - 2)
    part = (place - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return (values[low] * (1 - part) + values[low + 1] * part).astype(np.complex64)


@numba.njit(nogil=True, cache=True, fastmath=True)
def _seen(jones, slot, block, p, q):  # type: ignore[no-untyped-def]  # compiled
    """Part of an unpolarised source that a baseline sees in Stokes I."""
    total = np.complex64(0)
    for k in range(4):
        total += jones[slot, block, p, k] * np.conj(jones[slot, block, q, k])
    return np.complex64(0.5) * total


@numba.njit(nogil=True, cache=True, fastmath=True)
def _subtract(left, model, path, waves, slot, antenna1, antenna2, jones, block):  # type: ignore[no-untyped-def]
    """Take model visibilities (row, frequency) relative to a facet's centre off `left`, as they are seen."""
    for row in range(left.shape[0]):
        last = -1
        seen = np.complex64(0)
        for channel in range(left.shape[1]):
            if block[channel] != last:
                last = block[channel]
                seen = _seen(jones, slot[row], last, antenna1[row], antenna2[row])
            turn = path[row] * waves[channel]
            angle = np.float32(2 * np.pi * (turn - np.rint(turn)))
            wave = np.complex64(complex(np.cos(angle), np.sin(angle)))
            left[row, channel] -= seen * wave * model[row, channel]


@numba.njit(nogil=True, cache=True, fastmath=True)
def _multiply(data, conjugate, path, waves, slot, antenna1, antenna2, jones, block):  # type: ignore[no-untyped-def]
    """Multiply visibilities (row, frequency) by what is seen of a facet and its place, or by the conjugate."""
    for row in range(data.shape[0]):
        last = -1
        seen = np.complex64(0)
        for channel in range(data.shape[1]):
            if block[channel] != last:
                last = block[channel]
                seen = _seen(jones, slot[row], last, antenna1[row], antenna2[row])
            turn = path[row] * waves[channel]
            angle = np.float32(2 * np.pi * (turn - np.rint(turn)))
            wave = seen * np.complex64(complex(np.cos(angle), np.sin(angle)))
            data[row, channel] *= np.conj(wave) if conjugate else wave
