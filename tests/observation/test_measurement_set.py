"""Measurement Sets are described as they are, and read as they were written, whatever the order of their rows."""

import shutil

import numpy as np
import pytest
from casacore.tables import table

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError
from lofarlake_nb.observation import measurement_set, rows, uvw
from lofarlake_nb.observation.archive import blocks_of
from lofarlake_nb.observation.tables import opened
from lofarlake_nb.observation.unpacking import unpack

READ = ("DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW")
EVERYTHING = slice(None)


def rearranged(path, target, rows):
    """Copy of a Measurement Set with chosen rows, in that order."""
    with table(str(path), ack=False) as ms, ms.selectrows(rows) as chosen:
        chosen.copy(str(target), deep=True).close()
    return target


def change(path, subtable, edit):
    with table(str(path / subtable) if subtable else str(path), readonly=False, ack=False) as t:
        edit(t)


def test_describe_tells_what_was_written(small_set):
    found = measurement_set.describe(small_set)
    assert (found.telescope, found.project, found.observation_id) == ("LOFAR", "LC0_000", "123456")
    assert (found.target, found.antenna_set, found.subband, found.sap) == ("3C196", "HBA_DUAL", 42, 1)
    assert (found.n_times, found.n_baselines, found.n_rows, found.n_channels) == (6, 21, 126, 8)
    assert found.interval_s == 4.0
    assert found.duration_s == pytest.approx(412.0)
    assert found.exposure_s == pytest.approx(24.0)
    assert found.start == "2014-12-17T02:09:36.000Z"
    assert found.min_frequency_hz == pytest.approx(135e6 - 24414.0625 / 2)
    assert found.max_frequency_hz - found.min_frequency_hz == pytest.approx(195312.5)
    assert found.correlations == ("XX", "XY", "YX", "YY")
    assert np.deg2rad([found.ra_deg, found.dec_deg]) == pytest.approx([2.1537, 0.8415])
    assert found.stations[0] == "CS001HBA0"
    assert found.stations[-1].startswith("RS")


def test_read_gives_back_what_was_written(small_set, small_values):
    layout = measurement_set.layout(small_set)
    found = measurement_set.read(small_set, layout, READ, slice(1, 5))
    for name in READ:
        np.testing.assert_array_equal(found[name], small_values[name][1:5])


def test_rows_in_any_order_read_the_same(small_set, small_values, tmp_path):
    order = np.random.default_rng(5).permutation(126)
    shuffled = rearranged(small_set, tmp_path / "shuffled.MS", order)
    layout = measurement_set.layout(shuffled)
    # Baselines come in the order of their first appearance, so they are compared by their stations.
    stations = len(layout.stations)
    place = np.argsort(layout.antenna1 * stations + layout.antenna2)
    for block in (EVERYTHING, slice(2, 3)):
        found = measurement_set.read(shuffled, layout, READ, block)
        for name in READ:
            np.testing.assert_array_equal(found[name][:, place], small_values[name][block])


def test_missing_rows_are_flagged_and_weigh_nothing(small_set, small_values, tmp_path):
    kept = np.setdiff1d(np.arange(126), [30, 50, 51, 52, 125])  # none of the first slot
    holed = rearranged(small_set, tmp_path / "holed.MS", kept)
    layout = measurement_set.layout(holed)
    missing = layout.rows < 0
    assert missing.sum() == 5
    found = measurement_set.read(holed, layout, READ, EVERYTHING)
    assert found["FLAG"][missing].all()
    assert not found["WEIGHT_SPECTRUM"][missing].any()
    assert not found["DATA"][missing].any()
    np.testing.assert_array_equal(found["DATA"][~missing], small_values["DATA"][~missing])
    np.testing.assert_array_equal(found["FLAG"][~missing], small_values["FLAG"][~missing])


def test_samples_that_are_no_numbers_are_flagged(small_set):
    layout = measurement_set.layout(small_set)
    change(small_set, "", lambda t: t.putcell("DATA", 7, np.full((8, 4), np.nan + 1j, np.complex64)))
    found = measurement_set.read(small_set, layout, ("DATA", "FLAG"), slice(0, 1))
    assert found["FLAG"][0, 7].all()
    assert not found["DATA"][0, 7].any()


def test_a_flagged_row_is_flagged_in_all_its_samples(small_set):
    change(small_set, "", lambda t: t.putcell("FLAG_ROW", 22, True))
    layout = measurement_set.layout(small_set)
    flags = measurement_set.read(small_set, layout, ("FLAG",), slice(1, 2))["FLAG"]
    assert flags[0, 1].all()


def test_weights_come_from_weight_where_there_is_no_spectrum(small_set):
    def plain(t):
        t.removecols("WEIGHT_SPECTRUM")
        t.putcol("WEIGHT", np.full((126, 4), 2.5, np.float32))

    change(small_set, "", plain)
    layout = measurement_set.layout(small_set)
    weight = measurement_set.read(small_set, layout, ("WEIGHT_SPECTRUM",), slice(0, 2))["WEIGHT_SPECTRUM"]
    assert weight.shape == (2, 21, 8, 4)
    assert (weight == 2.5).all()


def test_times_of_one_slot_may_differ_a_little(small_set):
    def jitter(t):
        t.putcol("TIME", t.getcol("TIME") + np.random.default_rng(1).uniform(-0.05, 0.05, 126))

    change(small_set, "", jitter)
    assert measurement_set.layout(small_set).rows.shape == (6, 21)


def test_find_goes_by_what_a_folder_is(small_set, tmp_path):
    (tmp_path / "looks_like.MS").mkdir()
    (tmp_path / "some" / "where").mkdir(parents=True)
    moved = tmp_path / "some" / "where" / "unnamed"
    small_set.rename(moved)
    assert measurement_set.find(tmp_path) == [moved]
    assert measurement_set.find(moved) == [moved]
    assert measurement_set.find(tmp_path / "looks_like.MS") == []
    with pytest.raises(NotAMeasurementSet, match="no such file"):
        measurement_set.find(tmp_path / "nothing")


def test_a_folder_or_a_file_or_nothing_is_no_measurement_set(tmp_path):
    (tmp_path / "folder.MS").mkdir()
    (tmp_path / "file.MS").write_text("text")
    for name, what in (("folder.MS", "a folder"), ("file.MS", "a file"), ("none.MS", "nothing")):
        with pytest.raises(NotAMeasurementSet, match=f"found {what}"):
            measurement_set.describe(tmp_path / name)


def test_another_kind_of_table_is_no_measurement_set(small_set):
    with pytest.raises(NotAMeasurementSet, match="is no Measurement Set"):
        measurement_set.describe(small_set / "ANTENNA")


@pytest.mark.parametrize("gone", ["table.dat", "ANTENNA/table.f0", "SPECTRAL_WINDOW"])
def test_what_is_gone_is_told_in_one_line(small_set, gone):
    place = small_set / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(NotAMeasurementSet) as caught:
        measurement_set.describe(small_set)
    assert "\n" not in str(caught.value)


def test_truncated_tables_are_told_in_one_line(small_set):
    for name in ("table.dat", "table.f0", "table.f1", "table.f5"):
        copy = small_set.with_name(f"cut_{name}.MS")
        shutil.copytree(small_set, copy)
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[: len(whole) // 3])
        layout = measurement_set.layout(small_set)
        with pytest.raises(NotAMeasurementSet) as caught:
            measurement_set.read(copy, layout, READ, EVERYTHING)
        assert "\n" not in str(caught.value)


def test_a_subtable_outside_the_measurement_set_is_not_opened(small_set, tmp_path):
    shutil.copytree(small_set / "FIELD", tmp_path / "FIELD")

    def astray(t):
        with table(str(tmp_path / "FIELD"), ack=False) as outside:
            t.putkeyword("FIELD", outside)

    change(small_set, "", astray)
    with pytest.raises(NotAMeasurementSet, match="no subtable FIELD inside it"):
        measurement_set.describe(small_set)


def test_several_spectral_windows_or_fields_are_refused(small_set):
    change(small_set, "", lambda t: t.putcell("FIELD_ID", 60, 1))
    with pytest.raises(ObservationError, match="2 fields, expected one; choose by field_id: 0, 1"):
        measurement_set.layout(small_set)
    change(small_set, "", lambda t: t.putcell("FIELD_ID", 60, 0))
    change(small_set, "", lambda t: t.putcell("DATA_DESC_ID", 3, 1))
    with pytest.raises(NotAMeasurementSet, match="no row of DATA_DESCRIPTION"):
        measurement_set.layout(small_set)

    def second_window(t):
        t.addrows(1)
        t.putcell("SPECTRAL_WINDOW_ID", 1, 1)

    change(small_set, "DATA_DESCRIPTION", second_window)
    with pytest.raises(ObservationError, match=r"2 spectral windows, expected one; choose by spectral_window: 0, 1"):
        measurement_set.layout(small_set)
    with pytest.raises(ObservationError, match="no rows of spectral window 7"):
        measurement_set.layout(small_set, spectral_window=7)


def test_a_baseline_twice_in_a_slot_is_refused(small_set):
    change(small_set, "", lambda t: t.putcell("ANTENNA2", 1, 0))
    with pytest.raises(ObservationError, match="twice in one time slot"):
        measurement_set.layout(small_set)


def test_a_station_that_is_not_listed_is_refused(small_set):
    change(small_set, "", lambda t: t.putcell("ANTENNA2", 1, 99))
    with pytest.raises(NotAMeasurementSet, match="station 99"):
        measurement_set.layout(small_set)


def test_a_missing_column_is_named(small_set):
    layout = measurement_set.layout(small_set)
    with pytest.raises(NotAMeasurementSet, match="no column CORRECTED_DATA"):
        measurement_set.read(small_set, layout, ("CORRECTED_DATA",), EVERYTHING)


@pytest.fixture
def scans(real_data, tmp_path):
    """The real scans, by observation."""
    found = {}
    for tar in sorted(real_data.glob("*.tar")):
        [path] = measurement_set.find(unpack(blocks_of(tar), tmp_path / tar.stem))
        found[measurement_set.describe(path).observation_id] = path
    return found


@pytest.mark.real_data
def test_real_scans_are_described_as_their_readme_says(scans):
    told = {name: measurement_set.describe(path) for name, path in scans.items()}
    shapes = {name: (d.n_baselines, d.n_channels, d.n_times, d.subband) for name, d in told.items()}
    assert shapes == {"102085": (1891, 1, 2, 80), "114220": (28, 8, 6, 31), "260387": (21, 64, 18, 190)}
    assert {name: d.target for name, d in told.items()} == {"102085": "3C295", "114220": "3C48", "260387": "CIZAJ2242"}
    flags = measurement_set.read(scans["260387"], measurement_set.layout(scans["260387"]), ("FLAG",), EVERYTHING)[
        "FLAG"
    ]
    assert flags[:, :, [0, 1, 62, 63]].all()
    assert flags[:, :, 2:62].mean() == pytest.approx(0.0033, abs=2e-4)


@pytest.mark.real_data
def test_our_uvw_agrees_with_real_data_to_a_millimetre(scans):
    # The other two were written by the correlator, which took UTC for UT1: 0.2 s and 0.4 s of Earth rotation.
    layout = measurement_set.layout(scans["114220"])
    real = measurement_set.read(scans["114220"], layout, ("UVW",), EVERYTHING)["UVW"]
    ours = uvw.station_uvw(layout.times, layout.positions, layout.phase_centre)
    difference = uvw.baseline_uvw(ours, layout.antenna1, layout.antenna2) - real
    assert np.abs(real).max() > 20e3
    assert np.abs(difference).max() < 1e-3


def test_times_beyond_the_calendar_are_told(small_set):
    change(small_set, "", lambda t: t.putcol("TIME", t.getcol("TIME") * 1e9))
    with pytest.raises(NotAMeasurementSet, match="is no date"):
        measurement_set.describe(small_set)


def test_the_horizon_is_that_of_the_flattened_earth(small_layout):
    """A sphere's horizon lies a fifth of a degree off."""
    time, place, centre = small_layout.times[:1], small_layout.positions[0], small_layout.phase_centre
    to_axis, polar, equatorial = np.hypot(*place[:2]), 6356752.3142, 6378137.0
    latitude = np.arctan2(place[2] * (equatorial / polar) ** 2, to_axis)  # of the ellipsoid's upright, to 0.001 degrees
    up = np.append(place[:2] / to_axis * np.cos(latitude), np.sin(latitude))
    ra, dec = (np.array([angle]) for angle in centre)
    towards = uvw.directions(time, place, centre, ra, dec)[0, 0]
    found = uvw.elevations(time, place, centre)[0]
    assert np.rad2deg(found) == pytest.approx(np.rad2deg(np.arcsin(towards @ up)), abs=0.02)


def test_rows_in_order_are_found_as_those_in_any_order_are(small_set, monkeypatch):
    monkeypatch.setattr(rows, "PIECE", 50)  # of 126, so that slots are in several pieces
    with opened(small_set) as ms:
        quick, general = rows.in_order(ms, small_set), rows.in_any_order(ms, None, small_set)
    for name in ("times", "antenna1", "antenna2", "rows"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(general, name))
    assert quick.interval == general.interval


@pytest.mark.parametrize("column", ["TIME", "ANTENNA1", "ANTENNA2", "INTERVAL"])
def test_rows_that_are_not_in_order_are_told(small_set, tmp_path, column):
    path = tmp_path / "other.MS"
    shutil.copytree(small_set, path)
    with table(str(path), readonly=False, ack=False) as ms:
        ms.putcell(column, 125, ms.getcell(column, 125 if column == "TIME" else 0) + 1)
    with opened(path) as ms:
        assert rows.in_order(ms, path) is None
