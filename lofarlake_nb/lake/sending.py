"""Files on their way to a site: one stream each, several at a time, every one checked when it has arrived."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from lofarlake_nb.errors import ChecksumMismatch, LofarlakeError, ObservationError, TransferFailed
from lofarlake_nb.lake import journal, registration
from lofarlake_nb.lake.counted import adler32_of
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.registration import Known, Stored
from lofarlake_nb.lake.storage import Storage, Storages
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.wording import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One file of an ingest.

    Examples
    --------
    >>> from lofarlake_nb.lake import ingest
    >>> done = ingest.ingest_products(lake, ["image.fits"], "lofar:example", {"inputs": ["lofar:L990100"]})
    >>> [(entry.name, entry.bytes, entry.state) for entry in done.entries]
    [('example.image.fits', 69120, 'already there')]
    """

    name: str
    bytes: int
    adler32: str
    state: str  # "new"; "registered": its bytes were there, its replica was not; "already there"


@dataclass(eq=False)
class Sending:
    """Files on their way to a site, several at a time; those that arrived are known whatever happens.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    rse : str
        The site.
    addresses : mapping
        Where each file goes.
    known : mapping
        What the catalogue has of them.
    book : Journal
        What earlier runs did.
    progress : Progress
        Counts files and bytes.
    patience : Patience
        With the storage.
    arrived : callable
        Takes each file whose bytes are safe at the site, from several threads.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.lake import plan, storage
    >>> item, target = plan.ready(Path("image.fits"), "lofar"), Path("disk/image.fits").absolute()
    >>> given = storage.Storages(lake), "DISK", {item.did: target.as_uri()}, {}, Journal(Path(), item.did, "DISK")
    >>> sending = Sending(*given, Progress("ingest", 1), Patience(), lambda stored: None)
    >>> sending.run([item], streams=1), sending.entries[0].state, target.stat().st_size
    (None, 'new', 69120)
    >>> sending.book.close()
    """

    storages: Storages
    rse: str
    addresses: Mapping[DID, str]
    known: Mapping[DID, Known]
    book: Journal
    progress: Progress
    patience: Patience
    arrived: Callable[[Stored], None]
    entries: list[Entry] = field(default_factory=list, init=False)
    stop: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self, items: Sequence[Item], streams: int) -> BaseException | None:
        """Send all; the first failure is returned. One of a single file does not keep the others from being sent."""
        failure: BaseException | None = None
        with ThreadPoolExecutor(streams, thread_name_prefix="ingest") as pool:
            futures = {pool.submit(self._one, item): item for item in items}
            try:
                for future in as_completed(futures):
                    error = future.exception()
                    if error is None:
                        continue
                    alone = isinstance(error, ObservationError | ChecksumMismatch)
                    self.progress.failed(str(futures[future].did), str(error), self.rse, lost=not alone)
                    failure = failure or error
                    if not alone:
                        raise error
            except BaseException as error:  # an interrupt too: what was sent until now is registered
                failure = failure or error
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        self.entries = [f.result() for f in futures if not f.cancelled() and f.exception() is None]
        return failure

    def _one(self, item: Item) -> Entry:
        try:
            mark = journal.mark_of(item)
        except OSError as error:
            raise ObservationError(f"{item.source} can't be read: {error.strerror}", "put it back") from error
        address, known = self.addresses[item.did], self.known.get(item.did)
        storage = self.storages.of(address)
        adler32 = self.book.adler32(item, mark)
        if known is not None:
            adler32 = adler32 or self._read(item, mark)
            if adler32 != known.adler32:
                raise registration.other_bytes(item, known, f"{item.size} bytes with adler32 {adler32}")
        is_there = storage.size(address) == item.size
        if is_there and known is not None and known.replica == "AVAILABLE":
            return self._finished(item, mark, adler32, "already there")
        if is_there:
            storage.clear(address)  # who was killed after the rename left the place where it was made
            adler32 = adler32 or self._read(item, mark)
            if (found := storage.adler32(address)) == adler32:
                return self._finished(item, mark, adler32, "registered")
            self._set_aside(item, storage, address, adler32, found)
        return self._finished(item, mark, self._sent(item, storage, address), "new")

    def _finished(self, item: Item, mark: str, adler32: str, state: str) -> Entry:
        if not (state == "already there" and self.book.adler32(item, mark)):
            self.book.note(item, mark, adler32, "sent")
        self.arrived(Stored(item.did, item.size, adler32))
        self.progress.finished(self.rse, skipped=0 if state == "new" else item.size)
        return Entry(item.did.name, item.size, adler32, state)

    def _read(self, item: Item, mark: str) -> str:
        adler32 = adler32_of(self._while_wanted(item.blocks()))
        self.book.note(item, mark, adler32, "known")
        return adler32

    def _sent(self, item: Item, storage: Storage, address: str) -> str:
        tries = self.patience.tries(self.stop.wait)
        while True:
            try:
                with self.progress.underway(self.rse, item.did.name, item.size) as counted:
                    arrival = storage.write(address, counted(self._while_wanted(item.blocks())), item.size)
                break
            except TransferFailed as error:
                self.progress.failed(str(item.did), error.message, self.rse)
                log.warning("%s: try %d failed: %s", item.did, tries.count, error.message)
                if self.stop.is_set() or not error.passing or not tries.again(error.retry_after):
                    raise
        adler32, found = arrival.sent, arrival.taken or storage.adler32(address)
        if found != adler32:
            aside = self._set_aside(item, storage, address, adler32, found)
            raise ChecksumMismatch(
                f"{item.did}: sent with adler32 {adler32}, the storage has {found}; it is kept apart at {aside}",
                "send it again; if it comes back, the site's disk or the way to it is broken",
            )
        return adler32

    def _set_aside(self, item: Item, storage: Storage, address: str, expected: str, found: str) -> str:
        aside = storage.set_aside(address)
        reason = f"the storage had adler32 {found}, expected {expected}; that file is kept apart at {aside}"
        self.progress.failed(str(item.did), reason, self.rse)
        log.warning("%s: %s", item.did, reason)
        return aside

    def _while_wanted(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            if self.stop.is_set():
                raise TransferFailed("given up because another file failed")
            yield block


def with_what_is_safe(
    failure: BaseException, entries: Sequence[Entry], items: Sequence[Item], to: DID
) -> BaseException:
    """The failure, an interrupt too, and which files are safe and which are missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> items = [Item(DID("lofar", name), Path(name), 7) for name in ("a.tar", "b.tar")]
    >>> safe = [Entry("a.tar", 7, "059b016d", "new")]
    >>> with_what_is_safe(TransferFailed("SARA is down"), safe, items, DID("lofar", "mine")).message
    'SARA is down (1 of 2 files are at the site; missing: b.tar)'
    """
    if not isinstance(failure, LofarlakeError | KeyboardInterrupt):
        return failure
    safe = {entry.name for entry in entries}
    missing = [item.did.name for item in items if item.did.name not in safe]
    said = f"{len(safe)} of {counted(len(items), 'file is')} at the site"
    if missing:
        said += f"; missing: {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
    if isinstance(failure, KeyboardInterrupt):
        return KeyboardInterrupt(f"interrupted ({said})")
    hint = failure.hint or "what is there is not sent again"
    return type(failure)(f"{failure.message} ({said})", f"{hint}; then run it again, to finish {to}")
