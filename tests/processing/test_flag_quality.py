"""Interference whose truth is known: what is found of it, how much else is, and what AOFlagger's own command does."""

import shutil
import subprocess

import made_sets as made
import numpy as np
import pytest
from scipy import ndimage

from lofarlake_nb.observation import archive, measurement_set, unpacking
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.flags import flag_store, samples, searching, together
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.windows import scans

SHAPE = (150, 12, 32)
POLARIZATION = np.array([1.0, 0.5, 0.5, 0.8])
SEEN = 10.0  # sigma, over all samples of an event


def strength(rng):
    """(time, frequency) in units of the noise, on the shortest baselines."""
    found = np.zeros(SHAPE[::2])
    found[40:80, 9] = 6  # a carrier that is on for a while
    found[[20, 101]] += rng.uniform(6, 12, (2, 1))  # impulses
    for start in rng.choice(SHAPE[0] - 5, 6, replace=False):
        found[start : start + rng.integers(1, 5), rng.integers(SHAPE[2])] += rng.uniform(6, 20)
    found[np.arange(110, 142), np.arange(32)] += 8  # a transmitter that sweeps
    return found


def attenuation(layout):
    ends = layout.positions[layout.antenna1] - layout.positions[layout.antenna2]
    return np.exp(-np.linalg.norm(ends, axis=1) / 15e3) + 0.02


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    rng = np.random.default_rng(7)
    there, turn, rate = strength(rng), rng.uniform(0, 6.28, SHAPE[1]), rng.normal(0, 0.05, SHAPE[1])

    def add(layout):
        phase = turn + rate * (layout.times - layout.times[0])[:, None]
        wave = np.exp(1j * (phase[:, layout.antenna1] - phase[:, layout.antenna2])) * attenuation(layout)
        return wave[:, :, None, None] * there[:, None, :, None] * POLARIZATION * made.NOISE

    path = made.plain(tmp_path_factory.mktemp("rfi") / "rfi.MS", shape=SHAPE, add=add)
    layout = measurement_set.layout(path)
    events, count = ndimage.label(there > 0, np.ones((3, 3)))
    power = ndimage.sum(there**2, events, np.arange(1, count + 1))
    seen = np.sqrt(power)[:, None] * attenuation(layout) > SEEN
    strong = np.concatenate([np.zeros((1, seen.shape[1]), bool), seen])[events].transpose(0, 2, 1)
    noticed = there[:, None] * attenuation(layout)[:, None] > 1
    clean = np.broadcast_to(there[:, None] == 0, strong.shape)
    return path, layout, strong[:, layout.cross], noticed[:, layout.cross], clean[:, layout.cross]


def rates(found, scene):
    """Part found of events that are seen, of samples with interference above the noise, and of samples without any."""
    _, layout, strong, noticed, clean = scene
    found = found[:, layout.cross]
    return tuple((found & what).sum() / what.sum() for what in (strong, noticed, clean))


@pytest.fixture(scope="module")
def ours(scene, tmp_path_factory):
    path, layout = scene[:2]
    file = flag_store.create(tmp_path_factory.mktemp("flags") / "flags.npy", (*layout.rows.shape, SHAPE[2]))
    searching.flag_window(Source(path), slice(0, SHAPE[0]), file, "")
    return rates(flag_store.get(file, slice(None), SHAPE[2]), scene)


def test_what_can_be_seen_is_found_and_little_else(ours):
    seen, _, false = ours
    assert seen > 0.95
    assert false < 0.01


def test_no_worse_than_aoflaggers_own_command(scene, ours, tmp_path):
    command = shutil.which("aoflagger")
    if command is None:
        pytest.skip("no aoflagger command on this machine")
    path, layout = scene[:2]
    copy = tmp_path / "rfi.MS"
    shutil.copytree(path, copy)
    subprocess.run([command, "-strategy", engines.flagging_strategy(), str(copy)], check=True, capture_output=True)
    theirs = measurement_set.read(copy, layout, ["FLAG"], slice(None))["FLAG"].any(axis=3)
    seen, noticed, false = rates(theirs, scene)
    assert ours[0] >= seen
    assert ours[1] >= noticed
    assert ours[2] < max(false, 0.01)


def test_noise_alone_is_left_alone(tmp_path):
    path = made.plain(tmp_path / "noise.MS", shape=SHAPE)
    layout = measurement_set.layout(path)
    file = flag_store.create(tmp_path / "flags.npy", (*layout.rows.shape, SHAPE[2]))
    counted = searching.flag_window(Source(path), slice(0, SHAPE[0]), file, "")
    assert counted["flagged"].sum() < 0.006 * counted["samples"].sum()


def test_what_one_baseline_cannot_tell_many_can():
    """2 sigma in one sample of 40 baselines."""
    rng = np.random.default_rng(1)
    shape = (60, 40, 16, 4)
    data = ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * np.sqrt(0.5)).astype(np.complex64)
    data[30, :, 5] += 2 * np.exp(1j * rng.uniform(0, 6.28, (40, 1)))
    group = together.classes(np.arange(40.0))
    found = together.find(data, np.zeros(shape[:3], bool), np.ones(16, np.float32), np.arange(40), group, np.ones(40))
    assert found[:, 30, 5].all()
    found[:, 30, 5] = False
    assert found.mean() < 1e-3


def test_scans_are_searched_apart_where_they_are_long():
    long = np.concatenate([np.arange(40.0), 100 + np.arange(40.0)])
    assert searching.pieces(long, 1.0) == [slice(0, 40), slice(40, 80)]
    short = np.concatenate([np.arange(40.0), 100 + np.arange(12.0)])
    assert searching.pieces(short, 1.0) == [slice(0, 52)]


def test_the_sky_that_moves_during_a_pause_is_no_interference(tmp_path):
    """Three short scans, in each of which the source is as strong, with another phase."""

    def add(layout):
        turn = np.exp(1j * np.repeat([0.0, 2.0, 4.0], 10))
        return made.FLUX * (turn - 1)[:, None, None, None] * np.array([1.0, 0, 0, 1.0])

    path = made.plain(tmp_path / "scans.MS", shape=(30, 10, 8), add=add)
    late = np.repeat([0.0, 1800.0, 3600.0], 10 * 55)
    made.change(path, "", lambda t: t.putcol("TIME", t.getcol("TIME") + late))
    layout = measurement_set.layout(path)
    file = flag_store.create(tmp_path / "flags.npy", (*layout.rows.shape, 8))
    counted = searching.flag_window(Source(path), slice(0, 30), file, "")
    assert counted["flagged"].sum() < 0.02 * counted["samples"].sum()


def test_with_one_channel_no_pair_of_slots_lies_across_a_pause():
    cross, power = np.array([True]), np.ones(1)
    data, flag = np.ones((4, 1, 1, 4), np.complex64), np.zeros((4, 1, 1), bool)
    seen = [
        searching._seen(data, flag, cross, power, scans(times, 1.0))
        for times in (np.array([0.0, 1.0, 100.0, 101.0]), 100 * np.arange(4.0))
    ]
    np.testing.assert_allclose(seen[0], np.full((1, 4), 2.0))  # two pairs, of an error of 1 together
    assert not seen[1].any()


def test_counts_are_by_baseline_channel_and_slot():
    flag = np.random.default_rng(3).random((5, 4, 6)) < 0.3
    wanted = np.array([True, False, True, True])
    by_baseline, by_channel, by_time = samples.count(flag, wanted)
    np.testing.assert_array_equal(by_baseline, flag.sum(axis=(0, 2)) * wanted)
    np.testing.assert_array_equal(by_channel, flag[:, wanted].sum(axis=(0, 1)))
    np.testing.assert_array_equal(by_time, flag[:, wanted].sum(axis=(1, 2)))


def unpacked(real_data, name, folder):
    tar = next(real_data.glob(f"{name}*.tar"))
    return measurement_set.find(unpacking.unpack(archive.blocks_of(tar), folder / name))[0]


@pytest.mark.real_data
def test_a_clean_band_stays_clean(real_data, tmp_path):
    """ASTRON's own flags of L260387, the four edge channels apart: 0.33 %."""
    path = unpacked(real_data, "L260387", tmp_path)
    layout = measurement_set.layout(path)
    theirs = measurement_set.read(path, layout, ["FLAG"], slice(None))["FLAG"].any(axis=3)

    from lofarlake_nb.observation import writer

    writer.put(path, layout, "FLAG", 0, np.zeros((*layout.rows.shape, 64, 4), dtype=bool))
    file = flag_store.create(tmp_path / "flags.npy", (*layout.rows.shape, 64))
    searching.flag_window(Source(path), slice(0, 18), file, "")
    ours = flag_store.get(file, slice(None), 64)
    inner = slice(2, 62)
    assert ours[..., inner].mean() < 0.01
    assert (ours & theirs)[..., inner].sum() > 0.8 * theirs[..., inner].sum()


@pytest.mark.real_data
def test_turned_dipoles_of_a_real_station_are_found(real_data, tmp_path):
    """In 2013 the dipoles of CS013 stood at 45° to everybody else's."""
    from lofarlake_nb.processing.flags import flag_statistics

    path = unpacked(real_data, "L102085", tmp_path)
    layout = measurement_set.layout(path)
    file = flag_store.create(tmp_path / "flags.npy", (*layout.rows.shape, 1))
    counted = searching.flag_window(Source(path), slice(0, 2), file, "")
    exchanged, turned = flag_statistics.odd_dipoles(flag_statistics.collect([layout], [counted]))
    assert not exchanged
    assert [s.name for s in turned] == ["CS013HBA0", "CS013HBA1"]
    assert all(0.4 < s.figure < 0.6 for s in turned)


@pytest.mark.parametrize(
    ("hidden", "pairs"), [([5], [6, 7]), ([2], [0, 1]), ([6], []), ([7], []), ([2, 5], [0, 1, 3, 4, 6, 7]), ([], [])]
)
def test_of_two_channels_beside_a_hidden_one_nobody_can_tell(hidden, pairs):
    there = np.zeros(8, bool)
    there[hidden] = True
    assert np.flatnonzero(together._pairs(there)).tolist() == pairs
