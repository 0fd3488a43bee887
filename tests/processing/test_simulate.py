"""A simulated observation is what its truth says, the same for the same seed, and never mixed with another one."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lofarlake_nb.errors import NoSpace, ObservationError, UsageError
from lofarlake_nb.observation import measurement_set, uvw
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import PRESETS, SimulationParameters
from lofarlake_nb.processing.simulate import (
    apparent_fluxes,
    beam,
    disk_need,
    in_words,
    load_truth,
    peak_left,
    plan,
    simulate,
    subband,
    time_need,
    visibilities,
)
from lofarlake_nb.processing.simulate.scene import Scene, scene_of
from lofarlake_nb.processing.sky import predict, sky_model_file

SMALL = {"subbands": 2, "scans": 2, "scan": "20 s", "stations": 9, "sources": 10, "seed": 7}
CLEAN = {"noise": False, "rfi": False, "bad_stations": False}


def made(folder, **changed):
    return simulate(folder, SimulationParameters(**(SMALL | changed)))


def data_of(simulated, subband=0):
    path = simulated.measurement_sets[subband]
    layout = measurement_set.layout(path)
    return layout, measurement_set.read(path, layout, ("DATA",), slice(None))["DATA"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Without noise, interference and bad stations."""
    return made(tmp_path_factory.mktemp("clean"), **CLEAN)


def test_it_looks_like_an_observation_from_the_archive(whole):
    assert [p.name for p in whole.measurement_sets] == ["L667520_SAP000_SB000_uv.MS", "L667520_SAP000_SB001_uv.MS"]
    told = [measurement_set.describe(p) for p in whole.measurement_sets]
    for i, found in enumerate(told):
        assert (found.telescope, found.observation_id, found.target, found.subband) == ("LOFAR", "667520", "3C196", i)
        assert (found.n_times, found.n_baselines, found.n_channels) == (10, 45, 16)
        assert (found.ra_deg, found.dec_deg) == pytest.approx((123.4, 48.2175))
        assert found.duration_s == pytest.approx(7200)
        # Subbands of the 200 MHz clock, counted from 100 MHz; the filter's middle channel is half a raw channel off.
        middle = (found.min_frequency_hz + found.max_frequency_hz) / 2 + 195312.5 / 128
        assert (middle - 100e6) / 195312.5 == pytest.approx(round((middle - 100e6) / 195312.5), abs=1e-6)
    assert told[1].min_frequency_hz - told[0].min_frequency_hz == pytest.approx(8e6, abs=195312.5)
    files = [f for p in whole.measurement_sets for f in p.rglob("*") if f.is_file()]
    files += [whole.truth, whole.summary, whole.sky_model]
    assert whole.bytes == sum(f.stat().st_size for f in files)


def test_weights_are_one_and_nothing_is_flagged(whole):
    path = whole.measurement_sets[0]
    layout = measurement_set.layout(path)
    found = measurement_set.read(path, layout, ("FLAG", "WEIGHT_SPECTRUM"), slice(None))
    assert not found["FLAG"].any()
    assert (found["WEIGHT_SPECTRUM"] == 1).all()


def test_the_gains_of_the_truth_are_those_in_the_data(clean, tmp_path):
    layout, corrupted = data_of(clean)
    _, perfect = data_of(made(tmp_path, **CLEAN, corruptions=False))
    gain = load_truth(clean.truth).gains(0)
    first, second = gain[:, layout.antenna1], gain[:, layout.antenna2].conj()
    expected = perfect.reshape(*perfect.shape[:-1], 2, 2) * first[..., :, None] * second[..., None, :]
    np.testing.assert_allclose(corrupted, expected.reshape(perfect.shape), atol=2e-3)
    assert np.abs(gain - 1).mean() > 0.3


def test_noise_has_the_strength_of_the_truth(clean, tmp_path):
    noisy = made(tmp_path, rfi=False, bad_stations=False)
    layout, data = data_of(noisy)
    noise = (data - data_of(clean)[1])[..., 0]
    truth = load_truth(noisy.truth)
    sigma = truth.sigma(0, layout.antenna1, layout.antenna2)
    size = np.abs(truth.gains(0))[..., 0]
    scale = size[:, layout.antenna1] * size[:, layout.antenna2] * sigma[:, None]
    relative = noise[:, layout.cross] / scale[:, layout.cross]
    for part in (relative.real, relative.imag):
        assert part.std() == pytest.approx(1, abs=0.03)
        assert part.mean() == pytest.approx(0, abs=0.05)
    # Two 24-tile fields at 131 MHz, 12.2 kHz, 4 s: 3.31 kJy / sqrt(2 x 12207 Hz x 4 s).
    assert sigma[1] == pytest.approx(10.6, abs=0.1)
    autos = noise[:, ~layout.cross] / scale[:, ~layout.cross]
    assert autos.real.mean() == pytest.approx(np.sqrt(2 * truth.channel_width * truth.interval), rel=0.01)
    assert np.abs(autos.imag).max() < 1e-3


def test_bad_stations_are_those_of_the_truth(whole):
    truth = load_truth(whole.truth)
    assert (truth.dead.sum(), truth.noisy.sum()) == (1, 1)
    layout, data = data_of(whole)
    dead = truth.dead[layout.antenna1] | truth.dead[layout.antenna2]
    assert not data[:, dead].any()
    assert np.abs(data[:, ~dead]).min() > 0
    noisy = truth.noisy[layout.antenna1] | truth.noisy[layout.antenna2]
    power = np.abs(np.diff(data[..., 1], axis=2)).mean(axis=(0, 2))
    assert power[noisy & layout.cross & ~dead].min() > 3 * np.median(power[~noisy & layout.cross & ~dead])


def test_interference_is_where_the_truth_has_it(tmp_path, clean):
    with_rfi = made(tmp_path, noise=False, bad_stations=False)
    layout, data = data_of(with_rfi)
    added = np.abs(data - data_of(clean)[1])[..., 0]
    truth = load_truth(with_rfi.truth)
    mask = truth.rfi_mask(0, layout.antenna1, layout.antenna2)
    sigma = truth.sigma(0, layout.antenna1, layout.antenna2)[None, :, None]
    assert mask.any()
    np.testing.assert_array_equal(mask[:, layout.cross], (added > sigma)[:, layout.cross])
    told = json.loads(with_rfi.summary.read_text())["rfi_fraction"]
    both = np.stack([truth.rfi_mask(i, layout.antenna1, layout.antenna2) for i in range(2)])
    assert told == pytest.approx(both[:, :, layout.cross].mean())


def test_a_baseline_sees_the_apparent_flux_of_the_truth(clean):
    truth = load_truth(clean.truth)
    parameters = SimulationParameters(**(SMALL | CLEAN))
    observation = plan.draw(parameters)
    layout = plan.layout(observation, truth.frequencies[1], parameters)
    beams, _ = subband._beams(observation, layout, Identity("P", "1", "T", "n", 0), parameters)
    sky, source = observation.sky, 2  # 3C197.1, 1.8 degrees out
    chosen = sky.source == source
    scene = scene_of(sky, truth.frequencies[1])
    only = Scene(
        **vars(scene)
        | {"points": scene.points[:0], "extended_flux": np.where(chosen[:8, None], scene.extended_flux, 0)}
    )
    gain = np.ones((9, 16, 2), np.complex64)
    still = np.zeros((9, 3))
    p, q = 1, 8
    found = visibilities.predict(only, still, np.array([p]), np.array([q]), beams[0], gain)[0, 0]
    centre = truth.centre_beam[p] * truth.centre_beam[q]
    seen = 0.5 * (found[0].real / centre[0] + found[3].real / centre[1])
    weights = np.zeros((9, 9))
    weights[p, q] = 1
    # The truth is of the mean frequency and time.
    expected = apparent_fluxes(truth, weights)[source]
    assert seen == pytest.approx(expected, rel=0.08)
    assert expected < 0.7 * truth.flux[source]


def test_each_direction_has_the_ionosphere_of_the_truth(tmp_path):
    """The sky model as it is written, predicted anew, with the gains of the truth for each source."""
    made_here = made(tmp_path, **CLEAN, beam=False, smearing=False, direction_dependent=True, outskirts=2)
    layout, data = data_of(made_here, 1)
    truth = load_truth(made_here.truth)
    baselines = uvw.baseline_uvw(
        uvw.station_uvw(layout.times, layout.positions, layout.phase_centre), layout.antenna1, layout.antenna2
    )
    model = sky_model_file.read(made_here.sky_model)
    # Components of 3C196 first, then one of each other source.
    source_of = np.maximum(np.arange(len(model.ra)) - 3, 0)
    expected = np.zeros(data.shape[:3], dtype=complex)
    for source in range(len(truth.source_names)):
        columns = {
            k: v[source_of == source] if isinstance(v, np.ndarray) else v for k, v in dataclasses.asdict(model).items()
        }
        seen = predict.visibilities(type(model)(**columns), baselines, layout.frequencies, layout.phase_centre)
        path = truth.direction_gains(1, source)
        expected += seen * path[:, layout.antenna1] * path[:, layout.antenna2].conj()
    gain = truth.gains(1)[..., 0]
    expected *= gain[:, layout.antenna1] * gain[:, layout.antenna2].conj()
    np.testing.assert_allclose(data[..., 0], expected, atol=0.02)
    assert np.angle(truth.direction_gains(1, 0)) == pytest.approx(0, abs=0.02)
    assert np.abs(np.angle(truth.direction_gains(1, 2)[:, 1:])).mean() > 0.1


def test_gains_towards_the_centre_have_the_beam_of_their_own_time(tmp_path):
    parameters = SimulationParameters(**(SMALL | CLEAN), hours=0.1, beam_interval="60 s", direction_dependent=True)
    changed = dataclasses.replace(parameters, subbands=1, scans=1, scan="300 s")
    truth = load_truth(simulate(tmp_path, changed).truth)
    assert len(truth.beam_times) == 5
    observation = plan.draw(changed)
    layout = plan.layout(observation, truth.frequencies[0], changed)
    here = [np.array([x]) for x in layout.phase_centre]
    slots = [0, 20, 74]
    identity = Identity("P", "1", "T", "n", 0)
    beams = beam.station_beams(layout, identity, observation.fields, layout.times[slots], *here)[:, :, 0]
    expected = truth.gains(0)[slots][..., None] * beams[:, :, None]
    np.testing.assert_allclose(truth.centre_gains(0)[slots], expected, atol=2e-4)
    # As time passes the dipoles turn by more than that.
    assert np.abs(beams[2] - beams[0]).max() > 2e-3


def test_a_swapped_station_calls_x_what_is_y(clean, tmp_path):
    swapped = made(tmp_path, **CLEAN, swapped_station=True)
    truth = load_truth(swapped.truth)
    assert truth.swapped.sum() == 1
    layout, data = data_of(swapped)
    original = data_of(clean)[1].reshape(*data.shape[:3], 2, 2)
    first, second = truth.swapped[layout.antenna1], truth.swapped[layout.antenna2]
    expected = np.where(first[:, None, None, None], original[..., ::-1, :], original)
    expected = np.where(second[:, None, None, None], expected[..., ::-1], expected)
    np.testing.assert_array_equal(data, expected.reshape(data.shape))
    told = json.loads(swapped.summary.read_text())
    assert told["swapped_stations"] == list(truth.stations[truth.swapped])


def test_the_a_team_is_seen_on_short_baselines_and_in_no_image(clean, tmp_path):
    with_team = made(tmp_path, **CLEAN, a_team=True)
    layout, data = data_of(with_team)
    added = np.abs(data - data_of(clean)[1])[..., 0].mean(axis=(0, 2))
    lengths = np.linalg.norm(layout.positions[layout.antenna1] - layout.positions[layout.antenna2], axis=1)
    short, long = (lengths > 0) & (lengths < 2000), lengths > 30e3
    assert added[short].mean() > 0.02
    assert added[long].mean() < 0.1 * added[short].mean()
    truth = load_truth(with_team.truth)
    assert list(truth.source_names[~truth.in_field]) == ["Cas A", "Cyg A", "Tau A", "Vir A"]
    assert not apparent_fluxes(truth)[~truth.in_field].any()
    assert apparent_fluxes(truth)[0] == pytest.approx(apparent_fluxes(load_truth(clean.truth))[0])


def test_smearing_takes_from_the_peak_with_the_distance(tmp_path):
    truth = load_truth(made(tmp_path, **CLEAN, subbands=1, interval="10 s", channels=4).truth)
    left = peak_left(truth)
    assert left[0] == pytest.approx(1, abs=1e-4)
    assert (np.diff(left[[0, 1, 2, 4]]) < 0).all()
    assert left[4] < 0.95
    assert apparent_fluxes(truth)[4] > 0.2 * truth.flux[4]


def test_presets_are_as_large_as_they_say():
    chosen = {name: SimulationParameters.preset(name) for name in PRESETS}
    assert chosen["rehearsal"] == SimulationParameters()
    benchmark = chosen["benchmark"]
    assert (benchmark.stations, benchmark.subbands, benchmark.hours) == (0, 10, 2.0)
    assert 10e9 < disk_need(benchmark) < 12e9
    assert 60 < time_need(benchmark, 2) < 3600
    full = chosen["full-resolution"]
    assert (full.channels, full.interval_s) == (64, 1.0)
    assert disk_need(full) < 2e9
    assert "GB, about" in in_words(benchmark)
    assert SimulationParameters.preset("small", seed=9).seed == 9
    with pytest.raises(UsageError, match="benchmark"):
        SimulationParameters.preset("huge")


def test_apparent_fluxes_fall_towards_the_edge_and_not_in_the_middle(whole):
    truth = load_truth(whole.truth)
    ratio = apparent_fluxes(truth) / truth.flux
    assert ratio[0] == pytest.approx(1, abs=1e-3)
    assert (np.diff(ratio[:5]) < 0).all()
    with pytest.raises(ValueError, match="no baseline"):
        apparent_fluxes(truth, np.eye(9))


def test_a_seed_gives_the_same_bytes(whole, tmp_path):
    again = made(tmp_path)

    def digests(simulated):
        folder = simulated.truth.parent
        files = sorted(f for f in folder.rglob("*") if f.is_file() and "simulation" not in f.name)
        # casacore leaves 4 bytes of each variable array (table.f0i, table.f4i) unset: whatever was there before.
        files = [f for f in files if not re.fullmatch(r"\.f\d+i", f.suffix)]
        return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    first, second = digests(whole), digests(again)
    assert {n for n in first if first[n] != second.get(n)} == set()


def test_another_seed_gives_other_data(clean, tmp_path):
    other = made(tmp_path, **CLEAN, seed=8)
    assert np.abs(data_of(other)[1] - data_of(clean)[1]).max() > 1


def test_it_is_found_again_and_never_mixed(whole, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(whole.truth.parent, folder)
    before = (folder / "L667520_SAP000_SB001_uv.MS" / "table.f0").stat().st_mtime_ns
    told = []
    found = simulate(folder, SimulationParameters(**SMALL), lambda done, total: told.append(done))
    assert told == []
    assert found.bytes == whole.bytes
    assert (folder / "L667520_SAP000_SB001_uv.MS" / "table.f0").stat().st_mtime_ns == before
    with pytest.raises(ObservationError, match="from another simulation"):
        made(folder, seed=8)
    shutil.rmtree(folder / "L667520_SAP000_SB001_uv.MS")
    simulate(folder, SimulationParameters(**SMALL), lambda done, total: told.append((done, total)))
    assert sorted(told) == [(i, 20) for i in range(1, 21)]
    assert measurement_set.describe(folder / "L667520_SAP000_SB001_uv.MS").n_times == 10


def test_what_others_put_beside_it_stays_when_it_is_simulated_again(tmp_path):
    few = {"stations": 3, "subbands": 1, "scans": 1, "scan": "8 s", "sources": 0, "beam": False}
    first = made(tmp_path, **few)
    (tmp_path / "L667520_notes.txt").write_text("mine")
    shutil.copytree(first.measurement_sets[0], tmp_path / "L667520_SAP000_SB000_uv.averaged.MS")
    first.truth.unlink()
    assert made(tmp_path, **few).truth.is_file()
    assert (tmp_path / "L667520_notes.txt").read_text() == "mine"
    assert (tmp_path / "L667520_SAP000_SB000_uv.averaged.MS").is_dir()


def test_an_interrupted_simulation_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "new", SimulationParameters(**SMALL), stop)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("renames", [2, 4])
def test_what_a_crash_left_in_its_places_is_no_other_simulations(tmp_path, renames):
    few = {"stations": 3, "subbands": 1, "scans": 1, "scan": "8 s", "sources": 0, "beam": False}
    crashing = f"""
import itertools, os
from pathlib import Path
from lofarlake_nb import steps
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import simulate
rename, write, count = Path.rename, steps.write_json, itertools.count()
moves = lambda one, to: one.parent.name == ".L667520.part" != Path(to).parent.name
Path.rename = lambda one, to: os._exit(9) if moves(one, to) and next(count) == {renames} else rename(one, to)
steps.write_json = lambda path, value: os._exit(9) if "_simulation" in path.name else write(path, value)
simulate(Path("."), SimulationParameters(**{few!r}))
"""
    assert subprocess.run([sys.executable, "-c", crashing], cwd=tmp_path, check=False).returncode == 9
    assert len(list(tmp_path.glob("L667520[_.]*"))) == renames
    with pytest.raises(ObservationError, match="from another simulation"):
        simulate(tmp_path, SimulationParameters(**few, seed=8))
    assert simulate(tmp_path, SimulationParameters(**few)).truth.is_file()
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_is_known_before_it_starts(tmp_path):
    huge = SimulationParameters(hours=12, scans=1, scan="12 h", interval="0.1 s", channels=256, subbands=40)
    assert disk_need(huge) > 4e14
    with pytest.raises(NoSpace, match="takes .* GB"):
        simulate(tmp_path, huge)
    assert list(tmp_path.iterdir()) == []


def test_the_disk_need_is_about_right(whole):
    assert whole.bytes < disk_need(SimulationParameters(**SMALL)) < whole.bytes + 45e6


def test_the_sky_model_lists_every_component(whole):
    lines = [line.split(", ") for line in whole.sky_model.read_text().splitlines() if line]
    assert lines[0][0] == "FORMAT = Name"
    assert len(lines) == 1 + 8 + 10
    assert lines[1][:4] == ["3C196_A1", "GAUSSIAN", "08:13:35.925000", "+48.13.00.06100"]
    truth = load_truth(whole.truth)
    assert sum(float(line[4]) for line in lines[1:5]) == pytest.approx(83.08, abs=0.01)
    assert len(truth.source_names) == 15


def test_a_file_that_is_no_truth_is_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no zip")
    for path in (tmp_path / "x.npz", tmp_path / "none.npz"):
        with pytest.raises(ObservationError, match="no truth of a simulation"):
            load_truth(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"observation_id": "L12"},
        {"observation_id": "../1"},
        {"project": ""},
        {"subbands": 0},
        {"channels": 0},
        {"seed": -1},
        {"frequency": "60 MHz"},
        {"frequency": "135"},
        {"interval": "0 s"},
        {"interval": "2 min"},
        {"scans": 200},
        {"hours": 20},
        {"beam_interval": "0 s"},
        {"diffractive_scale": "20"},
        {"screen_height": "10 km"},
        {"wind": "nan m/s"},
        {"outskirts": -1},
        {"hours": float("nan")},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SimulationParameters(**wrong)


def test_too_few_stations_or_too_narrow_a_band_are_refused(tmp_path):
    for wrong in ({"stations": 2}, {"stations": 63}, {"spread": "0.1 MHz"}):
        with pytest.raises(UsageError):
            made(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []
