"""Gains that were put in come out; garbage does not pass."""

import numpy as np
import pytest

from lofarlake_nb.processing.gains import solver

STATIONS = 12
P, Q = np.triu_indices(STATIONS, 1)


def data_of(gains, model, noise=0.0, rng=None):
    """(time, baseline, frequency) of gains (time, station)."""
    clean = gains[:, P, None] * np.conj(gains[:, Q, None]) * model
    if noise:
        clean = clean + noise * (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape))
    return clean


def solved(data, model, weight=None, interval=None):
    weight = np.ones(data.shape) if weight is None else weight
    interval = np.arange(len(data)) if interval is None else interval
    hand = (value[..., None] for value in (data, model, weight))
    numerator, denominator = solver.normal_sums(
        *hand, np.ones(data.shape, bool), interval, np.zeros(data.shape[2], int)
    )
    return solver.solve(numerator[:, 0, 0], denominator[:, 0, 0], P, Q, STATIONS)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def gains(rng):
    return (1 + 0.2 * rng.standard_normal((3, STATIONS))) * np.exp(2j * np.pi * rng.random((3, STATIONS)))


@pytest.fixture
def model(rng):
    return 50 * np.exp(1j * rng.standard_normal((3, len(P), 4)))


@pytest.mark.parametrize("scale", [1, 1e-3, 1e3])
def test_gains_are_recovered_in_any_unit(gains, model, scale):
    found = solved(data_of(scale * gains, model), model)
    assert found.converged.all()
    np.testing.assert_allclose(
        solver.refer(found.gains, 2), scale * solver.refer(gains, 2), rtol=1e-3, atol=1e-4 * scale
    )


def test_noise_gives_the_expected_error(gains, model, rng):
    """σ of a gain's real part is that of a visibility over |M| and the root of baselines × channels."""
    noisy = solved(data_of(gains, model, 2.0, rng), model)
    error = np.abs(noisy.gains) - np.abs(gains)
    assert error.std() == pytest.approx(2.0 / 50 / np.sqrt((STATIONS - 1) * 4), rel=0.5)


def test_a_long_interval_is_one_solution(model, rng):
    steady = np.repeat((1 + 0.1j * rng.standard_normal((1, STATIONS))), 3, axis=0)
    found = solved(data_of(steady, model), model, interval=np.zeros(3, int))
    assert found.gains.shape == (1, STATIONS)
    np.testing.assert_allclose(np.abs(found.gains), np.abs(steady[:1]), rtol=1e-3)


def test_weightless_data_do_not_count(gains, model):
    data = data_of(gains, model)
    weight = np.ones(data.shape)
    data[:, 5], weight[:, 5] = 1e6, 0
    np.testing.assert_allclose(np.abs(solved(data, model, weight).gains), np.abs(gains), rtol=1e-3)


def test_a_station_without_data_has_no_solution(gains, model):
    weight = np.ones(model.shape) * ((P != 4) & (Q != 4))[:, None]
    found = solved(data_of(gains, model), model, weight)
    assert np.isnan(found.gains[:, 4]).all()
    assert np.isfinite(np.delete(found.gains, 4, axis=1)).all()


def test_nothing_to_solve_on_is_no_solution(model):
    found = solved(np.zeros_like(model), model, np.zeros(model.shape))
    assert np.isnan(found.gains).all()
    assert not found.converged.any()


def test_reference_phase_is_zero_and_moves_to_a_station_that_has_one(gains):
    gains[1, 2] = np.nan
    referred = solver.refer(gains, 2)
    assert np.angle(referred[[0, 2], 2]) == pytest.approx(0, abs=1e-12)
    assert np.angle(referred[1, 0]) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(np.abs(referred), np.abs(gains))
