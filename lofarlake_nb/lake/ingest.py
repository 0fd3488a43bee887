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

import astropy.units as u

from lofarlake_nb.errors import NoSpace
from lofarlake_nb.lake import journal, plan, registration, rules
from lofarlake_nb.lake import metadata as catalogue_metadata
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
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
        Measurement Sets (each becomes one tar), folders of them, or ready files.
    parameters : IngestParameters
        Dataset, container, sites, streams.
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
        When another process ingests into the same dataset.
    NoSpace
        When it does not fit.
    ObservationError
        When a file changes or vanishes while it is read; the others are sent.
    ChecksumMismatch
        When the lake has other bytes under the same name, or the storage has other bytes than were sent.
    TransferFailed, LakeRefused
        When the storage or the catalogue don't take it. Files that were sent are registered; run it again to finish.
    """
    dataset = DID.parse(parameters.dataset)
    container = DID.parse(parameters.container) if parameters.container else None
    items = plan.observation(paths, dataset.scope)
    about = {**catalogue_metadata.of_dataset([item.metadata for item in items]), **(metadata or {})}
    return _ingest(lake, items, parameters, dataset, container, about, progress)


def ingest_products(
    lake: Lake,
    files: Sequence[str | Path],
    dataset: DID | str,
    lineage: Mapping[str, Any],
    *,
    rse: str = "SARA",
    replicate_to: str = "JUELICH",
    container: str = "",
    streams: int = 2,
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
    done = _ingest(lake, items, parameters, did, inside, about, progress)
    if close:
        registration.close(lake, did)
    return done


def _ingest(
    lake: Lake,
    items: list[Item],
    parameters: IngestParameters,
    dataset: DID,
    container: DID | None,
    about: Mapping[str, Any],
    progress: Sink | None,
) -> Ingested:
    patience = Patience(quantity("patience", parameters.patience, u.s).value)
    folder = journal.place(lake, items[0].source)
    with (
        journal.alone(folder, dataset),
        lake.patient(patience),
        closing(Journal(folder, dataset, parameters.rse)) as book,
    ):
        return _reconciled(lake, items, parameters, dataset, container, about, book, patience, progress)


def _reconciled(
    lake: Lake,
    items: list[Item],
    parameters: IngestParameters,
    dataset: DID,
    container: DID | None,
    about: Mapping[str, Any],
    book: Journal,
    patience: Patience,
    progress: Sink | None,
) -> Ingested:
    rse, calls, start = parameters.rse, lake.calls, time.monotonic()
    storages = Storages(lake, patience)
    addresses = storages.addresses(rse, [item.did for item in items])
    elsewhere = registration.check_sites(lake, parameters.replicate_to, rse) if parameters.replicate_to else ""
    known = registration.look_up(lake, items, rse, dataset)
    _check_space(storages, addresses, items, known)
    attached = registration.prepare(lake, dataset, container, addresses)
    by_name = {item.did: item for item in items}

    def register(stored: Sequence[Stored]) -> None:
        """The order is the journal's: each step holds for what was done before it."""
        files = [one.did for one in stored]
        registration.add_replicas(lake, rse, stored, known)
        book.advance(files, "registered")
        registration.attach(lake, dataset, [did for did in files if did not in attached])
        book.advance(files, "attached")
        new = [by_name[did] for did in files if not (did in known and book.is_described(by_name[did]))]
        catalogue_metadata.write(lake, {item.did: item.metadata for item in new})
        book.advance(files, "described")

    registrar = Registrar(register, len(items))
    told = Progress("ingest", len(items), progress, total_bytes=sum(item.size for item in items))
    sending = Sending(storages, rse, addresses, known, book, told, patience, registrar.add)
    try:
        failure = sending.run(items, parameters.streams)
    finally:
        refused = registrar.finish()
    if (failure := refused or failure) is not None:
        raise with_what_is_safe(failure, sending.entries, items, dataset)
    catalogue_metadata.write(lake, {dataset: about})
    held = [rules.replicate(lake, dataset, expression) for expression in (rse, elsewhere) if expression]
    seconds = time.monotonic() - start
    sent = sum(entry.bytes for entry in sending.entries if entry.state == "new")
    rate = sent / seconds / 1e6 if sent else None
    log.info("%s: %d files at %s, %d bytes sent in %.1f s", dataset, len(items), rse, sent, seconds)
    return Ingested(
        dataset=str(dataset),
        container=str(container or ""),
        rse=rse,
        files=len(sending.entries),
        bytes=sent,
        seconds=seconds,
        rate_mb_s=rate,
        catalogue_calls=lake.calls - calls,
        entries=tuple(sorted(sending.entries, key=lambda entry: entry.name)),
        rules=tuple(held),
    )


def _check_space(
    storages: Storages, addresses: Mapping[DID, str], items: Sequence[Item], known: Mapping[DID, Known]
) -> None:
    new = [item for item in items if not (item.did in known and known[item.did].replica)]
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
