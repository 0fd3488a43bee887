"""The phase of X against Y, on visibilities of an unpolarised source that slanting dipoles see."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.gains import cross_hands, solving
from lofarlake_nb.processing.gains.block import make
from lofarlake_nb.processing.gains.gain_checks import referred
from lofarlake_nb.processing.kernels import FIRST, LAYOUT, SECOND, SHAPE, STATIONS

FLUX, SLANT, NOISE = 10.0, 0.05, 0.5
# As a source sets: dipoles see it at right angles in between.
CHANGING = np.linspace(-1, 1, SHAPE[0])[:, None, None]
REFERENCE = 2
PARAMETERS = CalibrationParameters(slots=1, channels=4)


def gains_of(seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.8, 1.2, (STATIONS, 2)) * np.exp(1j * rng.uniform(-np.pi, np.pi, (STATIONS, 2)))


def observed(gains, slant, with_beam, seed=1):
    """A block of what stations with those gains measure, with the model that is solved on."""
    seen = np.zeros(SHAPE, np.complex64)
    seen[..., [0, 3]] = FLUX
    seen[..., [1, 2]] = (FLUX * slant * np.ones(SHAPE[:3]))[..., None]
    rows, columns = (0, 0, 1, 1), (0, 1, 0, 1)
    through = gains[FIRST][:, rows] * np.conj(gains[SECOND][:, columns])
    noise = np.random.default_rng(seed).normal(size=(2, *SHAPE)) * NOISE
    read = {
        "DATA": (seen * through[None, :, None] + noise[0] + 1j * noise[1]).astype(np.complex64),
        "FLAG": np.zeros(SHAPE, bool),
        "WEIGHT_SPECTRUM": np.ones(SHAPE, np.float32),
        "UVW": np.full((*SHAPE[:2], 3), 1e4),
    }
    model = seen if with_beam else np.full((*SHAPE[:3], 1), FLUX, np.complex64)
    return make(read, model, LAYOUT, slice(0, SHAPE[0]), PARAMETERS)


def phases(*blocks, frequencies=None, with_beam=True):
    crossed, power = [], []
    for one in map(solving.solve, blocks):
        crossed.append(cross_hands.turned(one.crossed, one.gains, referred(one.gains, REFERENCE)))
        power.append(one.crossed_power)
    frequencies = 150e6 + 1e5 * np.arange(len(blocks)) if frequencies is None else frequencies
    return cross_hands.phases(crossed, power, frequencies, with_beam)


def against(gains):
    """X against Y at the reference."""
    return float(np.angle(gains[REFERENCE, 0] * np.conj(gains[REFERENCE, 1])))


def apart(one, other, turn):
    return abs((one - other + turn / 2) % turn - turn / 2)


@pytest.mark.parametrize("slant", [SLANT, SLANT * CHANGING], ids=["steady", "changing"])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_found_with_beams_in_the_model(slant, seed):
    gains = gains_of(seed)
    (found,) = phases(observed(gains, slant, True))
    assert apart(found, against(gains), 2 * np.pi) < 0.1


@pytest.mark.parametrize("slant", [SLANT, SLANT * CHANGING], ids=["steady", "changing"])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_found_without_them_up_to_half_a_turn(slant, seed):
    """Also where the cross hands change their sign in between, so that their sum is nothing."""
    gains = gains_of(seed)
    (found,) = phases(observed(gains, slant, False), with_beam=False)
    assert abs(found) <= np.pi / 2
    assert apart(found, against(gains), np.pi) < 0.1


@pytest.mark.parametrize("with_beam", [True, False])
def test_what_the_noise_hides_is_not_known(with_beam):
    assert phases(observed(gains_of(1), 1e-4, with_beam), with_beam=with_beam) == [None]


def test_subbands_next_to_each_other_tell_it_together():
    gains = gains_of(3)
    told, hidden = (observed(gains, slant, True, seed) for seed, slant in enumerate((SLANT, 1e-4)))
    one, other = phases(told, hidden)
    assert one == pytest.approx(other, abs=1e-3)
    assert phases(told, hidden, frequencies=np.array([120e6, 180e6]))[1] is None


def test_flagged_samples_and_stations_without_gains_say_nothing():
    gains = gains_of(2)
    whole = observed(gains, SLANT, True)
    data = whole.data.copy()
    data[:4] = 1e6
    data[:, (FIRST == 5) | (SECOND == 5)] = 1e6
    flag = whole.flag.copy()
    flag[:4] = True
    flag[:, (FIRST == 5) | (SECOND == 5)] = True
    (found,) = phases(replace(whole, data=data, flag=flag))
    assert apart(found, against(gains), 2 * np.pi) < 0.15


def test_without_cross_hands_nothing_is_known():
    whole = observed(gains_of(2), SLANT, True)
    hands = {name: whole.hands(getattr(whole, name)) for name in ("data", "model", "weight")}
    assert phases(replace(whole, **hands)) == [None]


def test_weights_that_say_nothing_of_the_noise_say_nothing_of_its_cross_hands():
    """One slot of one channel has no noise to measure: no sum is known to be more than that."""
    whole = observed(gains_of(2), SLANT, True)
    one = {name: getattr(whole, name)[:1, :, :1] for name in ("data", "model", "flag", "weight", "long")}
    block = replace(
        whole, **one, interval=whole.interval[:1], channel_block=whole.channel_block[:1], scan=whole.scan[:1]
    )
    assert phases(block) == [None]
