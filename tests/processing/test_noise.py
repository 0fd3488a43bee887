import numpy as np
import pytest

from lofarlake_nb.processing import noise

STATIONS = 10
P, Q = np.triu_indices(STATIONS, 1)


def noisy(shape, factors, rng):
    """(time, baseline, frequency, 4): a 100 Jy source in the parallel hands, and noise of power s_p s_q."""
    n_time, n_channel = shape
    full = (n_time, len(P), n_channel, 4)
    values = rng.standard_normal(full) + 1j * rng.standard_normal(full)
    values *= np.sqrt(factors[P] * factors[Q] / 2)[None, :, None, None]
    values[..., [0, 3]] += 100
    return values


@pytest.mark.parametrize("shape", [(20, 8), (200, 1)])
def test_station_noise_is_recovered_under_a_bright_source(shape):
    rng = np.random.default_rng(3)
    factors = rng.uniform(2, 6, STATIONS)
    factors[3] = 60
    data = noisy(shape, factors, rng)
    power = noise.baseline_noise(data, np.zeros(data.shape[:3], bool))
    found = noise.station_noise(power, P, Q, STATIONS)
    np.testing.assert_allclose(found, factors, rtol=0.2)
    assert noise.relative(found)[3] > 8


def test_noise_of_unit_weight():
    rng = np.random.default_rng(4)
    weight = rng.uniform(1, 9, (200, len(P), 4))
    data = noisy((200, 4), np.full(STATIONS, 3.0), rng) / np.sqrt(weight)[..., None]
    power = noise.baseline_noise(data, np.zeros(weight.shape, bool), weight)
    assert np.median(power) == pytest.approx(9.0, rel=0.05)


def test_nothing_is_made_up():
    data = np.ones((1, len(P), 1, 4), complex)
    power = noise.baseline_noise(data, np.zeros(data.shape[:3], bool))
    assert np.isnan(power).all()
    assert np.isnan(noise.station_noise(power, P, Q, STATIONS)).all()
    assert np.isnan(noise.relative(np.full(3, np.nan))).all()


def test_flagged_samples_do_not_count():
    rng = np.random.default_rng(5)
    data = noisy((100, 8), np.full(STATIONS, 2.0), rng)
    flag = np.zeros(data.shape[:3], bool)
    data[:60, :, 2] += 1e4 * rng.standard_normal((60, len(P), 4))
    flag[:60, :, 2] = True
    assert np.median(noise.baseline_noise(data, flag)) == pytest.approx(4.0, rel=0.1)
