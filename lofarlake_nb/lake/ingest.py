"""Ingest: bytes to a site in one stream a file, checked as they are written, registered in bulk, held by rules.

Journal, catalogue and storage are reconciled at the start of a run: what is there is not read or sent again, what was
cut off is finished, what is wrong is named. It can be killed at any moment: the same run again ends it.
"""

import logging
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import astropy.units as u

from lofarlake_nb.errors import NoSpace, UsageError
from lofarlake_nb.lake import in_place, journal, plan, quota, registration, rules
from lofarlake_nb.lake import metadata as catalogue_metadata
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.lease import Lease
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.registrar import Registrar
from lofarlake_nb.lake.registration import Known, Stored
from lofarlake_nb.lake.sending import Entry, Sending, with_what_is_safe
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.ticks import Progress, Sink
from lofarlake_nb.parameters import IngestParameters, quantity

_SPARE = 64 << 20  # bytes that stay free on a disk

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingested:
    """What an ingest did.

    Parameters
    ----------
    dataset, container : str
        DIDs; the container is empty when there is none.
    rse : str
        Site that has the files.
    files : int
        Verified: at the site with the right bytes, and in the catalogue.
    bytes : int
        Sent.
    seconds : float
        That the sending took, with checks and catalogue.
    rate_mb_s : float or None
        10⁶ bytes per second; None when nothing was sent.
    catalogue_calls : int
        Requests to the catalogue.
    entries : tuple of Entry
        By name.
    rules : tuple of str
        Ids: of the rule at the site, and of the one for the copy elsewhere.
    """

    dataset: str
    container: str
    rse: str
    files: int
    bytes: int
    seconds: float
    rate_mb_s: float | None
    catalogue_calls: int
    entries: tuple[Entry, ...]
    rules: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return asdict(self)


def ingest(
    lake: Lake,
    paths: Sequence[str | Path],
    parameters: IngestParameters,
    *,
    metadata: Mapping[str, Any] | None = None,
    progress: Sink | None = None,
) -> Ingested:
    """Bring an observation into the lake.

    Parameters
    ----------
    lake : Lake
        From `client.connect`.
    paths : sequence of paths
        Measurement Sets (each becomes one tar), folders of them, or ready files. In place: files at the site, folders
        of them, or addresses.
    parameters : IngestParameters
        Dataset, container, sites, streams; whether the files lie at the site already.
    metadata : mapping, optional
        For the dataset, besides what the Measurement Sets say.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Ingested
        When every file is verified and registered. The copy elsewhere is asked for, not waited for: `rules.wait`.

    Raises
    ------
    NotAMeasurementSet, InvalidDID, UsageError
        Before anything is sent.
    LakeBusy
        When another process, here or on another machine, ingests into the same dataset.
    NoSpace
        When it does not fit.
    ObservationError
        When a file changes or vanishes while it is read; the others are sent.
    ChecksumMismatch
        When the lake has other bytes under the same name, or the storage has other bytes than were sent.
    TransferFailed, LakeRefused
        When the storage or the catalogue don't take it. Files that were sent are registered; run it again to finish.

    Examples
    --------
    >>> from lofarlake_nb.parameters import IngestParameters
    >>> paths = sorted(Path("observation").glob("*.MS"))
    >>> ingested = ingest(lake, paths, IngestParameters(dataset="lofar:L990100"))
    >>> ingested.dataset, ingested.files
    ('lofar:L990100', 1)
    """
    dataset = DID.parse(parameters.dataset)
    container = DID.parse(parameters.container) if parameters.container else None
    pfns: dict[DID, str] | None = None
    if parameters.in_place:
        _check_lifetime(lake, parameters)
        items, pfns = in_place.planned(Storages(lake, _patience_of(parameters)), parameters.rse, paths, dataset.scope)
    else:
        items = plan.observation(paths, dataset.scope)
    about = {**catalogue_metadata.of_dataset([item.metadata for item in items]), **(metadata or {})}
    return _ingest(lake, _Order(items, parameters, dataset, container, about, pfns), progress)


def ingest_products(
    lake: Lake,
    files: Sequence[str | Path],
    dataset: DID | str,
    lineage: Mapping[str, Any],
    *,
    rse: str = "SARA",
    replicate_to: str = "JUELICH",
    container: str = "",
    streams: int = 4,
    close: bool = False,
    progress: Sink | None = None,
) -> Ingested:
    """Bring the products of a run into the lake; later calls with the same dataset add files to it.

    Parameters
    ----------
    lake : Lake
        From `client.connect`.
    files : sequence of paths
        Images, pictures, tables, notebooks. In the lake their names begin with the dataset's.
    dataset : DID or str
        Unique to the run and its parameters, the same when it is run again.
    lineage : mapping
        Inputs, parameters, versions, notebook: on each file and on the dataset, under the key ``lofarlake``.
    rse, replicate_to, container, streams
        As in `IngestParameters`.
    close : bool
        Close the dataset when all is there: it takes no more files then.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Ingested
        When every file is verified and registered.

    Raises
    ------
    LofarlakeError
        As `ingest`.
    """
    did = DID.parse(dataset)
    parameters = IngestParameters(
        dataset=str(did), container=container, rse=rse, replicate_to=replicate_to, streams=streams
    )
    about = {"lofarlake": dict(lineage)}
    items = plan.products(files, did, about)
    inside = DID.parse(container) if container else None
    done = _ingest(lake, _Order(items, parameters, did, inside, about), progress)
    if close:
        registration.close(lake, did)
    return done


@dataclass(frozen=True)
class _Order:
    """What one ingest is asked for."""

    items: list[Item]
    parameters: IngestParameters
    dataset: DID
    container: DID | None
    about: Mapping[str, Any]  # metadata of the dataset
    pfns: Mapping[DID, str] | None = None  # of files that are registered in place, where each lies

    @property
    def patience(self) -> Patience:
        """With servers that fail."""
        return _patience_of(self.parameters)


@dataclass(frozen=True)
class _Catalogue:
    """What the catalogue is told of one ingest; the journal notes how far that is."""

    lake: Lake
    order: _Order
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
        catalogue_metadata.write(self.lake, {did: self.items[did].metadata for did in new})
        self.book.advance(dids, "described")

    def hold(self, elsewhere: str) -> tuple[str, ...]:
        """Describe the dataset, when all of it is there, and ask for its rules; their ids."""
        catalogue_metadata.write(self.lake, {self.order.dataset: self.order.about})
        parameters = self.order.parameters
        expressions = [parameters.rse, *([elsewhere] if elsewhere else [])]
        lifetime = parameters.lifetime_s
        return tuple(rules.replicate(self.lake, self.order.dataset, one, lifetime) for one in expressions)


def _patience_of(parameters: IngestParameters) -> Patience:
    """What an ingest has with servers that fail."""
    return Patience(quantity("patience", parameters.patience, u.s).value)


def _ingest(lake: Lake, order: _Order, progress: Sink | None) -> Ingested:
    """Reconcile, send, register, hold."""
    rse, dataset = order.parameters.rse, order.dataset
    # What is registered in place is somebody's: nothing is written beside it.
    beside = order.items[0].source if order.pfns is None else Path.home() / ".cache" / "lofarlake"
    folder = journal.place(lake, beside)
    with (
        journal.alone(folder, dataset),
        lake.patient(order.patience),
        Lease(lake, dataset, folder) as lease,
        closing(Journal(folder, dataset, rse)) as book,
    ):
        calls, start = lake.calls, time.monotonic()
        storages = Storages(lake, order.patience)
        addresses = _addresses(storages, order)
        wanted = order.parameters.replicate_to
        elsewhere, sites = registration.check_sites(lake, wanted, rse) if wanted else ("", [])
        known = registration.look_up(lake, order.items, rse, dataset)
        new = [item for item in order.items if not (item.did in known and known[item.did].replica)]
        quota.check(lake, [[rse], sites] if sites else [[rse]], sum(item.size for item in new))
        if order.pfns is None:
            _check_space(storages, addresses, new)
        else:
            in_place.check_moved(lake, rse, order.items, order.pfns, known, book)
        attached = registration.prepare(lake, dataset, order.container, addresses)
        lease.take()
        by_name = {item.did: item for item in order.items}
        catalogue = _Catalogue(lake, order, book, lease, known, attached, by_name)
        entries = _sent(storages, addresses, catalogue, progress)
        held = catalogue.hold(elsewhere)
        return _ingested(order, entries, held, time.monotonic() - start, lake.calls - calls)


def _addresses(storages: Storages, order: _Order) -> dict[DID, str]:
    rse = order.parameters.rse
    if order.pfns is None:
        return storages.addresses(rse, [item.did for item in order.items])
    return {did: storages.best(rse, [pfn]) or pfn for did, pfn in order.pfns.items()}


def _sent(
    storages: Storages, addresses: Mapping[DID, str], catalogue: _Catalogue, progress: Sink | None
) -> list[Entry]:
    """Send all files, while the catalogue is told of them; a failure says what is safe."""
    order, known, book = catalogue.order, catalogue.known, catalogue.book
    total = sum(item.size for item in order.items)
    with Progress("ingest", len(order.items), progress, total_bytes=total) as told:
        registrar = Registrar(catalogue.register, len(order.items))
        given = (storages, order.parameters.rse, addresses, known, book, told, order.patience, registrar.add)
        sending = Sending(*given) if order.pfns is None else in_place.Registering(*given, order.pfns)
        try:
            failure = sending.run(order.items, order.parameters.streams)
        finally:
            refused = registrar.finish()
        if (failure := refused or failure) is not None:
            raise with_what_is_safe(failure, sending.entries, order.items, order.dataset)
    return sending.entries


def _ingested(order: _Order, entries: Sequence[Entry], held: tuple[str, ...], seconds: float, calls: int) -> Ingested:
    sent = sum(entry.bytes for entry in entries if entry.state == "new")
    rse = order.parameters.rse
    log.info("%s: %d files at %s, %d bytes sent in %.1f s", order.dataset, len(entries), rse, sent, seconds)
    return Ingested(
        dataset=str(order.dataset),
        container=str(order.container or ""),
        rse=rse,
        files=len(entries),
        bytes=sent,
        seconds=seconds,
        rate_mb_s=sent / seconds / 1e6 if sent else None,
        catalogue_calls=calls,
        entries=tuple(sorted(entries, key=lambda entry: entry.name)),
        rules=held,
    )


def _check_lifetime(lake: Lake, parameters: IngestParameters) -> None:
    """A rule that ends must not take somebody's own file with it."""
    if not lake.is_in_place(parameters.rse) or not lake.deletes_at(parameters.rse):
        return
    if parameters.lifetime:
        raise UsageError(
            f"lifetime: {parameters.rse} deletes what no rule holds, so your own files would go after "
            f"{parameters.lifetime}",
            "leave out the lifetime, or ask the lake's administrator to close the site for deletion",
        )
    log.warning(
        "%s deletes what no rule holds: whoever ends this dataset's rules there deletes the files themselves",
        parameters.rse,
    )


def _check_space(storages: Storages, addresses: Mapping[DID, str], new: Sequence[Item]) -> None:
    if not new:
        return
    needed, address = sum(item.size for item in new), addresses[new[0].did]
    free = storages.of(address).free(address)
    if free is not None and needed + _SPARE > free:
        # What an earlier run sent, and had no time to register, lies there already.
        needed -= sum(i.size for i in new if storages.of(addresses[i.did]).size(addresses[i.did]) == i.size)
    if free is not None and needed + _SPARE > free:
        raise NoSpace(
            f"the site's disk has {free / 1e6:.0f} MB free, these {len(new)} files need {needed / 1e6:.0f} MB",
            "free some space, or choose another site",
        )
