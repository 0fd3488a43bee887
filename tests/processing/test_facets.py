"""Patches that are seen through their own beams and gains, against direct sums."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing.gains.solutions import Direction, Gains
from lofarlake_nb.processing.images import facet_tasks, facets, gridding
from lofarlake_nb.processing.images.bands import Bands
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.deconvolution import deconvolve
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.responses import facets as responses

NPIX, CELL = 512, np.deg2rad(20 / 3600)
SIZE = Geometry(NPIX, CELL, 0.0, 0.49 / CELL, 0.0, (2.15, 0.84))
STATIONS, SLOTS = 9, 12
FREQUENCIES = 135e6 + np.arange(4) * 2e5
# A source in a corner of the image, and one elsewhere.
SOURCES = ((70, 410, 5.0), (330, 200, 2.0))


def direction_of(x, y):
    return -(x - NPIX // 2) * CELL, (y - NPIX // 2) * CELL


@pytest.fixture
def chunk():
    rng = np.random.default_rng(4)
    p, q = np.triu_indices(STATIONS, 1)
    rows = len(p) * SLOTS
    uvw = rng.normal(size=(rows, 3)) * [1500, 1500, 1200]
    weight = rng.uniform(0.5, 1, (rows, 4)).astype(np.float32)
    return Chunk(
        uvw,
        FREQUENCIES,
        np.zeros((rows, 4), np.complex64),
        weight,
        np.repeat(np.arange(SLOTS) * 8.0, len(p)),
        np.tile(p, SLOTS).astype(np.int16),
        np.tile(q, SLOTS).astype(np.int16),
        np.zeros(4),
    )


def jones_of(seed):
    """Jones matrices (time, station, 4) that differ by tens of per cent and radians, on two times."""
    rng = np.random.default_rng(seed)
    jones = np.zeros((2, STATIONS, 4), np.complex64)
    jones[..., [0, 3]] = rng.uniform(0.5, 1, (2, STATIONS, 2)) * np.exp(1j * rng.uniform(-1, 1, (1, STATIONS, 1)))
    jones[..., [1, 2]] = rng.uniform(-0.1, 0.1, (2, STATIONS, 2))
    return jones


def facet_of(x, y, seed):
    size = 48
    l, m = direction_of(x, y)  # noqa: E741
    return Facet(x - size // 2, y - size // 2, size, l, m, np.array([0.0, 88.0]), jones_of(seed))


def seen(chunk, facet):
    """What each row sees of the facet, by hand."""
    part = (chunk.times / 88.0)[:, None]
    first, second = (
        facet.jones[0, a] * (1 - part) + facet.jones[1, a] * part for a in (chunk.antenna1, chunk.antenna2)
    )
    return 0.5 * (first * second.conj()).sum(axis=1)[:, None]


@pytest.fixture
def sky(chunk, tmp_path):
    """Visibilities of two sources, each through its own Jones matrices, and the facets around them."""
    places = [facet_of(x, y, seed) for seed, (x, y, _) in enumerate(SOURCES)]
    data = np.zeros(chunk.visibilities.shape, complex)
    for facet, (x, y, flux) in zip(places, SOURCES, strict=True):
        # Three pixels from the facet's centre: its plane has to have the right tilt.
        data += flux * seen(chunk, facet) * gridding.point(chunk, *direction_of(x + 3, y - 5))
    filled = replace(chunk, visibilities=data.astype(np.complex64))
    means = facet_tasks.means(filled, facets.put(tmp_path, places, NPIX)) / chunk.weight.sum()
    return filled, [replace(f, scale=float(mean)) for f, mean in zip(places, means, strict=True)]


def residual_of(chunk, places, model, folder):
    np.save(folder / "model.npy", model[None])
    file = facets.put(folder, places, NPIX)
    image, *patches = facet_tasks.residual(chunk, None, folder / "model.npy", SIZE, 1e-4, file, 0)
    total = chunk.weight.sum()
    return facets.inserted(image / total, [patch / total for patch in patches], places)


def test_a_patch_shows_the_flux_that_the_image_has_of_it(sky, tmp_path):
    """Through phases that differ by radians, where the image alone shows a fraction of the source."""
    chunk, places = sky
    image = residual_of(chunk, places[:1], np.zeros((NPIX, NPIX), np.float32), tmp_path)
    x, y, flux = SOURCES[0]
    assert image[y - 5, x + 3] == pytest.approx(flux * places[0].scale, rel=0.1)
    without = gridding.image_of(chunk.visibilities, chunk, SIZE, 1e-4) / chunk.weight.sum()
    assert without[y - 5, x + 3] < 0.85 * flux * places[0].scale


def test_a_model_seen_as_the_sky_is_leaves_nothing(sky, tmp_path):
    chunk, places = sky
    model = np.zeros((NPIX, NPIX), np.float32)
    for facet, (x, y, flux) in zip(places, SOURCES, strict=True):
        model[y - 5, x + 3] = flux * facet.scale
    assert np.abs(residual_of(chunk, places, model, tmp_path)).max() < 2e-3
    plain = gridding.image_of(chunk.visibilities, chunk, SIZE, 1e-4) / chunk.weight.sum()
    assert np.abs(plain).max() > 1


@pytest.fixture
def two_sizes():
    """Tracks of 20 small stations that see a source well, near each other, and of 8 large ones that hardly do."""
    rng = np.random.default_rng(2)
    places = np.concatenate([rng.normal(size=(20, 2)) * 400, rng.normal(size=(8, 2)) * 2500])
    p, q = np.triu_indices(28, 1)
    (east, north), turn = (places[q] - places[p]).T, np.linspace(0, np.pi, 60)[:, None]
    u, v = np.cos(turn) * east - np.sin(turn) * north, np.sin(turn) * east + np.cos(turn) * north
    uvw = np.stack([u, 0.8 * v, 0.1 * u], axis=-1).reshape(-1, 3)
    stations = np.stack([np.tile(p, 60), np.tile(q, 60)]).astype(np.int16)
    # As Briggs' weights do, long baselines count for more.
    weight = (np.minimum(1, np.hypot(*uvw[:, :2].T) / 2500) + 0.02).astype(np.float32)[:, None]
    noise = (rng.normal(size=(2, len(uvw), 1)) * 0.05 / np.sqrt(weight)).astype(np.float32)
    times = np.repeat(np.arange(60) * 8.0, len(p))
    voltage = np.where(np.arange(28) < 20, 0.6, 0.2)
    return Chunk(uvw, FREQUENCIES[:1], noise[0] + 1j * noise[1], weight, times, *stations, np.zeros(4)), voltage


def test_a_source_that_small_stations_see_far_better_is_cleaned(two_sizes, tmp_path):
    """They see 2.2 times the mean of it: major cycles that take all of that for the source's own never end."""
    chunk, voltage = two_sizes
    x, y, flux = SOURCES[0]
    jones = voltage[None, :, None] * np.array([1, 0, 0, 1], np.complex64)
    place = Facet(x - 24, y - 24, 48, *direction_of(x, y), np.zeros(1), jones.astype(np.complex64))
    seen = (voltage[chunk.antenna1] * voltage[chunk.antenna2])[:, None]
    data = chunk.visibilities + flux * seen * gridding.point(chunk, *direction_of(x + 3, y - 5))
    filled, total = replace(chunk, visibilities=data.astype(np.complex64)), chunk.weight.sum()
    (mean,) = facet_tasks.means(filled, facets.put(tmp_path, [place], NPIX)) / total
    assert voltage[0] ** 2 / mean > 2
    place = replace(place, scale=float(mean))
    left = lambda model: residual_of(filled, [place], model[0], tmp_path)[None]  # noqa: E731
    dirty = left(np.zeros((1, NPIX, NPIX), np.float32))
    psf = gridding.image_of(np.ones_like(filled.visibilities), filled, SIZE, 1e-4)[None] / total
    once = Bands(np.array([1e8, 2e8]), np.ones(1))
    found = deconvolve(dirty.copy(), psf, left, ImageParameters(major_cycles=15), SIZE, 3 * CELL, once)
    assert found.model.sum() / mean == pytest.approx(flux, rel=0.02)
    assert np.abs(found.residual).max() < 6 * found.residual.std() < 0.01 * np.abs(dirty).max()


def test_patches_don_t_share_pixels():
    near = [facet_of(200, 200, 0), facet_of(220, 210, 1)]
    owner = facets.owners(near, NPIX)
    assert {int(i) for i in np.unique(owner)} == {0, 1, 2}
    assert owner[200, 200] == 1
    assert owner[210, 240] == 2


def test_patches_are_around_the_brightest_sources():
    smooth = np.zeros((NPIX, NPIX), np.float32)
    for x, y, flux in (*SOURCES, (75, 415, 4.0), (NPIX // 2, NPIX // 2, 90.0), (400, 400, 0.1)):
        smooth[y, x] = flux
    found = facets.choose(smooth, SIZE, 3 * CELL, least=0.5, most=5, apart=np.deg2rad(0.1))
    # The one at the phase centre is calibrated, the fifth too faint, and the third within reach of the first.
    assert [place.flux for place in found] == [5.0, 2.0]
    assert found[0].x < 75 < found[0].x + found[0].size
    assert (found[1].l, found[1].m) == pytest.approx(direction_of(330, 200))


def test_patches_stay_within_the_image():
    """As large as a small image, a patch would be seen as its phase centre is: it is none."""
    smooth = np.zeros((128, 128), np.float32)
    smooth[20, 40] = 5
    small = replace(SIZE, npix=128)
    assert facets.choose(smooth, small, 20 * CELL, least=0.5, most=5, apart=0.0) == []
    (found,) = facets.choose(smooth, small, 6 * CELL, least=0.5, most=5, apart=0.0)
    assert (found.x, found.y, found.size) == (0, 0, 96)


def test_a_patch_takes_the_phases_of_its_direction():
    l, m = direction_of(*SOURCES[0][:2])  # noqa: E741
    times = np.arange(40.0)
    values = np.ones((2, 40, 1, STATIONS, 1), complex)
    # Over four radians and back: three quarters of a turn, that must not come out as a quarter backwards.
    phases = 4 * np.sin(times / 39 * np.pi)
    values[1, :, 0, 3, 0] = np.exp(1j * phases)
    values[1, 20, 0, 5] = np.nan  # no solution
    there = (SIZE.phase_centre[0] + l / np.cos(SIZE.phase_centre[1]), SIZE.phase_centre[1] + m)
    gains = Gains(values, times, np.array([136e6]), (Direction("a", *SIZE.phase_centre), Direction("b", *there)))
    place = facets.Place(40, 380, 48, l, m, 5.0)
    (facet,) = responses([place], None, [gains], SIZE, 135e6, STATIONS)
    assert facet.frequency == 136e6
    np.testing.assert_allclose(facet.phases[:, 3], phases, atol=0.05)
    assert np.abs(facet.phases[:, 5]).max() < 1e-6
    np.testing.assert_array_equal(facet.jones[0], [[1, 0, 0, 1]] * STATIONS)


def test_a_brighter_source_takes_a_patch_as_far_on_each_side():
    """Also where the reach is an odd number of pixels: 25 here, of which half is 12."""
    beam = 3.1 * CELL
    for offset, patches in ((12, 0), (13, 1)):
        for dx, dy in ((offset, 0), (-offset, 0), (0, offset), (0, -offset)):
            smooth = np.zeros((NPIX, NPIX), np.float32)
            smooth[256, 256], smooth[256 + dy, 256 + dx] = 9, 3
            found = facets.choose(smooth, SIZE, beam, least=1.0, most=5, apart=5 * CELL)
            assert len(found) == patches, (dx, dy)
