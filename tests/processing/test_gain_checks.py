import numpy as np
import pytest

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import correcting, gain_checks

N = 8
P, Q = np.triu_indices(N, 1)
LAYOUT = Layout(
    times=np.arange(6.0),
    antenna1=P,
    antenna2=Q,
    rows=np.zeros((6, len(P)), int),
    frequencies=np.array([135e6]),
    stations=tuple(f"CS{i:03d}HBA0" for i in range(N)),
    positions=np.stack([np.arange(N) * 100.0, np.zeros(N), np.zeros(N)], axis=1),
    phase_centre=(0.0, 0.8),
    interval=1.0,
    channel_width=1e4,
)
SOLVABLE = np.ones((6, 1, 2), bool)


@pytest.fixture
def gains():
    rng = np.random.default_rng(1)
    shape = (6, 1, N, 2)
    return 1e-3 * (1 + 0.1 * rng.standard_normal(shape)) * np.exp(2j * np.pi * rng.random(shape))


def held_out(phase_deg=6.0, error=0.1):
    square = np.deg2rad(np.broadcast_to(phase_deg, (2, len(P)))) ** 2
    return np.stack([square, square / 4, np.ones((2, len(P))), np.broadcast_to(error**2 + square / 2, (2, len(P)))])


def bad(gains, sums=None):
    return gain_checks.bad_stations([gains], [SOLVABLE], [held_out() if sums is None else sums], LAYOUT)


def test_ordinary_stations_are_good(gains):
    assert not bad(gains)


def test_a_weak_hand_makes_a_bad_station(gains):
    gains[:, :, 3, 0] *= 0.3
    found = bad(gains)
    assert list(found) == ["CS003HBA0"]
    assert found["CS003HBA0"].reason.startswith("X gain 0.3")


def test_a_station_without_solutions_is_bad(gains):
    gains[:4, :, 5] = np.nan
    assert "no solution in 67 %" in bad(gains)["CS005HBA0"].reason


def test_a_station_whose_phases_do_not_come_back_is_bad(gains):
    phases = np.where((P == 2) | (Q == 2), 90.0, 6.0)
    assert "held-out" in bad(gains, held_out(phases))["CS002HBA0"].reason


def test_a_station_that_the_model_does_not_fit_is_bad(gains):
    errors = np.where((P == 2) | (Q == 2), 0.9, 0.2)
    assert "off by 90 %" in bad(gains, held_out(error=errors))["CS002HBA0"].reason


def test_phases_that_are_bad_everywhere_are_no_stations_fault(gains):
    assert not bad(gains, held_out(75.0))


def test_outliers_and_bad_stations_are_not_used(gains):
    gains[2, 0, 4] *= 10
    kept = gain_checks.usable(gains, [1])
    assert np.isnan(kept[:, :, 1]).all()
    assert np.isnan(kept[2, 0, 4]).all()
    assert np.isfinite(np.delete(kept, [1, 4], axis=2)).all()


def test_the_reference_is_complete_and_in_the_middle(gains):
    gains[0, 0, 3] = np.nan
    assert gain_checks.reference_station([gains], LAYOUT) == 4


def test_a_hand_without_solutions_makes_a_bad_station(gains):
    gains[:, :, 3, 0] = np.nan
    found = bad(gains)["CS003HBA0"]
    assert found.reason == "no solution of X in any interval"
    assert found.figure == 1


def test_nothing_to_solve_on_leaves_no_station_with_solutions(gains):
    nothing = np.full_like(gains, np.nan)
    found = gain_checks.bad_stations([nothing], [np.zeros_like(SOLVABLE)], [np.zeros_like(held_out())], LAYOUT)
    assert list(found) == list(LAYOUT.stations)
    assert {(one.reason, one.figure) for one in found.values()} == {("no solution in 100 % of the intervals", 1.0)}


def test_cross_hands_of_0_are_data_and_parallel_hands_of_0_are_none():
    """A perfect, unpolarised source has nothing in its cross hands; where a gain is missing, a parallel hand is 0."""
    perfect, lacking = [5, 0, 0, 5], [5, 0, 0, 0]
    data = np.array([perfect, lacking], np.complex64).reshape(1, 2, 1, 4)
    flag, weight = np.zeros(data.shape, bool), np.ones(data.shape, np.float32)
    assert correcting.missing(data).ravel().tolist() == [False, True]
    assert correcting.weigh(data, flag, weight, np.full(2, 2, np.float32)) == 1
    assert flag[0, :, 0].all(axis=1).tolist() == [False, True]
    assert weight[0, :, 0, 0].tolist() == [2, 0]
