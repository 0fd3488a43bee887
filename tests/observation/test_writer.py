"""What is written is in LOFAR's layout, appears whole or not at all, and is what LOFAR's engines can read."""

import dataclasses
import shutil

import numpy as np
import pytest
from casacore.tables import table

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.observation import measurement_set, stations, writer
from lofarlake_nb.observation.archive import blocks_of
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.observation.unpacking import unpack


def test_a_failed_write_leaves_nothing(tmp_path, small_layout):
    path = tmp_path / "new.MS"
    identity = Identity("LC0_000", "1", "3C196", path.name, 0)
    fields = stations.choose(stations.dutch_hba(), 6)
    with pytest.raises(KeyboardInterrupt), writer.create(path, small_layout, identity=identity, fields=fields):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("no beam there"), FileNotFoundError("model.txt")])
def test_what_fails_while_it_is_open_is_told_as_what_it_is(tmp_path, small_layout, small_set, error):
    def failing():
        raise error

    with (
        pytest.raises(type(error), match=str(error)),
        writer.create(tmp_path / "new.MS", small_layout, like=small_set) as new,
    ):
        new.write(0, failing())
    assert sorted(path.name for path in tmp_path.iterdir()) == [small_set.name]


def test_channels_that_do_not_fit_are_told(tmp_path, small_layout, small_set):
    count, channels = len(small_layout.antenna1), len(small_layout.frequencies)
    with (
        pytest.raises(ObservationError, match="can't be written"),
        writer.create(tmp_path / "new.MS", small_layout, like=small_set) as new,
    ):
        new.write(0, np.zeros((1, count, 3)), DATA=np.zeros((1, count, channels + 1, 4), complex))


def test_what_is_there_is_not_written_over(small_set, small_layout):
    before = (small_set / "table.f0").read_bytes()
    with pytest.raises(ObservationError, match="already there"), writer.create(small_set, small_layout, like=small_set):
        pass
    assert (small_set / "table.f0").read_bytes() == before


def test_an_averaged_copy_keeps_who_observed_what(small_set, tmp_path, small_values):
    layout = measurement_set.layout(small_set)
    fewer = dataclasses.replace(
        layout,
        times=layout.times.reshape(2, 3).mean(axis=1),
        frequencies=layout.frequencies.reshape(2, 4).mean(axis=1),
        interval=12.0,
        channel_width=4 * layout.channel_width,
    )
    data = small_values["DATA"].reshape(2, 3, 21, 2, 4, 4).mean(axis=(1, 4))
    path = tmp_path / "averaged.MS"
    with writer.create(path, fewer, like=small_set) as out:
        out.write(0, np.zeros((2, 21, 3)), DATA=data)
    old, new = measurement_set.describe(small_set), measurement_set.describe(path)
    for name in ("telescope", "project", "observation_id", "target", "antenna_set", "stations", "subband", "sap"):
        assert getattr(new, name) == getattr(old, name)
    assert (new.n_times, new.n_channels, new.interval_s) == (2, 2, 12.0)
    assert (new.min_frequency_hz, new.max_frequency_hz) == (old.min_frequency_hz, old.max_frequency_hz)
    found = measurement_set.read(path, measurement_set.layout(path), ("DATA", "FLAG"), slice(None))
    np.testing.assert_array_equal(found["DATA"], data)
    assert not found["FLAG"].any()
    with table(f"{path}::LOFAR_ANTENNA_FIELD", ack=False) as fields:
        assert fields.nrows() == 6


def test_a_copy_of_the_same_layout_is_the_same_to_the_last_table(small_set, small_layout, tmp_path):
    made = []
    for alike in (False, True):
        path = tmp_path / str(alike) / "new.MS"
        with writer.create(path, small_layout, like=small_set, of_this_layout=alike) as out:
            out.write(0, np.zeros((1, 21, 3)), FLAG=np.ones((1, 21, 8, 4), bool))
        made.append(path)
    written, copied = made
    with table(str(written), ack=False) as one, table(str(copied), ack=False) as other:
        columns = [{name: str(t.getcoldesc(name)) for name in t.colnames()} for t in (one, other)]
        assert columns[0] == columns[1]
        assert str(one.getdminfo()) == str(other.getdminfo())
        assert one.info() == other.info()
        names = one.keywordnames()
        assert sorted(other.keywordnames()) == sorted(names)
    for name in sorted(set(names) - {"MS_VERSION"}):
        with table(f"{written}/{name}", ack=False) as one, table(f"{copied}::{name}", ack=False) as other:
            assert str(one.getdesc()) == str(other.getdesc())
            assert [str(row) for row in one] == [str(row) for row in other]


def test_a_column_is_added_once_and_written_in_blocks(small_set, small_values):
    layout = measurement_set.layout(small_set)
    writer.add_column(small_set, "CORRECTED_DATA")
    writer.put(small_set, layout, "CORRECTED_DATA", 2, 2 * small_values["DATA"][2:4])
    writer.add_column(small_set, "CORRECTED_DATA")
    found = measurement_set.read(small_set, layout, ("CORRECTED_DATA", "DATA"), slice(1, 4))
    assert not found["CORRECTED_DATA"][0].any()
    np.testing.assert_array_equal(found["CORRECTED_DATA"][1:], 2 * small_values["DATA"][2:4])
    np.testing.assert_array_equal(found["DATA"], small_values["DATA"][1:4])


def test_put_goes_to_the_right_rows_whatever_their_order(small_set, tmp_path, small_values):
    rows = np.random.default_rng(2).permutation(126)[:120]
    path = tmp_path / "shuffled.MS"
    with table(str(small_set), ack=False) as ms, ms.selectrows(rows) as chosen:
        chosen.copy(str(path), deep=True).close()
    layout = measurement_set.layout(path)
    flags = np.random.default_rng(3).random((*layout.rows.shape, 8, 4)) < 0.5
    writer.put(path, layout, "FLAG", 0, flags)
    found = measurement_set.read(path, layout, ("FLAG",), slice(None))["FLAG"]
    missing = layout.rows < 0
    assert missing.sum() == 6
    np.testing.assert_array_equal(found[~missing], flags[~missing])


def test_blocks_that_do_not_fit_are_refused(tmp_path, small_layout, small_set):
    path = tmp_path / "new.MS"
    with (
        pytest.raises(ObservationError, match="do not fit"),
        writer.create(path, small_layout, like=small_set) as out,
    ):
        out.write(5, np.zeros((2, 21, 3)))
    with (
        pytest.raises(ObservationError, match=r"DATA: expected \(1, 21\), got \(1, 20\)"),
        writer.create(path, small_layout, like=small_set) as out,
    ):
        out.write(0, np.zeros((1, 21, 3)), DATA=np.zeros((1, 20, 8, 4), np.complex64))


def test_each_row_says_its_slot_scan_and_units(small_set, small_layout):
    with table(str(small_set), ack=False) as ms:
        np.testing.assert_array_equal(ms.getcol("TIME"), np.repeat(small_layout.times, 21))
        np.testing.assert_array_equal(ms.getcol("SCAN_NUMBER"), np.repeat([0, 1], 63))
        assert (ms.getcol("INTERVAL") == 4.0).all()
        assert (ms.getcol("EXPOSURE") == 4.0).all()
        assert ms.getcolkeyword("UVW", "MEASINFO")["Ref"] == "J2000"
        assert "FLAG_ROW" in ms.colnames()
        assert not ms.getcol("FLAG_ROW").any()
        assert {"LOFAR_STATION", "LOFAR_ANTENNA_FIELD", "LOFAR_ELEMENT_FAILURE"} <= set(ms.getkeywords())


def test_the_dutch_fields_are_all_there():
    fields = stations.dutch_hba()
    assert len(fields) == 62
    assert sum(f.is_remote for f in fields) == 14
    assert {len(f.tile_offsets) for f in fields if f.is_remote} == {48}
    assert {len(f.tile_offsets) for f in fields if not f.is_remote} == {24}
    few = stations.choose(fields, 9)
    assert (len(few), sum(f.is_remote for f in few)) == (9, 3)
    positions = np.stack([f.position for f in fields])
    assert np.linalg.norm(positions[:, None] - positions, axis=-1).max() == pytest.approx(120e3, rel=0.05)


@pytest.mark.real_data
def test_our_stations_are_those_of_a_real_observation(real_data, tmp_path):
    [tar] = real_data.glob("*3C295*.tar")
    path = measurement_set.find(unpack(blocks_of(tar), tmp_path / "real"))[0]
    ours = {f.name: f for f in stations.dutch_hba()}
    real = measurement_set.layout(path)
    with table(str(path / "LOFAR_ANTENNA_FIELD"), ack=False) as fields:
        for i, name in enumerate(real.stations):
            # The continent drifts by 0.6 m between the two reference frames' epochs.
            assert np.linalg.norm(ours[name].position - real.positions[i]) < 0.7
            assert np.abs(ours[name].axes - fields.getcell("COORDINATE_AXES", i)).max() < 1e-5
            assert np.abs(ours[name].dipole_offsets - fields.getcell("TILE_ELEMENT_OFFSET", i)).max() < 2e-3


@pytest.mark.real_data
def test_a_real_measurement_set_can_be_the_pattern(real_data, tmp_path):
    for tar in real_data.glob("*.tar"):
        source = measurement_set.find(unpack(blocks_of(tar), tmp_path / tar.stem))[0]
        layout = measurement_set.layout(source)
        one = dataclasses.replace(layout, times=layout.times[:1])
        path = tmp_path / f"{tar.stem}_copy.MS"
        block = measurement_set.read(source, layout, ("DATA", "UVW"), slice(0, 1))
        with writer.create(path, one, like=source) as out:
            out.write(0, block["UVW"], DATA=block["DATA"])
        assert measurement_set.describe(path).target == measurement_set.describe(source).target
        found = measurement_set.read(path, measurement_set.layout(path), ("DATA",), slice(None))
        np.testing.assert_array_equal(found["DATA"], block["DATA"])
        shutil.rmtree(path)


@pytest.mark.parametrize("count", range(3, 19))
def test_as_many_stations_are_chosen_as_were_wanted(count):
    """Of 4 fields of the core and 14 remote ones: more than a third must then be remote."""
    chosen = stations.choose(stations.dutch_hba()[44:], count)
    assert len(chosen) == count
