"""Cas A and its like: how much of them is left, and what is done about it."""

from dataclasses import replace

import made_sets as made
import numpy as np
import pytest

from lofarlake_nb.observation import measurement_set, uvw
from lofarlake_nb.parameters import AverageParameters, FlagParameters
from lofarlake_nb.processing import averaging, flagging
from lofarlake_nb.processing.ateam import amplitudes, deciding
from lofarlake_nb.processing.ateam.sources import ATEAM
from lofarlake_nb.processing.averages import resolution
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.sky import telescopes

CAS, CYG, TAU, VIR = ATEAM
AVERAGE = AverageParameters(interval="8 s", channel="24.5 kHz")


@pytest.fixture(scope="module")
def near_cas(tmp_path_factory):
    """A field 12° north of Cas A, which stands 30° high at the time."""
    centre = (CAS.direction[0], CAS.direction[1] + np.deg2rad(12))
    return made.plain(tmp_path_factory.mktemp("near") / "near.MS", phase_centre=centre)


@pytest.fixture(scope="module")
def target(near_cas):
    return resolution.target(measurement_set.layout(near_cas), AVERAGE)


@pytest.mark.parametrize(
    ("source", "flux"), [(CAS, 9860), (CYG, 10690), (TAU, 1370), (VIR, 1210)], ids=lambda s: getattr(s, "name", "")
)
def test_fluxes_at_150_mhz(source, flux):
    """Perley and Butler (2017), and Scaife and Heald's scale for Cygnus A."""
    assert source.flux(150e6) == pytest.approx(flux, rel=0.02)
    assert sum(part.fraction for part in source.parts) == pytest.approx(1)
    assert source.visibility(np.zeros(1), np.zeros(1)) == pytest.approx(1)


def test_the_two_lobes_of_cygnus_beat():
    """They lie 2 minutes of arc apart, so that they cancel where that is half a fringe, and add up at a whole one."""
    apart = np.hypot(96, 34) / 206265
    u, v = np.array([0.5, 1.0]) / apart * 96 / np.hypot(96, 34), np.array([0.5, 1.0]) / apart * -34 / np.hypot(96, 34)
    assert CYG.visibility(u, v)[0] < 0.05
    assert CYG.visibility(u, v)[1] > 0.5


def test_smearing_is_the_mean_over_slot_and_channel(target):
    """Against the phases at many moments and frequencies, of a point in the source's place."""
    times = target.times[:1]
    point = replace(CAS, parts=(replace(CAS.parts[0], major=0.0, minor=0.0),))
    left = amplitudes.left(point, target, times)[0]
    moments = times[0] + target.interval * ((np.arange(80) + 0.5) / 80 - 0.5)
    frequencies = target.frequencies.mean() + target.channel_width * ((np.arange(40) + 0.5) / 40 - 0.5)
    delays = [
        uvw.baseline_uvw(uvw.station_uvw(moments, target.positions, towards), target.antenna1, target.antenna2)[..., 2]
        for towards in (CAS.direction, target.phase_centre)
    ]
    phase = 2 * np.pi * frequencies[:, None, None] * (delays[0] - delays[1]) / 299_792_458.0
    expected = np.abs(np.exp(1j * phase).mean(axis=(0, 1)))
    assert expected.min() < 0.3 < 0.9 < expected.max()
    np.testing.assert_allclose(left, expected, atol=0.02)


def test_a_source_is_as_strong_as_it_is_where_the_stations_look(near_cas, target):
    jones = amplitudes.responses(near_cas, target, target.times[:1], np.array([target.phase_centre]))
    seen = amplitudes.apparent(jones[:, :, 0], jones[:, :, 0], target.antenna1, target.antenna2)
    assert (seen >= 1).all()  # the stronger hand
    assert (seen < 1.3).all()


def test_stations_see_far_directions_as_everybeam_turns_them_itself(near_cas, target):
    """It has the aberration of each direction; the difference of 20″ is little beside a side lobe."""
    time, frequency = float(target.times[0]), float(target.frequencies.mean())
    places = np.array([target.phase_centre, CAS.direction, CYG.direction])
    found = amplitudes.responses(near_cas, target, target.times[:1], places)[0]
    telescope = telescopes.of_field(near_cas, target)
    stations = range(len(target.stations))
    expected = np.array(
        [[telescope.station_response(time, i, frequency, *place) for place in places] for i in stations]
    )
    for k, scale in enumerate(np.abs(expected).max(axis=(0, 2, 3))):
        np.testing.assert_allclose(found[:, k], expected[:, k], atol=0.01 * scale)


def test_sources_are_decided_about_together_as_each_by_itself(near_cas, target):
    source, sensitive = Source(near_cas), replace(AVERAGE, ateam_level=1.0)
    together = deciding.decide(source, target, sensitive)
    assert len({one.apparent_jy for one in together if one.apparent_jy is not None}) > 1
    assert together == tuple(deciding.decide(source, target, sensitive, (one,))[0] for one in ATEAM)


def test_what_is_decided_has_a_reason(near_cas, target):
    found = {v.name: v for v in deciding.decide(Source(near_cas), target, replace(AVERAGE, ateam_level=1.0))}
    assert set(found) == {"Cas A", "Cyg A", "Tau A", "Vir A"}
    cas = found["Cas A"]
    assert cas.distance_deg == pytest.approx(12, abs=0.01)
    assert cas.apparent_jy > 1
    assert 0 < cas.above_fraction < 1
    assert cas.decision in (deciding.CLIPPED, deciding.LEFT)
    assert "1 Jy in" in cas.reason


def test_inside_the_field_it_is_what_one_wants_to_see(near_cas, target):
    wide = replace(AVERAGE, field="25 deg")
    found = {v.name: v for v in deciding.decide(Source(near_cas), target, wide)}
    assert found["Cas A"].reason == "inside the field: it is to be imaged"


def test_below_the_horizon(near_cas, target):
    half_a_day = replace(target, times=target.times + 43200)
    found = {v.name: v for v in deciding.decide(Source(near_cas), half_a_day, AVERAGE)}
    assert "below the horizon" in {v.reason for v in found.values()}
    assert all((v.elevation_deg <= 0) == (v.reason == "below the horizon") for v in found.values())


def test_samples_in_which_it_is_too_strong_are_flagged(near_cas, target, tmp_path, client):
    flagged = flagging.flag([near_cas], FlagParameters(), work=tmp_path, client=client)
    plain = made.averages(
        averaging.average(flagged, replace(AVERAGE, ateam="none"), work=tmp_path / "a", client=client)
    )
    clip = replace(AVERAGE, ateam="clip", ateam_level=1.0)
    averaged = averaging.average(flagged, clip, work=tmp_path / "b", client=client)
    found = made.averages(averaged)
    extra = (found["FLAG"] & ~plain["FLAG"]).mean()
    [cas] = [v for v in averaged.ateam if v.name == "Cas A"]
    assert cas.decision == deciding.CLIPPED
    assert extra == pytest.approx(cas.above_fraction, abs=0.1)
    assert not found["WEIGHT_SPECTRUM"][found["FLAG"]].any()
    kept = ~found["FLAG"]
    np.testing.assert_array_equal(found["DATA"][kept], plain["DATA"][kept])


def test_nobody_is_asked_where_it_is_switched_off(near_cas, tmp_path, client):
    flagged = flagging.flag([near_cas], FlagParameters(), work=tmp_path, client=client)
    assert averaging.average(flagged, replace(AVERAGE, ateam="none"), work=tmp_path, client=client).ateam == ()
