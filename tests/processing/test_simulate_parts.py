"""The parts of the simulator, each held against what is known: sky, sums over sources, beams, noise, interference."""

import dataclasses

import numpy as np
import pytest

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.observation import stations
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import beam, gains, interference, ionosphere, plan, sky, truth, visibilities
from lofarlake_nb.processing.simulate.a_team import a_team
from lofarlake_nb.processing.simulate.scene import scene_of

FREQUENCIES = 135e6 + 12207.03125 * np.arange(16)
LIGHT_SPEED = 299792458.0


def one_source(flux, ra_offset_deg, dec_offset_deg, size=(0.0, 0.0, 0.0)):
    return sky.Sky(
        names=("S",),
        source=np.array([0]),
        source_names=("S",),
        ra=np.array([sky.PHASE_CENTRE[0] + np.deg2rad(ra_offset_deg)]),
        dec=np.array([sky.PHASE_CENTRE[1] + np.deg2rad(dec_offset_deg)]),
        flux=np.array([flux]),
        index=np.zeros((1, 2)),
        major=np.array([np.deg2rad(size[0] / 3600)]),
        minor=np.array([np.deg2rad(size[1] / 3600)]),
        angle=np.array([np.deg2rad(size[2])]),
    )


def seen(what, uvw, beams=None, gain=None):
    antenna1, antenna2 = np.triu_indices(len(uvw))
    count = len(what.source_names)
    beams = np.tile(np.eye(2, dtype=np.complex64), (len(uvw), count, 1, 1)) if beams is None else beams
    gain = np.ones((len(uvw), len(FREQUENCIES), 2), np.complex64) if gain is None else gain
    return visibilities.predict(scene_of(what, FREQUENCIES), uvw, antenna1, antenna2, beams, gain)


@pytest.fixture(scope="module")
def uvw():
    return np.random.default_rng(1).normal(size=(5, 3)) * [2e4, 2e4, 5e3]


@pytest.mark.parametrize("size", [(0.0, 0.0, 0.0), (3.0, 1.0, 30.0)])
def test_a_source_has_the_phase_of_its_direction_and_the_envelope_of_its_size(uvw, size):
    what = one_source(7.0, 1.5, -0.8, size)
    found = seen(what, uvw)
    east, north, depth = what.lmn()[0]
    assert east == pytest.approx(np.cos(what.dec[0]) * np.sin(np.deg2rad(1.5)))
    antenna1, antenna2 = np.triu_indices(5)
    u, v, w = ((uvw[antenna2] - uvw[antenna1]).T / LIGHT_SPEED)[:, :, None] * FREQUENCIES
    phase = 2 * np.pi * (u * east + v * north + w * depth)
    turn = np.deg2rad(size[2])
    along = (u * np.sin(turn) + v * np.cos(turn)) * np.deg2rad(size[0] / 3600)
    across = (u * np.cos(turn) - v * np.sin(turn)) * np.deg2rad(size[1] / 3600)
    envelope = np.exp(-(np.pi**2) / (4 * np.log(2)) * (along**2 + across**2))
    for correlation in (0, 3):
        np.testing.assert_allclose(found[..., correlation], 7.0 * envelope * np.exp(1j * phase), atol=2e-5)
    assert not found[..., 1:3].any()


def test_gains_and_beams_act_as_jones_matrices(uvw):
    rng = np.random.default_rng(2)
    what = one_source(2.0, 0.3, 0.2)
    beams = (rng.normal(size=(5, 1, 2, 2)) + 1j * rng.normal(size=(5, 1, 2, 2))).astype(np.complex64)
    gain = (rng.normal(size=(5, 16, 2)) + 1j * rng.normal(size=(5, 16, 2))).astype(np.complex64)
    plain, found = seen(what, uvw), seen(what, uvw, beams, gain)
    for b, (p, q) in enumerate(zip(*np.triu_indices(5), strict=True)):
        for f in (0, 15):
            jones = np.diag(gain[p, f]) @ beams[p, 0] @ beams[q, 0].conj().T @ np.diag(gain[q, f].conj())
            expected = plain[b, f, 0] * jones
            np.testing.assert_allclose(found[b, f].reshape(2, 2), expected, rtol=1e-4, atol=1e-4)


def test_3c196_has_the_flux_and_the_size_that_are_known():
    what = sky.field_of_3c196(0, np.random.default_rng(1))
    inner = what.source == 0
    assert what.fluxes(135e6)[inner].sum() == pytest.approx(89.39, abs=0.01)
    assert what.source_names[0] == "3C196"
    # Resolved: 44 to 74 Jy on 30 km.
    flux = what.fluxes(135e6)[:4, 0]
    turns = np.linspace(0, np.pi, 60)
    baseline = 30e3 * np.stack([np.sin(turns), np.cos(turns)]) * 135e6 / LIGHT_SPEED
    phase = 2 * np.pi * what.lmn()[:4, :2] @ baseline
    along = np.outer(what.major[:4] * np.sin(what.angle[:4]), baseline[0])
    along += np.outer(what.major[:4] * np.cos(what.angle[:4]), baseline[1])
    across = np.outer(what.minor[:4] * np.cos(what.angle[:4]), baseline[0])
    across -= np.outer(what.minor[:4] * np.sin(what.angle[:4]), baseline[1])
    envelope = np.exp(-visibilities.ENVELOPE * (along**2 + across**2))
    amplitude = np.abs((flux[:, None] * envelope * np.exp(1j * phase)).sum(axis=0))
    assert amplitude.min() == pytest.approx(44, abs=1)
    assert amplitude.max() == pytest.approx(74, abs=1)


def test_neighbours_lie_where_the_catalogues_have_them():
    what = sky.field_of_3c196(0, np.random.default_rng(1))
    distance = np.rad2deg(np.arcsin(np.hypot(*what.source_lm().T)))
    assert distance == pytest.approx([0, 1.23, 1.78, 2.28, 2.76], abs=0.01)


def test_random_sources_follow_the_counts():
    fluxes = sky.random_fluxes(200_000, np.random.default_rng(1))
    assert fluxes.min() >= 0.05
    assert fluxes.max() <= 3.0
    fraction = [(fluxes > s).mean() for s in (0.1, 0.5, 1.0)]
    # Above 0.1 Jy 2^-0.9 of those above 0.05 Jy; the cut at 3 Jy takes a little.
    assert fraction[0] == pytest.approx(2**-0.9, abs=0.01)
    assert fraction[1] == pytest.approx(10**-0.9, abs=0.01)
    assert fraction[2] == pytest.approx(10**-0.9 * 2**-1.5, abs=0.01)


@pytest.fixture(scope="module")
def beams():
    parameters = SimulationParameters(stations=9, scans=1, sources=0)
    observation = plan.draw(parameters)
    layout = plan.layout(observation, FREQUENCIES, parameters)
    dec = sky.PHASE_CENTRE[1] + np.deg2rad([0.0, 0.714, 1.428, 2.142, 2.856])
    ra = np.full(5, sky.PHASE_CENTRE[0])
    identity = Identity("P", "1", "3C196", "name", 0)
    return beam.station_beams(layout, identity, observation.fields, layout.times[:1], ra, dec), observation.fields


def test_the_beam_falls_from_the_centre_and_faster_for_larger_stations(beams):
    responses, fields = beams
    relative = beam.relative_amplitudes(responses, responses[:, :, 0])
    remote = np.array([f.is_remote for f in fields])
    assert relative[0] == pytest.approx(np.ones(9))
    assert (np.diff(relative, axis=0) < 0).all()
    assert relative[3, remote].max() < relative[3, ~remote].min() - 0.1
    # Half power of a 31 m core field at 135 MHz lies about 2.3 degrees out: its beam is 4.6 degrees wide.
    power = relative[:, ~remote].mean(axis=1) ** 2
    assert np.interp(-0.5, -power, [0.0, 0.71, 1.43, 2.14, 2.86]) == pytest.approx(2.3, abs=0.2)


def test_interpolated_beams_are_those_of_everybeam(tmp_path):
    import everybeam

    from lofarlake_nb.observation import writer

    parameters = SimulationParameters(stations=6, scans=1, sources=5, outskirts=2, a_team=True)
    observation = plan.draw(parameters)
    layout = plan.layout(observation, FREQUENCIES, parameters)
    identity = Identity("P", "1", "3C196", "name", 0)
    ra, dec = observation.sky.positions()
    ours = beam.station_beams(layout, identity, observation.fields, layout.times[:1], ra, dec)
    with writer.create(tmp_path / "e.MS", layout, identity=identity, fields=observation.fields):
        pass
    telescope = everybeam.load_telescope(str(tmp_path / "e.MS"), element_response_model="hamaker")
    for s in range(len(ra)):
        for station in (0, 5):
            theirs = telescope.station_response(
                float(layout.times[0]), station, float(FREQUENCIES.mean()), float(ra[s]), float(dec[s])
            )
            np.testing.assert_allclose(ours[0, station, s], theirs, atol=3e-4 if s < 10 else 1e-6)
    assert 1e-3 < np.abs(ours[0, :, -4:]).max() < 0.1


def test_noise_follows_from_the_published_sensitivities():
    fields = stations.choose(stations.dutch_hba(), 6)
    sefd = gains.sefd(fields, 150e6)
    assert sefd[0] == pytest.approx(2800)
    assert sefd[-1] == pytest.approx(1400)
    # One polarization, 195.3 kHz, 4 s: 2800 Jy over the root of 2 x bandwidth x time.
    assert gains.noise_sigma(sefd[0], sefd[0], 195312.5, 4.0) == pytest.approx(2.24, abs=0.01)


def test_the_core_shares_a_clock_and_the_filter_falls_at_the_edges():
    fields = stations.dutch_hba()
    times = np.arange(0, 7200, 60.0)
    tec = np.random.default_rng(1).normal(size=(120, 62))
    drawn = gains.draw(fields, times, tec, np.random.default_rng(4))
    remote = np.array([f.is_remote for f in fields])
    assert np.abs(drawn.clock[:, ~remote]).max() < 3e-9
    assert np.abs(drawn.clock[:, remote]).mean() > 10e-9
    np.testing.assert_allclose(drawn.tec, tec - tec[:, :1])
    gain = drawn.at(FREQUENCIES)
    assert gain.shape == (120, 62, 16, 2)
    assert 0.6 < np.abs(gain).min() < np.abs(gain).max() < 1.5
    # A channel has the mean of the finer ones in it.
    fine = np.abs(gains.perfect(2, 1).at(FREQUENCIES))
    assert (fine == 1).all()
    magnitude = dataclasses.replace(gains.perfect(2, 1), roll_off=0.15)
    wide, narrow = np.abs(magnitude.at(FREQUENCIES[::4])), np.abs(magnitude.at(FREQUENCIES))
    np.testing.assert_allclose(wide[0, 0, :, 0], narrow[0, 0, :, 0].reshape(4, 4).mean(axis=1), rtol=1e-6)
    assert narrow[0, 0, 0, 0] < 0.98
    assert narrow[0, 0, 8, 0] > 0.999


@pytest.mark.parametrize("diffractive", [5.0, 20.0])
def test_the_screen_is_a_kolmogorov_one_with_the_diffractive_scale_that_was_asked_for(diffractive):
    radian = 150e6 / abs(ionosphere.TECU_PHASE)
    drawn = [ionosphere.draw(diffractive, 0.2, np.random.default_rng(i)) for i in range(12)]
    for screen in drawn:
        assert screen.structure(diffractive) == pytest.approx(radian**2)
    # Between the inner and the outer scale its structure function has the index 5/3.
    index = np.log([s.structure(32.0) / s.structure(8.0) for s in drawn]) / np.log(4.0)
    assert index.mean() == pytest.approx(5 / 3, abs=0.12)


def test_the_screen_that_a_station_sees_differs_by_place_as_its_structure_function_says():
    rng = np.random.default_rng(3)
    overhead = np.zeros((400, 1, 3))
    overhead[..., 2] = 1.0
    ground = np.array([[0.0, 0.0], [15.0, 0.0], [0.0, 15.0], [-15.0, 0.0], [0.0, -15.0]])
    square = []
    for i in range(20):
        screen = ionosphere.draw(10.0, 0.3, np.random.default_rng(i))
        tec = screen.tec(rng.uniform(0, 1e6, 400), ground, overhead)[..., 0]
        square.append(((tec[:, 1:] - tec[:, :1]) ** 2).mean() / screen.structure(15.0))
    assert np.mean(square) == pytest.approx(1, abs=0.1)


def test_the_screen_drifts_without_changing():
    screen = ionosphere.draw(10.0, 0.25, np.random.default_rng(1))
    overhead = np.array([[[0.0, 0.0, 1.0]]])
    later = screen.tec(np.array([200.0]), screen.velocity[None] * 200.0, overhead)
    np.testing.assert_allclose(later, screen.tec(np.zeros(1), np.zeros((1, 2)), overhead), atol=1e-5)
    # A slanted path is longer, and a direction's place on the screen is as good as a station's.
    slanted = np.array([[[30.0, -20.0, 1.4]]])
    moved = screen.tec(np.zeros(1), np.array([[30.0, -20.0]]), overhead)
    np.testing.assert_allclose(screen.tec(np.zeros(1), np.zeros((1, 2)), slanted), 1.4 * moved, rtol=1e-4, atol=1e-6)


def test_directions_pierce_the_screen_where_geometry_has_it():
    axes = np.eye(3)
    z = np.deg2rad(np.array([0.0, 30.0, 60.0, 100.0]))
    towards = np.stack([np.sin(z), np.zeros(4), np.cos(z)], axis=-1)
    place = ionosphere.pierce_points(towards, axes, 300.0)
    # A ray from the surface meets the shell where the cosine rule says.
    for k in (1, 2):
        way = -6371 * np.cos(z[k]) + np.sqrt((6371 * np.cos(z[k])) ** 2 + 6671**2 - 6371**2)
        angle = np.arctan2(way * np.sin(z[k]), 6371 + way * np.cos(z[k]))
        assert place[k, 0] == pytest.approx(6671 * angle)
        assert place[k, 2] == pytest.approx(1 / np.cos(z[k] - angle))
    assert place[0] == pytest.approx([0, 0, 1])
    assert not place[:, 1].any()
    assert 3 < place[3, 2] < 4  # below the horizon: as low as it gets


def test_a_sample_is_the_mean_over_its_slot_and_channel():
    """Against 41 times 41 points within the sample, points and extended sources, near and far."""
    parameters = SimulationParameters(
        stations=6, scans=1, scan="10 s", interval="10 s", channels=4, sources=6, outskirts=2, a_team=True
    )
    observation = plan.draw(parameters)
    lengths = np.linalg.norm(observation.positions[observation.antenna2] - observation.positions[0], axis=1)
    assert lengths.max() > 40e3
    near = np.arange(6)[np.linalg.norm(observation.positions - observation.positions[0], axis=1) < 50e3]
    pairs = [(p, q) for p in near for q in near if p < q]
    antenna1, antenna2 = (np.array(x) for x in zip(*pairs, strict=True))
    count = len(observation.sky.source_names)
    beams = np.tile(np.eye(2, dtype=np.complex64), (6, count, 1, 1))
    beams[:, -4:] *= 0.02
    width = plan.SUBBAND_HZ / 4

    def seen(frequencies, place, sample=None):
        gain = np.ones((6, len(frequencies), 2), np.complex64)
        what = scene_of(observation.sky, frequencies)
        return visibilities.predict(what, place, antenna1, antenna2, beams, gain, None, sample)

    frequency = plan.channels_of(observation.numbers[0], 4)[1:2]
    found = seen(frequency, observation.uvw[0], visibilities.Sample(observation.turn[0], width))[:, 0, 0]
    parts = (np.arange(41) + 0.5) / 41 - 0.5
    inside = [seen(frequency + width * parts, observation.uvw[0] + x * observation.turn[0])[..., 0] for x in parts]
    mean = np.mean(inside, axis=(0, 2))
    middle = seen(frequency, observation.uvw[0])[:, 0, 0]
    assert np.abs(found - mean).max() < 0.01
    assert np.abs(middle - mean).max() > 1.0


def test_smearing_is_told_as_it_is_done(uvw):
    what = one_source(5.0, 2.5, 1.0)
    turn = np.roll(uvw, 1, axis=0) * 4e-4
    antenna1, antenna2 = np.triu_indices(5, 1)
    still = np.tile(np.eye(2, dtype=np.complex64), (5, 1, 1, 1))
    gain = np.ones((5, 16, 2), np.complex64)
    scene = scene_of(what, FREQUENCIES)
    sample = visibilities.Sample(turn, 12207.0)
    smeared = visibilities.predict(scene, uvw, antenna1, antenna2, still, gain, None, sample)
    plain = visibilities.predict(scene, uvw, antenna1, antenna2, still, gain)
    band = np.array([FREQUENCIES.mean(), 12207.0])
    told = visibilities.smearing(what.lmn(), uvw[None], turn[None], antenna1, antenna2, band)[:, 0]
    left = smeared[:, 8, 0] / plain[:, 8, 0]
    np.testing.assert_allclose(left, told, atol=1e-4)
    assert told.min() < 0.96


def test_beams_follow_a_line_between_nodes_and_never_cross_scans():
    times = np.concatenate([np.arange(0, 300, 4.0), 1000 + np.arange(0, 40, 4.0)]) + 2.0
    scan = np.repeat([0, 1], [75, 10])
    found = beam.nodes(times, scan, 60.0)
    assert found.times == pytest.approx([30, 90, 150, 210, 270, 1020])
    line = 3.0 * found.times[:5] + 1j
    beams = np.append(line, 7.0).astype(np.complex64)
    for slot, time in enumerate(times):
        expected = 3.0 * time + 1j if scan[slot] == 0 else 7.0
        assert found.at(beams, slot) == pytest.approx(expected)


def test_the_a_team_is_as_bright_as_is_known_and_where_it_is():
    what = a_team()
    total = np.bincount(what.source, what.fluxes(np.array([150e6]))[:, 0])
    # Perley and Butler (2017) at 150 MHz.
    expected = {"Cas A": 9995, "Cyg A": 10690, "Tau A": 1367, "Vir A": 1209}
    for name, flux in zip(what.source_names, total, strict=True):
        assert flux == pytest.approx(expected[name], rel=0.03)
    ra, dec = what.positions()
    distance = np.rad2deg(
        np.arccos(
            np.sin(dec) * np.sin(sky.PHASE_CENTRE[1])
            + np.cos(dec) * np.cos(sky.PHASE_CENTRE[1]) * np.cos(ra - sky.PHASE_CENTRE[0])
        )
    )
    assert distance == pytest.approx([70, 91, 43, 62], abs=4)
    up = np.cos(np.deg2rad(distance))
    assert what.lmn()[[0, 5, 7, 9], 2] == pytest.approx(up - 1, abs=2e-3)


def test_sources_of_the_outskirts_are_bright_and_outside():
    what = sky.outskirts(300, np.random.default_rng(1))
    distance = np.rad2deg(np.arcsin(np.hypot(*what.source_lm().T)))
    assert 3 <= distance.min() < distance.max() <= 8
    assert 1 <= what.flux.min() < what.flux.max() <= 3


def interfered(seed, interval=4.0, channels=16, slots=144):
    times = interval * np.arange(slots) + 600.0 * (np.arange(slots) // 12)
    frequencies = 135e6 + 195312.5 / channels * np.arange(channels)
    noise = np.full(2, 10.0)
    return times, interference.draw(
        times, interval, frequencies, 195312.5 / channels, noise, np.random.default_rng(seed)
    )


def test_interference_is_some_percent_and_strongest_on_short_baselines():
    lengths = np.array([100.0, 60e3])
    sigma = np.array([10.0, 10.0])
    fractions = []
    for seed in range(20):
        times, rfi = interfered(seed)
        mask = rfi.mask(lengths, sigma)
        fractions.append(mask[:, 0].mean())
        assert not (mask[:, 1] & ~mask[:, 0]).any()
        waves = np.abs(rfi.visibilities(slice(0, 144), times, np.array([0, 0]), np.array([1, 1]), lengths))
        assert waves[:, 1].max() < 0.05 * waves[:, 0].max()
        np.testing.assert_array_equal(mask[:, 0], waves[:, 0] > 10.0)
    assert 0.015 < np.mean(fractions) < 0.04


def test_interference_is_averaged_over_wider_and_longer_samples():
    for seed in range(3):
        fine = interfered(seed, channels=64)[1].strength
        coarse = interfered(seed, channels=8)[1].strength
        assert fine.max() > 2 * coarse.max()
        # One draw fewer or more would be another evening: the energy is the same.
        assert coarse.mean() == pytest.approx(fine.mean(), rel=0.02)
        np.testing.assert_allclose(coarse, fine.reshape(144, 8, 8).mean(axis=2), rtol=0.02, atol=0.02 * coarse.max())


def test_what_is_no_truth_or_a_damaged_one_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with (tmp_path / "damaged.npz").open("wb") as file:
        np.savez_compressed(file, times=np.random.default_rng(1).normal(size=1000))
    damaged = bytearray((tmp_path / "damaged.npz").read_bytes())
    damaged[60:62] = bytes(255 - byte for byte in damaged[60:62])
    (tmp_path / "damaged.npz").write_bytes(damaged)
    for name in ("one.npy", "damaged.npz"):
        with pytest.raises(ObservationError, match="no truth of a simulation"):
            truth.load(tmp_path / name)
