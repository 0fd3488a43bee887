"""Cells: neighbouring samples of a baseline that a patch sees as one.

A patch is some ten beams wide. Turned to its centre and back by the phase of what stations see of it, its
visibilities change slowly with time and frequency: samples are summed, weighted, before they are gridded, and its model
is computed once a cell. A sample then costs a complex product each way, 4 to 7 ns, where gridding takes 30 ns.

**Smearing.** A cell stands at the weighted mean of its samples' u, v, w (in wavelengths). At an offset d (rad) from the
patch's centre a sample's phase differs from its cell's by δ = 2π d·(b - mean b), whose weighted mean is 0: a source
loses half of the mean of δ². Cells are so long, on each baseline, that δ in the patch's corner is at most
`TURNED_BY_TIME` rad rms as the baseline turns, and so wide that it is `TURNED_BY_FREQUENCY` over the channels on the
longest. So a source loses at most (0.02² + 0.04²) / 2 = 1e-3 of its flux in the corner, half of that in the middle of
an edge, and nothing in the centre, where the brightest source is. A model is taken off each sample with the error δ,
that is 0 in the mean of a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ducc0
import numpy as np

from lofarlake_nb.processing.images import facet_kernels
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.gridding import FINE, from_sky, to_sky
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# Phase, rad rms, by which a cell's samples may differ in a patch's corner.
TURNED_BY_TIME = 0.02
TURNED_BY_FREQUENCY = 0.04
# Channels are evenly spaced that are so to this, Hz: over 1000 m of path an error of 2e-5 rad.
EVEN = 1.0
# Part of a source that a baseline may see, in units of the mean over all baselines, before its data count for less:
# see `facets`.
MOST_SEEN = 1.25
# Phase, rad, that the curvature of the sky may add at a patch's edge before the gridder has to follow it.
CURVED = 0.03


@dataclass(frozen=True)
class Cells:
    """Cells of a chunk, the same for all patches of one size.

    Parameters
    ----------
    of_row : (row,) int32
        Which run of a baseline's slots a row belongs to; a run and a group of channels make a cell.
    edges : (group + 1,) int64
        First channel of each group; the channels of a group are evenly spaced.
    uvw : (run * group, 3) float64
        Wavelengths.
    slot : (row,) int32
        Which of the chunk's times a row is of.
    times : (slot,) float64
        MJD UTC seconds.

    Examples
    --------
    >>> uvw, stations = 2.0 * np.arange(6)[:, None] * [1, 0, 0], np.zeros((2, 6), np.int16)  # a way of 10 m
    >>> data = np.ones((2, 6, 1), np.float32)
    >>> chunk = Chunk(uvw, np.array([150e6]), *data, np.arange(6.0), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 1, 4), np.complex64))
    >>> cells = plan(chunk, [facet], Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)))
    >>> (cells.uvw[:, 0] / chunk.waves[0]).round(3).tolist()  # means of the two
    [2.0, 8.0]
    """

    of_row: np.ndarray
    edges: np.ndarray
    uvw: np.ndarray
    slot: np.ndarray
    times: np.ndarray


def plan(chunk: Chunk, facets: Sequence[Facet], geometry: Geometry) -> Cells:
    """Cells that are small enough for all of some patches.

    Examples
    --------
    >>> uvw, stations = 2.0 * np.arange(6)[:, None] * [1, 0, 0], np.zeros((2, 6), np.int16)  # a way of 10 m
    >>> data = np.ones((2, 6, 1), np.float32)
    >>> chunk = Chunk(uvw, np.array([150e6]), *data, np.arange(6.0), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 1, 4), np.complex64))
    >>> plan(chunk, [facet], Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))).of_row.tolist()
    [0, 0, 0, 1, 1, 1]
    """
    corner = max((f.size for f in facets), default=1) / np.sqrt(2) * geometry.cell
    # A patch's own u and v have a part of w in them, by as much as its plane is tilted.
    tilt = max((np.hypot(f.l, f.m) / _n(f) for f in facets), default=0.0)
    uvw = _fixed(chunk.uvw)
    longest = (np.hypot(uvw[:, 0], uvw[:, 1]) + tilt * np.abs(uvw[:, 2])).max(initial=0.0)
    edges = channel_groups(chunk.frequencies, TURNED_BY_FREQUENCY / (2 * np.pi * corner * max(longest, 1e-9)))
    # Places on a way have an rms of half of its length at most, which is what two of them have.
    reach = 2 * TURNED_BY_TIME / (2 * np.pi * corner * chunk.waves.max())
    p, q = _fixed(chunk.antenna1), _fixed(chunk.antenna2)
    stations = int(max(p.max(initial=0), q.max(initial=0))) + 1
    of_row, count = facet_kernels.runs(uvw, p, q, stations, reach, tilt)
    places = facet_kernels.places(uvw, _fixed(chunk.weight), chunk.waves, of_row, edges, count)
    return Cells(of_row, edges, places, *_slots(chunk))


def channel_groups(frequencies: np.ndarray, spread: float) -> np.ndarray:
    """First channels (group + 1,) of groups that are evenly spaced, of a standard deviation (1 / m) up to `spread`.

    Examples
    --------
    >>> channel_groups(1e8 + 1e6 * np.array([0, 1, 2, 5]), spread=np.inf).tolist()  # not evenly spaced
    [0, 3, 4]
    >>> channel_groups(1e8 + 1e6 * np.arange(4), spread=0.002).tolist()
    [0, 2, 4]
    """
    edges = [0]
    for channel in range(1, len(frequencies)):
        group = frequencies[edges[-1] : channel + 1]
        uneven = np.abs(np.diff(group) - (group[1] - group[0])).max() > EVEN
        if uneven or group.std() / LIGHT_M_S > spread:
            edges.append(channel)
    return np.array([*edges, len(frequencies)])


def subtract(
    left: np.ndarray, patch: np.ndarray, chunk: Chunk, cells: Cells, facet: Facet, geometry: Geometry, accuracy: float
) -> None:
    """Take a patch's model off visibilities, as they see it.

    Parameters
    ----------
    left : (row, frequency) complex64, Jy
        Changed.
    patch : (size, size), Jy / pixel
        On the sky.
    chunk : Chunk
    cells : Cells
    facet : Facet
    geometry : Geometry
        Of the image.
    accuracy : float
        Of the gridder.

    Examples
    --------
    >>> uvw, data, weight = np.zeros((6, 3)), np.ones((6, 1), np.complex64), np.ones((6, 1), np.float32)
    >>> chunk = Chunk(uvw, np.array([150e6]), data, weight, np.zeros(6), *np.zeros((2, 6), np.int16), np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.array([[[0.5, 0, 0, 0.5]]], np.complex64))
    >>> size, patch = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), np.zeros((32, 32))
    >>> patch[16, 16] = 3  # of which the stations see a quarter
    >>> subtract(data, patch, chunk, plan(chunk, [facet], size), facet, size, 1e-4)
    >>> data.real.round(2).ravel().tolist()
    [0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    """
    dirty = from_sky(patch.astype(np.float32))
    model = ducc0.wgridder.dirty2vis(dirty=dirty, **_settings(cells, facet, geometry, accuracy))
    unused = _fixed(np.zeros((0, 0), np.float32))
    facet_kernels.walk(True, left, unused, model.reshape(-1, len(cells.edges) - 1), *_seen_by(chunk, cells, facet))


def image_of(
    left: np.ndarray, chunk: Chunk, cells: Cells, facet: Facet, geometry: Geometry, accuracy: float
) -> np.ndarray:
    """Image (size, size) of a patch, visibilities turned back by the phase of what they see of it, not normalised.

    Parameters
    ----------
    left : (row, frequency) complex64, Jy
    chunk, cells, facet, geometry, accuracy
        As `subtract` takes them.

    Examples
    --------
    >>> uvw, data, weight = np.zeros((6, 3)), np.full((6, 1), 3j, np.complex64), np.ones((6, 1), np.float32)
    >>> first, second = np.zeros(6, np.int16), np.ones(6, np.int16)
    >>> chunk = Chunk(uvw, np.array([150e6]), data, weight, np.zeros(6), first, second, np.zeros(4))
    >>> jones = np.array([[[1j, 0, 0, 1j], [1, 0, 0, 1]]], np.complex64)  # a quarter of a turn on
    >>> facet, size = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), jones), Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> round(float(image_of(data, chunk, plan(chunk, [facet], size), facet, size, 1e-4)[16, 16]), 2)
    18.0
    """
    if not len(left):
        return np.zeros((facet.size, facet.size), np.float32)
    sums = np.zeros((len(cells.uvw) // (len(cells.edges) - 1), len(cells.edges) - 1), np.complex64)
    facet_kernels.walk(False, left, _fixed(chunk.weight), sums, *_seen_by(chunk, cells, facet))
    return to_sky(
        ducc0.wgridder.vis2dirty(
            vis=sums.reshape(-1, 1),
            npix_x=facet.size,
            npix_y=facet.size,
            **_settings(cells, facet, geometry, accuracy),
        )
    )


def means(chunk: Chunk, facets: Sequence[Facet]) -> np.ndarray:
    """Sums (facet,) of weight × amplitude of what is seen of each patch. Phases have no part in them.

    Examples
    --------
    >>> weight, stations = np.ones((6, 1), np.float32), np.zeros((2, 6), np.int16)
    >>> chunk = Chunk(np.zeros((6, 3)), np.array([150e6]), weight, weight, np.zeros(6), *stations, np.zeros(4))
    >>> facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.full((1, 1, 4), 0.5, np.complex64))
    >>> means(chunk, [facet]).round(3).tolist()  # 6 × (4 × 0.5²) / 2
    [3.0]
    """
    slot, times = _slots(chunk)
    weight = chunk.weight.sum(axis=1, dtype=np.float64)
    stations = _fixed(chunk.antenna1), _fixed(chunk.antenna2)
    each = [facet_kernels.mean(weight, slot, *stations, _jones(chunk, facet, times)) for facet in facets]
    return np.array(each)


def _jones(chunk: Chunk, facet: Facet, times: np.ndarray) -> np.ndarray:
    """Beams (time, station, 4) complex64 at some times, and at the chunk's mean frequency."""
    jones = facet.jones
    if facet.slope is not None:
        jones = jones + facet.slope * np.float32(np.log(chunk.frequencies.mean() / facet.beam_frequency))
    return between(facet.beam_times, jones, times)


def between(times: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values (time, ...) on straight lines between times, at wanted ones; the first and the last beyond them.

    Examples
    --------
    >>> between(np.array([0.0, 10.0]), np.array([[1.0], [3.0]]), np.array([-1.0, 2.5, 20.0])).ravel().tolist()
    [1.0, 1.5, 3.0]
    """
    if len(times) == 1:
        return np.repeat(values, len(wanted), axis=0)
    place = np.clip(np.interp(wanted, times, np.arange(len(times))), 0, len(times) - 1)
    low = np.minimum(place.astype(int), len(times) - 2)
    part = (place - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - part) + values[low + 1] * part


def _slots(chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
    """Which slot each row is of (row,) int32, and the slots' times (slot,): rows of a slot follow each other."""
    new = np.diff(chunk.times, prepend=np.nan) != 0
    return np.cumsum(new, dtype=np.int32) - np.int32(1), np.asarray(chunk.times)[new]


def _fixed(values: np.ndarray) -> np.ndarray:
    """A view that can't be written to, as chunks on disk are: one compiled loop for both makes the same image."""
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


def _n(facet: Facet) -> float:
    return float(np.sqrt(1 - facet.l**2 - facet.m**2))


def _seen_by(chunk: Chunk, cells: Cells, facet: Facet) -> tuple[Any, ...]:
    """What `facet_kernels.walk` takes: rows, what stations see in each slot, how channels turn, and the most seen."""
    jones = _jones(chunk, facet, cells.times)
    turns: np.ndarray = np.zeros(jones.shape[:2], np.float32)
    if facet.phase_times is not None and facet.phases is not None:
        turns = between(facet.phase_times, facet.phases, cells.times) / np.float32(2 * np.pi)
    lmn = np.array([facet.l, facet.m, _n(facet) - 1])
    stations = _fixed(chunk.antenna1), _fixed(chunk.antenna2)
    slower = facet.frequency / chunk.frequencies
    return (
        cells.of_row,
        cells.edges,
        _fixed(chunk.uvw),
        lmn,
        cells.slot,
        *stations,
        jones,
        turns,
        chunk.waves,
        slower,
        np.float32(MOST_SEEN * facet.scale),
    )


def _settings(cells: Cells, facet: Facet, geometry: Geometry, accuracy: float) -> dict[str, Any]:
    uvw = cells.uvw.copy()
    uvw[:, 0] -= uvw[:, 2] * (facet.l / _n(facet))
    uvw[:, 1] -= uvw[:, 2] * (facet.m / _n(facet))
    edge = facet.size / np.sqrt(2) * geometry.cell
    deepest = np.abs(uvw[:, 2]).max(initial=0.0)
    return {
        "uvw": uvw,
        "freq": np.array([LIGHT_M_S]),  # one wavelength is 1 m
        "pixsize_x": geometry.cell,
        "pixsize_y": geometry.cell,
        "epsilon": max(accuracy, FINE),
        "do_wgridding": bool(np.pi * deepest * edge**2 > CURVED),
        "flip_u": True,
        "flip_v": True,
        "divide_by_n": False,
        "nthreads": 1,  # of several, each sums in an order of its own, and a clean makes more of what that changes
    }
