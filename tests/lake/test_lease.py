"""Two ingests of one dataset with journals of their own: the second says so; a killed one hinders nobody for long."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import faults
import pytest

from lofarlake_nb.errors import LakeBusy
from lofarlake_nb.lake import ingest, metadata, verify
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.lease import KEY, Lease
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def dataset(lake, unique) -> DID:
    lake.call("add_dataset", "lofar", unique)
    return DID("lofar", unique)


def test_the_second_says_so_and_the_end_leaves_nothing(remote_lake, dataset, tmp_path):
    with (
        Lease(remote_lake, dataset, tmp_path / "one") as first,
        Lease(remote_lake, dataset, tmp_path / "two") as second,
    ):
        first.take()
        said = rf"{dataset} is being ingested by process {os.getpid()} on {os.uname().nodename}"
        with pytest.raises(LakeBusy, match=said):
            second.take()
        first.check()
        assert KEY in metadata.read(remote_lake, dataset)
    assert metadata.read(remote_lake, dataset) == {}
    with Lease(remote_lake, dataset, tmp_path / "two") as second:
        second.take()


@pytest.mark.parametrize(
    ("told", "is_taken"),
    [
        ({"owner": "x", "machine": "m", "process": 1, "until": 60}, True),
        ({"owner": "x", "machine": "m", "process": 1, "until": -60}, False),
        ({"owner": "x"}, False),
        ("somebody", False),
    ],
)
def test_only_a_lease_that_has_not_ended_counts(remote_lake, dataset, tmp_path, told, is_taken):
    if isinstance(told, dict) and "until" in told:
        told = {**told, "until": f"{datetime.now(UTC) + timedelta(seconds=told['until']):%Y-%m-%d %H:%M:%S}"}
    metadata.write(remote_lake, {dataset: {KEY: told}})
    with Lease(remote_lake, dataset, tmp_path) as lease:
        if is_taken:
            with pytest.raises(LakeBusy, match=r"process 1 on m; .*until .* UTC"):
                lease.take()
        else:
            lease.take()


def test_it_is_renewed_and_its_loss_is_noticed(remote_lake, dataset, tmp_path):
    def until() -> str:
        return metadata.read(remote_lake, dataset)[KEY]["until"]

    renewed, lost = threading.Event(), threading.Event()
    with Lease(remote_lake, dataset, tmp_path / "one", lasts=2, first=0.1) as lease:
        lease.take()
        before = until()
        assert _soon(renewed, lambda: until() > before)
        soon = f"{datetime.now(UTC) + timedelta(seconds=60):%Y-%m-%d %H:%M:%S}"
        other = {"owner": "other", "machine": "elsewhere", "process": 7, "until": soon}
        metadata.write(remote_lake, {dataset: {KEY: other}})

        def is_lost() -> bool:
            try:
                lease.check()
            except LakeBusy as error:
                return "process 7 on elsewhere" in error.message
            return False

        assert _soon(lost, is_lost)
    assert metadata.read(remote_lake, dataset)[KEY] == other  # what is not ours is not given back


def _soon(event: threading.Event, is_so) -> bool:
    """Whether something becomes so within some seconds."""
    for _ in range(100):
        if is_so():
            return True
        event.wait(0.1)
    return False


def test_a_killed_ingest_hinders_other_machines_for_a_while_and_its_own_not_at_all(remote_lake, unique, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]  # on disks of two machines, as it were
    for folder in folders:
        folder.mkdir()
        (folder / unique).write_bytes(b"12345")
    parameters = IngestParameters(dataset=f"lofar:{unique}.set", replicate_to="")
    configuration = Path(remote_lake.configuration)
    assert faults.killed_at("before the replica", configuration, [folders[0] / unique], parameters) == -9
    with pytest.raises(LakeBusy, match=r"is being ingested by process \d+ on "):
        ingest.ingest(remote_lake, [folders[1] / unique], parameters)
    done = ingest.ingest(remote_lake, [folders[0] / unique], parameters)
    assert [(entry.state, entry.bytes) for entry in done.entries] == [("registered", 5)]
    assert KEY not in metadata.read(remote_lake, done.dataset)
    assert ingest.ingest(remote_lake, [folders[1] / unique], parameters).entries[0].state == "already there"
    assert verify.verify(remote_lake, done.dataset).ok


def test_an_embedded_lake_s_journal_is_one_and_needs_no_lease(lake, dataset, tmp_path):
    before = lake.calls
    with Lease(lake, dataset, tmp_path) as lease:
        lease.take()
        lease.check()
    assert lake.calls == before
