"""Ingest: bytes to a site in one stream a file, checked as they are written, registered in bulk, held by rules.

Journal, catalogue and storage are reconciled at the start of a run: what is there is not read or sent again, what was
cut off is finished, what is wrong is named. It can be killed at any moment: the same run again ends it.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb.lake import in_place, journal, logins, plan, quota, registration, space
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.lease import Lease
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.plan import Item, Order
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.registrar import Catalogue, Registrar
from lofarlake_nb.lake.sending import Entry, Sending, with_what_is_safe
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.parameters import IngestParameters
from lofarlake_nb.wording import counted

log = logging.getLogger(__name__)

_SEARCHED = 4 << 20  # bytes of a file that is looked through for passwords: a large one is read only as it is sent


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

    Examples
    --------
    >>> done = ingest_products(lake, ["image.fits"], "lofar:example", {"inputs": ["lofar:L990100"]})
    >>> done.files, done.bytes, done.entries[0].state
    (1, 0, 'already there')
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
        Before anything is sent; the last also when a file logs in to the lake, see `logins`.
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
        in_place.check_lifetime(lake, parameters)
        storages = Storages(lake, Patience(parameters.patience_s))
        items, pfns = in_place.planned(storages, parameters.rse, paths, dataset.scope)
    else:
        items = plan.observation(paths, dataset.scope)
    return _ingest(lake, Order(items, parameters, dataset, container, metadata or {}, pfns, by_files=True), progress)


def ingest_products(
    lake: Lake,
    files: Sequence[str | Path],
    dataset: DID | str,
    lineage: Mapping[str, Any],
    *,
    about: Mapping[str, Any] | None = None,
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
    about : mapping, optional
        Further metadata of each file and of the dataset: of what was observed, see `metadata.of_results`.
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

    Examples
    --------
    >>> done = ingest_products(lake, ["sources.csv"], "lofar:table", {"inputs": ["lofar:example"]}, replicate_to="")
    >>> [entry.name for entry in done.entries], lake.get(DID("lofar", "table.sources.csv"))["bytes"]
    (['table.sources.csv'], 61)
    """
    did = DID.parse(dataset)
    parameters = IngestParameters(
        dataset=str(did), container=container, rse=rse, replicate_to=replicate_to, streams=streams
    )
    told = {**(about or {}), "lofarlake": dict(lineage)}
    items = plan.products(files, did, told)
    inside = DID.parse(container) if container else None
    done = _ingest(lake, Order(items, parameters, did, inside, told), progress)
    if close:
        registration.close(lake, did)
    return done


def _ingest(lake: Lake, order: Order, progress: Sink | None) -> Ingested:
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
        logins.refuse(lake, _as_they_are(new), searched=_SEARCHED)
        quota.check(lake, [[rse], sites] if sites else [[rse]], sum(item.size for item in new))
        if order.pfns is None:
            space.check_site(storages, addresses, new)
        else:
            in_place.check_moved(lake, rse, order.items, order.pfns, known, book)
        attached = registration.prepare(lake, dataset, order.container, addresses)
        lease.take()
        by_name = {item.did: item for item in order.items}
        catalogue = Catalogue(lake, order, book, lease, known, attached, by_name)
        entries = _sent(storages, addresses, catalogue, progress)
        held = catalogue.hold(elsewhere)
        return _ingested(order, entries, held, time.monotonic() - start, lake.calls - calls)


def _as_they_are(items: Sequence[Item]) -> list[Path]:
    """Files that come into the lake as they lie here: neither packed nor at a site that is asked by https."""
    return [item.source for item in items if item.packing is None and item.source.is_file()]


def _addresses(storages: Storages, order: Order) -> dict[DID, str]:
    rse = order.parameters.rse
    if order.pfns is None:
        return storages.addresses(rse, [item.did for item in order.items])
    return {did: storages.best(rse, [pfn]) or pfn for did, pfn in order.pfns.items()}


def _sent(storages: Storages, addresses: Mapping[DID, str], catalogue: Catalogue, progress: Sink | None) -> list[Entry]:
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


def _ingested(order: Order, entries: Sequence[Entry], held: tuple[str, ...], seconds: float, calls: int) -> Ingested:
    sent = sum(entry.bytes for entry in entries if entry.state == "new")
    rse = order.parameters.rse
    there = counted(len(entries), "file is")
    log.info("%s: %s at %s, %d bytes sent in %.1f s", order.dataset, there, rse, sent, seconds)
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
