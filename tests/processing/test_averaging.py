import numpy as np
import pytest

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters import AverageParameters
from lofarlake_nb.processing.averages import resolution
from lofarlake_nb.processing.averages.mean import weighted_mean


def block(n_time=6, n_baseline=2, n_channel=4):
    rng = np.random.default_rng(1)
    shape = (n_time, n_baseline, n_channel, 4)
    data = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    flag = rng.random(shape[:3]) < 0.3
    weight = rng.uniform(0.5, 2, shape).astype(np.float32)
    return data, flag, weight


def test_the_mean_is_weighted_and_leaves_out_what_is_flagged():
    data, flag, weight = block()
    mean, empty, total = weighted_mean(data, flag, weight, np.array([0, 3]), 2)
    used = weight[3:6, 1, 2:4] * ~flag[3:6, 1, 2:4, None]
    np.testing.assert_allclose(total[1, 1, 1], used.sum(axis=(0, 1)), rtol=1e-6)
    expected = (used * data[3:6, 1, 2:4]).sum(axis=(0, 1)) / used.sum(axis=(0, 1))
    np.testing.assert_allclose(mean[1, 1, 1], expected, rtol=1e-5)
    assert not empty[1, 1, 1]


def test_flagged_values_never_leak_however_wild():
    data, flag, weight = block()
    clean = weighted_mean(data, flag, weight, np.array([0, 3]), 2)[0]
    data[flag] = 1e20
    np.testing.assert_array_equal(weighted_mean(data, flag, weight, np.array([0, 3]), 2)[0], clean)


def test_what_is_flagged_whole_stays_flagged():
    data, flag, weight = block()
    flag[:3, 0] = True
    mean, empty, total = weighted_mean(data, flag, weight, np.array([0, 3]), 4)
    assert empty[0, 0].all()
    assert not mean[0, 0].any()
    assert not total[0, 0].any()
    assert not empty[1:].any()


def test_noise_falls_as_the_weights_say():
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 2, (200, 20, 4, 4)).astype(np.float32)
    noise = rng.standard_normal(weight.shape) / np.sqrt(weight)
    flag = rng.random(weight.shape[:3]) < 0.2
    mean, _, total = weighted_mean(noise.astype(np.complex64), flag, weight, np.arange(0, 200, 5), 4)
    assert (mean.real * np.sqrt(total)).std() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("interval", "n_time", "width", "n_channel", "expected"),
    [
        (1.00139, 18, 3051.7578, 64, (3, 16)),  # as LOFAR's rounded seconds, short of 4 slots left
        (1.00139, 400, 3051.7578, 64, (3, 16)),
        (1.0, 400, 12207.03, 16, (4, 4)),
        (2.0, 2, 195312.5, 1, (1, 1)),  # two slots stay two: the verdict needs them
        (10.0, 6, 24414.0, 8, (1, 2)),
        (1.0, 400, 12207.03, 15, (4, 3)),  # a part of 15 channels
    ],
)
def test_how_much_is_averaged(interval, n_time, width, n_channel, expected):
    layout = make_layout(interval, n_time, width, n_channel)
    slots, channels = resolution.factors(layout, AverageParameters())
    assert channels == expected[1]
    assert slots in (expected[0], expected[0] + 1)
    assert n_channel % channels == 0


def test_the_layout_after_averaging_holds_cross_correlations_at_mean_times():
    layout = make_layout(1.0, 8, 1e4, 4)
    after = resolution.averaged_layout(layout, np.array([0, 4]), 4, 2)
    np.testing.assert_allclose(after.times, [1.5, 5.5])
    np.testing.assert_allclose(np.diff(after.frequencies), 2e4)
    assert after.interval == 4
    assert after.channel_width == 2e4
    assert list(zip(after.antenna1, after.antenna2, strict=True)) == [(0, 1)]


@pytest.mark.parametrize("wrong", [{"interval": "0 s"}, {"interval": "4 Jy"}, {"channel": "many"}])
def test_impossible_settings(wrong):
    with pytest.raises(UsageError):
        AverageParameters(**wrong)


def make_layout(interval, n_time, width, n_channel):
    from lofarlake_nb.observation.measurement_set import Layout

    return Layout(
        times=np.arange(n_time) * interval,
        antenna1=np.array([0, 0, 1]),
        antenna2=np.array([0, 1, 1]),
        rows=np.arange(3 * n_time).reshape(n_time, 3),
        frequencies=135e6 + width * np.arange(n_channel),
        stations=("A", "B"),
        positions=np.array([[0.0, 0, 0], [1000, 0, 0]]),
        phase_centre=(0.0, 0.8),
        interval=interval,
        channel_width=width,
    )
