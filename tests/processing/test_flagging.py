import numpy as np
import pytest

from lofarlake_nb.errors import ProcessingError, UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing import flagging
from lofarlake_nb.processing.flags import flag_statistics, flag_store, searching

STATIONS = ("CS001HBA0", "CS002HBA0", "CS003HBA0", "RS106HBA", "RS205HBA")
P, Q = np.triu_indices(5)


def layout():
    return Layout(
        times=np.arange(10.0),
        antenna1=P,
        antenna2=Q,
        rows=np.arange(10 * len(P)).reshape(10, -1),
        frequencies=135e6 + 1e4 * np.arange(8),
        stations=STATIONS,
        positions=np.zeros((5, 3)),
        phase_centre=(0.0, 0.8),
        interval=1.0,
        channel_width=1e4,
    )


def counted(flagged, noise=(1.0, 1.0, 1.0, 0.5, 0.5)):
    samples = np.where(P != Q, 80, 0)
    return {
        "samples": samples,
        "known": samples // 8,
        "flagged": flagged * (P != Q),
        "noise": np.array(noise),
        "seen": np.zeros((len(P), 4)),
    }


def bad(statistics):
    found = flag_statistics.bad_stations(flag_statistics.collect([layout()], [statistics]), FlagParameters())
    return {s.name: s for s in found}


def test_flags_come_back_as_they_were_put(tmp_path):
    flag = np.random.default_rng(1).random((7, 5, 13)) < 0.3
    path = flag_store.create(tmp_path / "flags" / "one.npy", flag.shape)
    flag_store.put(path, 0, flag[:3])
    flag_store.put(path, 3, flag[3:])
    np.testing.assert_array_equal(flag_store.get(path, slice(None), 13), flag)
    np.testing.assert_array_equal(flag_store.get(path, slice(2, 5), 13), flag[2:5])


def test_a_dead_station_is_bad_and_its_partners_are_not():
    dead = np.where((P == 2) | (Q == 2), 80, 4)
    found = bad(counted(dead))
    assert list(found) == ["CS003HBA0"]
    assert found["CS003HBA0"].figure == 1
    assert "100.0 %" in found["CS003HBA0"].reason


def test_stations_without_data_do_not_make_the_others_bad():
    """Only two of five stations have data: each has 3 of its 4 baselines flagged."""
    flagged = np.where((P == 0) & (Q == 1), 0, 80)
    assert set(bad(counted(flagged))) == set(STATIONS[2:])


def test_a_noisy_station_is_bad():
    found = bad(counted(np.full(len(P), 4), noise=(1.0, 9.0, 1.0, 0.5, 0.5)))
    assert list(found) == ["CS002HBA0"]
    assert found["CS002HBA0"].figure == 9


def test_fractions_count_bad_stations_whole():
    counts = flag_statistics.collect([layout()], [counted(np.full(len(P), 8))])
    fractions = flag_statistics.fractions(counts, {"RS106HBA"})
    assert fractions.known == pytest.approx(0.125)
    assert fractions.stations["RS106HBA"] == 1
    assert fractions.stations["CS001HBA0"] == pytest.approx((3 * 0.1 + 1) / 4)
    assert fractions.all == pytest.approx((6 * 0.1 + 4) / 10)


def test_baselines_named_in_both_orders_count_together():
    """Each order alone says too little of the station whose dipoles are exchanged."""
    pairs = [(p, q) for p in STATIONS for q in STATIONS if p != q]
    seen = {pair: np.array([0, 8, 8, 0] if STATIONS[0] in pair else [8, 0, 0, 8]) for pair in pairs}
    seen |= {(p, q): np.zeros(4) for p, q in pairs if p > q}
    first, _ = flag_statistics.odd_dipoles(flag_statistics.Counts(dict.fromkeys(pairs, np.ones(3)), {}, seen))
    assert [station.name for station in first] == [STATIONS[0]]


def test_all_flagged_is_an_error():
    with pytest.raises(ProcessingError, match="every visibility is flagged"):
        flag_statistics.collect([layout()], [counted(np.full(len(P), 80))])


def test_a_subband_that_rolls_off_is_evened_out():
    rng = np.random.default_rng(2)
    shape = (40, len(P), 8, 4)
    data = 50 + rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    data[:, :, 0] *= 0.4
    data[:, :, 5] *= 3
    data[:, :, 7] = 0
    level = searching.channel_levels(data, np.zeros(shape[:3], bool))
    np.testing.assert_allclose(level, [0.4, 1, 1, 1, 1, 1, 1, 1], atol=0.02)


def test_too_little_data_is_not_searched():
    assert searching.searchable(layout(), 10)
    assert not searching.searchable(layout(), 2)


@pytest.mark.parametrize("wrong", [{"noisy": 0.5}, {"flagged": 0}, {"flagged": 1.5}])
def test_impossible_settings(wrong):
    with pytest.raises(UsageError):
        FlagParameters(**wrong)


@pytest.fixture
def keys(monkeypatch):
    """Of what is flagged, but for the flagging."""
    known = []

    def found(paths, parameters, folder, client, key):
        known.append(key)
        return flagging.Flagged(paths, (), 0.0, 0.0, {}, (), (), key, tuple(map(searching.Source, paths)))

    monkeypatch.setattr(flagging, "_flag", found)
    return known


def test_another_strategy_in_the_same_file_is_another_search(tmp_path, keys):
    strategy = tmp_path / "own.lua"
    for text in ("one", "one", "another"):
        if not strategy.exists() or strategy.read_text() != text:
            strategy.write_text(text)
        flagging.flag([tmp_path / "a.MS"], FlagParameters(strategy=str(strategy)), work=tmp_path / "work", client=None)
    assert len(keys) == 2


def test_another_version_of_an_engine_makes_other_results(tmp_path, keys, monkeypatch):
    for aoflagger in ("3.4.0", "3.4.0", "3.5.0"):
        monkeypatch.setattr(flagging.engines, "versions", lambda aoflagger=aoflagger: {"aoflagger": aoflagger})
        flagging.flag([tmp_path / "a.MS"], FlagParameters(), work=tmp_path / "work", client=None)
    assert len(keys) == 2


def test_flags_of_data_that_were_moved_are_of_where_they_lie_now(tmp_path, keys):
    (tmp_path / "before" / "a.MS").mkdir(parents=True)
    (tmp_path / "before" / "a.MS" / "table.dat").write_text("rows")
    flagging.flag([tmp_path / "before" / "a.MS"], FlagParameters(), work=tmp_path / "work", client=None)
    now = (tmp_path / "before").rename(tmp_path / "after") / "a.MS"
    flagged = flagging.flag([now], FlagParameters(), work=tmp_path / "work", client=None)
    assert len(keys) == 1
    assert flagged.measurement_sets == tuple(source.path for source in flagged.sources) == (now,)
