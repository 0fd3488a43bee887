"""The parts of the simulator, each held against what is known: sky, sums over sources, beams, noise, interference."""

import numpy as np
import pytest

from lofarlake_nb.observation import stations
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import beam, gains, interference, plan, sky, visibilities

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
    return visibilities.predict(visibilities.scene(what, FREQUENCIES), uvw, antenna1, antenna2, beams, gain)


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
    offsets = np.sin(np.deg2rad([0.0, 0.7, 1.4, 2.1, 2.8]))
    directions = np.stack([offsets, 0.2 * offsets], axis=-1)
    identity = Identity("P", "1", "3C196", "name", 0)
    return beam.station_beams(layout, identity, observation.fields, layout.times[:1], directions), observation.fields


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

    parameters = SimulationParameters(stations=6, scans=1, sources=5)
    observation = plan.draw(parameters)
    layout = plan.layout(observation, FREQUENCIES, parameters)
    identity = Identity("P", "1", "3C196", "name", 0)
    ours = beam.station_beams(layout, identity, observation.fields, layout.times[:1], observation.sky.source_lm())
    with writer.create(tmp_path / "e.MS", layout, identity=identity, fields=observation.fields):
        pass
    telescope = everybeam.load_telescope(str(tmp_path / "e.MS"), element_response_model="hamaker")
    ra, dec = observation.sky.positions()
    for s in range(len(ra)):
        for station in (0, 5):
            theirs = telescope.station_response(
                float(layout.times[0]), station, float(FREQUENCIES.mean()), float(ra[s]), float(dec[s])
            )
            np.testing.assert_allclose(ours[0, station, s], theirs, atol=3e-4)


def test_noise_follows_from_the_published_sensitivities():
    fields = stations.choose(stations.dutch_hba(), 6)
    sefd = gains.sefd(fields, 150e6)
    assert sefd[0] == pytest.approx(2800)
    assert sefd[-1] == pytest.approx(1400)
    # One polarization, 195.3 kHz, 4 s: 2800 Jy over the root of 2 x bandwidth x time.
    assert gains.noise_sigma(sefd[0], sefd[0], 195312.5, 4.0) == pytest.approx(2.24, abs=0.01)


def test_the_core_shares_a_clock_and_the_ionosphere_grows_with_distance():
    fields = stations.dutch_hba()
    times = np.arange(0, 7200, 60.0)
    drawn = gains.draw(fields, times, np.random.default_rng(4))
    remote = np.array([f.is_remote for f in fields])
    assert np.abs(drawn.clock[:, ~remote]).max() < 3e-9
    assert np.abs(drawn.clock[:, remote]).mean() > 10e-9
    distance = np.linalg.norm([f.position - fields[0].position for f in fields], axis=1)
    spread = np.abs(drawn.tec).mean(axis=0)
    assert spread[distance > 30e3].mean() > 5 * spread[distance < 3e3].mean()
    gain = drawn.at(FREQUENCIES)
    assert gain.shape == (120, 62, 16, 2)
    assert 0.6 < np.abs(gain).min() < np.abs(gain).max() < 1.5
    assert np.abs(gain[:, :, 0]).mean() < 0.9 * np.abs(gain[:, :, 8]).mean()


def test_interference_is_some_percent_and_strongest_on_short_baselines():
    scan = np.repeat(np.arange(12), 12)
    times = 4.0 * np.arange(144)
    lengths = np.array([100.0, 60e3])
    sigma = np.array([10.0, 10.0])
    fractions = []
    for seed in range(20):
        rfi = interference.draw(times, scan, 16, 2, 10.0, np.random.default_rng(seed))
        mask = rfi.mask(lengths, sigma)
        fractions.append(mask[:, 0].mean())
        assert not (mask[:, 1] & ~mask[:, 0]).any()
        waves = np.abs(rfi.visibilities(slice(0, 144), times, np.array([0, 0]), np.array([1, 1]), lengths))
        assert waves[:, 1].max() < 0.05 * waves[:, 0].max()
        np.testing.assert_array_equal(mask[:, 0], waves[:, 0] > 10.0)
    assert 0.015 < np.mean(fractions) < 0.035
