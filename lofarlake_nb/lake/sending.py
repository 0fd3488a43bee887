"""Files on their way to a site: one stream each, several at a time, every one checked when it has arrived."""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from lofarlake_nb.errors import ChecksumMismatch, TransferFailed
from lofarlake_nb.lake import registration
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.registration import Known
from lofarlake_nb.lake.storage import Storage, Storages, adler32_of
from lofarlake_nb.lake.ticks import Progress

_ATTEMPTS = 3  # at sending a file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One file of an ingest."""

    name: str
    bytes: int
    adler32: str
    state: str  # "new" or "already there"


class Sending:
    """Files on their way to a site, several at a time; those that arrived are known whatever happens.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    addresses : mapping
        Where each file goes.
    known : mapping
        What the catalogue has of them.
    progress : Progress
        Counts files and bytes.
    """

    def __init__(
        self, storages: Storages, addresses: Mapping[DID, str], known: Mapping[DID, Known], progress: Progress
    ) -> None:
        self.storages, self.addresses, self.known, self.progress = storages, addresses, known, progress
        self.entries: list[Entry] = []
        self.stop = threading.Event()

    def run(self, items: Sequence[Item], streams: int) -> BaseException | None:
        """Send all; the first failure ends it, and is returned."""
        failure: BaseException | None = None
        with ThreadPoolExecutor(streams, thread_name_prefix="ingest") as pool:
            futures = [pool.submit(self._one, item) for item in items]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException as error:  # an interrupt too: what was sent until now is registered
                failure = error
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        self.entries = [f.result() for f in futures if not f.cancelled() and f.exception() is None]
        self.progress.end("failed" if failure else "done")
        return failure

    def _one(self, item: Item) -> Entry:
        address = self.addresses[item.did]
        storage = self.storages.of(address)
        known = self.known.get(item.did)
        if known is not None:
            adler32 = adler32_of(self._while_wanted(item.blocks()))
            if adler32 != known.adler32:
                raise registration.other_bytes(item, known, f"{item.size} bytes with adler32 {adler32}")
            if known.replica == "AVAILABLE" and storage.size(address) == item.size:
                self.progress.finished()
                return Entry(item.did.name, item.size, adler32, "already there")
        sent = self._sent(item, storage, address)
        self.progress.finished()
        return Entry(item.did.name, item.size, sent, "new")

    def _sent(self, item: Item, storage: Storage, address: str) -> str:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                blocks = self.progress.count(self._while_wanted(item.blocks()))
                adler32 = storage.write(address, blocks, item.size)
                break
            except TransferFailed as error:
                if attempt == _ATTEMPTS or self.stop.is_set():
                    raise
                log.warning("%s: attempt %d failed: %s", item.did, attempt, error.message)
                self.stop.wait(attempt)
        found = storage.adler32(address)
        if found != adler32:
            storage.remove(address)
            raise ChecksumMismatch(
                f"{item.did}: sent with adler32 {adler32}, the storage has {found} at {address}; it was removed there",
                "send it again; if it comes back, the site's disk or the way to it is broken",
            )
        return adler32

    def _while_wanted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if self.stop.is_set():
                raise TransferFailed("given up because another file failed")
            yield block
