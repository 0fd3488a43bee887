"""Copies that are on tape only: asked for once, waited for with their state shown, taken when they are on disk."""

import os
from contextlib import closing
from unittest.mock import Mock
from urllib.parse import unquote, urlsplit

import pytest
from failing import turned
from tape_server import tape_storage

from lofarlake_nb.errors import TransferFailed
from lofarlake_nb.lake import client, ingest, retrieve, tape
from lofarlake_nb.lake.asked import Asked
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.replicas import File, Replica
from lofarlake_nb.lake.staging import Staging
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def files(tmp_path, unique):
    made = [tmp_path / f"{unique} {n}.fits" for n in range(3)]
    for file in made:
        file.write_bytes(os.urandom(200_000))
    return made


@pytest.fixture
def dataset(lake, files, number):
    """Three files whose only copies are at the site with tape."""
    ingest.ingest(lake, files, IngestParameters(dataset=f"lofar:L{number}", rse="POZNAN", replicate_to=""))
    return f"lofar:L{number}"


@pytest.fixture
def library(lake_home):
    with tape_storage(lake_home) as storage:
        yield storage


@pytest.fixture
def far(remote_lake, library, monkeypatch):
    """The lake as a production one is seen, its site POZNAN served by the library."""
    lake = client.connect(remote_lake.configuration)
    [protocol] = [p for p in lake.rse("POZNAN")["protocols"] if p["scheme"] == "https"]
    turned(monkeypatch, lake, protocol["port"], library.port)
    return lake


@pytest.fixture
def paths(lake, dataset):
    """Where the files are at the storage, by their names."""
    rows = lake.call("list_replicas", [{"scope": "lofar", "name": dataset.split(":")[1]}])
    found = [unquote(urlsplit(pfn).path) for row in rows for pfn in row["pfns"] if pfn.startswith("https:")]
    return sorted(found, key=os.path.basename)


def assert_here(to, files):
    assert [(to / file.name).read_bytes() == file.read_bytes() for file in files] == [True] * len(files)


def test_files_on_tape_are_asked_for_once_and_waited_for(far, library, dataset, files, paths, tmp_path):
    library.nearline |= set(paths[:2])
    notes = []

    def look(tick):
        notes.extend(site.note for site in tick.sites if site.name == "POZNAN" and site.note not in notes)

    assert retrieve.retrieve(far, dataset, tmp_path / "back", progress=look).files == 3
    assert_here(tmp_path / "back", files)
    assert [sorted(request, key=os.path.basename) for request in library.requests] == [paths[:2]]
    assert sorted(library.released) == sorted(paths[:2])
    assert library.too_early == []
    assert [note for note in notes if note] == [
        "from tape: 2 queued, 1 online",
        "from tape: 2 staging, 1 online",
        "from tape: 3 online",
    ]


def test_a_run_that_gave_up_finds_its_requests_again(far, library, dataset, files, paths, tmp_path):
    library.nearline |= set(paths)
    library.steps = 1000
    with pytest.raises(TransferFailed, match=r"no file came from tape for 0 s; 3 are queued and 0") as waited:
        retrieve.retrieve(far, dataset, tmp_path / "back", patience=0.2)
    assert "run it again" in waited.value.hint
    library.steps, library.polls[1] = 2, 0
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert_here(tmp_path / "back", files)
    assert len(library.requests) == 1


def test_a_tape_that_can_t_be_read_is_named_and_the_others_come(far, library, dataset, files, paths, tmp_path):
    library.nearline |= set(paths)
    library.broken[paths[1]] = "the tape broke"
    with pytest.raises(TransferFailed, match=r"from tape: lofar:\S+__201.fits at POZNAN: the tape broke;"):
        retrieve.retrieve(far, dataset, tmp_path / "back")
    assert_here(tmp_path / "back", [files[0], files[2]])
    assert not (tmp_path / "back" / files[1].name).exists()
    library.broken.clear()
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert library.requests[1:] == [[paths[1]]]
    assert_here(tmp_path / "back", files)


def test_what_is_on_a_disk_elsewhere_is_not_asked_for(far, lake, library, dataset, files, paths, tmp_path):
    library.nearline |= set(paths)
    ingest.ingest(lake, files, IngestParameters(dataset=dataset, replicate_to=""))
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert_here(tmp_path / "back", files)
    assert library.requests == []


def test_a_disk_whose_copy_is_bad_has_tape_to_fall_back_on(
    far, lake, lake_home, library, dataset, files, paths, tmp_path
):
    library.nearline |= set(paths)
    ingest.ingest(lake, files, IngestParameters(dataset=dataset, replicate_to=""))
    [bad] = (lake_home / "storage" / "SARA").rglob(paths[0].rpartition("/")[2])
    bad.write_bytes(b"x" * 200_000)
    got = retrieve.retrieve(far, dataset, tmp_path / "back")
    assert_here(tmp_path / "back", files)
    assert library.requests == [[paths[0]]]
    assert len(got.problems) == 1


def test_a_request_that_the_storage_forgot_is_made_again_once(far, library, dataset, files, paths, tmp_path):
    library.nearline |= set(paths)
    library.forgotten = {1}
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert library.requests == [library.requests[0]] * 2
    assert_here(tmp_path / "back", files)
    library.nearline |= set(paths)
    library.forgotten = {3, 4}
    with pytest.raises(TransferFailed, match=r"the storage forgot request 4, and 2 more"):
        retrieve.retrieve(far, dataset, tmp_path / "again")
    assert len(library.requests) == 4


def test_a_service_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    far, library, dataset, files, paths, tmp_path
):
    library.nearline |= set(paths)
    library.refusals = [503]
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert len(library.requests) == 1
    library.nearline |= set(paths)
    library.refusals = [403]
    with pytest.raises(TransferFailed, match=r"from tape: .*403.*and 2 more"):
        retrieve.retrieve(far, dataset, tmp_path / "again")
    assert len(library.requests) == 1


def test_a_storage_without_such_a_service_has_no_tape(far, library, dataset, files, tmp_path):
    library.told = None
    assert retrieve.retrieve(far, dataset, tmp_path / "back").files == 3
    assert_here(tmp_path / "back", files)


@pytest.mark.parametrize(
    "told",
    [
        "<html>",
        [],
        {"endpoints": [{"uri": "http://127.0.0.1/api", "version": "v1"}]},
        {"endpoints": "x"},
        {"endpoints": [1]},
    ],
)
def test_a_service_that_says_nonsense_is_named(far, library, dataset, told, tmp_path):
    library.told = told
    with pytest.raises(TransferFailed, match=r"from tape: .*well-known.*(no JSON|names no service)"):
        retrieve.retrieve(far, dataset, tmp_path / "back")


def test_a_service_that_does_not_answer_is_asked_once_for_all_its_files(tmp_path):
    storages = Mock()
    storages.lake.rse.return_value = {"rse_type": "TAPE", "attributes": {}}
    storages.best.side_effect = lambda rse, addresses: addresses[0]
    storages.https.json.side_effect = TransferFailed("nobody answers")
    dids = [DID("lofar", f"{n}.tar") for n in range(50)]
    files = [File(did, 1, "00010001", (Replica("TAPE", "AVAILABLE", (f"https://tape/{did.name}",)),)) for did in dids]
    staging = Staging(storages, Progress("retrieve", 50), Asked(tmp_path))
    assert staging.ready([(file, tmp_path / file.did.name) for file in files]) == []
    staging.end()
    assert storages.https.json.call_count == 1
    assert len(staging.failures) == 50


def test_requests_have_fewer_than_1000_files_and_5_tb():
    assert [len(group) for group in tape.requests({f"/{n}": 1 for n in range(2500)})] == [999, 999, 502]
    assert [len(group) for group in tape.requests({f"/{n}": 2 * 10**12 for n in range(5)})] == [2, 2, 1]
    assert [len(group) for group in tape.requests({"/a": 7 * 10**12, "/b": 1})] == [1, 1]
    assert list(tape.requests({})) == []


def test_what_was_asked_for_outlives_a_run_but_not_its_end(tmp_path):
    first = Asked(tmp_path)
    first.note("https://a", "1", ["/x", "/y"])
    first.close()
    second = Asked(tmp_path)
    assert second.known("https://a") == {"/x": "1", "/y": "1"}
    assert second.known("https://b") == {}
    second.forget("https://a", ["/x"])
    second.close()
    with closing(Asked(tmp_path)) as third:
        assert third.known("https://a") == {"/y": "1"}


def test_what_is_no_database_is_left_closed_and_a_run_goes_without(tmp_path):
    (tmp_path / "staging.sqlite").write_bytes(b"this is no database" * 100)
    asked = Asked(tmp_path)
    asked.note("https://a", "1", ["/x"])
    assert asked.known("https://a") == {"/x": "1"}
    opened = [os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")]
    assert str(asked.path) not in opened
    asked.close()


def test_where_it_is_damaged_later_what_was_asked_for_is_asked_for_again(tmp_path):
    asked = Asked(tmp_path)
    asked.note("https://a", "1", ["/x"])
    asked._opened.execute("DROP TABLE asked")
    assert asked.known("https://a") == {}
    asked.close()


def test_where_nothing_can_be_kept_a_run_goes_without(tmp_path):
    (tmp_path / "file").touch()
    asked = Asked(tmp_path / "file" / "below")
    asked.note("https://a", "1", ["/x"])
    assert asked.known("https://a") == {"/x": "1"}
    asked.close()
