"""Measurement Sets of many dialects, from their layout through flagging to averages: the same sky comes out."""

import made_sets as made
import numpy as np
import pytest
from casacore.tables import table

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError, ProcessingError, UsageError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import AverageParameters, FlagParameters
from lofarlake_nb.processing import averaging, flagging

AVERAGE = AverageParameters(interval="8 s", channel="24.5 kHz", ateam="none")
CROSS = made.STATIONS * (made.STATIONS - 1) // 2


@pytest.fixture
def run(tmp_path, client):
    def through(*paths, flag=None, average=AVERAGE):
        flagged = flagging.flag(paths, flag or FlagParameters(), work=tmp_path / "work", client=client)
        return flagged, averaging.average(flagged, average, work=tmp_path / "work", client=client)

    return through


@pytest.fixture
def plain(tmp_path):
    return made.plain(tmp_path / "L123456_SB000_uv.MS")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, client):
    folder = tmp_path_factory.mktemp("plain")
    flagged = flagging.flag([made.plain(folder / "plain.MS")], FlagParameters(), work=folder, client=client)
    return made.averages(averaging.average(flagged, AVERAGE, work=folder, client=client))


def same(found, expected, *, tolerance=1e-5, differ=0.0):
    """Flags alike but for a part of them; visibilities and weights equal where both have some."""
    assert found["DATA"].shape == expected["DATA"].shape
    assert (found["FLAG"] != expected["FLAG"]).mean() <= differ
    both = ~found["FLAG"] & ~expected["FLAG"] & (found["WEIGHT_SPECTRUM"] == expected["WEIGHT_SPECTRUM"])
    assert both.mean() > 0.9
    assert np.abs(found["DATA"] - expected["DATA"])[both].max() < tolerance
    np.testing.assert_allclose(found["UVW"], expected["UVW"], atol=1e-6)
    np.testing.assert_allclose(found["layout"].frequencies, expected["layout"].frequencies)


def test_the_source_is_in_the_parallel_hands_with_its_noise(expected):
    good = ~expected["FLAG"]
    assert good.mean() > 0.95
    for hand in (0, 3):
        values = expected["DATA"][..., hand][good[..., hand]]
        assert values.mean() == pytest.approx(made.FLUX, abs=0.02)
    cross = expected["DATA"][..., 1][good[..., 1]] * np.sqrt(expected["WEIGHT_SPECTRUM"][..., 1][good[..., 1]])
    # Noise does not follow these weights: its mean square times the weight is still that of 4 samples within 15 %.
    assert (np.abs(cross) ** 2).mean() == pytest.approx(0.83, rel=0.15)


def test_dysco(plain, run, expected):
    made.compressed(plain)
    with table(str(plain), ack=False) as ms:
        assert "DyscoStMan" in {m["TYPE"] for m in ms.getdminfo().values()}
    found = made.averages(run(plain)[1])
    good = ~found["FLAG"] & ~expected["FLAG"]
    assert good.mean() > 0.9
    assert np.abs(found["DATA"] - expected["DATA"])[good].std() < 0.2 * made.NOISE
    assert found["DATA"][..., 0][good[..., 0]].mean() == pytest.approx(made.FLUX, rel=0.02)


def test_circular_correlations(plain, run, expected):
    made.change(plain, "POLARIZATION", lambda t: t.putcell("CORR_TYPE", 0, np.array([5, 6, 7, 8], np.int32)))
    found = made.averages(run(plain)[1])
    assert found["layout"].correlations == ("RR", "RL", "LR", "LL")
    same(found, expected)


@pytest.mark.parametrize("hands", [("XX", "YY"), ("RR", "LL")])
def test_parallel_hands_alone(tmp_path, run, hands):
    path = made.plain(tmp_path / "two.MS", correlations=hands)
    found = made.averages(run(path)[1])
    assert found["layout"].correlations == hands
    assert found["DATA"][~found["FLAG"]].mean() == pytest.approx(made.FLUX, abs=0.02)


def test_correlations_in_another_order_are_refused(plain, run):
    made.change(plain, "POLARIZATION", lambda t: t.putcell("CORR_TYPE", 0, np.array([9, 12, 10, 11], np.int32)))
    with pytest.raises(ProcessingError, match="correlations XX, YY, XY, YX, expected XX, XY, YX, YY"):
        run(plain)


def test_a_single_hand_is_refused_before_anything_is_read(tmp_path, run):
    with pytest.raises(ProcessingError, match="correlations XX, expected .* or both parallel hands alone"):
        run(made.plain(tmp_path / "one.MS", correlations=("XX",)))


def test_international_stations(plain, run, expected):
    made.change(plain, "ANTENNA", lambda t: t.putcell("NAME", made.STATIONS - 1, "DE601HBA"))
    flagged, averaged = run(plain)
    same(made.averages(averaged), expected)
    assert "DE601HBA" in flagged.station_fractions


def test_without_autocorrelations(plain, tmp_path, run, expected):
    with table(str(plain), ack=False) as ms:
        rows = np.flatnonzero(ms.getcol("ANTENNA1") != ms.getcol("ANTENNA2"))
    same(made.averages(run(made.chosen_rows(plain, tmp_path / "cross.MS", rows))[1]), expected)


def test_autocorrelations_alone_are_refused(plain, tmp_path, run):
    with table(str(plain), ack=False) as ms:
        rows = np.flatnonzero(ms.getcol("ANTENNA1") == ms.getcol("ANTENNA2"))
    with pytest.raises(ProcessingError, match="no cross-correlations"):
        run(made.chosen_rows(plain, tmp_path / "auto.MS", rows))


def test_descending_frequencies_come_out_ascending(plain, run, expected):
    def turn(t):
        for name in ("DATA", "WEIGHT_SPECTRUM", "FLAG"):
            t.putcol(name, np.ascontiguousarray(t.getcol(name)[:, ::-1]))

    made.change(plain, "", turn)
    made.change(plain, "SPECTRAL_WINDOW", lambda t: t.putcol("CHAN_FREQ", t.getcol("CHAN_FREQ")[:, ::-1].copy()))
    same(made.averages(run(plain)[1]), expected, differ=0.01)


def test_channels_with_a_gap_are_not_averaged(plain, run):
    def gap(t):
        frequencies = t.getcol("CHAN_FREQ")
        frequencies[:, 8:] += 1e6
        t.putcol("CHAN_FREQ", frequencies)

    made.change(plain, "SPECTRAL_WINDOW", gap)
    averaged = run(plain)[1]
    assert averaged.channels == 1
    assert "gaps" in averaged.notes[0]


def test_antennas_without_names_or_with_the_same(plain, run, expected):
    made.change(plain, "ANTENNA", lambda t: t.putcol("NAME", ["", "", "", "W1", "W1", *("" for _ in range(3))]))
    flagged, averaged = run(plain)
    same(made.averages(averaged), expected)
    assert len(flagged.station_fractions) == made.STATIONS
    assert {"station000", "W1_3", "W1_4"} <= set(flagged.station_fractions)


def test_fully_flagged_is_said(plain, run):
    made.change(plain, "", lambda t: t.putcol("FLAG_ROW", np.ones(t.nrows(), dtype=bool)))
    with pytest.raises(ProcessingError, match="every visibility is flagged"):
        run(plain)


def test_one_fully_flagged_subband_is_left_out(plain, tmp_path, run, expected):
    other = made.plain(tmp_path / "L123456_SB001_uv.MS", seed=2)
    made.change(other, "", lambda t: t.putcol("FLAG", np.ones_like(t.getcol("FLAG"))))
    flagged, averaged = run(plain, other)
    assert len(averaged.measurement_sets) == 1
    assert averaged.notes == ("L123456_SB001_uv.MS: left out, all of it is flagged",)
    assert flagged.fraction > 0.5
    same(made.averages(averaged), expected)


def test_a_single_slot(plain, tmp_path, run):
    rows = np.arange(made.STATIONS * (made.STATIONS + 1) // 2)
    flagged, averaged = run(made.chosen_rows(plain, tmp_path / "one.MS", rows))
    assert "interference not searched in 1 slots" in flagged.notes[0]
    found = made.averages(averaged)
    assert found["DATA"].shape == (1, CROSS, made.CHANNELS // 2, 4)
    assert found["DATA"][..., 0].mean() == pytest.approx(made.FLUX, abs=0.2)


def test_a_column_by_name(plain, run, expected):
    def rename(t):
        t.renamecol("DATA", "SUBTRACTED_DATA")

    made.change(plain, "", rename)
    with pytest.raises(NotAMeasurementSet, match="no column DATA.*visibilities are in SUBTRACTED_DATA"):
        run(plain)
    same(made.averages(run(plain, flag=FlagParameters(column="SUBTRACTED_DATA"))[1]), expected)


def test_a_model_comes_along(plain, run):
    from lofarlake_nb.observation import writer

    layout = measurement_set.layout(plain)
    writer.add_column(plain, "MODEL_DATA")
    ramp = np.arange(made.CHANNELS)[None, None, :, None] * np.ones((*layout.rows.shape, 1, 4))
    writer.put(plain, layout, "MODEL_DATA", 0, ramp.astype(np.complex64))
    average = AverageParameters(interval="8 s", channel="24.5 kHz", ateam="none", model_column="MODEL_DATA")
    path = run(plain, average=average)[1].measurement_sets[0]
    block = measurement_set.read(path, measurement_set.layout(path), ["MODEL_DATA", "FLAG"], slice(None))
    middle = np.where(block["FLAG"], np.nan, block["MODEL_DATA"].real)
    np.testing.assert_allclose(np.nanmean(middle, axis=(0, 1, 3)), np.arange(8) * 2 + 0.5, atol=0.05)


def test_rows_in_any_order_some_missing_and_centroids_apart(plain, tmp_path, run, expected):
    def shift(t):
        t.putcol("TIME_CENTROID", t.getcol("TIME") + np.random.default_rng(1).uniform(-1, 1, t.nrows()))

    made.change(plain, "", shift)
    with table(str(plain), ack=False) as ms:
        count = ms.nrows()
    rows = np.random.default_rng(3).permutation(count)[: count - 5]
    found = made.averages(run(made.chosen_rows(plain, tmp_path / "shuffled.MS", rows))[1])
    assert found["DATA"].shape == expected["DATA"].shape
    equal = found["WEIGHT_SPECTRUM"] == expected["WEIGHT_SPECTRUM"]
    assert equal.mean() > 0.97
    assert np.abs(found["DATA"] - expected["DATA"])[equal & ~found["FLAG"] & ~expected["FLAG"]].max() < 1e-5


@pytest.mark.parametrize("gone", [("WEIGHT_SPECTRUM",), ("WEIGHT_SPECTRUM", "WEIGHT")])
def test_without_weights(plain, run, gone):
    made.change(plain, "", lambda t: [t.renamecol(name, f"NO_{name}") for name in gone])
    found = made.averages(run(plain)[1])
    good = ~found["FLAG"]
    assert found["WEIGHT_SPECTRUM"][good].max() == 4
    assert found["DATA"][..., 0][good[..., 0]].mean() == pytest.approx(made.FLUX, abs=0.02)


def test_what_is_no_number_or_nothing_never_gets_into_an_average(plain, run):
    layout = measurement_set.layout(plain)
    rows = layout.rows[5, np.flatnonzero(layout.cross)[:4]]

    def spoil(t):
        for row, value in zip(rows, (np.nan, np.inf, 0, 1), strict=True):
            t.putcell("DATA", int(row), np.full((made.CHANNELS, 4), value, np.complex64))
        t.putcell("WEIGHT_SPECTRUM", int(rows[3]), np.full((made.CHANNELS, 4), np.nan, np.float32))

    made.change(plain, "", spoil)
    found = made.averages(run(plain)[1])
    assert np.isfinite(found["DATA"]).all()
    assert np.isfinite(found["WEIGHT_SPECTRUM"]).all()
    first = found["DATA"][2, :4]
    assert np.abs(first[..., 0][~found["FLAG"][2, :4, :, 0]] - made.FLUX).max() < 6 * made.NOISE
    assert (found["WEIGHT_SPECTRUM"][2, :4] <= 2).all()  # of one slot, two channels


@pytest.mark.parametrize(
    ("doubled", "option", "named"),
    [
        (lambda path: made.doubled(path, "FIELD_ID", "FIELD"), "field_id", "2 fields"),
        (made.two_windows, "spectral_window", "2 spectral"),
    ],
)
def test_several_windows_or_fields_are_chosen_by_option(plain, run, expected, doubled, option, named):
    doubled(plain)
    with pytest.raises(ObservationError, match=f"{named}.* choose by {option}: 0, 1"):
        run(plain)
    same(made.averages(run(plain, flag=FlagParameters(**{option: 0}))[1]), expected)
    second = made.averages(run(plain, flag=FlagParameters(**{option: 1}))[1])
    assert second["DATA"][..., 0][~second["FLAG"][..., 0]].mean() == pytest.approx(5 * made.FLUX, rel=0.01)
    with pytest.raises(ObservationError, match=f"choose by {option}"):
        run(plain, flag=FlagParameters(**{option: 4}))


def test_baselines_of_different_intervals_are_refused(plain, run):
    def stretch(t):
        interval = t.getcol("INTERVAL")
        interval[::3] *= 2
        t.putcol("INTERVAL", interval)

    made.change(plain, "", stretch)
    with pytest.raises(ObservationError, match="expected one interval; .*bdaexpander"):
        run(plain)


def test_a_telescope_without_a_beam_is_flagged_and_averaged(plain, run, expected):
    made.change(plain, "OBSERVATION", lambda t: t.putcell("TELESCOPE_NAME", 0, "NOWHERE"))
    average = AverageParameters(interval="8 s", channel="24.5 kHz", ateam="auto")
    averaged = run(plain, average=average)[1]
    same(made.averages(averaged), expected)
    assert any("knows no station beams" in one.reason for one in averaged.ateam)


def test_a_station_with_exchanged_dipoles_is_found_and_put_right(plain, run, expected):
    layout = measurement_set.layout(plain)
    p, q = layout.antenna1 == 2, layout.antenna2 == 2

    def exchange(t):
        data = t.getcol("DATA").reshape(made.SLOTS, -1, made.CHANNELS, 2, 2)
        data[:, p] = data[:, p][:, :, :, ::-1].copy()
        data[:, q] = data[:, q][..., ::-1].copy()
        t.putcol("DATA", data.reshape(-1, made.CHANNELS, 4))

    made.change(plain, "", exchange)
    flagged, averaged = run(plain)
    [station] = flagged.swapped_stations
    assert station.name == layout.stations[2]
    assert station.figure > 0.95
    assert not flagged.bad_stations
    same(made.averages(averaged), expected, differ=0.01)
    flagged, averaged = run(plain, flag=FlagParameters(swapped="flag"))
    assert [s.name for s in flagged.bad_stations] == [layout.stations[2]]
    found = made.averages(averaged)
    of_it = np.sort((found["layout"].antenna1 == 2) | (found["layout"].antenna2 == 2)).sum()
    assert found["FLAG"].all(axis=(0, 2, 3)).sum() == of_it == made.STATIONS - 1


def test_flag_row_follows_the_flags(plain, run):
    layout = measurement_set.layout(plain)
    rows = layout.rows[:, np.flatnonzero(layout.cross)[0]]
    made.change(plain, "", lambda t: [t.putcell("FLAG_ROW", int(row), True) for row in rows[:2]])
    path = run(plain)[1].measurement_sets[0]
    with table(str(path), ack=False) as ms:
        whole = ms.getcol("FLAG").all(axis=(1, 2))
        np.testing.assert_array_equal(ms.getcol("FLAG_ROW"), whole)
        assert whole[0]


@pytest.mark.parametrize("wrong", [{"column": ""}, {"spectral_window": -2}, {"swapped": "perhaps"}])
def test_impossible_choices(wrong):
    with pytest.raises(UsageError):
        FlagParameters(**wrong)


def test_subbands_whose_rows_lie_otherwise_become_alike(plain, tmp_path, run, expected):
    """One lacks a row, one has each slot's rows the other way round."""
    slot = made.STATIONS * (made.STATIONS + 1) // 2
    rows = np.arange(made.SLOTS * slot)
    less = made.chosen_rows(plain, tmp_path / "less.MS", np.delete(rows, 5))
    turned = made.chosen_rows(plain, tmp_path / "turned.MS", rows.reshape(-1, slot)[:, ::-1].ravel())
    averaged = run(plain, less, turned)[1]
    first, *others = map(measurement_set.layout, averaged.measurement_sets)
    for other in others:
        np.testing.assert_array_equal((other.antenna1, other.antenna2), (first.antenna1, first.antenna2))
    same(made.averages(averaged, 2), expected)


def test_two_pointings_are_not_one_observation(plain, tmp_path, run):
    other = made.plain(tmp_path / "L123456_SAP001.MS", phase_centre=(2.1537, 0.8715))
    with pytest.raises(ObservationError, match=r"SAP001.MS .* \+49.9333°, 1.72° from .*; process them apart"):
        run(plain, other)
