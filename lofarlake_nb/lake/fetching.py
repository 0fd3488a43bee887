"""Files from the lake to this disk: the best copy first, another when it is bad; verified and unpacked in flight."""

import errno
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from lofarlake_nb.errors import (
    BadArchive,
    ChecksumMismatch,
    LakeRefused,
    LofarlakeError,
    NoSpace,
    ObservationError,
    TransferFailed,
)
from lofarlake_nb.lake import records
from lofarlake_nb.lake.counted import adler32_of
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.progress import Counting, Progress
from lofarlake_nb.lake.replicas import File
from lofarlake_nb.lake.staging import Staging
from lofarlake_nb.lake.storage import Counted, Storages
from lofarlake_nb.observation import naming, unpacking
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.disk import Written
from lofarlake_nb.observation.partial import building

_PAUSE = 0.2  # seconds between two looks at what came from tape

log = logging.getLogger(__name__)


class Fetching:
    """Files on their way here, several at a time.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    progress : Progress
        Counts files and bytes.
    unpack : bool
        Take tars apart; else they are kept as they are.
    staging : Staging
        Knows which copies are on tape, and brings them.

    Examples
    --------
    >>> from lofarlake_nb.lake import asked, replicas
    >>> storages, told = Storages(lake), Progress("retrieve", 1)
    >>> staging = Staging(storages, told, asked.Asked(Path("asked")))
    >>> files = [(file, Path("fetched.fits")) for file in replicas.files_of(lake, "lofar:example")]
    >>> Fetching(storages, told, unpack=True, staging=staging).run(files, streams=2)
    >>> told.bytes, Path("fetched.fits").stat().st_size
    (69120, 69120)
    """

    def __init__(self, storages: Storages, progress: Progress, *, unpack: bool, staging: Staging) -> None:
        self.storages, self.progress, self.unpack, self.staging = storages, progress, unpack, staging
        self.problems: list[str] = []  # copies that could not be taken, and why
        # Of these, files and sites whose bytes are missing or others: another copy was good; none was.
        self.bad: list[tuple[DID, str]] = []
        self.lost: list[tuple[DID, str]] = []
        self.stop = threading.Event()

    def run(self, wanted: Sequence[tuple[File, Path]], streams: int) -> None:
        """Bring all, each to its target; the first failure ends it, when the other streams have ended.

        Raises
        ------
        LofarlakeError
            As `fetch`.
        """
        for rse in {replica.rse for file, _ in wanted for replica in file.replicas}:
            self.storages.lake.rse(rse)  # asked here once, not by each stream
        with ThreadPoolExecutor(streams, thread_name_prefix="retrieve") as pool:
            try:
                futures = {pool.submit(self.fetch, *one) for one in self.staging.ready(wanted)}
                while futures or self.staging.waiting:
                    pause = _PAUSE if self.staging.waiting else None
                    done, futures = wait(futures, pause, FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    if self.staging.waiting:
                        self.stop.wait(0 if futures else _PAUSE)
                        futures |= {pool.submit(self.fetch, *one) for one in self.staging.arrived(busy=bool(futures))}
                self.staging.check()
            except BaseException:  # an interrupt too
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def fetch(self, file: File, target: Path) -> None:
        """Bring a file; the target appears whole and verified, or not at all.

        Parameters
        ----------
        file : File
            With its copies.
        target : Path
            Must not exist.

        Raises
        ------
        ChecksumMismatch, TransferFailed, LakeRefused
            When no copy is good.
        BadArchive
            When the tar is bad though its checksum is right.
        NoSpace, ObservationError
            When this disk does not take it.
        """
        failures: list[LofarlakeError] = []
        bad: list[tuple[DID, str]] = []
        records.expect(target, str(file.did), file.adler32)
        for rse, address in self._candidates(file):
            try:
                with self.progress.underway(rse, file.did.name, file.size) as counted:
                    self._from(address, file, target, counted)
                break
            except (TransferFailed, ChecksumMismatch, LakeRefused) as error:
                if self.stop.is_set():
                    raise
                failures.append(error)
                self.problems.append(f"{file.did} at {rse}: {error.message}")
                if self._is_bad(error, file, address):
                    bad.append((file.did, rse))
                self.progress.failed(str(file.did), error.message, rse)
                log.warning("%s at %s: %s", file.did, rse, error.message)
        else:
            self.lost += bad
            if self.staging.later(file):
                return
            raise _no_copy(file, failures)
        self.bad += bad
        records.keep(target, str(file.did), file.adler32)
        self.staging.fetched(file.did)
        self.progress.finished(rse)

    def _candidates(self, file: File) -> list[tuple[str, str]]:
        """Sites and addresses of the copies that can be read, mounted ones first."""
        usable = [
            (replica.rse, address)
            for replica in file.replicas
            if replica.state == "AVAILABLE" and (address := self.storages.best(replica.rse, replica.addresses))
        ]
        return sorted(usable, key=lambda pair: (not pair[1].startswith("file:"), pair[0]))

    def _is_bad(self, error: LofarlakeError, file: File, address: str) -> bool:
        """Whether a copy that could not be taken is to blame; else it was the way here."""
        storage = self.storages.of(address)
        try:
            if isinstance(error, ChecksumMismatch):  # read once more: a byte may have flipped on its way
                return adler32_of(storage.read(address)) != file.adler32
            return storage.size(address) is None
        except LofarlakeError:  # it does not answer: that says nothing of the file
            return False

    def _from(self, address: str, file: File, target: Path, counted: Counting) -> None:
        storage = self.storages.of(address)
        blocks = counted(self._verified(storage.read(address), file, address))
        if not (self.unpack and naming.is_tar(file.did.name)):
            _write(blocks, target, file.size)
            return
        try:
            unpacking.unpack(blocks, target, name=str(file.did))
        except BadArchive:
            # A flipped byte may break the tar before its checksum is known to be wrong.
            found = storage.adler32(address)
            if found == file.adler32:
                raise
            raise _mismatch(address, file, f"adler32 {found}") from None

    def _verified(self, blocks: Iterable[Block], file: File, address: str) -> Iterator[Block]:
        """The same blocks; an error in the place of their end when they are not the file's."""
        counted = Counted(blocks)
        for block in counted:
            if self.stop.is_set():
                raise TransferFailed("given up because another file failed")
            yield block
        if (counted.size, counted.adler32) != (file.size, file.adler32):
            raise _mismatch(address, file, f"{counted.size} bytes with adler32 {counted.adler32}")


def _mismatch(address: str, file: File, found: str) -> ChecksumMismatch:
    return ChecksumMismatch(f"{address} has {found}, expected {file.size} bytes with adler32 {file.adler32}")


def _no_copy(file: File, failures: list[LofarlakeError]) -> LofarlakeError:
    hint = "see what is wrong with each copy: lofarlake verify"
    if not failures:
        states = ", ".join(f"{r.rse} {r.state}" for r in file.replicas) or "none"
        return TransferFailed(f"{file.did}: no copy can be read from here (copies: {states})", hint)
    said = "; ".join(error.message for error in failures)
    return type(failures[-1])(f"{file.did}: no copy is good: {said}", hint)


def _write(blocks: Iterable[Block], target: Path, size: int) -> None:
    try:
        with building(target) as part:
            with Written(part / "content", size) as file:
                for block in blocks:
                    file.write(block)
            os.rename(part / "content", target)
    except LofarlakeError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{target.parent}: no space left for {target.name}", "free some space") from error
        raise ObservationError(f"{target} can't be written: {error.strerror}") from error
