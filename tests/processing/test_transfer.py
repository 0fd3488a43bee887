"""A calibrator's bandpass, alignment and clocks, apart from the ionosphere of its direction."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import response, solutions, transfer
from lofarlake_nb.processing.gains.response import Response
from lofarlake_nb.processing.gains.solutions import Direction, Gains

N = 6
NAMES = tuple(f"RS{i:03d}HBA" for i in range(N))


@pytest.fixture
def parts():
    rng = np.random.default_rng(8)
    clock = rng.normal(0, 60e-9, N)
    clock[0] = 0
    phase = rng.normal(0, 0.3, N)
    turn = rng.normal(0, 0.5, N)
    return clock, phase - phase[0], turn - turn[0], 1 + 0.2 * rng.random((N, 2))


def calibrator(parts, span=60e6, count=24):
    """Subbands of two blocks, 12 slots, with an ionosphere that drifts by a turn."""
    clock, phase, turn, size = parts
    rng = np.random.default_rng(9)
    content = 0.05 * rng.normal(size=N) + 0.05 * rng.normal(size=N) * np.linspace(-1, 1, 12)[:, None]
    content[:, 0] = 0
    found = []
    for middle in np.linspace(150e6 - span / 2, 150e6 + span / 2, count):
        nu = middle + np.array([-50e3, 50e3])
        angle = (
            2 * np.pi * nu[None, :, None] * clock + phase + transfer.TECU_PHASE * content[:, None] / nu[None, :, None]
        )
        both = np.stack([angle, angle - turn], axis=-1)
        noise = 0.01 * (rng.normal(size=both.shape) + 1j * rng.normal(size=both.shape))
        found.append(Gains(size * np.exp(1j * both) + noise, np.arange(12.0), nu))
    return found


def layout(*frequencies, names=NAMES):
    return Layout(
        times=np.arange(2.0),
        antenna1=np.array([0]),
        antenna2=np.array([1]),
        rows=np.zeros((2, 1), int),
        frequencies=np.array(frequencies),
        stations=names,
        positions=np.zeros((len(names), 3)),
        phase_centre=(0.0, 0.8),
        interval=1.0,
        channel_width=1e5,
    )


def test_bandpass_alignment_and_clock_are_told_apart(parts):
    clock, _, turn, size = parts
    found = transfer.separate(calibrator(parts), NAMES)
    np.testing.assert_allclose(found.clock - found.clock[0], clock, atol=2e-9)
    gains = found.at(layout(145e6, 155e6))
    np.testing.assert_allclose(np.abs(gains), np.broadcast_to(size, gains.shape), rtol=0.02)
    against = np.angle(gains[..., 0] * np.conj(gains[..., 1]) * np.exp(-1j * turn))
    np.testing.assert_allclose(against, np.broadcast_to(against[:, :1], against.shape), atol=0.02)


def test_a_narrow_band_leaves_the_clock_out(parts):
    found = transfer.separate(calibrator(parts, span=5e6), NAMES)
    assert not found.clock.any()


def test_a_subband_without_solutions_leaves_the_clocks_to_the_others(parts):
    clock = parts[0]
    observed = calibrator(parts)
    observed[3].values[:] = np.nan
    for one in observed[7:]:  # of one station only a narrow band is left
        one.values[:, :, 4] = np.nan
    found = transfer.separate(observed, NAMES).clock
    np.testing.assert_allclose(np.delete(found - found[0], 4), np.delete(clock, 4), atol=2e-9)
    assert found[4] == 0


def test_stations_that_the_calibrator_lacks_have_no_gains(parts):
    found = transfer.separate(calibrator(parts), NAMES)
    gains = found.at(layout(150e6, names=("RS003HBA", "RS999HBA")))
    assert np.isfinite(gains[:, 0]).all()
    assert np.isnan(gains[:, 1]).all()


def test_a_station_without_solutions_in_a_subband_has_those_between_the_others(parts):
    given = calibrator(parts)
    given[12].values[:, :, 3] = np.nan
    whole = transfer.separate(calibrator(parts), NAMES)
    found = replace(transfer.separate(given, NAMES), clock=whole.clock)
    wanted = layout(*(given[12].frequencies + 1e5))
    np.testing.assert_allclose(found.at(wanted)[:, 3], whole.at(wanted)[:, 3], rtol=0.02)
    for one in given:
        one.values[:, :, 3] = np.nan
    gains = transfer.separate(given, NAMES).at(wanted)
    assert np.isnan(gains[:, 3]).all()
    assert np.isfinite(gains[:, :3]).all()


def test_files_of_a_folder_are_one_band(parts, tmp_path):
    for i, one in enumerate(calibrator(parts)):
        solutions.write(tmp_path / f"{i}.h5", one, layout(150e6))
    assert transfer.load(str(tmp_path)).stations == NAMES
    assert len(transfer.load(str(tmp_path)).frequencies) == 48
    with pytest.raises(UsageError, match="no h5parm"):
        transfer.load(str(tmp_path / "nothing"))


def test_a_file_that_is_no_h5parm_of_one_direction_is_refused_by_its_name(parts, tmp_path):
    (tmp_path / "notes.txt").write_text("no solutions")
    with pytest.raises(UsageError, match="notes.txt is no h5parm"):
        transfer.load(str(tmp_path / "notes.txt"))
    with h5py.File(tmp_path / "phases.h5", "w") as file:
        file.create_group("sol000/phase000")
    with h5py.File(tmp_path / "cal_solutions.h5", "w") as file:  # as LINC leaves them
        for table in ("bandpass", "clock", "polalign"):
            file.create_group(f"calibrator/{table}")
    with pytest.raises(UsageError, match="expected sol000/amplitude000 .*, there are calibrator/bandpass"):
        transfer.load(str(tmp_path / "cal_solutions.h5"))
    with pytest.raises(UsageError, match="phases.h5 is no h5parm"):
        transfer.load(str(tmp_path / "phases.h5"))
    one = calibrator(parts)[0]
    both = (Direction("J0813+4813", 2.1, 0.8), Direction("J1411+5212", 3.7, 0.9))
    of_two = Gains(np.stack([one.values] * 2), one.times, one.frequencies, both)
    solutions.write(tmp_path / "two.h5", of_two, layout(150e6))
    with pytest.raises(UsageError, match="two.h5 holds gains of 2 directions"):
        transfer.load(str(tmp_path / "two.h5"))


def test_a_direction_axis_of_one_is_all_directions(parts, tmp_path):
    one = calibrator(parts)[0]
    for name, values, directions in (("all", one.values, ()), ("one", one.values[None], (Direction("all", 2.1, 0.8),))):
        solutions.write(tmp_path / f"{name}.h5", Gains(values, one.times, one.frequencies, directions), layout(150e6))
    amplitudes = [transfer.load(str(tmp_path / f"{name}.h5")).amplitude for name in ("all", "one")]
    np.testing.assert_array_equal(*amplitudes)


def rising(n_station=N):
    """What stations see of a field that rises: the first and the last of twelve slots, each station a little other."""
    start = 0.5 + 0.02 * np.arange(n_station)[:, None] + np.array([0.0, 0.05])
    return Response(np.array([0.0, 11.0]), np.stack([start, start + 0.3]))


def test_what_the_calibrator_saw_is_not_the_receivers_own(parts, tmp_path):
    seen = rising()
    for i, one in enumerate(calibrator(parts)):
        whole = Gains(one.values * seen.at(one.times)[:, None], one.times, one.frequencies, response=seen)
        solutions.write(tmp_path / f"{i}.h5", whole, layout(150e6))
    found = transfer.load(str(tmp_path))
    assert found.beams_known
    assert transfer.notes(found) == ()
    np.testing.assert_allclose(np.abs(found.at(layout(150e6)))[0], parts[3], rtol=0.02)


def test_gains_of_an_observation_without_beams_in_its_model_hold_what_it_sees(parts):
    wanted, seen = layout(150e6), rising()
    receivers = transfer.separate(calibrator(parts), NAMES)
    times = np.array([0.0, 5.5, 11.0])
    through = transfer.through(receivers, seen).during(wanted, times)
    expected = receivers.at(wanted) * (seen.amplitude[0] + np.array([0, 0.15, 0.3])[:, None, None])[:, None]
    np.testing.assert_allclose(through, expected)
    for nothing in (None, response.of_receivers(wanted)):
        same = transfer.through(receivers, nothing).during(wanted, times)
        np.testing.assert_array_equal(same, np.broadcast_to(receivers.at(wanted), same.shape))
    solved = np.full((3, 1, N, 4), 2.0)  # Jones matrices: rows are X and Y
    both = transfer.together(transfer.through(receivers, seen), solved, wanted, np.zeros(1, int), times)
    np.testing.assert_allclose(both, 2 * expected[..., [0, 0, 1, 1]])


def test_solutions_of_other_programs_are_taken_as_corrected_for_the_beam(parts, tmp_path):
    one = calibrator(parts)[0]
    file = solutions.write(tmp_path / "foreign.h5", one, layout(150e6))
    found = transfer.load(str(file))
    assert not found.beams_known
    assert "as LINC does" in transfer.notes(found)[0]
    np.testing.assert_allclose(found.amplitude[0], parts[3], rtol=0.02)


def test_what_gains_hold_is_not_known_once_stations_were_taken_out(parts, tmp_path):
    one = calibrator(parts)[0]
    whole = Gains(one.values, one.times, one.frequencies, response=rising())
    file = solutions.write(tmp_path / "gains.h5", whole, layout(150e6))
    again = solutions.read(file).response
    np.testing.assert_allclose(again.amplitude, rising().amplitude, rtol=1e-6)
    np.testing.assert_array_equal(again.times, rising().times)
    with h5py.File(file, "a") as opened:
        opened["sol000/amplitude000"].attrs["RESPONSE"] = rising(N - 1).amplitude
    assert solutions.read(file).response is None


def test_what_is_below_the_horizon_gives_no_gains():
    setting = Response(np.array([0.0, 10.0]), np.array([0.5, 0.0])[:, None, None] * np.ones((1, 2)))
    np.testing.assert_array_equal(setting.at(np.array([5.0, 10.0]))[:, 0], [[0.25, 0.25], [np.nan, np.nan]])
