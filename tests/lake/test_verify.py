import os
from types import SimpleNamespace

import pytest

from lofarlake_nb.errors import ChecksumMismatch, DIDNotFound
from lofarlake_nb.lake import verify
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.replicas import File, Replica


@pytest.fixture
def dataset(twice, tmp_path, unique) -> str:
    """Four files at SARA and JUELICH."""
    files = [tmp_path / f"{unique}.{n}" for n in range(4)]
    for file in files:
        file.write_bytes(os.urandom(1000))
    return twice(files, f"lofar:{unique}")


@pytest.mark.parametrize("by", ["lake", "remote_lake"])
def test_each_file_at_each_site_gets_its_row(by, request, dataset, lake_home, unique):
    lake = request.getfixturevalue(by)
    ticks = []
    whole = verify.verify(lake, dataset, progress=ticks.append)
    assert whole.require() is whole
    assert whole.ok
    assert (whole.files, len(whole.rows), ticks[-1].done) == (4, 8, 8)
    assert all(row.adler32 == row.found_adler32 and row.bytes == row.found_bytes == 1000 for row in whole.rows)

    def at(site, n):
        return next((lake_home / "storage" / site).rglob(f"{unique}.{n}"))

    at("JUELICH", 0).unlink()
    at("JUELICH", 1).write_bytes(b"short")
    at("SARA", 2).write_bytes(b"x" * 1000)
    found = verify.verify(lake, dataset)
    assert not found.ok
    assert {(row.did[-1], row.rse, row.problem.partition(",")[0]) for row in found.problems} == {
        ("0", "JUELICH", "not there"),
        ("1", "JUELICH", "5 bytes"),
        ("2", "SARA", f"adler32 {found.problems[2].found_adler32}"),
    }
    assert found.summary()["ok"] is False
    with pytest.raises(ChecksumMismatch, match=rf"3 of 8 copies are not right: .*{unique}\.0 at JUELICH: not there"):
        found.require()
    # Without reading, what has the right size looks right.
    assert {row.did[-1] for row in verify.verify(lake, dataset, deep=False).problems} == {"0", "1"}


def test_a_replica_on_its_way_is_not_right_yet(lake, unique):
    file = {"scope": "lofar", "name": unique, "bytes": 5, "adler32": "01020304", "state": "C"}
    lake.call("add_replicas", "SARA", [file])
    assert [row.problem for row in verify.verify(lake, f"lofar:{unique}").rows] == ["the catalogue says COPYING"]


def test_a_dataset_that_is_not_there(lake):
    with pytest.raises(DIDNotFound):
        verify.verify(lake, "lofar:nothing")


def test_a_storage_that_does_not_say_how_many_bytes_it_has_is_not_said_to_have_others():
    """An answer to HEAD need not have a Content-Length; a copy that is taken for bad would be replaced."""
    address, held = "https://site/a.fits", []
    storage = SimpleNamespace(size=lambda _: -1, adler32=lambda _: held[-1])
    replica = Replica("SITE", "AVAILABLE", (address,))
    file = File(DID("lofar", "a.fits"), 7, "059b016d", (replica,))
    given = (SimpleNamespace(of=lambda _: storage), file, replica, address)
    held.append("059b016d")
    right = verify.row_of(*given, deep=True)
    assert (right.problem, right.bad, right.found_bytes) == ("", False, None)
    unknown = verify.row_of(*given, deep=False)
    assert (unknown.problem, unknown.bad) == ("the storage does not say how many bytes it has", False)
    held.append("11111111")
    assert verify.row_of(*given, deep=True).bad
