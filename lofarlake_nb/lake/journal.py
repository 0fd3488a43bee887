"""The journal of ingests: what was read, sent and registered, so that none of it is done twice.

It saves time and nothing else: the catalogue and the storage say what is so, and without a journal they are asked.
"""

import fcntl
import hashlib
import json
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import LakeBusy, LakeError
from lofarlake_nb.lake import names
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.records import FOLDER

STATES = ("known", "sent", "registered", "attached", "described")  # each holds all that is before it

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    dataset TEXT, rse TEXT, did TEXT,
    source TEXT, size INTEGER, mark TEXT,  -- the mark changes when the source does
    adler32 TEXT, about TEXT,  -- about: hash of the metadata
    state TEXT,
    PRIMARY KEY (dataset, rse, did)
) WITHOUT ROWID
"""

_ROWS = "SELECT did, source, size, mark, adler32, about, state FROM files WHERE dataset = ? AND rse = ?"

log = logging.getLogger(__name__)


def place(lake: Lake, beside: Path) -> Path:
    """Folder of the journal: in an embedded lake's home; for another lake beside the observation.

    Parameters
    ----------
    lake : Lake
        That is written to.
    beside : Path
        What is ingested, or one of it.

    Examples
    --------
    >>> place(lake, Path("observation")).relative_to(home).as_posix()
    'journal'
    """
    if lake.home is not None:
        return Path(os.path.abspath(lake.home)) / "journal"
    folder = beside.resolve().parent
    if not _is_ours(folder):
        folder = Path.home() / ".cache"
    return folder / FOLDER / hashlib.sha256(lake.url.encode()).hexdigest()[:12]


def _is_ours(folder: Path) -> bool:
    """Whether a journal can lie in a folder: it may be on a disk that is only read, or have another's in its place."""
    try:
        told = os.lstat(folder / FOLDER)
    except OSError:  # there is none yet
        return os.access(folder, os.W_OK)
    return stat.S_ISDIR(told.st_mode) and told.st_uid == os.geteuid()


@contextmanager
def alone(folder: Path, dataset: DID) -> Iterator[None]:
    """While it lasts, no other process ingests into this dataset with this journal.

    The lock is the system's: it is gone with its owner, however that ended.

    Raises
    ------
    LakeBusy
        When another does: the message names its process.
    LakeError
        When the folder can't be written.

    Examples
    --------
    >>> mine = DID("lofar", "mine")
    >>> with alone(Path("locks"), mine), alone(Path("locks"), mine):  # doctest: +ELLIPSIS
    ...     pass
    Traceback (most recent call last):
    lofarlake_nb.errors.LakeBusy: lofar:mine is being ingested by process ...; wait until it ends, then run it again
    """
    # A name in the lake may have slashes, which no file's has, and no second colon.
    path = folder / f"{names.encode(str(dataset).replace('/', ':'))}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LakeError(f"{path} can't be written: {error.strerror}", "see to the folder's owner and disk") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
            raise LakeBusy(
                f"{dataset} is being ingested by process {owner or 'unknown'}", "wait until it ends, then run it again"
            ) from error
        except OSError as error:  # a file system without locks
            log.warning("%s can't be locked: %s", path, error.strerror)
        with suppress(OSError):  # a full disk: the lock holds without its owner's name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


class Journal:
    """Rows of one dataset at one site, one a file.

    Parameters
    ----------
    folder : Path
        Where it lies, see `alone`; where it can't be written it is in memory, for this run.
    dataset : DID
        Of the files.
    rse : str
        Site.

    Examples
    --------
    >>> book = Journal(Path(), DID("lofar", "mine"), "SARA")
    >>> item = Item(DID("lofar", "mine.image.fits"), Path("image.fits"), 69120)
    >>> book.note(item, mark_of(item), "059b016d", "sent")
    >>> book.states(), book.close()
    ({'lofar:mine.image.fits': 'sent'}, None)
    """

    def __init__(self, folder: Path, dataset: DID, rse: str) -> None:
        self.path = folder / "ingest.sqlite"
        self._key = (str(dataset), rse)
        self._lock = threading.Lock()
        try:
            try:
                self._open(self.path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                log.warning("%s: %s; a new one is begun", self.path, error)
                for ending in ("", "-wal", "-shm"):
                    with suppress(OSError):
                        Path(f"{self.path}{ending}").replace(f"{self.path}{ending}.broken")
                self._open(self.path)
        except sqlite3.OperationalError as error:  # a full disk: one in memory does for this run
            log.warning("%s: %s; this run goes without", self.path, error)
            self._open(":memory:")

    def _open(self, path: Path | str) -> None:
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            # A lost last row costs time only, so no row waits for the disk.
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(_TABLE)
            rows = self._file.execute(_ROWS, self._key)
            self._rows = {row[0]: row[1:] for row in rows}
        except sqlite3.Error:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._file.close()

    def adler32(self, item: Item, mark: str) -> str:
        """Checksum of a source that was read before and has not changed since; else empty."""
        source, size, kept, adler32, _, _ = self._rows.get(str(item.did), ("", -1, "", "", "", ""))
        return adler32 if (source, size, kept) == (str(item.source), item.size, mark) else ""

    def is_described(self, item: Item) -> bool:
        """Whether the catalogue was told this metadata of it."""
        row = self._rows.get(str(item.did))
        return row is not None and row[5] == "described" and row[4] == hash_of(item.metadata)

    def note(self, item: Item, mark: str, adler32: str, state: str) -> None:
        """Note a file: ``known`` when its source was read, ``sent`` when its bytes are safe at the site."""
        about = hash_of(item.metadata)
        self._write(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*self._key, str(item.did), str(item.source), item.size, mark, adler32, about, state)],
        )

    def advance(self, files: Iterable[DID], state: str) -> None:
        """Note that files are so far."""
        changes = [(state, *self._key, str(did)) for did in files]
        self._write("UPDATE files SET state = ? WHERE dataset = ? AND rse = ? AND did = ?", changes)

    def states(self) -> dict[str, str]:
        """State of each file, as it is in the file now."""
        with self._lock:
            rows = self._file.execute("SELECT did, state FROM files WHERE dataset = ? AND rse = ?", self._key)
            return dict(rows.fetchall())

    def _write(self, statement: str, values: list[tuple[Any, ...]]) -> None:
        try:
            with self._lock:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany(statement, values)
                self._file.execute("COMMIT")
        except sqlite3.Error as error:  # a full disk: the next run asks the catalogue and the storage
            log.warning("%s: %s", self.path, error)
            with suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")


def mark_of(item: Item) -> str:
    """What changes when a source does: names and times of its files; of lock files, which casacore touches, no time.

    Raises
    ------
    OSError
        When it has gone.

    Examples
    --------
    >>> item = Item(DID("lofar", "marked.csv"), Path("marked.csv"), 61)
    >>> before = item.source.write_text("1,2,3"), mark_of(item)
    >>> after = item.source.write_text("1,2,4"), mark_of(item)
    >>> before[0] == after[0], before[1] == after[1]
    (True, False)
    """
    members = item.packing.members if item.packing else ()
    paths = [member.path for member in members if not member.is_folder] or [item.source]
    told = hashlib.sha256()
    for path in paths:
        about = os.stat(path)
        when = (0, 0) if path.name == "table.lock" else (about.st_mtime_ns, about.st_ctime_ns)
        told.update(f"{os.fsencode(path)!r} {about.st_size} {when}\n".encode())
    return told.hexdigest()


def hash_of(about: Mapping[str, Any]) -> str:
    """Of metadata.

    Examples
    --------
    >>> hash_of({"target": "3C196", "sap": 0}) == hash_of({"sap": 0, "target": "3C196"}), hash_of({"sap": 0})
    (True, '17d7c9f2f5adffe3')
    """
    return hashlib.sha256(json.dumps(dict(about), sort_keys=True, default=str).encode()).hexdigest()[:16]
