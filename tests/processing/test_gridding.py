"""The gridder, the weights and the beam against direct sums and analytic answers."""

from dataclasses import replace

import ducc0
import numpy as np
import pytest

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.processing.images import gridding, restoring, weighting
from lofarlake_nb.processing.images.chunks import Chunk, weigh
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.stokes import stokes
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

NPIX = 256
CELL = np.deg2rad(20 / 3600)
SIZE = Geometry(NPIX, CELL, 0.0, 0.49 / CELL, 0.0, (0.0, 0.8))
ASIDE = replace(SIZE, centre=(0.013, -0.021))
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
    station = np.zeros(1500, np.int16)
    return Chunk(uvw, FREQUENCIES, data, weight, np.zeros(1500), station, station + 1, np.zeros(4))


@pytest.fixture
def many():
    rng = np.random.default_rng(2)
    uvw, shape = rng.normal(size=(50_000, 3)) * [1000, 1000, 300], (50_000, 3)
    data, station = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64), np.zeros(50_000, int)
    return Chunk(uvw, FREQUENCIES, data, np.ones(shape, np.float32), np.zeros(50_000), station, station, np.zeros(4))


def test_images_are_the_same_to_the_bit_whatever_threads_there_are(many):
    """Sums in another order differ by some parts in a million, and a clean makes more of that."""
    threads, made = ducc0.misc.thread_pool_size(), []
    try:
        for count in (1, 2):
            ducc0.misc.resize_thread_pool(count)
            image = gridding.image_of(many.visibilities, many, SIZE, 1e-4)
            made.append((image, gridding.visibilities_of(image, many, SIZE, 1e-4)))
    finally:
        ducc0.misc.resize_thread_pool(threads)
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


def turns(chunk, x, y, size=SIZE):
    """Phase (row, frequency) in turns of a source in pixel x, y of a FITS image: east is to the left."""
    east, north = size.centre[0] - (x - NPIX // 2) * CELL, size.centre[1] + (y - NPIX // 2) * CELL
    path = chunk.uvw @ np.array([east, north, np.sqrt(1 - east**2 - north**2) - 1])
    return path[:, None] * chunk.waves


@pytest.mark.parametrize("size", [SIZE, ASIDE], ids=["phase centre", "elsewhere"])
@pytest.mark.parametrize(("accuracy", "error"), [(1e-6, 1e-5), (gridding.FINE, 1e-5), (1e-3, 1e-3)])
def test_dirty_image_equals_the_direct_sum(chunk, size, accuracy, error):
    image = gridding.image_of(chunk.visibilities, chunk, size, accuracy)
    rng = np.random.default_rng(2)
    pixels = rng.integers(1, NPIX, (30, 2))
    direct = [
        (chunk.weight * (chunk.visibilities * np.exp(-2j * np.pi * turns(chunk, x, y, size))).real).sum()
        for x, y in pixels
    ]
    found = [image[y, x] for x, y in pixels]
    np.testing.assert_allclose(found, direct, atol=error * np.abs(image).max())


@pytest.mark.parametrize("size", [SIZE, ASIDE], ids=["phase centre", "elsewhere"])
def test_visibilities_of_a_model_equal_the_direct_sum(chunk, size):
    model = np.zeros((NPIX, NPIX), np.float32)
    model[200, 30], model[40, 90] = 3, 1
    found = gridding.visibilities_of(model, chunk, size, gridding.FINE)
    direct = 3 * np.exp(2j * np.pi * turns(chunk, 30, 200, size)) + np.exp(2j * np.pi * turns(chunk, 90, 40, size))
    used = chunk.weight > 0
    np.testing.assert_allclose(found[used], direct[used], atol=1e-4)


def test_the_gridder_is_as_accurate_as_the_dynamic_range_asks():
    assert gridding.accuracy(90.0, 1.0) == gridding.COARSE
    assert gridding.accuracy(90.0, 1e-3) == pytest.approx(1e-2 / 90)
    assert gridding.accuracy(90.0, 1e-5) < gridding.FINE  # in double precision


def test_a_point_source_is_imaged_where_it_is(chunk):
    source = replace(chunk, visibilities=(3 * np.exp(2j * np.pi * turns(chunk, 90, 160))).astype(np.complex64))
    dirty = gridding.dirty(source, None, SIZE, 1e-4) / source.weight.sum()
    assert np.unravel_index(dirty.argmax(), dirty.shape) == (160, 90)
    assert dirty.max() == pytest.approx(3, rel=1e-3)


def test_the_psf_is_one_in_the_middle_wherever_that_is(chunk):
    psf = gridding.psf(chunk, ASIDE, 1e-4) / chunk.weight.sum()
    assert psf[NPIX // 2, NPIX // 2] == pytest.approx(1, rel=1e-3)


def test_what_a_model_explains_leaves_nothing(chunk, tmp_path):
    source = replace(chunk, visibilities=(3 * np.exp(2j * np.pi * turns(chunk, 90, 160))).astype(np.complex64))
    model = np.zeros((NPIX, NPIX), np.float32)
    model[160, 90] = 3
    np.save(tmp_path / "model.npy", [0 * model, model])
    left = gridding.residual(source, None, tmp_path / "model.npy", SIZE, 1e-4, 1) / source.weight.sum()
    assert np.abs(left).max() < 3e-3


def test_thermal_noise_is_that_of_the_image(chunk):
    rng = np.random.default_rng(3)
    sigma = 1 / np.sqrt(np.maximum(chunk.weight, 1e-9))
    noise = (rng.normal(size=sigma.shape) + 1j * rng.normal(size=sigma.shape)) * sigma
    cells = weighting.density(chunk.uvw, chunk.waves, chunk.weight, SIZE)
    noisy = weigh(replace(chunk, visibilities=noise.astype(np.complex64)), cells, -1.0, SIZE)
    total, variance, *_ = noisy.sums
    image = gridding.image_of(noisy.visibilities, noisy, SIZE, 1e-4) / total
    assert image.std() == pytest.approx(np.sqrt(variance) / total, rel=0.1)


def test_uniform_weights_even_out_the_density(chunk):
    cells = weighting.density(chunk.uvw, chunk.waves, chunk.weight, SIZE)
    assert cells.sum() == pytest.approx(chunk.weight.sum(), rel=1e-5)
    even = weighting.briggs(chunk.uvw, chunk.waves, chunk.weight, cells, -2.0, SIZE)
    after = weighting.density(chunk.uvw, chunk.waves, even, SIZE)
    filled = after[cells > np.median(cells[cells > 0])]
    assert filled.std() / filled.mean() < 0.05
    natural = weighting.briggs(chunk.uvw, chunk.waves, chunk.weight, cells, 2.0, SIZE)
    np.testing.assert_allclose(natural / natural.max(), chunk.weight / chunk.weight.max(), atol=0.02)


def test_a_baseline_and_its_conjugate_share_a_cell(chunk):
    there, _ = weighting.cell_of(chunk.uvw, chunk.waves, SIZE)
    back, _ = weighting.cell_of(-chunk.uvw, chunk.waves, SIZE)
    np.testing.assert_array_equal(there, back)


LINEAR, CIRCULAR = ("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL")


def correlated(correlations, i, v):
    """What feeds see of a source of Stokes I and V (IAU): weights 1, 9, 9 and 3."""
    linear = [i, 1j * v, -1j * v, i]
    data = linear if correlations == LINEAR else [i + v, 0, 0, i - v]
    weight = np.array([1, 9, 9, 3], np.float32).reshape(1, 1, 1, 4)
    return np.array(data, np.complex64).reshape(1, 1, 1, 4), np.zeros((1, 1, 1, 4), bool), weight


@pytest.mark.parametrize("correlations", [LINEAR, CIRCULAR])
def test_stokes_parameters_of_both_feeds(correlations):
    data, flag, weight = correlated(correlations, 3, 2)
    value, combined = stokes("I", data, flag, weight, correlations)
    assert value.item() == 3
    assert combined.item() == pytest.approx(4 / (1 / 1 + 1 / 3))  # σ² of the mean of two
    assert stokes("V", data, flag, weight, correlations)[0].item() == 2
    flag[..., 3] = True
    assert stokes("I", data, flag, weight, correlations)[1].item() == 0  # it needs both hands


def test_stokes_that_the_correlations_don_t_hold():
    data, flag, weight = correlated(LINEAR, 3, 2)
    parallel = (data[..., [0, 3]], flag[..., [0, 3]], weight[..., [0, 3]], ("XX", "YY"))
    assert stokes("I", *parallel)[0].item() == 3
    with pytest.raises(ProcessingError, match="Stokes V"):
        stokes("V", *parallel)
    assert stokes("I", data[..., :1], flag[..., :1], weight[..., :1], ("I",))[0].item() == 3


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
    restored = restoring.convolve(point, beam, CELL)
    np.testing.assert_allclose(restored, 2 * psf, atol=2e-3)
    assert restored.sum() * CELL**2 / beam.area == pytest.approx(2, rel=1e-3)


def test_where_nothing_has_weight_nothing_gets_one():
    uvw, waves = np.array([[100.0, 50.0, 0.0]]), np.array([0.5])
    none = np.zeros((1, 1), np.float32)
    cells = weighting.density(uvw, waves, none, SIZE)
    assert not weighting.briggs(uvw, waves, none, cells, 0.0, SIZE).any()


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_a_psf_without_a_peak_is_refused(value):
    with pytest.raises(ProcessingError, match="no peak"):
        restoring.fit_beam(np.full((NPIX, NPIX), value, np.float32), CELL)
