"""Copies are told rightly in bulk: whole sites, sites with some files, states, sites whose paths no name tells."""

import os

import pytest

from lofarlake_nb.errors import ChecksumMismatch, UsageError
from lofarlake_nb.lake import client, registration, replicas
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.embedded import database
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.plan import Item

FILES = 5


@pytest.fixture(scope="module")
def administrator(lake_home):
    return client.connect(lake_home, administrator=True)


@pytest.fixture(scope="module")
def by_path(administrator, lake_home):
    """A site whose files lie where they were put; afterwards it is forgotten, as others count the lake's sites."""
    rse = f"BYPATH{os.urandom(3).hex()}".upper()
    administrator.call("add_rse", rse, deterministic=False)
    every = {"read": 1, "write": 1, "delete": 1}
    protocol = {"hostname": "127.0.0.1", "scheme": "https", "port": 1, "prefix": "/put/",
                "impl": "rucio.rse.protocols.webdav.Default", "domains": {"lan": every, "wan": every}}  # fmt: skip
    administrator.call("add_protocol", rse, protocol)
    yield rse
    with database.connect(Home(lake_home).settings()) as connection:  # Rucio itself keeps a site that has replicas
        connection.execute("update rucio.rses set deleted = true where rse = %s", [rse])


@pytest.fixture
def dataset(lake, administrator, by_path, unique) -> DID:
    """Five files: all at SARA, two at JUELICH in two states, all at a site by path, one at POZNAN in a bad state."""
    files = [
        {"scope": "lofar", "name": f"{unique}.{n}", "bytes": 10 + n, "adler32": f"0000000{n}"} for n in range(FILES)
    ]
    lake.call("add_dataset", "lofar", unique)
    lake.call("add_replicas", "SARA", files)
    lake.call("add_replicas", "JUELICH", [files[0], {**files[1], "state": "C"}])
    where = [{**file, "pfn": f"https://127.0.0.1:1/put/odd/{9 - n}"} for n, file in enumerate(files)]
    administrator.call("add_replicas", by_path, where)
    lake.call("add_replicas", "POZNAN", [{**files[2], "state": "U"}])
    lake.call("attach_dids", "lofar", unique, [{"scope": "lofar", "name": file["name"]} for file in files])
    return DID("lofar", unique)


def test_counted_and_listed_copies_are_the_same(lake, dataset, by_path, monkeypatch):
    listed = replicas.files_of(lake, dataset)
    monkeypatch.setattr(replicas, "FEW", 1)
    counted = replicas.files_of(lake, dataset)
    assert counted == listed
    states = [{replica.rse: replica.state for replica in file.replicas} for file in counted]
    everywhere = {"SARA": "AVAILABLE", by_path: "AVAILABLE"}
    assert states == [
        {**everywhere, "JUELICH": "AVAILABLE"},
        {**everywhere, "JUELICH": "COPYING"},
        {**everywhere, "POZNAN": "UNAVAILABLE"},
        everywhere,
        everywhere,
    ]
    odd = [replica.addresses for file in counted for replica in file.replicas if replica.rse == by_path]
    assert odd == [(f"https://127.0.0.1:1/put/odd/{9 - n}",) for n in range(FILES)]
    assert [(file.size, file.adler32) for file in counted] == [(10 + n, f"0000000{n}") for n in range(FILES)]


def test_a_site_is_whole_where_every_file_is_available(lake, dataset, by_path):
    assert replicas.whole_sites(lake, dataset, FILES) == sorted(["SARA", by_path])
    assert replicas.whole_sites(lake, dataset, FILES - 1) == []  # it got more files meanwhile
    lake.call("update_replicas_states", "SARA", [{"scope": "lofar", "name": f"{dataset.name}.3", "state": "U"}])
    assert replicas.whole_sites(lake, dataset, FILES) == [by_path]


def test_whole_sites_cost_the_same_calls_however_many_files_there_are(lake, unique, monkeypatch):
    monkeypatch.setattr(replicas, "FEW", 1)
    spent = []
    for count in (2, 250):
        name = f"{unique}.{count}"
        files = [{"scope": "lofar", "name": f"{name}.{n}", "bytes": 1, "adler32": "00000001"} for n in range(count)]
        lake.call("add_dataset", "lofar", name)
        for some in client.batches(files):
            lake.call("add_replicas", "SARA", list(some))
            lake.call("attach_dids", "lofar", name, [{"scope": "lofar", "name": file["name"]} for file in some])
        lake.rse("SARA")
        before = lake.calls
        found = replicas.files_of(lake, f"lofar:{name}")
        spent.append(lake.calls - before)
        assert len(found) == count
        assert {replica.rse for file in found for replica in file.replicas} == {"SARA"}
    assert spent[0] == spent[1] == 6


def test_all_copies_of_a_scope_each_file_once(lake, administrator, monkeypatch):
    scope = f"all{os.urandom(4).hex()}"
    administrator.call("add_scope", "lofar", scope)
    names = [f"f{n}" for n in range(6)]
    files = [{"scope": scope, "name": name, "bytes": 1, "adler32": "00000001"} for name in names]
    lake.call("add_replicas", "SARA", files)
    lake.call("add_replicas", "JUELICH", files[2:3])
    held = {"one": names[:4], "two": names[2:5], "small": names[5:], "none": []}  # two files are in both
    for dataset, inner in held.items():
        lake.call("add_dataset", scope, dataset)
        if inner:
            lake.call("attach_dids", scope, dataset, [{"scope": scope, "name": name} for name in inner])
    expected = {name: ["SARA"] for name in names} | {names[2]: ["JUELICH", "SARA"]}
    for few in (1, 2, 100):
        monkeypatch.setattr(replicas, "FEW", few)
        found = list(replicas.all_of(lake, scope))
        assert len(found) == 6
        assert {did.name: [replica.rse for replica in copies] for did, copies in found} == expected


def test_a_container_s_files_are_those_of_all_its_datasets(lake, dataset, unique, monkeypatch):
    lake.call("add_dataset", "lofar", f"{unique}.more")
    file = {"scope": "lofar", "name": f"{unique}.more.0", "bytes": 3, "adler32": "00000003"}
    lake.call("add_replicas", "JUELICH", [file])
    alone = {"scope": "lofar", "name": f"{unique}.0"}  # in both datasets
    lake.call("attach_dids", "lofar", f"{unique}.more", [{"scope": "lofar", "name": file["name"]}, alone])
    for outer, inner in (("inner", [unique, f"{unique}.more"]), ("outer", [f"{unique}.inner"])):
        lake.call("add_container", "lofar", f"{unique}.{outer}")
        lake.call("attach_dids", "lofar", f"{unique}.{outer}", [{"scope": "lofar", "name": name} for name in inner])
    for few in (1, 3, 100):
        monkeypatch.setattr(replicas, "FEW", few)
        found = replicas.files_of(lake, f"lofar:{unique}.outer")
        assert [file.did.name for file in found] == sorted(
            [*(f"{unique}.{n}" for n in range(FILES)), f"{unique}.more.0"]
        )
        assert [replica.rse for replica in found[-1].replicas] == ["JUELICH"]
        assert {replica.rse for replica in found[0].replicas} > {"SARA", "JUELICH"}


def _items(tmp_path, dataset, sizes):
    return [Item(DID("lofar", f"{dataset.name}.{n}"), tmp_path / str(n), size) for n, size in sizes.items()]


@pytest.mark.parametrize(
    ("rse", "states"),
    [
        ("SARA", ["AVAILABLE"] * 5),
        ("JUELICH", ["AVAILABLE", "COPYING", "", "", ""]),
        ("POZNAN", ["", "", "UNAVAILABLE", "", ""]),
    ],
)
def test_what_an_ingest_finds_at_its_start(lake, dataset, tmp_path, rse, states):
    file = {"scope": "lofar", "name": f"{dataset.name}.7", "bytes": 17, "adler32": "00000007"}
    lake.call("add_replicas", "JUELICH", [file])  # registered, not yet in the dataset
    known = registration.look_up(lake, _items(tmp_path, dataset, {n: 10 + n for n in range(9)}), rse, dataset)
    names = [f"{dataset.name}.{n}" for n in (0, 1, 2, 3, 4, 7)]
    assert [did.name for did in sorted(known)] == names
    expected = [*states, "AVAILABLE" if rse == "JUELICH" else ""]
    assert [known[did].replica for did in sorted(known)] == expected
    assert (known[DID("lofar", names[2])].size, known[DID("lofar", names[2])].adler32) == (12, "00000002")


def test_what_an_ingest_refuses_at_its_start(lake, dataset, tmp_path):
    with pytest.raises(ChecksumMismatch, match=r"has 12 bytes .*but .* has 99 bytes"):
        registration.look_up(lake, _items(tmp_path, dataset, {2: 99}), "SARA", dataset)
    lake.call("add_dataset", "lofar", f"{dataset.name}.8")
    with pytest.raises(UsageError, match="is a dataset in the lake, not a file"):
        registration.look_up(lake, _items(tmp_path, dataset, {8: 1}), "SARA", dataset)
