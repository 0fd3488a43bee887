import os

import pytest

from lofarlake_nb.errors import LakeBusy, LakeError
from lofarlake_nb.lake import journal
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.plan import Item

DATASET = DID("lofar", "L1")


@pytest.fixture
def opened(tmp_path):
    """Open journals, which are closed at the end."""
    books = []

    def journal_of(dataset=DATASET, rse="SARA") -> Journal:
        books.append(Journal(tmp_path, dataset, rse))
        return books[-1]

    yield journal_of
    for book in books:
        book.close()


@pytest.fixture
def item(tmp_path):
    (tmp_path / "source").write_bytes(b"12345")
    return Item(DID("lofar", "file"), tmp_path / "source", 5, {"subband": 1})


def test_what_was_noted_is_known_to_the_next_run_and_to_no_other_dataset_or_site(tmp_path, item, opened):
    book, mark = opened(), journal.mark_of(item)
    assert book.adler32(item, mark) == ""
    book.note(item, mark, "0123abcd", "sent")
    book.advance([item.did], "described")
    book.close()
    again = opened()
    assert again.adler32(item, mark) == "0123abcd"
    assert again.is_described(item)
    assert not again.is_described(Item(item.did, item.source, 5, {"subband": 2}))
    assert opened(rse="JUELICH").adler32(item, mark) == ""
    assert opened(DID("lofar", "L2")).adler32(item, mark) == ""


@pytest.mark.parametrize("name", ["results/2026/L1", "/L1", "a/" * 120])
def test_a_dataset_whose_name_has_slashes_is_locked(tmp_path, name):
    dataset = DID("lofar", name)
    with journal.alone(tmp_path / "journal", dataset):
        with journal.alone(tmp_path / "journal", DATASET):
            pass
        with pytest.raises(LakeBusy, match="is being ingested"), journal.alone(tmp_path / "journal", dataset):
            pass


def test_a_source_that_changed_is_not_known(tmp_path, item, opened):
    book, mark = opened(), journal.mark_of(item)
    book.note(item, mark, "0123abcd", "sent")
    book.close()
    about = item.source.stat()
    item.source.write_bytes(b"54321")
    os.utime(item.source, ns=(about.st_atime_ns, about.st_mtime_ns))  # as `cp -p` and rsync leave it
    assert opened().adler32(item, journal.mark_of(item)) == ""


def test_a_journal_that_is_none_is_put_aside(tmp_path, item, opened):
    (tmp_path / "ingest.sqlite").write_bytes(b"this is no database" * 100)
    book = opened()
    book.note(item, journal.mark_of(item), "0123abcd", "known")
    assert book.states() == {"lofar:file": "known"}
    assert (tmp_path / "ingest.sqlite.broken").is_file()


def test_where_no_journal_can_be_a_run_goes_without(tmp_path, item, opened):
    (tmp_path / "ingest.sqlite").mkdir()
    book = opened()
    book.note(item, journal.mark_of(item), "0123abcd", "known")
    assert book.states() == {"lofar:file": "known"}


def test_one_ingest_at_a_time_into_a_dataset(tmp_path):
    with journal.alone(tmp_path / "made", DATASET):
        says = f"lofar:L1 is being ingested by process {os.getpid()} on"
        with pytest.raises(LakeBusy, match=says), journal.alone(tmp_path / "made", DATASET):
            pass
        with journal.alone(tmp_path / "made", DID("lofar", "L2")):
            pass
    with journal.alone(tmp_path / "made", DATASET):
        pass


def test_a_lock_that_its_owner_left_behind_is_no_lock(tmp_path):
    (tmp_path / "lofar__3aL1.lock").write_text("1 on nowhere\n")
    with journal.alone(tmp_path, DATASET):
        assert (tmp_path / "lofar__3aL1.lock").read_text().startswith(f"{os.getpid()} on ")


def test_a_place_that_can_t_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LakeError, match="can't be written"), journal.alone(tmp_path / "file", DATASET):
        pass


def test_where_the_journal_is(lake, remote_lake, lake_home, tmp_path):
    assert journal.place(lake, tmp_path / "set.MS") == lake_home / "journal"
    assert journal.place(remote_lake, tmp_path / "set.MS").parent == tmp_path / ".lofarlake"


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_folder_of_ours_holds_no_journal(remote_lake, tmp_path, monkeypatch, what):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    if what == "file":
        (tmp_path / ".lofarlake").touch()
    else:
        (tmp_path / ".lofarlake").symlink_to(tmp_path / "elsewhere")
    place = journal.place(remote_lake, tmp_path / "set.MS")
    assert place.parent == tmp_path / "home" / ".cache" / ".lofarlake"
