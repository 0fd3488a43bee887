"""Phases between directions: exact where they were solved, by Kolmogorov's law elsewhere, none without any."""

import numpy as np
import pytest

from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.gains import screen, solutions
from lofarlake_nb.processing.gains.solutions import Direction, Gains
from lofarlake_nb.processing.simulate import ionosphere, plan

CENTRE = (2.15, 0.84)
AWAY = np.deg2rad([(0, 0), (1.5, 0.2), (-0.8, 1.1), (0.3, -1.6), (2.0, 1.5), (-1.9, -0.7)])


def places(offsets):
    return CENTRE[0] + offsets[:, 0] / np.cos(CENTRE[1]), CENTRE[1] + offsets[:, 1]


def turbulent(offsets, rng):
    """Phases (direction, time, station), rad at 150 MHz, towards offsets from the centre, more than towards it."""
    sheet = ionosphere.draw(20.0, 0.2, rng)
    pierce = np.concatenate([300 * np.tan(offsets), np.ones((len(offsets), 1))], axis=1)
    ground = rng.uniform(-20, 20, (40, 2))
    tec = sheet.tec(np.arange(50) * 30.0, ground, np.broadcast_to(pierce, (50, *pierce.shape)))
    return np.moveaxis(tec - tec[..., :1], 2, 0) * ionosphere.TECU_PHASE / 150e6


def made(phases, error=0.0):
    ra, dec = places(AWAY)
    directions = tuple(Direction(f"d{i}", *at, error if i else 0.0) for i, at in enumerate(zip(ra, dec, strict=True)))
    return Gains(np.exp(1j * phases)[:, :, None, :, None], np.arange(50) * 30.0, np.array([150e6]), directions)


def off(found, phases):
    """Angles (..., time, station) between what was found and what is true, but for what all stations have in common."""
    turned = found * np.exp(-1j * phases)
    return np.angle(turned * np.exp(-1j * np.angle(turned.mean(axis=-1, keepdims=True))))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_a_solved_direction_keeps_its_phases(rng):
    phases = turbulent(AWAY, rng)
    ra, dec = places(AWAY)
    for i in range(len(AWAY)):
        assert off(screen.towards(made(phases, 0.01), ra[i], dec[i]), phases[i]).std() < 0.02


def test_between_directions_the_law_does_better_than_the_nearest_and_than_nothing(rng):
    between = np.deg2rad([(0.9, 0.4), (-1.2, 0.3), (1.2, 0.9), (0.5, -0.8)])
    phases = turbulent(np.concatenate([AWAY, between]), rng)
    gains = made(phases[: len(AWAY)])
    ra, dec = places(between)
    true = phases[len(AWAY) :]
    ours = off(screen.towards_all(gains, ra, dec), true).std()
    nearest = np.argmin(np.linalg.norm(between[:, None] - AWAY[None], axis=2), axis=1)
    assert ours < 0.85 * off(np.exp(1j * phases[nearest]), true).std()
    assert ours < 0.7 * off(1.0, true).std()


@pytest.mark.parametrize(("rms", "said"), [(0.3, 0.3), (0.1, 0.0)])
def test_noise_is_not_taken_for_an_ionosphere(rng, rms, said):
    """Nor where the file doesn't say how large it is, as other programs' don't."""
    noise = rng.normal(0, rms, (len(AWAY), 50, 40))
    noise[0] = 0
    ra, dec = places(AWAY[1:2])
    assert np.abs(np.angle(screen.towards(made(noise, said), ra[0], dec[0]))).max() < 0.7 * rms


def test_phases_of_unknown_error_still_correct_most(rng):
    phases = turbulent(AWAY, rng)
    ra, dec = places(AWAY)
    left = [off(screen.towards(made(phases), ra[i], dec[i]), phases[i]) for i in range(1, len(AWAY))]
    assert np.std(left) < 0.2 * off(1.0, phases[1:]).std()


def test_the_noise_of_a_reference_is_nobody_else_s(rng):
    """All stations have it, so that it is no error; those whose phases hardly differ must not part from the others."""
    phases = turbulent(AWAY, rng) * np.linspace(0.05, 1, 40)
    noise = rng.normal(0, 0.3, phases.shape) * (np.arange(len(AWAY)) > 0)[:, None, None]
    noisy = phases + noise - (phases + noise)[..., :1]
    ra, dec = places(AWAY)
    left = [off(screen.towards(made(noisy, 0.3), ra[i], dec[i]), phases[i])[:, :20] for i in range(1, len(AWAY))]
    assert np.std(left) < 0.15


def test_missing_phases_count_as_none(rng):
    phases = turbulent(AWAY, rng)
    phases[:, :, 7] = np.nan
    ra, dec = places(AWAY[2:3])
    assert np.abs(np.angle(screen.towards(made(phases), ra[0], dec[0])[:, 7])).max() == 0


def test_errors_come_back_from_the_file(rng, tmp_path):
    parameters = SimulationParameters.preset("small")
    observation = plan.draw(parameters)
    layout = plan.layout(observation, plan.channels_of(observation.numbers[0], 8), parameters)
    phases = rng.normal(0, 0.1, (len(AWAY), 50, len(layout.stations)))
    file = solutions.write(tmp_path / "d.h5", made(phases, 0.12), layout)
    assert [d.error for d in solutions.read(file).directions] == pytest.approx([0] + [0.12] * 5, rel=1e-3)
