"""An ingest that is killed: the same again ends it, nothing is lost, nothing is there twice."""

import os
import random
import signal
import time
import zlib

import faults
import pytest

from lofarlake_nb.errors import LakeBusy
from lofarlake_nb.lake import ingest, journal, metadata, verify
from lofarlake_nb.lake.client import connect
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def files(tmp_path, unique):
    """Twelve files; the names tell the lake something of them."""
    made = [tmp_path / f"L{int(unique[-8:], 16) % 10**9}_SB{n:03d}_uv.MS_0123abcd.tar" for n in range(12)]
    for file in made:
        file.write_bytes(os.urandom(100_000))
    return made


@pytest.fixture
def parameters(number):
    return IngestParameters(dataset=f"lofar:L{number}", replicate_to="", streams=3)


def rule_of(lake, did):
    """State and locks of the one rule, once Rucio's judge has seen files that joined after it was made."""
    for _ in range(60):
        (rule,) = lake.call("list_did_rules", did.scope, did.name)
        if rule["locks_ok_cnt"] == 12:
            break
        time.sleep(0.5)
    return rule["state"], rule["locks_ok_cnt"]


def assert_whole(lake, lake_home, files, parameters):
    """All that an ingest promises, from the catalogue and the disk."""
    did = DID.parse(parameters.dataset)
    verified = verify.verify(lake, did, deep=True)
    assert verified.ok
    assert [(row.did, row.rse, row.adler32) for row in verified.rows] == [
        (f"lofar:{file.name}", "SARA", f"{zlib.adler32(file.read_bytes()):08x}") for file in files
    ]
    held = lake.call("list_content", did.scope, did.name)
    assert sorted(row["name"] for row in held) == [file.name for file in files]
    assert [metadata.read(lake, f"lofar:{file.name}")["subband"] for file in files] == list(range(12))
    assert rule_of(lake, did) == ("OK", 12)
    names = {file.name[:20] for file in files}
    on_disk = [p for p in (lake_home / "storage" / "SARA").rglob("*") if any(name in p.name for name in names)]
    assert sorted(p.name for p in on_disk) == [file.name for file in files]  # no part, no second copy


@pytest.mark.parametrize("point", faults.POINTS)
def test_killed_at_a_point(lake, lake_home, files, parameters, point):
    assert faults.killed_at(point, lake_home, files, parameters) == -signal.SIGKILL
    done = ingest.ingest(lake, files, parameters)
    states = {entry.state for entry in done.entries}
    expected = {"bytes half written": {"new"}, "before the rename": {"new"}, "before the replica": {"registered"}}
    assert states == expected.get(point, {"already there"})
    assert_whole(lake, lake_home, files, parameters)


def test_killed_at_twenty_random_moments(lake, lake_home, files, parameters):
    choose = random.Random(196)
    died = 0
    for n in range(20):
        died += faults.killed_after(choose.uniform(0, 0.5 if n % 2 else 0.15), lake_home, files, parameters) != 0
    assert died > 3
    ingest.ingest(lake, files, parameters)
    assert_whole(lake, lake_home, files, parameters)


def test_without_its_journal_it_takes_longer_and_is_as_right(lake, lake_home, files, parameters):
    faults.killed_at("before the attachment", lake_home, files, parameters)
    for file in (lake_home / "journal").glob("ingest.sqlite*"):
        file.unlink()
    assert ingest.ingest(lake, files, parameters).bytes == 0
    (lake_home / "journal" / "ingest.sqlite").write_bytes(b"this is no database " * 1000)
    assert ingest.ingest(lake, files, parameters).bytes == 0
    assert (lake_home / "journal" / "ingest.sqlite.broken").is_file()
    assert_whole(lake, lake_home, files, parameters)


def test_a_file_that_is_there_and_unchanged_is_not_read_again(lake, lake_home, files, parameters, monkeypatch):
    ingest.ingest(lake, files, parameters)
    book = Journal(lake_home / "journal", DID.parse(parameters.dataset), "SARA")
    assert book.states() == {f"lofar:{file.name}": "described" for file in files}
    book.close()
    monkeypatch.setattr("lofarlake_nb.lake.plan.Item.blocks", lambda item: pytest.fail(f"{item.did} was read"))
    again = ingest.ingest(lake, files, parameters)
    assert (again.files, again.bytes) == (12, 0)


def test_a_file_at_the_site_with_other_bytes_is_kept_apart_and_sent_again(lake, lake_home, files, parameters):
    faults.killed_at("before the replica", lake_home, files, parameters)
    [there] = (lake_home / "storage" / "SARA").rglob(files[3].name)
    flipped = bytes([there.read_bytes()[0] ^ 1]) + there.read_bytes()[1:]
    there.write_bytes(flipped)
    done = ingest.ingest(lake, files, parameters)
    assert [entry.state for entry in done.entries] == ["registered"] * 3 + ["new"] + ["registered"] * 8
    aside = there.with_name(there.name + ".wrong")
    assert aside.read_bytes() == flipped
    aside.unlink()
    assert_whole(lake, lake_home, files, parameters)


def test_a_second_ingest_of_the_same_dataset_says_so(lake, lake_home, files, parameters):
    folder = journal.place(lake, files[0])
    says = f"{parameters.dataset} is being ingested by process {os.getpid()} on"
    with journal.alone(folder, DID.parse(parameters.dataset)), pytest.raises(LakeBusy, match=says):
        ingest.ingest(connect(lake_home), files, parameters)
    process = faults.running(lake_home, files, parameters)
    seen = False
    while process.is_alive():
        try:
            ingest.ingest(lake, files[:1], parameters)
        except LakeBusy as error:
            seen = seen or f"process {process.pid} on" in error.message
        time.sleep(0.05)
    process.join()
    ingest.ingest(lake, files, parameters)
    assert_whole(lake, lake_home, files, parameters)
