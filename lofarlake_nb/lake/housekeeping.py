"""Housekeeping: datasets that are no longer kept, and where catalogue and storage do not know of each other."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rucio.common.exception import RuleNotFound

from lofarlake_nb.errors import DIDNotFound, LakeError, LakeRefused, UsageError
from lofarlake_nb.lake import metadata, rules
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.replicas import File, all_of, files_of, replicas_of
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.wording import counted

_PAUSE = 1.0  # seconds between two questions
_FORGETTING = 30.0  # seconds for the lake to forget copies that were registered in place, where it does that
_PATIENCE = Patience(30.0)  # the lake's own daemons work on the same rows meanwhile
RETIRED = "lofarlake_retired"  # key of a dataset's metadata: when, by whom, which files it had

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retired:
    """What became of a dataset.

    Parameters
    ----------
    dataset : str
        DID; it stays in the catalogue, with its metadata and a list of the files that it had.
    files, bytes : int
        That it had.
    rules : tuple of str
        Ids of the rules that were ended.
    holders : tuple of str
        Rules that we could not end, which go on holding it.
    replicas : int
        Copies that are still there.
    in_place : int
        Of these, how many were registered in place: their files are somebody's and stay, the lake still lists them.

    Examples
    --------
    >>> Retired("lofar:a", 2, 100, ("a rule",), (), replicas=1, in_place=0).ok  # one copy of the lake's own is left
    False
    """

    dataset: str
    files: int
    bytes: int
    rules: tuple[str, ...]
    holders: tuple[str, ...]
    replicas: int
    in_place: int = 0

    @property
    def ok(self) -> bool:
        """Whether all copies are gone that were the lake's own."""
        return self.replicas == self.in_place

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def retire(lake: Lake, dataset: DID | str, *, timeout: float = 600.0, delete_in_place: bool = False) -> Retired:
    """End the rules of a dataset and wait until the lake has removed its copies; its record stays.

    Rucio forgets a file with its last copy, so their names, sizes and checksums are kept in the dataset's metadata.

    Parameters
    ----------
    lake : Lake
        Where it is.
    dataset : DID or str
        ``scope:name`` of a dataset.
    timeout : float
        Seconds to wait.
    delete_in_place : bool
        Go on where the lake would delete files that were registered in place, which are somebody's own.

    Returns
    -------
    Retired
        What still holds it is in there, not raised.

    Raises
    ------
    DIDNotFound
        When there is no such dataset, or it is empty.
    UsageError
        When it is no dataset; when files that were registered in place would be deleted.
    LakeError
        When the lake does not take the record: then no rule was ended.

    Examples
    --------
    >>> from lofarlake_nb.lake import keeping
    >>> kept = keeping.keep("sources.csv", lake=home, dataset="lofar:outlived")
    >>> retired = retire(lake, kept.dataset, timeout=0)
    >>> retired.files, retired.bytes, len(retired.rules), retired.holders
    (1, 61, 1, ())
    """
    did = DID.parse(dataset)
    kind = lake.get(did)["type"]
    if kind != "DATASET":
        raise UsageError(f"{did} is a {kind.lower()}, expected a dataset", "retire the datasets in it one by one")
    record = _recorded(lake, did)
    files = _held(lake, did, record)
    if not delete_in_place:
        _refuse_owned(lake, did, files)
    record |= {str(file.did): [file.size, file.adler32] for file in files}
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", "by": lake.account, "files": record}
    metadata.write(lake, {did: {RETIRED: about}})
    with lake.patient(_PATIENCE):
        ended, holders = _ended(lake, did)
        left, owned = _wait(lake, [file.did for file in files], 0.0 if holders else timeout)
    size = sum(size for size, _ in record.values())
    log.info("%s: %s ended, %s left", did, counted(len(ended), "rule"), counted(left, "copy is"))
    return Retired(str(did), len(record), size, tuple(ended), tuple(holders), left, owned)


def _recorded(lake: Lake, did: DID) -> dict[str, list[Any]]:
    """Files, with sizes and checksums, that an earlier call has retired: some of them may be gone."""
    told = lake.call("get_metadata", did.scope, did.name, plugin="JSON").get(RETIRED)
    return dict(told["files"]) if isinstance(told, dict) and isinstance(told.get("files"), dict) else {}


def _held(lake: Lake, did: DID, record: Mapping[str, Any]) -> list[File]:
    try:
        return files_of(lake, did)
    except DIDNotFound:
        if not record:
            raise
        return []  # all of them went after an earlier call


def _refuse_owned(lake: Lake, did: DID, files: Sequence[File]) -> None:
    sites = {copy.rse for file in files for copy in file.replicas if lake.is_in_place(copy.rse)}
    if deleting := sorted(site for site in sites if lake.deletes_at(site)):
        raise UsageError(
            f"{did} has files that were registered in place at {', '.join(deleting)}, and this lake deletes there what "
            "no rule holds: the files themselves would go",
            "if that is what you want, give --delete-in-place; else ask the lake's administrator to close the site for "
            "deletion first",
        )


def _ended(lake: Lake, did: DID) -> tuple[list[str], list[str]]:
    """Ids of the rules that we could end; of the others, what they are and why we could not."""
    ended: list[str] = []
    holders: list[str] = []
    for held in rules.of(lake, did, limit=0):
        rule = held.rule
        try:
            if rule.did != did:
                raise LakeRefused(f"it is of {rule.did}")
            lake.call("update_replication_rule", rule.rule_id, {"lifetime": -10})  # deleting one waits for an hour
            ended.append(rule.rule_id)
        except LakeError as error:
            if isinstance(error.__cause__, RuleNotFound):  # an earlier call had ended it, and now it has gone
                continue
            if not isinstance(error, LakeRefused):
                raise
            holders.append(f"{rule.rule_id} at {rule.rse_expression}, {rule.account}: {error.message}")
    return ended, holders


def _wait(lake: Lake, dids: list[DID], timeout: float) -> tuple[int, int]:
    """Copies that are left, and how many of them were registered in place: a lake need not forget these."""
    start = time.monotonic()
    while True:
        left = [copy.rse for copies in replicas_of(lake, dids).values() for copy in copies]
        owned = sum(lake.is_in_place(rse) for rse in left)
        waited = time.monotonic() - start
        if waited > (timeout if owned < len(left) else min(timeout, _FORGETTING)) or not left:
            return len(left), owned
        time.sleep(_PAUSE)


@dataclass(frozen=True)
class Audit:
    """Where catalogue and storage differ.

    Parameters
    ----------
    files : int
        Copies that the catalogue has at mounted sites.
    dark : tuple of (site, path, bytes)
        On the storage, not in the catalogue; not at sites whose files are registered in place.
    lost : tuple of (site, DID)
        In the catalogue as available, not on the storage.
    removed : int
        Dark files that were removed.
    unseen : tuple of str
        Sites that are not mounted here, so that they can't be looked at.
    refused : tuple of (site, path, reason)
        Dark files that could not be removed.

    Examples
    --------
    >>> Audit(2, dark=(("SARA", "lofar/a.tar", 5),), lost=(), removed=0, unseen=()).ok
    False
    """

    files: int
    dark: tuple[tuple[str, str, int], ...]
    lost: tuple[tuple[str, str], ...]
    removed: int
    unseen: tuple[str, ...]
    refused: tuple[tuple[str, str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, and nothing dark is left."""
        return not self.lost and len(self.dark) == self.removed

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def audit(lake: Lake, *, older_than: float = 3600.0, remove_dark: bool = False) -> Audit:
    """Compare the folders of the mounted sites with the catalogue.

    Parameters
    ----------
    lake : Lake
        Its account must see all scopes.
    older_than : float
        Seconds that a file must have lain unchanged to be dark: before, it may be on its way.
    remove_dark : bool
        Remove what is dark: half-written files that a killed process left, too.

    Returns
    -------
    Audit
        All mounted sites. What could not be removed is in there, not raised.

    Raises
    ------
    LakeError
        When the lake does not say where a copy lies: nothing is removed then.

    Examples
    --------
    >>> audit(lake).files > 1
    True
    """
    storages, now = Storages(lake), time.time()
    sites = sorted(row["rse"] for row in lake.call("list_rses"))
    folders = {site: folder for site in sites if (folder := storages.folder(site)) is not None}
    # First: what comes meanwhile is not lost. Of files registered in place, those around them are none of the lake's.
    own = {site: folder for site, folder in folders.items() if not lake.is_in_place(site)}
    on_disk = {site: set(_files(folder)) for site, folder in own.items()}
    known: dict[Path, tuple[str, str, str]] = {}
    for scope in sorted(lake.call("list_scopes")):
        for did, copies in all_of(lake, scope):
            for copy in copies:
                address = storages.best(copy.rse, copy.addresses)
                if copy.rse not in folders:
                    continue
                path = storages.own(copy.rse, address) if address else None
                if path is None:  # what we took for dark would be its bytes
                    raise LakeError(
                        f"{did} at {copy.rse}: its path can't be told from {copy.addresses}", "see the site"
                    )
                known[path] = (copy.rse, str(did), copy.state)
    lost = [(rse, did) for path, (rse, did, state) in known.items() if state == "AVAILABLE" and not path.exists()]
    dark, refused, removed = [], [], 0
    for site, paths in on_disk.items():
        for path in sorted(paths - known.keys()):
            try:
                told = path.lstat()
            except FileNotFoundError:  # it was on its way, and went
                continue
            if now - told.st_mtime < older_than:
                continue
            name = str(path.relative_to(folders[site]))
            dark.append((site, name, told.st_size))
            if remove_dark:
                try:
                    path.unlink(missing_ok=True)
                    removed += 1
                except OSError as error:  # the rest goes all the same
                    refused.append((site, name, error.strerror or str(error)))
    unseen = tuple(site for site in sites if site not in folders)
    return Audit(len(known), tuple(dark), tuple(sorted(lost)), removed, unseen, tuple(refused))


def _files(folder: Path) -> Iterator[Path]:
    """All below a folder that is no folder; what goes while one looks is not there."""
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from (Path(place) / name for name in (*names, *links))
