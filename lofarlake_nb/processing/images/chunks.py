"""Visibilities to image, in chunks that the data alone decide: some slots of Measurement Sets of the same slots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.images import weighting
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# Visibilities in one chunk: enough that gridding them costs more than the gridder's Fourier transforms.
MOST_VISIBILITIES = 2_500_000


@dataclass(frozen=True)
class Part:
    """What a chunk is read from.

    Parameters
    ----------
    paths : tuple of Path
        Measurement Sets with the same slots and baselines.
    times : slice
        Slots.
    """

    paths: tuple[Path, ...]
    times: slice


@dataclass(frozen=True)
class Chunk:
    """Stokes I visibilities that are imaged.

    Parameters
    ----------
    uvw : (row, 3) float64, m
    frequencies : (frequency,) float64, Hz, ascending
    visibilities : (row, frequency) complex64, Jy
    natural : (row, frequency) float32
        1 / σ² of the real part of a visibility, 1 / Jy²; 0 where it is not used.
    weight : (row, frequency) float32
        Imaging weights.
    """

    uvw: np.ndarray
    frequencies: np.ndarray
    visibilities: np.ndarray
    natural: np.ndarray
    weight: np.ndarray

    @property
    def waves(self) -> np.ndarray:
        """Wave numbers (frequency,), 1 / m."""
        return self.frequencies / LIGHT_M_S


def plan(paths: Sequence[Path], layouts: Sequence[Layout]) -> list[Part]:
    """Cut the visibilities into chunks.

    Parameters
    ----------
    paths : sequence of Path
        Calibrated Measurement Sets.
    layouts : sequence of Layout
        Theirs.

    Returns
    -------
    list of Part
        The same for any number of workers.
    """
    alike: dict[bytes, list[int]] = {}
    for i, layout in enumerate(layouts):
        same = layout.times.tobytes() + layout.antenna1.tobytes() + layout.antenna2.tobytes()
        alike.setdefault(same, []).append(i)
    parts = []
    for members in alike.values():
        layout = layouts[members[0]]
        slot = len(layout.antenna1) * len(layout.frequencies)
        count = max(1, MOST_VISIBILITIES // (slot * len(layout.times)))
        pieces = -(-slot * len(layout.times) // MOST_VISIBILITIES)
        edges = [i * len(layout.times) // pieces for i in range(pieces + 1)]
        for start in range(0, len(members), count):
            group = tuple(paths[i] for i in members[start : start + count])
            parts += [Part(group, slice(a, b)) for a, b in pairwise(edges) if b > a]
    return parts


def load(part: Part, geometry: Geometry) -> Chunk:
    """Read a chunk; a task. Rows without a visibility that is imaged are dropped.

    Parameters
    ----------
    part : Part
    geometry : Geometry
        For the range of baselines.

    Returns
    -------
    Chunk
        With natural weights.
    """
    stokes, weights, frequencies = [], [], []
    uvw = np.empty((0, 3))
    for path in part.paths:
        layout = measurement_set.layout(path)
        block = measurement_set.read(path, layout, ["CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], part.times)
        uvw = block["UVW"].reshape(-1, 3)
        one, weight = stokes_i(block["CORRECTED_DATA"], block["FLAG"], block["WEIGHT_SPECTRUM"])
        length = np.hypot(uvw[:, 0], uvw[:, 1])[:, None] * layout.frequencies / LIGHT_M_S
        n_channel = len(layout.frequencies)
        weight = weight.reshape(-1, n_channel)
        weight[(length > geometry.maximum_uv) | (length < geometry.minimum_uv)] = 0
        stokes.append(one.reshape(-1, n_channel))
        weights.append(weight)
        frequencies.append(layout.frequencies)
    order = np.argsort(np.concatenate(frequencies))  # the gridder takes them ascending
    natural = np.concatenate(weights, axis=1)[:, order]
    rows = natural.any(axis=1)
    kept = np.ascontiguousarray(natural[rows])
    return Chunk(
        uvw=np.ascontiguousarray(uvw[rows]),
        frequencies=np.concatenate(frequencies)[order],
        visibilities=np.ascontiguousarray(np.concatenate(stokes, axis=1)[rows][:, order]),
        natural=kept,
        weight=kept,
    )


def stokes_i(data: np.ndarray, flag: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Total intensity of linear or circular feeds: the mean of the two parallel hands, both of which must be there.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    flag : same shape, bool
    weight : same shape, float32
        1 / σ².

    Returns
    -------
    visibilities : (time, baseline, frequency) complex64
        0 where flagged.
    weight : (time, baseline, frequency) float32
        1 / σ² of the mean, 0 where flagged.
    """
    first, second = weight[..., 0], weight[..., -1]
    good = ~(flag[..., 0] | flag[..., -1]) & (first > 0) & (second > 0)
    total = np.where(good, first + second, 1)
    combined = np.where(good, 4 * first * second / total, 0).astype(np.float32)
    mean = np.where(good, 0.5 * (data[..., 0] + data[..., -1]), 0).astype(np.complex64)
    return mean, combined


def density(chunk: Chunk, geometry: Geometry) -> np.ndarray:
    """Sum of natural weights in each cell of the uv plane (cell,); a task."""
    return weighting.density(chunk.uvw, chunk.waves, chunk.natural, geometry)


def weigh(chunk: Chunk, cells: np.ndarray | None, robust: float, geometry: Geometry) -> Chunk:
    """Chunk with its imaging weights; a task.

    Parameters
    ----------
    chunk : Chunk
    cells : (cell,) float64 or None
        Sum of `density` over all chunks, for Briggs weights; None for natural ones.
    robust : float
    geometry : Geometry

    Returns
    -------
    Chunk
    """
    weight = chunk.natural
    if cells is not None:
        weight = weighting.briggs(chunk.uvw, chunk.waves, weight, cells, robust, geometry)
    if geometry.taper:
        weight = weight * weighting.taper(chunk.uvw, chunk.waves, geometry.taper)
    return replace(chunk, weight=weight)


def sums(chunk: Chunk) -> np.ndarray:
    """Of a chunk (4,): sums of w, of w² σ² (Jy²) and of w × frequency (Hz), and how many have weight; a task."""
    weight = chunk.weight.astype(np.float64)
    variance = np.divide(1.0, chunk.natural, out=np.zeros(weight.shape), where=chunk.natural > 0)
    return np.array(
        [weight.sum(), (weight**2 * variance).sum(), (weight * chunk.frequencies).sum(), (weight > 0).sum()]
    )
