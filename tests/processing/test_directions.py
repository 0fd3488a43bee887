"""Phases that were put in towards several directions come out; they are joined over subbands as an ionosphere's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.gains import direction_plan, direction_solver, directions, grouping, tec
from lofarlake_nb.processing.gains.direction_tasks import Source
from lofarlake_nb.processing.kernels import LAYOUT
from lofarlake_nb.processing.sky_model import calibrator

STATIONS = 14
P, Q = np.triu_indices(STATIONS, 1)
BASELINES = direction_solver.Baselines(P, Q, STATIONS)
FLUXES = (80.0, 6.0, 3.0)


def made(rng, noise, phases):
    """Data and models (direction, slot, baseline, sample) of 12 slots."""
    shape = (len(FLUXES), 12, len(P), 4)
    models = (np.array(FLUXES)[:, None, None, None] * np.exp(2j * np.pi * rng.random(shape))).astype(np.complex64)
    gains = np.exp(1j * phases)
    factor = gains[P] * np.conj(gains[Q])  # baseline, direction
    data = (models * factor.T[:, None, :, None]).sum(axis=0)
    data = data + noise * (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape))
    return data.astype(np.complex64), models


def summed(data, models):
    sums = direction_solver.empty(len(data), len(P), len(models))
    direction_solver.add(sums, data, models, np.ones(data.shape, np.float32))
    return sums


def all_in_one(sums):
    return np.zeros((len(FLUXES), len(sums.total)), int)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def phases(rng):
    found = rng.normal(0, 0.8, (STATIONS, len(FLUXES)))
    found[:, 0] = 0
    return found - found[:1]


def test_sums_are_those_of_the_products(rng, phases):
    data, models = made(rng, 1.0, phases)
    weight = rng.random(data.shape).astype(np.float32)
    weight[2, 3] = 0
    data[2, 3] = np.nan
    sums = direction_solver.empty(len(data), len(P), len(models))
    direction_solver.add(sums, data, models, weight)
    used = np.where(weight > 0, data, 0)
    cross = np.einsum("tbs,tbs,dtbs->tbd", weight, used, models.conj())
    power = np.einsum("tbs,dtbs,etbs->tbde", weight, models.conj(), models)
    np.testing.assert_allclose(sums.cross, cross, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(sums.power, power, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(sums.total, (weight * np.abs(used) ** 2).sum(axis=(1, 2)), rtol=1e-4)


def test_phases_are_recovered(rng, phases):
    data, models = made(rng, 1.0, phases)
    sums = summed(data, models)
    gains = direction_solver.solve(sums, all_in_one(sums), BASELINES)
    assert np.array_equal(gains, np.broadcast_to(gains[:1], gains.shape))
    error = np.angle(gains[0] * np.conj(gains[0, :1]) * np.exp(-1j * phases))
    assert np.abs(error[:, 0]).max() == 0
    assert error[:, 1].std() < 0.02
    assert error[:, 2].std() < 0.04


def test_a_bright_direction_is_followed_from_slot_to_slot(rng, phases):
    data, models = made(rng, 0.0, phases)
    turns = rng.normal(0, 0.5, (12, STATIONS))
    moved = np.exp(1j * (turns[:, P] - turns[:, Q]))[..., None]
    still = np.exp(1j * (phases[P, 1] - phases[Q, 1]))[:, None]
    data = data + models[1] * still * (moved - 1) + rng.normal(0, 1.0, data.shape)
    sums = summed(data.astype(np.complex64), models)
    intervals = all_in_one(sums)
    intervals[1] = np.arange(12)
    gains = direction_solver.solve(sums, intervals, BASELINES)
    true = phases[:, 1] + turns - turns[:, :1]
    error = np.angle(gains[..., 1] * np.conj(gains[:, :1, 1]) * np.exp(-1j * true))
    assert error.std() < 0.08
    assert np.array_equal(gains[..., 2], np.broadcast_to(gains[:1, :, 2], gains.shape[:2]))


def test_residual_is_what_the_models_leave(rng, phases):
    data, models = made(rng, 1.0, phases)
    sums = summed(data, models)
    gains = np.broadcast_to(np.exp(1j * phases), (12, STATIONS, len(FLUXES)))
    left = direction_solver.residual(sums, gains, BASELINES)
    for alone in range(-1, len(FLUXES)):
        seen = np.exp(1j * np.where(np.arange(len(FLUXES)) == alone, 0, phases))
        rest = data - (models * (seen[P] * np.conj(seen[Q])).T[:, None, :, None]).sum(axis=0)
        assert left[1 + alone] == pytest.approx((np.abs(rest) ** 2).sum(), rel=1e-3)


def test_held_out_slots_tell_phases_that_are_there_from_those_that_are_not(rng, phases):
    for there in (True, False):
        sums = summed(*made(rng, 30.0, phases if there else 0 * phases))
        known = np.arange(12) % 2 == 0
        gains = direction_solver.solve(sums, all_in_one(sums), BASELINES, known)[~known]
        held = direction_solver.Sums(sums.cross[~known], sums.power[~known], sums.total[~known])
        left, without = (direction_solver.residual(held, g, BASELINES)[0] for g in (gains, np.ones_like(gains)))
        assert (left < without) == there


def test_gains_lie_on_lines_between_the_middles_of_their_intervals():
    gains = np.repeat(np.exp(1j * np.array([0.0, 0.4, 0.8])), 4)[:, None, None]
    intervals = np.repeat([0, 1, 2], 4)[None]
    got = np.angle(direction_solver.between(gains, intervals, np.ones(12, bool), np.array([0.0, 1.5, 3.5, 11.0])))
    np.testing.assert_allclose(got[:, 0, 0], [0, 0, 0.2, 0.8], atol=1e-6)


def test_solutions_are_as_long_as_their_noise_asks_for():
    assert direction_solver.slots_needed([0.1, 0.2, 0.5, 9.0], 0.2, 12) == [1, 1, 7, 12]


def test_subbands_are_joined_as_one_ionosphere(rng):
    frequencies = np.linspace(131e6, 139e6, 10)
    content = rng.uniform(-2.5, 2.5, 40)
    true = content * (frequencies.mean() / frequencies)[:, None]
    noisy = np.angle(np.exp(1j * (true + rng.normal(0, 0.2, true.shape))))
    noisy[3, 5] = np.nan
    error = tec.joined(noisy, frequencies) - true
    assert error.std() < 0.08


def model_of(flux, away):
    """Sources of some fluxes (Jy), so many degrees north of 3C196."""
    one = calibrator("3C196").chosen(np.zeros(len(flux), int))
    return replace(one, dec=one.dec + np.deg2rad(away), flux=np.array(flux))


def test_groups_hold_every_component_and_the_brightest_come_first():
    model = model_of([80.0, 1.0, 5.0, 2.0, 3.0, 0.1], [0, 0.1, 1.5, 1.6, -2.0, 3.0])
    found = grouping.group(model, np.ones(6), 2)
    assert [sorted(g.components.tolist()) for g in found] == [[0, 1], [2, 3, 5], [4]]
    assert [g.flux for g in found] == pytest.approx([81.0, 7.1, 3.0])
    assert found[0].direction.dec == pytest.approx(model.dec[0], abs=np.deg2rad(0.01))


@pytest.mark.parametrize(("weight", "expected"), [(10.0, 3), (0.05, 2), (1e-9, 1)])
def test_what_is_too_faint_goes_to_its_neighbours(weight, expected):
    """Down to one group, whose gains are those of all directions, where even the brightest is lost in the noise."""
    model, power = model_of([80.0, 5.0, 0.3], [0, 1.5, -2.0]), np.ones(3)
    found = grouping.group(model, power, 20)
    chosen, faint = direction_plan.chosen(found, np.full(10, weight), 15, model, power)
    assert len(chosen.its) == expected
    assert len(faint) == 3 - expected
    assert sorted(np.concatenate([g.components for g in chosen.its])) == [0, 1, 2]


def test_a_source_alone_gives_way_to_fainter_ones_that_are_more_together():
    model, power = model_of([80.0, 1.0, 0.9, 0.9, 0.9], [0, 2.0, -2.0, -2.05, -2.1]), np.ones(5)
    found = grouping.group(model, power, 20)
    chosen, faint = direction_plan.chosen(found, np.full(10, 2.0), 1, model, power)
    assert [one.components.tolist() for one in faint] == [[1]]
    assert [one.components.tolist() for one in chosen.its] == [[0, 1], [2, 3, 4]]
    assert max(chosen.errors) < direction_plan.NOISIEST


def test_bands_hold_what_is_close_together():
    low, high = np.linspace(120e6, 121e6, 8), np.linspace(179e6, 180e6, 8)
    assert direction_plan.close_together(np.concatenate([high, low])) == [list(range(8, 16)), list(range(8))]
    even = np.linspace(120e6, 168e6, 20)
    assert direction_plan.close_together(even) == [list(range(i, i + 4)) for i in range(0, 20, 4)]
    assert direction_plan.close_together(np.array([140e6])) == [[0]]


def alike(times, noise):
    """What `directions` makes of Measurement Sets a, b, ... of 8 slots of 1 s that begin so late (None: one less)."""
    layouts = [replace(LAYOUT, times=LAYOUT.times + t if t is not None else LAYOUT.times[:-1]) for t in times]
    sources = [Source(Path("abcd"[i]), Path(), np.full(8, n)) for i, n in enumerate(noise)]
    return directions._alike(sources, layouts, 60.0)


def test_measurement_sets_of_other_slots_than_most_do_without_a_solve_of_their_own():
    assert alike([0, 0, 0], [1, 1, 1]) == ([0, 1, 2], [])
    its, (note,) = alike([None, 0, 0], [1, 1, 1])
    assert its == [1, 2]
    assert note.endswith("slots or unknown noise too: a")
    its, (note,) = alike([0, 0, 30], [1, np.nan, 1])
    assert its == [0]
    assert note.startswith("solved on 1 Measurement Set,")
    assert note.endswith("b, c")


def test_where_no_phases_can_be_had_it_is_said_why():
    assert alike([0, 0], [np.nan, np.nan]) == ([], ["the noise of no Measurement Set is known"])
    assert alike([0, 0, 3600], [1, 1, 1]) == (
        [],
        ["c: slots that are 3600 s from any of the other Measurement Sets'"],
    )


def test_phases_of_one_scan_are_none_of_the_next():
    """A faint direction has one solution a scan: a line between two of them would cross the pause."""
    times = np.concatenate([np.arange(12) * 4.0, 600 + np.arange(12) * 4.0])
    layout = Layout(
        times=times,
        antenna1=P,
        antenna2=Q,
        rows=np.zeros((24, len(P)), int),
        frequencies=np.array([135e6]),
        stations=tuple(f"CS{i:03d}HBA0" for i in range(STATIONS)),
        positions=np.zeros((STATIONS, 3)),
        phase_centre=(0.0, 0.8),
        interval=4.0,
        channel_width=1e4,
    )
    gains = np.ones((24, STATIONS, 2), np.complex64)
    gains[12:, 3, 1] = np.exp(2j)
    plan = direction_plan.Plan([], [1, 12], [0.1, 0.1])
    slots, found = directions.angles([gains], plan, layout, 0, CalibrationParameters(), np.array([135e6]))
    np.testing.assert_array_equal(slots, np.arange(24))
    np.testing.assert_allclose(found, np.angle(gains), atol=1e-6)
