"""Moves files between the storage of sites, as Rucio's transfer tool asks; https to https they go by here."""

import http.client
import logging
import ssl
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from lofarlake_nb.errors import ChecksumMismatch, TransferFailed

STREAMS = 3  # transfers at the same time
CHUNK = 4 << 20  # bytes
FORGET_SECONDS = 3600.0
TIMEOUT_SECONDS = 120.0  # for a server to take or give the next bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class File:
    """A file to move.

    Parameters
    ----------
    request_id : str
        By which Rucio knows the transfer.
    sources : tuple of str
        Addresses, the best first.
    destination : str
        Address of the same scheme.
    size : int
        Bytes that the catalogue says.
    adler32 : str or None
        Adler-32 that the catalogue says, hexadecimal.
    """

    request_id: str
    sources: tuple[str, ...]
    destination: str
    size: int
    adler32: str | None


@dataclass(frozen=True)
class Outcome:
    """How the transfer of one file ended.

    Parameters
    ----------
    started, ended : datetime
        UTC, without a time zone, as Rucio keeps them.
    trouble : str
        Empty when the file arrived.
    """

    started: datetime
    ended: datetime
    trouble: str


class Job:
    """Files that were submitted together, and what became of those that are done."""

    def __init__(self, request_ids: Iterable[str]) -> None:
        self.waiting = set(request_ids)
        self.outcomes: dict[str, Outcome] = {}
        self.cancelled = threading.Event()
        self.ended_at: float | None = None

    def settle(self, request_id: str, outcome: Outcome) -> None:
        """Note how one file's transfer ended."""
        self.outcomes[request_id] = outcome
        self.waiting.discard(request_id)
        if not self.waiting:
            self.ended_at = time.monotonic()


class Mover:
    """Moves files in threads, and remembers jobs as long as Rucio may ask for them.

    Parameters
    ----------
    copy : callable
        Moves one file: takes source, destination, size, adler32 and a callable that says whether to stop, and raises.
    """

    def __init__(self, copy: Callable[[str, str, int, str | None, Callable[[], bool]], None]) -> None:
        self.copy = copy
        self.pool = ThreadPoolExecutor(STREAMS, thread_name_prefix="transfer")
        self.jobs: dict[str, Job] = {}
        self.lock = threading.Lock()

    def submit(self, files: Sequence[File]) -> str:
        """Take files to move; the job's name."""
        name = uuid.uuid4().hex
        job = Job(file.request_id for file in files)
        with self.lock:
            old = [n for n, j in self.jobs.items() if j.ended_at and time.monotonic() - j.ended_at > FORGET_SECONDS]
            for forgotten in old:
                del self.jobs[forgotten]
            self.jobs[name] = job
        for file in files:
            self.pool.submit(self._move, job, file)
        return name

    def job(self, name: str) -> Job | None:
        """A job by name; None when it is unknown, as after a restart."""
        with self.lock:
            return self.jobs.get(name)

    def names(self) -> list[str]:
        """All jobs that are known."""
        with self.lock:
            return list(self.jobs)

    def close(self) -> None:
        """Break off what is under way; Rucio will ask again, and the storage forgets halves."""
        with self.lock:
            for job in self.jobs.values():
                job.cancelled.set()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _move(self, job: Job, file: File) -> None:
        started, trouble = _now(), "no source"
        for source in file.sources:
            try:
                self.copy(source, file.destination, file.size, file.adler32, job.cancelled.is_set)
                trouble = ""
                break
            except Exception as error:  # whatever it is, the transfer must be reported as ended
                trouble = f"{source} to {file.destination}: {error}"[:1000]
                log.warning("%s", trouble)
        job.settle(file.request_id, Outcome(started, _now(), trouble))


def by_https(certificates: Path) -> Callable[[str, str, int, str | None, Callable[[], bool]], None]:
    """What moves one file from https to https, for a `Mover`.

    Parameters
    ----------
    certificates : Path
        Folder with ``ca.pem`` and ``client.pem``.
    """
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "client.pem")
    return partial(copy, context=context)


def copy(
    source: str,
    destination: str,
    size: int,
    adler32: str | None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    context: ssl.SSLContext,
) -> None:
    """Move the bytes of one file, checked in flight.

    The storage writes them under another name and gives them their own when all are there and right, so that a copy
    that breaks leaves nothing.

    Parameters
    ----------
    source, destination : str
        https addresses.
    size : int
        Bytes that the catalogue says.
    adler32 : str or None
        Adler-32 that the catalogue says, hexadecimal.
    cancelled : callable
        Asked between blocks.
    context : SSLContext
        With the client's certificate and the authority.

    Raises
    ------
    ChecksumMismatch
        When source, catalogue and destination do not agree.
    TransferFailed
        When a server refuses, or the stream breaks.
    """
    reading, writing = _connect(source, context), _connect(destination, context)
    try:
        answer = _open(reading, source, size)
        _announce(writing, destination, size, adler32)
        read = _stream(answer, writing, size, cancelled)
        if adler32 and adler32.rjust(8, "0") != read:
            raise ChecksumMismatch(f"adler32 of the source is {read}, the catalogue says {adler32}")
        written = _written(writing)
        if written != read:
            raise ChecksumMismatch(f"adler32 of the source is {read}, the destination got {written or 'unknown'}")
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TransferFailed):
            raise
        raise TransferFailed(f"the stream broke: {error!r}") from error
    finally:
        reading.close()
        writing.close()


def _open(connection: http.client.HTTPSConnection, url: str, size: int) -> http.client.HTTPResponse:
    """Ask for a file that must have so many bytes."""
    connection.request("GET", urlsplit(url).path)
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise TransferFailed(f"the source answers {answer.status} {answer.reason}")
    if answer.length != size:
        raise ChecksumMismatch(f"the source has {answer.length} bytes, the catalogue says {size}")
    return answer


def _announce(connection: http.client.HTTPSConnection, url: str, size: int, adler32: str | None) -> None:
    """Say what is going to be written; the storage refuses other bytes."""
    connection.putrequest("PUT", urlsplit(url).path)
    connection.putheader("Content-Length", str(size))
    connection.putheader("Content-Type", "application/octet-stream")
    if adler32:
        connection.putheader("Digest", f"adler32={adler32.rjust(8, '0')}")
    connection.endheaders()


def _written(connection: http.client.HTTPSConnection) -> str:
    """Adler-32 of what the destination got."""
    taken = connection.getresponse()
    if taken.status not in (http.HTTPStatus.CREATED, http.HTTPStatus.NO_CONTENT):
        raise TransferFailed(f"the destination answers {taken.status}: {taken.read(200).decode(errors='replace')}")
    return taken.headers.get("Digest", "").removeprefix("adler32=")


def _stream(
    source: http.client.HTTPResponse, destination: http.client.HTTPSConnection, size: int, cancelled: Callable[[], bool]
) -> str:
    """Pass on so many bytes; their Adler-32."""
    buffer = memoryview(bytearray(CHUNK))
    value, left = 1, size
    while left:
        if cancelled():
            raise TransferFailed("cancelled")
        count = source.readinto(buffer[: min(CHUNK, left)])
        if not count:
            raise TransferFailed(f"the source ended {left} bytes early")
        value = zlib.adler32(buffer[:count], value)
        destination.send(buffer[:count])
        left -= count
    return f"{value:08x}"


def _connect(url: str, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    address = urlsplit(url)
    if address.scheme != "https" or not address.hostname:
        raise TransferFailed(f"{url}: only https can be moved")
    return http.client.HTTPSConnection(address.hostname, address.port, timeout=TIMEOUT_SECONDS, context=context)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
