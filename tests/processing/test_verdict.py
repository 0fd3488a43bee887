"""What is called good, doubtful and failed."""

import numpy as np
import pytest

from lofarlake_nb.processing.gains import verdict

USUAL = {"n_good": 60, "n_bad": 1, "failed_fraction": 0.0, "distance_deg": 0.0}


def held_out(rms_deg, thermal_deg, weight=100.0):
    """Sums for XX and YY."""
    square = np.deg2rad(np.broadcast_to(rms_deg, 2)) ** 2 * weight
    return np.stack([square, np.deg2rad([thermal_deg] * 2) ** 2 * weight, np.full(2, weight)])[..., None]


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
    judged = verdict.judge(held_out(rms, thermal), **USUAL)
    assert judged.verdict == expected
    assert judged.phase_rms_deg == pytest.approx(rms)


def test_the_worse_hand_counts():
    judged = verdict.judge(held_out([5, 70], 4), **USUAL)
    assert judged.verdict == "failed"
    assert judged.phase_rms_deg == pytest.approx(70)


def test_noise_alone_can_not_be_judged():
    judged = verdict.judge(held_out(103, 95), **USUAL)
    assert judged.verdict == "doubtful"
    assert judged.phase_rms_deg is None


def test_one_slot_can_not_be_judged():
    judged = verdict.judge(np.zeros((3, 2, 5)), **USUAL)
    assert judged.verdict == "doubtful"
    assert judged.phase_rms_deg is None


@pytest.mark.parametrize(
    "change", [{"n_good": 3}, {"n_bad": 61}, {"failed_fraction": 0.6}, {"distance_deg": 4.0}], ids=str
)
def test_other_doubts(change):
    judged = verdict.judge(held_out(6, 4), **(USUAL | change))
    assert judged.verdict == "doubtful"
    assert len(judged.reasons) == 2


def test_no_stations_is_a_failure():
    assert verdict.judge(held_out(6, 4), **(USUAL | {"n_good": 1})).verdict == "failed"
