"""Files that lie at a site already: read for their checksums, registered under their own paths, never changed.

Rucio's word for such a site is non-deterministic: it has its files under paths that are not of Rucio's making.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from lofarlake_nb.errors import LakeError, NotAMeasurementSet, ObservationError, UsageError
from lofarlake_nb.lake import journal, plan, registration
from lofarlake_nb.lake import paths as site_paths
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.counted import adler32_of
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.registration import Known, Stored
from lofarlake_nb.lake.replicas import replicas_of
from lofarlake_nb.lake.sending import Entry, Sending
from lofarlake_nb.lake.storage import Storages, path_of
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import IngestParameters

log = logging.getLogger(__name__)

_SITE = "make the folder a site first: lofarlake lake site NAME --folder DIR; of another lake, ask its administrator"


def planned(storages: Storages, rse: str, paths: Sequence[str | Path], scope: str) -> tuple[list[Item], dict[DID, str]]:
    """What is to be registered, and where each file lies.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    rse : str
        A non-deterministic site.
    paths : sequence of paths or addresses
        Files at the site, and folders of them: every file below that is not hidden. Of a site that is not mounted
        here, the files' https addresses.
    scope : str
        Of their DIDs.

    Returns
    -------
    items : list of Item
        By name.
    pfns : dict
        Address of each, for the catalogue.

    Raises
    ------
    LakeError
        When the site is none for this, or out of reach.
    UsageError
        When a file does not lie at the site, or a link leads out of it.
    NotAMeasurementSet
        When a Measurement Set is among them: it is a folder, and the lake has files.

    Examples
    --------
    >>> planned(Storages(lake), "SARA", ["image.fits"], "lofar")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.LakeError: SARA has its files under paths of Rucio's making, so none can be registered ...
    """
    lake = storages.lake
    if not lake.is_in_place(rse):
        others = [row["rse"] for row in lake.call("list_rses") if not row["deterministic"]]
        known = f"give one that is not, as {', '.join(sorted(others))}" if others else _SITE
        raise LakeError(f"{rse} has its files under paths of Rucio's making, so none can be registered in place", known)
    folder, start = storages.folder(rse), _start(lake, rse)
    found: dict[str, tuple[Path, int]] = {}  # path below the site's prefix, quoted: path, bytes
    for path in paths:
        if "://" in str(path):
            below = _below_address(lake, rse, str(path))
            found[below] = _remote(storages, rse, start + below)
            continue
        if folder is None:
            raise LakeError(f"{rse} is not mounted here", "give the https addresses of its files instead of paths")
        for file in _files(Path(path)):
            real = _inside(file, folder, rse)
            found[quote(str(real.relative_to(folder.resolve())))] = (real, real.stat().st_size)
    items = {below: plan.ready(path, scope, size) for below, (path, size) in found.items()}
    return plan.distinct(list(items.values())), {item.did: start + below for below, item in items.items()}


def _files(path: Path) -> Iterator[Path]:
    """A file, or those below a folder."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder", "check the path")
    if path.is_file():
        yield path
        return
    if sets := measurement_set.find(path):
        raise NotAMeasurementSet(
            f"{sets[0]} is a Measurement Set, which is a folder; the lake keeps files",
            "leave out --in-place to have it packed and sent to another site, or pack it: tar -cf NAME.tar FOLDER",
        )
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def _inside(path: Path, folder: Path, rse: str) -> Path:
    """The file itself, links followed, which must be a file at the site."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        how = f"is a link to {real}, which lies outside" if Path(os.path.abspath(path)) != real else "lies outside"
        raise UsageError(f"{path} {how} {rse}'s folder {folder}", "give files in that folder, or choose another site")
    if not real.is_file():
        raise UsageError(f"{path} is no regular file", "leave it out")
    return real


def _start(lake: Lake, rse: str) -> str:
    """Beginning of addresses that Rucio takes for this site: of a protocol that may write, on the wide network."""
    protocols = lake.rse(rse)["protocols"]
    taken = [p for p in protocols if p["domains"].get("wan", {}).get("write")]
    if not taken:
        raise LakeError(
            f"{rse} has no protocol by which Rucio takes addresses (one with wan write)",
            "ask the lake's administrator for one",
        )
    return site_paths.start(min(taken, key=lambda p: (p["scheme"] != "https", p["scheme"])))


def _below_address(lake: Lake, rse: str, address: str) -> str:
    """Path of an address below the site's prefix, quoted."""
    try:
        told = urlsplit(address)
        port = told.port or (443 if told.scheme in ("https", "davs") else 0)
    except ValueError as error:
        raise UsageError(f"{address} is no address: {error}", "write it as https://host:port/path") from error
    whole = f"{told.scheme}://{told.hostname}:{port}{os.path.normpath(unquote(told.path))}"
    for protocol in lake.rse(rse)["protocols"]:
        # urlsplit gives the host in small letters.
        if whole.startswith(start := site_paths.start({**protocol, "hostname": protocol["hostname"].lower()})):
            return quote(whole.removeprefix(start))
    starts = ", ".join(map(site_paths.start, lake.rse(rse)["protocols"]))
    raise UsageError(f"{address} is no address at {rse}", f"expected one that begins with {starts}")


def _remote(storages: Storages, rse: str, pfn: str) -> tuple[Path, int]:
    address = storages.best(rse, [pfn])
    if address is None:
        raise LakeError(
            f"{pfn} is out of reach: no protocol of {rse} that we speak", "run it where the site is mounted"
        )
    if address.startswith("file:"):
        real = _inside(path_of(address), storages.folder(rse) or Path("/"), rse)
        return real, real.stat().st_size
    if (size := storages.of(address).size(address)) is None:
        raise UsageError(f"{pfn}: no such file at {rse}", "check the address")
    if size < 0:
        raise LakeError(f"{rse} does not say how many bytes {pfn} has", "run it where the site is mounted")
    return Path(unquote(urlsplit(address).path)), size


def check_moved(
    lake: Lake, rse: str, items: Sequence[Item], pfns: Mapping[DID, str], known: Mapping[DID, Known], book: Journal
) -> None:
    """Refuse files that the catalogue has at this site under another path: it can't be told of a new one.

    Raises
    ------
    LakeError
        When there are some; it names the first.

    Examples
    --------
    >>> item = Item(DID("lofar", "example.image.fits"), Path("not here.fits"), 69120)
    >>> known = {item.did: Known(69120, "", "AVAILABLE")}
    >>> check_moved(lake, "SARA", [item], {item.did: "https://x/moved.fits"}, known, None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.LakeError: lofar:example.image.fits is registered at SARA as /..., and not as /moved.fits; ...
    """
    there = [item for item in items if item.did in known and known[item.did].replica]
    # The journal's mark of a file holds its path; of one that is not mounted here only the catalogue knows it.
    asked = [i.did for i in there if not (i.source.is_file() and book.adler32(i, journal.mark_of(i)))]
    for did, copies in replicas_of(lake, asked).items():
        below = {unquote(urlsplit(a).path) for copy in copies if copy.rse == rse for a in copy.addresses}
        wanted = unquote(urlsplit(pfns[did]).path)
        if below and wanted not in below:
            raise LakeError(
                f"{did} is registered at {rse} as {sorted(below)[0]}, and not as {wanted}",
                "put the file back there; or retire its dataset, then register it anew",
            )


def check_lifetime(lake: Lake, parameters: IngestParameters) -> None:
    """Refuse a rule whose end would take somebody's own files with it.

    Raises
    ------
    UsageError
        When the rule is to end, and the site deletes what no rule holds.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> parameters = IngestParameters(dataset="lofar:mine", rse="DISK", lifetime="1 d")
    >>> check_lifetime(Mock(), parameters)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.UsageError: lifetime: DISK deletes what no rule holds, so your own files would go after 1 d; ...
    """
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


@dataclass(eq=False)
class Registering(Sending):
    """Files that stay where they are: each is read once, for its checksum, and is then known to be at the site.

    Parameters
    ----------
    storages, rse, addresses, known, book, progress, patience, arrived
        As `Sending`.
    pfns : mapping
        Address of each file for the catalogue.

    Examples
    --------
    >>> from lofarlake_nb.lake.patience import Patience
    >>> from lofarlake_nb.lake.progress import Progress
    >>> item, arrived = plan.ready(Path("image.fits"), "lofar"), []
    >>> given = [Storages(lake), "DISK", {item.did: item.source.absolute().as_uri()}, {}]
    >>> given += [Journal(Path(), item.did, "DISK"), Progress("ingest", 1), Patience(), arrived.append]
    >>> Registering(*given, {item.did: "https://disk/image.fits"}).run([item], streams=1)
    >>> [(stored.size, stored.pfn) for stored in arrived]
    [(69120, 'https://disk/image.fits')]
    >>> given[4].close()
    """

    pfns: Mapping[DID, str]

    def _one(self, item: Item) -> Entry:
        address, known = self.addresses[item.did], self.known.get(item.did)
        mark = self._mark(item, address)
        adler32 = self.book.adler32(item, mark) if mark else ""
        if read := not adler32:
            adler32 = self._checksum(item, address)
            if self._mark(item, address) != mark:
                raise ObservationError(f"{item.source} changed while it was read", "run it again when it is finished")
            self.book.note(item, mark, adler32, "known")
        if known is not None and known.adler32 != adler32:
            raise registration.other_bytes(item, known, f"{item.size} bytes with adler32 {adler32}")
        there = known is not None and known.replica == "AVAILABLE"
        if not (there and not read):
            self.book.note(item, mark, adler32, "sent")
        self.arrived(Stored(item.did, item.size, adler32, self.pfns[item.did]))
        self.progress.finished(self.rse, skipped=0 if read else item.size)
        return Entry(item.did.name, item.size, adler32, "already there" if there else "registered")

    def _mark(self, item: Item, address: str) -> str:
        """What changes when the file does; empty when nothing would tell."""
        if address.startswith("file:"):
            try:
                return journal.mark_of(item)
            except OSError as error:
                raise ObservationError(f"{item.source} can't be read: {error.strerror}", "put it back") from error
        return self.storages.https.mark(address)

    def _checksum(self, item: Item, address: str) -> str:
        if address.startswith("file:"):
            with self.progress.underway(self.rse, item.did.name, item.size) as counted:
                return adler32_of(counted(self._while_wanted(item.blocks())))
        return self.storages.of(address).adler32(address)
