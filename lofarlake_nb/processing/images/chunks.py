"""Visibilities to image, in chunks: read, weighed, in memory or on disk."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.images import weighting
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.parts import Part
from lofarlake_nb.processing.images.stokes import stokes
from lofarlake_nb.processing.mapped import mapped
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# Visibilities (of all polarizations together) that are read at once: 50 bytes each, and as much for Stokes parameters.
BLOCK = 300_000


@dataclass(frozen=True)
class Chunk:
    """Visibilities of one Stokes parameter that are imaged.

    Parameters
    ----------
    uvw : (row, 3) float64, m
    frequencies : (frequency,) float64, Hz, ascending
    visibilities : (row, frequency) complex64, Jy
    weight : (row, frequency) float32
        1 / σ² of the real part of a visibility, 1 / Jy², until `weigh` makes it the imaging weight; 0 where unused.
    times : (row,) float64
        MJD UTC seconds.
    antenna1, antenna2 : (row,) int16
        Stations.
    sums : (4,) float64
        From `weigh`: sums of w, of w² σ² (Jy²), of w |visibility| (Jy), and how many have weight.

    Examples
    --------
    >>> data = {"visibilities": np.ones((1, 1), np.complex64), "weight": np.ones((1, 1), np.float32)}
    >>> rows = {"times": np.zeros(1), "antenna1": np.zeros(1, np.int16), "antenna2": np.ones(1, np.int16)}
    >>> chunk = Chunk(uvw=np.zeros((1, 3)), frequencies=np.array([150e6]), **data, **rows, sums=np.zeros(4))
    >>> chunk.waves.round(4).tolist()
    [0.5003]
    """

    uvw: np.ndarray
    frequencies: np.ndarray
    visibilities: np.ndarray
    weight: np.ndarray
    times: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    sums: np.ndarray

    @property
    def waves(self) -> np.ndarray:
        """Wave numbers (frequency,), 1 / m."""
        return self.frequencies / LIGHT_M_S

    def open(self) -> "Chunk":
        """Itself; see `OnDisk`."""
        return self


@dataclass(frozen=True)
class OnDisk:
    """A chunk that lies in a folder, for input that memory does not hold.

    Parameters
    ----------
    folder : Path
        Seen by all workers.
    sums : (4,) float64
        The chunk's.

    Examples
    --------
    >>> chunk = Chunk(np.zeros((1, 3)), np.array([150e6]), *np.ones((2, 1, 1)), *np.zeros((3, 1), int), np.zeros(4))
    >>> write(chunk, Path("chunk"))
    >>> OnDisk(Path("chunk"), chunk.sums).with_visibilities(3 * chunk.visibilities).open().visibilities.tolist()
    [[3.0]]
    """

    folder: Path
    sums: np.ndarray

    def open(self) -> Chunk:
        """The chunk, mapped into memory: pages are read as they are used, and may be dropped again."""
        names = [f.name for f in fields(Chunk) if f.name != "sums"]
        return Chunk(**{n: mapped(self.folder / f"{n}.npy") for n in names}, sums=self.sums)

    def with_visibilities(self, visibilities: np.ndarray) -> "OnDisk":
        """The same chunk with other visibilities (row, frequency), in a folder beside this one."""
        folder = self.folder.with_name(self.folder.name + "-less")
        write(replace(self.open(), visibilities=visibilities), folder)
        return OnDisk(folder, self.sums)


def write(chunk: Chunk, folder: Path) -> None:
    """Write a chunk into a folder, that others may be reading it from.

    Examples
    --------
    >>> chunk = Chunk(np.zeros((1, 3)), np.array([150e6]), *np.ones((2, 1, 1)), *np.zeros((3, 1), int), np.zeros(4))
    >>> write(chunk, Path("written"))
    >>> len(list(Path("written").iterdir())), np.load("written/frequencies.npy").tolist()
    (7, [150000000.0])
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f.name for f in fields(Chunk) if f.name != "sums"):
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".npy", delete=False) as partial:
            np.save(partial, getattr(chunk, name))
        os.replace(partial.name, folder / f"{name}.npy")


def load(part: Part, geometry: Geometry, parameter: str = "I") -> list[Chunk]:
    """Read chunks; a task. Rows without a visibility that is imaged are dropped.

    Parameters
    ----------
    part : Part
    geometry : Geometry
        For the range of baselines.
    parameter : str
        Stokes ``I`` or ``V``.

    Returns
    -------
    list of Chunk
        One for each pair of classes, with natural weights.

    Examples
    --------
    >>> size = Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> (chunk,) = load(Part(calibrated.measurement_sets, slice(0, 2)), size)
    >>> len(np.unique(chunk.times)), bool(80 < np.median(np.abs(chunk.visibilities[chunk.weight > 0])) < 100)
    (2, True)
    >>> bool((np.hypot(*chunk.uvw.T[:2]) * chunk.waves.min()).max() < 3000)  # longer baselines are dropped
    True
    """
    engines.trim()  # what the part before took is of other sizes
    layouts = [measurement_set.layout(path) for path in part.paths]
    uvw, frequencies, values, natural = _read(part, layouts, parameter)
    first, shape = layouts[0], uvw.shape[:2]
    flat = uvw.reshape(-1, 3)
    values, natural = values.reshape(len(flat), -1), natural.reshape(len(flat), -1)
    index, reference = part.spectrum
    flattened = ((frequencies / reference) ** -index).astype(np.float32)
    values *= flattened
    natural /= flattened**2
    length = np.hypot(flat[:, 0], flat[:, 1])[:, None] * (frequencies / LIGHT_M_S).astype(np.float32)
    natural[(length > geometry.maximum_uv) | (length < geometry.minimum_uv)] = 0
    used = natural.any(axis=1)
    slots = np.broadcast_to(first.times[part.times, None], shape).ravel()
    stations = [np.broadcast_to(a.astype(np.int16), shape).ravel() for a in (first.antenna1, first.antenna2)]
    classes = np.asarray(part.classes or [0] * len(first.stations))
    low, high = np.sort([classes[first.antenna1], classes[first.antenna2]], axis=0)
    found = []
    for pair in part.pairs:
        rows = used & np.broadcast_to((low == pair[0]) & (high == pair[1]), shape).ravel()
        found.append(
            Chunk(
                uvw=flat[rows],
                frequencies=frequencies,
                visibilities=values[rows],
                weight=natural[rows],
                times=slots[rows],
                antenna1=stations[0][rows],
                antenna2=stations[1][rows],
                sums=np.zeros(4),
            )
        )
    return found


def _read(
    part: Part, layouts: Sequence[Layout], parameter: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A part's uvw (time, baseline, 3), ascending frequencies, visibilities and weights (time, baseline, frequency)."""
    shape = (part.times.stop - part.times.start, len(layouts[0].antenna1))
    kept = [(f >= part.band[0]) & (f < part.band[1]) for f in (layout.frequencies for layout in layouts)]
    frequencies = np.concatenate([layout.frequencies[k] for layout, k in zip(layouts, kept, strict=True)])
    order = np.argsort(frequencies, kind="stable")  # the gridder takes them ascending
    place = np.argsort(order, kind="stable")
    uvw = np.zeros((*shape, 3))
    values = np.empty((*shape, len(frequencies)), np.complex64)
    natural = np.empty((*shape, len(frequencies)), np.float32)
    start = 0
    for path, layout, channels in zip(part.paths, layouts, kept, strict=True):
        columns = place[start : start + channels.sum()]
        start += len(columns)
        step = max(1, BLOCK // (shape[1] * len(layout.frequencies)))
        for a in range(0, shape[0], step):
            b = min(a + step, shape[0])
            times = slice(part.times.start + a, part.times.start + b)
            block = measurement_set.read(path, layout, ["CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], times)
            there = block["UVW"].any(axis=2)  # a row that one lacks, another may have
            uvw[a:b][there] = block["UVW"][there]
            its = slice(None) if channels.all() else channels  # without a copy
            data, flag, weight = (block[n][:, :, its] for n in ("CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM"))
            values[a:b, :, columns], natural[a:b, :, columns] = stokes(
                parameter, data, flag, weight, layout.correlations
            )
    return uvw, frequencies[order], values, natural


def density(loaded: Sequence[Chunk], geometry: Geometry) -> np.ndarray:
    """Sum of natural weights in each cell of the uv plane (cell,); a task.

    Examples
    --------
    >>> chunk = Chunk(np.zeros((1, 3)), np.array([150e6]), *np.ones((2, 1, 1)), *np.zeros((3, 1), int), np.zeros(4))
    >>> float(density([chunk, chunk], Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))).max())  # in one cell
    2.0
    """
    engines.trim()
    cells = weighting.empty(geometry)
    for chunk in loaded:
        cells += weighting.density(chunk.uvw, chunk.waves, chunk.weight, geometry)
    return cells


def density_of_part(part: Part, geometry: Geometry) -> np.ndarray:
    """`density` of chunks that are read and not kept; a task.

    Examples
    --------
    >>> part, size = Part(calibrated.measurement_sets, slice(0, 2)), Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> bool(np.isclose(density_of_part(part, size).sum(), load(part, size)[0].weight.sum(dtype=float)))
    True
    """
    return density(load(part, geometry), geometry)


def weigh_one(loaded: Sequence[Chunk], i: int, cells: np.ndarray | None, robust: float, geometry: Geometry) -> Chunk:
    """`weigh` one of the chunks of a part; a task.

    Examples
    --------
    >>> chunk = Chunk(np.zeros((1, 3)), np.array([150e6]), *np.ones((2, 1, 1)), *np.zeros((3, 1), int), np.zeros(4))
    >>> strong = replace(chunk, weight=4 * chunk.weight)
    >>> weigh_one([chunk, strong], 1, None, 0.0, Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))).sums[0].tolist()
    4.0
    """
    engines.trim()
    return weigh(loaded[i], cells, robust, geometry)


def weigh(chunk: Chunk, cells: np.ndarray | None, robust: float, geometry: Geometry) -> Chunk:
    """Chunk with its imaging weights; a task.

    Parameters
    ----------
    chunk : Chunk
        With natural weights.
    cells : (cell,) float64 or None
        Sum of `density` over all chunks, for Briggs weights; None for natural ones.
    robust : float
    geometry : Geometry

    Returns
    -------
    Chunk
        With its `sums`.

    Examples
    --------
    >>> data, weight = np.full((1, 1), 3.0), np.full((1, 1), 4.0)
    >>> chunk = Chunk(np.zeros((1, 3)), np.array([150e6]), data, weight, *np.zeros((3, 1), int), np.zeros(4))
    >>> size = Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> weigh(chunk, None, 0.0, size).sums.tolist()  # natural weights
    [4.0, 4.0, 12.0, 1.0]
    >>> round(float(weigh(chunk, density([chunk], size), 0.0, size).weight[0, 0]), 3)  # 4 / (1 + 5²)
    0.154
    """
    natural = weight = chunk.weight
    if cells is not None:
        weight = weighting.briggs(chunk.uvw, chunk.waves, weight, cells, robust, geometry)
    if geometry.taper:
        weight = weight * weighting.taper(chunk.uvw, chunk.waves, geometry.taper)
    # w² / natural where there is weight: w² σ².
    variance = np.divide(weight, natural, out=np.zeros_like(weight), where=natural > 0) * weight
    sums = np.array(
        [
            weight.sum(axis=0, dtype=np.float64).sum(),
            variance.sum(dtype=np.float64),
            (weight * np.abs(chunk.visibilities)).sum(dtype=np.float64),
            np.count_nonzero(weight),
        ]
    )
    return replace(chunk, weight=weight, sums=sums)


def weigh_on_disk(
    part: Part, cells: np.ndarray | None, robust: float, geometry: Geometry, folders: Sequence[Path]
) -> list[OnDisk]:
    """Read chunks, weigh them and write each into its folder; a task, that may be done again while others read.

    Examples
    --------
    >>> part, size = Part(calibrated.measurement_sets, slice(0, 2)), Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> (kept,) = weigh_on_disk(part, None, 0.0, size, [Path("weighed")])
    >>> bool(np.isclose(kept.open().weight.sum(dtype=float), kept.sums[0])), bool(kept.sums[0] > 0)
    (True, True)
    """
    kept = []
    for loaded, folder in zip(load(part, geometry), folders, strict=True):
        chunk = weigh(loaded, cells, robust, geometry)
        write(chunk, folder)
        kept.append(OnDisk(folder, chunk.sums))
    return kept


def one_of(kept: Sequence[OnDisk], i: int) -> OnDisk:
    """One of the chunks of a part; a task.

    Examples
    --------
    >>> one_of([OnDisk(Path("chunk0"), np.zeros(4)), OnDisk(Path("chunk1"), np.zeros(4))], 1).folder.name
    'chunk1'
    """
    return kept[i]


def sums(chunk: Chunk | OnDisk) -> np.ndarray:
    """Of a weighed chunk; a task.

    Examples
    --------
    >>> sums(OnDisk(Path("chunk0"), np.array([4.0, 4.0, 12.0, 1.0]))).tolist()
    [4.0, 4.0, 12.0, 1.0]
    """
    return chunk.sums
