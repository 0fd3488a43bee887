"""What averaging costs away from the centre, and the disk that it takes."""

from dataclasses import replace

import made_sets as made
import numpy as np
import pytest

from lofarlake_nb.errors import NoSpace, UsageError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import AverageParameters, FlagParameters
from lofarlake_nb.processing import averaging, disk, flagging
from lofarlake_nb.processing.averages import resolution, smearing

BEAM = 3.8 / 3600


@pytest.mark.parametrize(("degrees", "left"), [(1.23, 0.974), (1.78, 0.944), (2.28, 0.909), (2.76, 0.866)])
def test_slots_of_4_s_at_full_resolution(degrees, left):
    assert 1 - smearing.time_loss(degrees / BEAM, 4.0) == pytest.approx(left, abs=0.001)


@pytest.mark.parametrize("beta", [0.05, 0.5, 1.0, 3.0, 10.0])
def test_a_channel_spreads_a_source_along_a_line(beta):
    """The peak of the mean of Gaussian beams that are moved by up to half of β beams either way."""
    moved = (np.arange(20_000) / 20_000 - 0.5) * beta
    peak = np.exp(-4 * np.log(2) * moved**2).mean()
    assert smearing.bandwidth_loss(beta, 1.0) == pytest.approx(1 - peak, abs=1e-3)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    path = made.plain(tmp_path_factory.mktemp("layout") / "one.MS", shape=(100, 8, 64))
    found = measurement_set.layout(path)
    return replace(found, interval=1.0, times=found.times[0] + np.arange(100.0), channel_width=3051.7578125)


def test_averaging_stops_before_the_edge_loses_too_much(layout):
    layout = replace(layout, frequencies=135e6 + 3051.7578125 * np.arange(64))
    coarse = AverageParameters(field="5 deg", resolution="20 arcsec")
    assert resolution.factors(layout, coarse) == (4, 16)
    assert resolution.limited(layout, coarse) == []
    fine = replace(coarse, resolution="3.8 arcsec")
    slots, channels = resolution.factors(layout, fine)
    assert resolution.limited(layout, fine) == ["channel", "interval"] or slots < 4
    assert 1 <= slots < 4
    assert 1 <= channels < 16
    left = smearing.of(fine, [resolution.target(layout, fine)])
    assert left.loss < fine.smearing
    assert resolution.factors(layout, replace(fine, smearing=1.0)) == (4, 16)
    small = replace(fine, field="10 arcmin")
    assert resolution.factors(layout, small) == (4, 16)


def test_the_disk_that_was_asked_for_is_what_it_takes(tmp_path, client):
    path = made.plain(tmp_path / "one.MS", shape=(60, 20, 64))
    flagged = flagging.flag([path], FlagParameters(), work=tmp_path / "work", client=client)
    average = AverageParameters(interval="4 s", channel="12.3 kHz", ateam="none")
    done = averaging.average(flagged, average, work=tmp_path / "work", client=client)
    taken = sum(f.stat().st_size for f in done.measurement_sets[0].rglob("*") if f.is_file())
    assert 0.7 * done.bytes < taken <= done.bytes
    assert done.smearing.radius_deg == 2.5


def test_a_disk_that_is_too_small_is_said_before_the_first_byte(tmp_path):
    with pytest.raises(NoSpace, match=r"the averaged data will take 1000000\.00 GB, .* is free; make room"):
        disk.require(tmp_path / "not" / "there", 10**15, "the averaged data")
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    "wrong", [{"smearing": 0}, {"smearing": 1.1}, {"field": "5 s"}, {"resolution": "fine"}, {"ateam": "demix"}]
)
def test_impossible_settings(wrong):
    with pytest.raises(UsageError):
        AverageParameters(**wrong)
