"""What is found is what fits: ranges, a cone, times and booleans, also where Rucio's own filters fail."""

import pytest

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import metadata, query, search
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.search import Query

ABOUT = {
    "a": {"target": "3C196", "project_name": "LC0_000", "min_frequency_hz": 120e6, "max_frequency_hz": 130e6,
          "ra_deg": 123.4, "dec_deg": 48.2, "start": "2018-09-01T10:00:00", "duration_s": 7200.0,
          "subbands": [1, 2], "n_stations": 50},
    "b": {"target": "3C295", "project_name": "LC1_000", "min_frequency_hz": 140e6, "max_frequency_hz": 150e6,
          "ra_deg": 359.9, "dec_deg": -0.5, "start": "2019-09-01T10:00:00", "duration_s": 60.0, "n_stations": 30},
    "c": {"target": "Cyg A", "min_frequency_hz": "120 MHz", "start": "once", "ra_deg": None, "n_stations": "many"},
    "d": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def names(lake):
    """Four datasets with metadata, one of them as somebody else would write them."""
    made = {key: f"searched.{key}" for key in ABOUT}
    for key, name in made.items():
        lake.call("add_dataset", "lofar", name)
        metadata.write(lake, {DID("lofar", name): ABOUT[key]})
    lake.call("add_container", "lofar", "searched.container")
    metadata.write(lake, {DID("lofar", "searched.container"): ABOUT["a"]})
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(target="3C196"), "a"),
        (Query(target="3C*"), "ab"),
        (Query(target="?yg A"), "c"),
        (Query(target="Cyg A"), "c"),
        (Query(project="LC*", target="3C2*"), "b"),
        (Query(min_frequency="130 MHz"), "b"),
        (Query(min_frequency="0.125 GHz"), "ab"),
        (Query(min_frequency="125 MHz", max_frequency="135 MHz"), "a"),
        (Query(cone="123.0deg 48deg 1deg"), "a"),
        (Query(cone="8h13m36s 48d12m 1arcmin"), "a"),
        (Query(cone="0.1 0.5 1.1"), "b"),  # over the zero of right ascension
        (Query(cone="0.1 0.5 1.0"), ""),
        (Query(cone="0 0 180"), "ab"),
        (Query(since="2019-01-01"), "b"),
        (Query(until="2019-01-01"), "a"),
        (Query(since="2018-09-01T11:59", until="2018-09-01T12:30Z"), "a"),  # it began before
        (Query(since="2018-09-01T12:01", until="2019-09-01T10:00"), ""),
        (Query(where='target == "3C196" or n_stations < 40'), "ab"),
        (Query(where="100e6 < min_frequency_hz <= 130e6 and not 3 in subbands"), "a"),
        (Query(where="2 in subbands"), "a"),
        (Query(where="dec_deg < -0.1"), "b"),
        (Query(where='not target == "3C196"', target="[3C]*"), "bc"),
    ],
)
def test_what_fits_is_found(lake, names, query, expected):
    found = {one.did for one in search.find(lake, query, scope="lofar")} & {f"lofar:{name}" for name in names.values()}
    assert found == {f"lofar:{names[key]}" for key in expected}


def test_rows_and_kinds(lake, names):
    (row,) = search.find(lake, Query(target="3C196", where="n_stations == 50 and 1 in subbands"))
    assert (row.did, row.type, row.start) == ("lofar:searched.a", "dataset", "2018-09-01T10:00:00")
    assert (row.min_frequency_mhz, row.max_frequency_mhz, row.project) == (120.0, 130.0, "LC0_000")
    (box,) = search.find(lake, Query(where="n_stations == 50 and 1 in subbands"), kind="container")
    assert box.did == "lofar:searched.container"
    assert [one.did for one in search.find(lake, Query(where="n_stations == 50 and 2 in subbands"), kind="file")] == []


def test_many_cost_few_calls(lake):
    files = [{"scope": "lofar", "name": f"found.{n}", "bytes": 1, "adler32": "00000001"} for n in range(200)]
    lake.call("add_replicas", "SARA", files)
    metadata.write(lake, {DID("lofar", f["name"]): {"target": "many", "subband": n} for n, f in enumerate(files)})
    before = lake.calls
    found = search.find(lake, Query(target="many", where="subband >= 100"), kind="file", scope="lofar")
    assert (len(found), lake.calls - before) == (100, 3)
    assert {(one.type, one.files, one.bytes) for one in found} == {("file", None, 1)}


def test_a_few_are_found_without_listing_all(lake, names, monkeypatch):
    monkeypatch.setattr(lake, "stream", lambda *_, **__: pytest.fail("all of a scope were listed"))
    (row,) = search.find(lake, Query(target="3C196", where="n_stations == 50 and 1 in subbands"), scope="lofar")
    assert (row.did, row.type) == ("lofar:searched.a", "dataset")


@pytest.mark.parametrize(
    "query",
    [
        Query(min_frequency="130"), Query(max_frequency="fast"), Query(cone="1 2"), Query(cone="1 2 x"),
        Query(cone="1 91 2"), Query(cone="1 -91 2"), Query(cone="1 2 -1"),
        Query(since="yesterday"), Query(where="target ="), Query(where="__import__('os')"),
        Query(where="target.upper"), Query(where="1 + 1 == 2"), Query(where="-target == 1"), Query(where="a is None"),
        Query(where="(" * 300 + "a" + ")" * 300),
    ],
)  # fmt: skip
def test_a_query_that_can_t_be_understood(query):
    with pytest.raises(UsageError):
        search.tests_of(query)


def test_kinds_that_are_not(lake):
    with pytest.raises(UsageError, match="kind: expected dataset"):
        search.find(lake, Query(), kind="star")


def test_a_cone_is_of_plain_numbers():
    assert [type(angle) for angle in query.cone("123.4deg 48.2deg 2deg")] == [float] * 3
