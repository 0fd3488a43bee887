"""Phases that were put in towards several directions come out; they are joined over subbands as an ionosphere's."""

import numpy as np
import pytest

from lofarlake_nb.processing.gains import direction_solver, grouping, tec
from lofarlake_nb.processing.sky_model import calibrator

STATIONS = 14
P, Q = np.triu_indices(STATIONS, 1)
BASELINES = direction_solver.Baselines(P, Q, STATIONS)
FLUXES = (80.0, 6.0, 3.0)


def made(rng, noise, phases):
    """Data and models (direction, time, baseline, frequency) of one interval of 12 slots."""
    shape = (len(FLUXES), 12, len(P), 4)
    models = np.array(FLUXES)[:, None, None, None] * np.exp(2j * np.pi * rng.random(shape))
    gains = np.exp(1j * phases)
    factor = gains[P] * np.conj(gains[Q])  # baseline, direction
    data = (models * factor.T[:, None, :, None]).sum(axis=0)
    return data + noise * (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape)), models


def summed(data, models, slots, weight=1.0):
    sums = direction_solver.empty(1, len(P), len(models))
    weights = np.full(data[slots].shape, weight)
    direction_solver.add(sums, data[slots], models[:, slots], weights, np.zeros(len(data[slots]), int))
    return sums


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def phases(rng):
    found = rng.normal(0, 0.8, (STATIONS, len(FLUXES)))
    found[:, 0] = 0
    return found - found[:1]


def test_phases_are_recovered(rng, phases):
    data, models = made(rng, 1.0, phases)
    gains = direction_solver.solve(summed(data, models, slice(None)), BASELINES)[0]
    error = np.angle(gains * np.conj(gains[:1]) * np.exp(-1j * phases))
    assert np.abs(error[:, 0]).max() == 0
    assert error[:, 1].std() < 0.02
    assert error[:, 2].std() < 0.04


def test_residual_is_what_the_models_leave(rng, phases):
    data, models = made(rng, 1.0, phases)
    sums = summed(data, models, slice(None))
    gains = np.exp(1j * phases)[None]
    left = data - (models * (gains[0][P] * np.conj(gains[0][Q])).T[:, None, :, None]).sum(axis=0)
    assert direction_solver.residual(sums, gains, BASELINES)[0] == pytest.approx((np.abs(left) ** 2).sum(), rel=1e-9)


def test_held_out_slots_tell_phases_that_are_there_from_those_that_are_not(rng, phases):
    for there in (True, False):
        data, models = made(rng, 30.0, phases if there else 0 * phases)
        even, odd = (summed(data, models, slice(parity, None, 2)) for parity in (0, 1))
        gains = direction_solver.solve(even, BASELINES)
        ones = np.ones_like(gains)
        left, without = (direction_solver.residual(odd, g, BASELINES)[0] for g in (gains, ones))
        assert (left < without) == there


def test_subbands_are_joined_as_one_ionosphere(rng):
    frequencies = np.linspace(131e6, 139e6, 10)
    content = rng.uniform(-2.5, 2.5, 40)
    true = content * (frequencies.mean() / frequencies)[:, None]
    noisy = np.angle(np.exp(1j * (true + rng.normal(0, 0.2, true.shape))))
    noisy[3, 5] = np.nan
    error = tec.joined(noisy, frequencies) - true
    assert error.std() < 0.08


def test_groups_hold_every_component_and_the_brightest_come_first():
    one = calibrator("3C196")
    away = np.deg2rad([0, 0.1, 1.5, 1.6, -2.0, 3.0])
    both = {
        name: np.concatenate([getattr(one, name)[:1]] * len(away))
        for name in ("ra", "dec", "flux", "reference", "index", "logarithmic", "major", "minor", "position_angle")
    }
    both["dec"] = both["dec"] + away
    both["flux"] = np.array([80.0, 1.0, 5.0, 2.0, 3.0, 0.1])
    model = type(one)("test", "test", **both)
    found = grouping.group(model, np.ones(len(away)), 2)
    assert [sorted(g.components.tolist()) for g in found] == [[0, 1], [2, 3, 5], [4]]
    assert [g.flux for g in found] == pytest.approx([81.0, 7.1, 3.0])
    assert found[0].direction.dec == pytest.approx(one.dec[0], abs=np.deg2rad(0.01))
