"""What is called good, doubtful and failed."""

import numpy as np
import pytest

from lofarlake_nb.processing.gains import verdict
from lofarlake_nb.processing.gains.verdict import Evidence

USUAL = {"n_good": 60, "n_bad": 1, "failed_fraction": 0.0, "distance_deg": 0.0}


def held_out(rms_deg, thermal_deg, error=0.1, weight=100.0):
    """Sums for XX and YY."""
    square = np.deg2rad(np.broadcast_to(rms_deg, 2)) ** 2 * weight
    thermal = np.deg2rad([thermal_deg] * 2) ** 2 * weight
    wrong = np.nan_to_num(2 * thermal) + error**2 * weight
    return np.stack([square, thermal, np.full(2, weight), wrong])[..., None]


def judge(sums, **changes):
    return verdict.judge(sums, Evidence(**(USUAL | changes)))


@pytest.mark.parametrize(
    ("rms", "thermal", "expected"),
    [
        (6, 4, "good"),
        (11.6, 4, "good"),
        (35, 4, "doubtful"),
        (72, 4, "failed"),
        (40, 38, "good"),
        (6, np.nan, "doubtful"),
        (90, np.nan, "doubtful"),
    ],
)
def test_phases_are_held_against_the_noise(rms, thermal, expected):
    judged = judge(held_out(rms, thermal))
    assert judged.verdict == expected
    assert judged.phase_rms_deg == pytest.approx(rms)


def test_the_worse_hand_counts():
    judged = judge(held_out([5, 70], 4))
    assert judged.verdict == "failed"
    assert judged.phase_rms_deg == pytest.approx(70)


def test_noise_alone_can_not_be_judged():
    judged = judge(held_out(103, 95))
    assert judged.verdict == "doubtful"
    assert judged.phase_rms_deg is None


def test_one_slot_can_not_be_judged():
    judged = judge(np.zeros((4, 2, 5)))
    assert judged.verdict == "doubtful"
    assert judged.phase_rms_deg is None


@pytest.mark.parametrize(
    "change",
    [
        {"n_good": 3},
        {"n_bad": 61},
        {"failed_fraction": 0.6},
        {"distance_deg": 2.0},
        {"flux_scale": 0.5},
        {"flux_scale": 2.0},
        {"gain_scale": 0.5},
        {"gain_scale": 2.0},
    ],
    ids=str,
)
def test_other_doubts(change):
    judged = judge(held_out(6, 4), **change)
    assert judged.verdict == "doubtful"
    assert len(judged.reasons) == 2


def test_no_data_to_solve_on_can_not_be_judged():
    assert judge(np.zeros((4, 2, 5)), n_good=0, solved=False).verdict == "doubtful"


def test_no_stations_is_a_failure():
    assert judge(held_out(6, 4), n_good=1).verdict == "failed"


def test_a_model_of_other_structure_is_doubtful():
    judged = judge(held_out(6, 4, error=0.7))
    assert judged.verdict == "doubtful"
    assert "70 %" in judged.reasons[1]


@pytest.mark.parametrize("scale", np.geomspace(verdict.LEAST_SCALE * 1.001, verdict.MOST_SCALE * 0.999, 5))
def test_no_scale_that_passes_does_so_when_it_is_off_by_two(scale):
    assert judge(held_out(6, 4), flux_scale=scale).verdict == "good"
    assert judge(held_out(6, 4), flux_scale=2 * scale).verdict == "doubtful"
    assert judge(held_out(6, 4), flux_scale=scale / 2).verdict == "doubtful"


def test_errors_are_those_beyond_the_noise():
    assert verdict.errors(held_out(6, 4, error=0.3)) == pytest.approx([0.3, 0.3])
