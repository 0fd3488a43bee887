"""Cells against sums over every sample: the same in a patch's centre, and within what is promised in its corner."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.processing.images import facet_cells, facet_tasks, facets
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.gridding import point

NPIX, CELL = 512, np.deg2rad(4 / 3600)
SIZE = Geometry(NPIX, CELL, 0.0, 0.49 / CELL, 0.0, (2.15, 0.84))
STATIONS, SLOTS, INTERVAL = 14, 120, 5.0
# Two subbands with a gap between them, one channel of the first missing.
FREQUENCIES = 135e6 + np.array([0, 1, 3, 4, 60, 61, 62, 63]) * 48828.125
REFERENCE = 134e6
# Of the patch: pixels, and its first one.
PATCH, X, Y = 48, 60, 400
LOSS = (facet_cells.TURNED_BY_TIME**2 + facet_cells.TURNED_BY_FREQUENCY**2) / 2
GRIDDER = 1e-4
# Pixels from the patch's centre: in it, beside it, and in its corner.
OFFSETS = {"centre": (0, 0), "beside": (5, -3), "corner": (22, 22)}


def tracks():
    """Baselines (slot, baseline, 3) in m, up to 20 km, as the earth turns them."""
    rng = np.random.default_rng(1)
    places = rng.normal(size=(STATIONS, 2)) * 10 ** rng.uniform(2, 3.9, (STATIONS, 1))
    p, q = np.triu_indices(STATIONS, 1)
    east, north = (places[q] - places[p]).T
    latitude, dec = np.deg2rad(52.9), SIZE.phase_centre[1]
    x, y, z = -np.sin(latitude) * north, east, np.cos(latitude) * north
    hour = np.arange(SLOTS)[:, None] * INTERVAL * 7.292e-5
    away, along = np.cos(hour) * x - np.sin(hour) * y, np.sin(hour) * x + np.cos(hour) * y
    return np.stack([along, np.cos(dec) * z - np.sin(dec) * away, np.cos(dec) * away + np.sin(dec) * z], axis=-1), (
        p,
        q,
    )


@pytest.fixture
def chunk():
    """A fifth of the rows missing, and a tenth of the samples without weight."""
    rng = np.random.default_rng(4)
    uvw, (p, q) = tracks()
    kept = rng.random(uvw.shape[0] * uvw.shape[1]) > 0.2
    shape = (kept.sum(), len(FREQUENCIES))
    return Chunk(
        uvw.reshape(-1, 3)[kept],
        FREQUENCIES,
        np.zeros(shape, np.complex64),
        np.where(rng.random(shape) > 0.1, rng.uniform(0.5, 1, shape), 0).astype(np.float32),
        np.repeat(np.arange(SLOTS) * INTERVAL, len(p))[kept],
        np.tile(p, SLOTS)[kept].astype(np.int16),
        np.tile(q, SLOTS)[kept].astype(np.int16),
        np.zeros(4),
    )


@pytest.fixture
def facet():
    """Beams that turn over the chunk and phases that cross half a turn."""
    rng = np.random.default_rng(7)
    jones = np.zeros((2, STATIONS, 4), np.complex64)
    jones[..., [0, 3]] = rng.uniform(0.5, 1, (2, STATIONS, 2))
    jones[..., [1, 2]] = rng.uniform(-0.1, 0.1, (2, STATIONS, 2)) * 1j
    times = np.arange(0, SLOTS * INTERVAL, 30.0)
    phases = 3 + 2 * rng.uniform(-1, 1, STATIONS) * np.sin(times[:, None] / 200)
    l, m = -(X + PATCH // 2 - NPIX // 2) * CELL, (Y + PATCH // 2 - NPIX // 2) * CELL  # noqa: E741
    ends = np.array([0.0, SLOTS * INTERVAL])
    slope = (jones * rng.uniform(-4, 0, (1, STATIONS, 1))).astype(np.complex64)
    its = X, Y, PATCH, l, m, ends, jones, times, phases.astype(np.float32), REFERENCE
    return Facet(*its, beam_frequency=140e6, slope=slope)


def seen(chunk, facet):
    """What each sample (row, frequency) sees of the facet, by hand."""
    part = (chunk.times / facet.beam_times[1])[:, None]
    both = facet.jones + facet.slope * np.log(FREQUENCIES.mean() / 140e6)
    jones = [both[0, a] * (1 - part) + both[1, a] * part for a in (chunk.antenna1, chunk.antenna2)]
    each = np.stack([np.interp(chunk.times, facet.phase_times, p) for p in facet.phases.T], axis=1)
    rows = np.arange(len(each))
    phase = (each[rows, chunk.antenna1] - each[rows, chunk.antenna2])[:, None] * (REFERENCE / chunk.frequencies)
    return 0.5 * (jones[0] * jones[1].conj()).sum(axis=1)[:, None] * np.exp(1j * phase)


def place(facet, offset):
    """Direction cosines of a pixel in the patch's own plane, that touches the sky at its centre."""
    return facet.l - offset[0] * CELL, facet.m + offset[1] * CELL


def source(chunk, facet, offset):
    return (seen(chunk, facet) * point(chunk, *place(facet, offset))).astype(np.complex64)


def direct(chunk, facet, data, offset):
    """Value of the patch's image in a pixel, from every sample."""
    phase = seen(chunk, facet)
    turned = data * (phase / np.abs(phase) * point(chunk, *place(facet, offset))).conj()
    return (chunk.weight * turned).sum(dtype=complex).real


@pytest.mark.parametrize("where", OFFSETS)
def test_an_image_by_cells_is_the_sum_over_samples(chunk, facet, where):
    data = source(chunk, facet, OFFSETS[where])
    cells = facet_cells.plan(chunk, [facet], SIZE)
    assert len(cells.uvw) < data.size / 10
    image = facet_cells.image_of(data, chunk, cells, facet, SIZE, GRIDDER)
    x, y = (PATCH // 2 + o for o in OFFSETS[where])
    exact = direct(chunk, facet, data, OFFSETS[where])
    allowed = {"centre": 2 * GRIDDER, "beside": 1e-4 + 2 * GRIDDER, "corner": LOSS + 2 * GRIDDER}[where]
    assert image[y, x] == pytest.approx(exact, rel=allowed)
    # Where the source is not.
    for offset in ((-9, 4), (12, -17)):
        found = image[PATCH // 2 + offset[1], PATCH // 2 + offset[0]]
        assert found == pytest.approx(direct(chunk, facet, data, offset), abs=1e-3 * exact)


@pytest.mark.parametrize("where", OFFSETS)
def test_a_model_by_cells_is_the_source(chunk, facet, where):
    data = source(chunk, facet, OFFSETS[where])
    cells = facet_cells.plan(chunk, [facet], SIZE)
    patch = np.zeros((PATCH, PATCH), np.float32)
    patch[tuple(PATCH // 2 + o for o in reversed(OFFSETS[where]))] = 1
    left = data.copy()
    facet_cells.subtract(left, patch, chunk, cells, facet, SIZE, GRIDDER)
    used = chunk.weight > 0
    rms = np.sqrt((np.abs(left[used]) ** 2).mean() / (np.abs(data[used]) ** 2).mean())
    assert rms < {"centre": 2 * GRIDDER, "beside": 0.01, "corner": np.sqrt(2 * LOSS)}[where]
    # And nothing that a cell's mean shows.
    image = facet_cells.image_of(left, chunk, cells, facet, SIZE, GRIDDER)
    assert np.abs(image).max() < 1e-3 * direct(chunk, facet, data, OFFSETS[where])


def test_cells_turn_no_more_than_is_said(chunk, facet):
    cells = facet_cells.plan(chunk, [facet], SIZE)
    groups = len(cells.edges) - 1
    corner = np.array([1, 1]) / np.sqrt(2) * PATCH / np.sqrt(2) * CELL
    turned = 2 * np.pi * (chunk.uvw[:, :2] @ corner) * chunk.waves[-1]
    count = np.bincount(cells.of_row)
    mean = np.bincount(cells.of_row, turned) / count
    rms = np.sqrt(np.bincount(cells.of_row, (turned - mean[cells.of_row]) ** 2) / count)
    assert 0.5 * facet_cells.TURNED_BY_TIME < rms.max() <= facet_cells.TURNED_BY_TIME
    # A run is of one baseline.
    baseline = chunk.antenna1.astype(int) * STATIONS + chunk.antenna2
    assert len(np.unique(cells.of_row * STATIONS**2 + baseline)) == len(count)
    assert len(cells.uvw) == len(count) * groups


def test_groups_of_channels_are_even_and_narrow():
    edges = facet_cells.channel_groups(FREQUENCIES, 1.0)
    assert edges.tolist() == [0, 2, 4, 8]
    apart = facet_cells.channel_groups(FREQUENCIES, 1e-9)
    assert apart.tolist() == list(range(9))
    twice = np.repeat(FREQUENCIES[4:], 2)  # Measurement Sets of the same subband
    assert facet_cells.channel_groups(twice, 1.0).tolist() == [0, 2, 4, 6, 8]


def test_means_of_what_is_seen_are_the_sums(chunk, facet, tmp_path):
    file = facets.put(tmp_path, [facet, facet], NPIX)
    expected = (chunk.weight * np.abs(seen(chunk, facet))).sum()
    np.testing.assert_allclose(facet_tasks.means(chunk, file), [expected] * 2, rtol=1e-5)


def test_chunks_without_rows_or_weight_do_no_harm(chunk, facet):
    none = replace(
        chunk, **{n: getattr(chunk, n)[:0] for n in ("uvw", "visibilities", "weight", "times", "antenna1", "antenna2")}
    )
    unused = replace(chunk, weight=np.zeros_like(chunk.weight))
    for one in (none, unused):
        cells = facet_cells.plan(one, [facet], SIZE)
        left = one.visibilities.copy()
        facet_cells.subtract(left, np.ones((PATCH, PATCH)), one, cells, facet, SIZE, GRIDDER)
        assert not facet_cells.image_of(left, one, cells, facet, SIZE, GRIDDER).any()
