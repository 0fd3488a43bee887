"""The gridder, the weights and the beam against direct sums and analytic answers."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.processing.images import gridding, restoring, weighting
from lofarlake_nb.processing.images.chunks import Chunk, stokes_i, sums, weigh
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

NPIX = 256
CELL = np.deg2rad(20 / 3600)
SIZE = Geometry(NPIX, CELL, 0.0, 0.49 / CELL, 0.0, (0.0, 0.8))
FREQUENCIES = np.array([133e6, 135e6, 137e6])


@pytest.fixture
def chunk():
    rng = np.random.default_rng(1)
    uvw = rng.normal(size=(1500, 3)) * [2000, 2000, 1500]
    shape = (1500, 3)
    weight = rng.uniform(0.1, 1, shape).astype(np.float32)
    length = np.hypot(uvw[:, 0], uvw[:, 1])[:, None] * FREQUENCIES / LIGHT_M_S
    weight[length > SIZE.maximum_uv] = 0
    data = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    return Chunk(uvw, FREQUENCIES, data, weight, weight)


def turns(chunk, x, y):
    """Phase (row, frequency) in turns of a source in pixel x, y of a FITS image: east is to the left."""
    east, north = -(x - NPIX // 2) * CELL, (y - NPIX // 2) * CELL
    path = chunk.uvw @ np.array([east, north, np.sqrt(1 - east**2 - north**2) - 1])
    return path[:, None] * chunk.waves


def test_dirty_image_equals_the_direct_sum(chunk):
    image = gridding.image_of(chunk.visibilities, chunk, SIZE, accuracy=2e-5)
    rng = np.random.default_rng(2)
    pixels = rng.integers(1, NPIX, (30, 2))
    direct = [
        (chunk.weight * (chunk.visibilities * np.exp(-2j * np.pi * turns(chunk, x, y))).real).sum() for x, y in pixels
    ]
    found = [image[y, x] for x, y in pixels]
    np.testing.assert_allclose(found, direct, atol=1e-4 * np.abs(image).max())


def test_visibilities_of_a_model_equal_the_direct_sum(chunk):
    model = np.zeros((NPIX, NPIX), np.float32)
    model[200, 30], model[40, 90] = 3, 1
    found = gridding.visibilities_of(model, chunk, SIZE, accuracy=2e-5)
    direct = 3 * np.exp(2j * np.pi * turns(chunk, 30, 200)) + np.exp(2j * np.pi * turns(chunk, 90, 40))
    used = chunk.weight > 0
    np.testing.assert_allclose(found[used], direct[used], atol=4e-4)


def test_a_point_source_is_imaged_where_it_is(chunk):
    source = replace(chunk, visibilities=(3 * np.exp(2j * np.pi * turns(chunk, 90, 160))).astype(np.complex64))
    dirty, _ = gridding.dirty_and_psf(source, SIZE) / sums(source)[0]
    assert np.unravel_index(dirty.argmax(), dirty.shape) == (160, 90)
    assert dirty.max() == pytest.approx(3, rel=1e-3)


def test_what_a_model_explains_leaves_nothing(chunk):
    source = replace(chunk, visibilities=(3 * np.exp(2j * np.pi * turns(chunk, 90, 160))).astype(np.complex64))
    model = np.zeros((NPIX, NPIX), np.float32)
    model[160, 90] = 3
    left = gridding.residual(source, model, SIZE) / sums(source)[0]
    assert np.abs(left).max() < 3e-3


def test_thermal_noise_is_that_of_the_image(chunk):
    rng = np.random.default_rng(3)
    sigma = 1 / np.sqrt(np.maximum(chunk.natural, 1e-9))
    noise = (rng.normal(size=sigma.shape) + 1j * rng.normal(size=sigma.shape)) * sigma
    cells = weighting.density(chunk.uvw, chunk.waves, chunk.natural, SIZE)
    noisy = weigh(replace(chunk, visibilities=noise.astype(np.complex64)), cells, -1.0, SIZE)
    total, variance, *_ = sums(noisy)
    image = gridding.image_of(noisy.visibilities, noisy, SIZE) / total
    assert image.std() == pytest.approx(np.sqrt(variance) / total, rel=0.1)


def test_uniform_weights_even_out_the_density(chunk):
    cells = weighting.density(chunk.uvw, chunk.waves, chunk.natural, SIZE)
    assert cells.sum() == pytest.approx(chunk.natural.sum(), rel=1e-5)
    even = weighting.briggs(chunk.uvw, chunk.waves, chunk.natural, cells, -2.0, SIZE)
    after = weighting.density(chunk.uvw, chunk.waves, even, SIZE)
    filled = after[cells > np.median(cells[cells > 0])]
    assert filled.std() / filled.mean() < 0.05
    natural = weighting.briggs(chunk.uvw, chunk.waves, chunk.natural, cells, 2.0, SIZE)
    np.testing.assert_allclose(natural / natural.max(), chunk.natural / chunk.natural.max(), atol=0.02)


def test_a_baseline_and_its_conjugate_share_a_cell(chunk):
    there, _ = weighting.cell_of(chunk.uvw, chunk.waves, SIZE)
    back, _ = weighting.cell_of(-chunk.uvw, chunk.waves, SIZE)
    np.testing.assert_array_equal(there, back)


def test_total_intensity_needs_both_hands():
    data = np.array([4, 9, 9, 2], np.complex64).reshape(1, 1, 1, 4)
    weight = np.array([1, 9, 9, 3], np.float32).reshape(1, 1, 1, 4)
    flag = np.zeros(data.shape, bool)
    value, combined = stokes_i(data, flag, weight)
    assert value.item() == 3
    assert combined.item() == pytest.approx(4 / (1 / 1 + 1 / 3))  # σ² of the mean of two
    flag[..., 3] = True
    assert stokes_i(data, flag, weight)[1].item() == 0


@pytest.mark.parametrize("angle", [-60, 0, 25, 80])
def test_the_beam_of_a_gaussian_is_that_gaussian(angle):
    north, east = np.mgrid[-64:64, -64:64] * 1.0
    east = -east
    turned = np.deg2rad(angle)
    along, across = east * np.sin(turned) + north * np.cos(turned), east * np.cos(turned) - north * np.sin(turned)
    psf = np.exp(-4 * np.log(2) * ((along / 7) ** 2 + (across / 4) ** 2)).astype(np.float32)
    beam = restoring.fit_beam(psf, CELL)
    assert beam.major / CELL == pytest.approx(7, rel=1e-3)
    assert beam.minor / CELL == pytest.approx(4, rel=1e-3)
    assert np.rad2deg(beam.position_angle) == pytest.approx(angle, abs=0.1)
    point = np.zeros(psf.shape, np.float32)
    point[64, 64] = 2
    restored = restoring.restore(point, np.zeros_like(point), beam, CELL)
    np.testing.assert_allclose(restored, 2 * psf, atol=2e-3)
    assert restored.sum() * CELL**2 / beam.area == pytest.approx(2, rel=1e-3)
