"""A calibrator's bandpass, alignment and clocks, apart from the ionosphere of its direction."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import solutions, transfer
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
