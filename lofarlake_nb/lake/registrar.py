"""The catalogue told of files while others are still on their way: in batches, off the byte path."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from lofarlake_nb.lake import metadata, registration, rules
from lofarlake_nb.lake.client import BULK, Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.lease import Lease
from lofarlake_nb.lake.plan import Item, Order
from lofarlake_nb.lake.registration import Known, Stored

_AGE = 10.0  # seconds that a file waits for others, where the batches would be many
_BATCHES = 50  # at most about so many, however long the files take: three calls each
_WAITING = 4 * BULK  # files; then those who send wait for the catalogue


class Registrar:
    """One thread that registers what arrives.

    Parameters
    ----------
    register : callable
        Takes up to 1000 files that are safe at a site.
    total : int
        Files that may come.

    Examples
    --------
    >>> told = []
    >>> registrar = Registrar(told.extend, total=2)
    >>> registrar.add(Stored(DID("lofar", "a.tar"), 7, "059b016d")), registrar.finish(), registrar.done
    (None, None, 1)
    >>> [str(stored.did) for stored in told]
    ['lofar:a.tar']
    """

    def __init__(self, register: Callable[[Sequence[Stored]], None], total: int) -> None:
        self._register = register
        self._enough = min(BULK, max(1, total // _BATCHES))
        self._arrived: queue.Queue[Stored | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="registrar")
        self.failure: BaseException | None = None
        self.done = 0  # files that the catalogue knows of
        self._thread.start()

    def add(self, stored: Stored) -> None:
        """A file is safe at its site; waits while the catalogue is far behind.

        Raises
        ------
        BaseException
            What the catalogue failed with: sending more makes no sense.
        """
        if self.failure is not None:
            raise self.failure
        self._arrived.put(stored)

    def finish(self) -> BaseException | None:
        """Wait until all is registered; the failure, if there was one."""
        self._arrived.put(None)
        self._thread.join()
        return self.failure

    def _run(self) -> None:
        batch: list[Stored] = []
        since, ended = time.monotonic(), False
        while not ended:
            try:
                stored = self._arrived.get(timeout=_AGE / 4)
                ended = stored is None
                if stored is not None:
                    batch.append(stored)
            except queue.Empty:
                pass
            old = time.monotonic() - since > _AGE and len(batch) >= self._enough
            if batch and (ended or old or len(batch) >= BULK):
                self._tell(batch)
                batch, since = [], time.monotonic()

    def _tell(self, batch: Sequence[Stored]) -> None:
        if self.failure is not None:  # what waits is taken from the queue all the same: nobody is to hang
            return
        try:
            self._register(batch)
            self.done += len(batch)
        except BaseException as error:
            self.failure = error


@dataclass(frozen=True)
class Catalogue:
    """What the catalogue is told of one ingest; the journal notes how far that is.

    Examples
    --------
    >>> from lofarlake_nb.parameters import IngestParameters
    >>> order = Order([], IngestParameters(dataset="lofar:example"), DID("lofar", "example"), None, {})
    >>> (rule,) = Catalogue(lake, order, None, None, {}, set(), {}).hold("")
    >>> str(rules.state(lake, rule).did), rules.state(lake, rule).rse_expression
    ('lofar:example', 'SARA')
    """

    lake: Lake
    order: Order
    book: Journal
    lease: Lease
    known: Mapping[DID, Known]
    attached: Set[DID]
    items: Mapping[DID, Item]

    def register(self, stored: Sequence[Stored]) -> None:
        """Tell of files that are safe at the site; each step holds for what was done before it."""
        self.lease.check()
        dids = [one.did for one in stored]
        registration.add_replicas(self.lake, self.order.parameters.rse, stored, self.known)
        self.book.advance(dids, "registered")
        registration.attach(self.lake, self.order.dataset, [did for did in dids if did not in self.attached])
        self.book.advance(dids, "attached")
        new = [did for did in dids if not (did in self.known and self.book.is_described(self.items[did]))]
        metadata.write(self.lake, {did: self.items[did].metadata for did in new})
        self.book.advance(dids, "described")

    def hold(self, elsewhere: str) -> tuple[str, ...]:
        """Describe the dataset, when all of it is there, and ask for its rules; their ids."""
        self._describe()
        parameters = self.order.parameters
        expressions = [parameters.rse, *([elsewhere] if elsewhere else [])]
        lifetime = parameters.lifetime_s
        return tuple(rules.replicate(self.lake, self.order.dataset, one, lifetime) for one in expressions)

    def _describe(self) -> None:
        """Tell of the dataset what its files share and span, those that it held before too."""
        dataset, about = self.order.dataset, dict(self.order.about)
        others = sorted(self.attached - self.items.keys()) if self.order.by_files else []
        if self.order.by_files:
            files = [*(item.metadata for item in self.items.values()), *metadata.of_files(self.lake, others)]
            about = {**metadata.of_dataset(files), **about}
        metadata.write(self.lake, {dataset: about})
        if others:  # what they shared until now, and no longer do
            once = {key for one in files for key in one} & metadata.read(self.lake, dataset).keys()
            metadata.forget(self.lake, dataset, once - about.keys())
