"""Housekeeping: datasets that are no longer kept, and where catalogue and storage do not know of each other."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import LakeError, LakeRefused, UsageError
from lofarlake_nb.lake import metadata, rules
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.replicas import files_of, replicas_of
from lofarlake_nb.lake.storage import Storages, path_of

_PAUSE = 1.0  # seconds between two questions
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
    """

    dataset: str
    files: int
    bytes: int
    rules: tuple[str, ...]
    holders: tuple[str, ...]
    replicas: int

    @property
    def ok(self) -> bool:
        """Whether all copies are gone."""
        return not self.replicas

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def retire(lake: Lake, dataset: DID | str, *, timeout: float = 600.0) -> Retired:
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

    Returns
    -------
    Retired
        What still holds it is in there, not raised.

    Raises
    ------
    DIDNotFound
        When there is no such dataset, or it is empty.
    UsageError
        When it is no dataset.
    LakeError
        When the lake does not take the record: then no rule was ended.
    """
    did = DID.parse(dataset)
    kind = lake.get(did)["type"]
    if kind != "DATASET":
        raise UsageError(f"{did} is a {kind.lower()}, expected a dataset", "retire the datasets in it one by one")
    files = files_of(lake, did)
    about = {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
        "by": lake.account,
        "files": {str(file.did): [file.size, file.adler32] for file in files},
    }
    metadata.write(lake, {did: {RETIRED: about}})
    with lake.patient(_PATIENCE):
        ended, holders = _ended(lake, did)
        left = _wait(lake, [file.did for file in files], 0.0 if holders else timeout)
    size = sum(file.size for file in files)
    log.info("%s: %d rules ended, %d copies are left", did, len(ended), left)
    return Retired(str(did), len(files), size, tuple(ended), tuple(holders), left)


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
        except LakeRefused as error:
            holders.append(f"{rule.rule_id} at {rule.rse_expression}, {rule.account}: {error.message}")
    return ended, holders


def _wait(lake: Lake, dids: list[DID], timeout: float) -> int:
    start = time.monotonic()
    while True:
        left = sum(len(copies) for copies in replicas_of(lake, dids).values())
        if not left or time.monotonic() - start > timeout:
            return left
        time.sleep(_PAUSE)


@dataclass(frozen=True)
class Audit:
    """Where catalogue and storage differ.

    Parameters
    ----------
    files : int
        Copies that the catalogue has at mounted sites.
    dark : tuple of (site, path, bytes)
        On the storage, not in the catalogue.
    lost : tuple of (site, DID)
        In the catalogue as available, not on the storage.
    removed : int
        Dark files that were removed.
    unseen : tuple of str
        Sites that are not mounted here, so that they can't be looked at.
    """

    files: int
    dark: tuple[tuple[str, str, int], ...]
    lost: tuple[tuple[str, str], ...]
    removed: int
    unseen: tuple[str, ...]

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
        All mounted sites.

    Raises
    ------
    LakeError
        When the lake does not say where a copy lies: nothing is removed then.
    """
    storages, now = Storages(lake), time.time()
    sites = sorted(row["rse"] for row in lake.call("list_rses"))
    folders = {site: folder for site in sites if (folder := storages.folder(site)) is not None}
    on_disk = {site: set(_files(folder)) for site, folder in folders.items()}  # first: what comes meanwhile is not lost
    known: dict[Path, tuple[str, str, str]] = {}
    for scope in sorted(lake.call("list_scopes")):
        dids = [DID(scope, name) for name in lake.call("list_dids", scope, filters=[{"name": "*"}], did_type="file")]
        for did, copies in replicas_of(lake, dids).items():
            for copy in copies:
                address = storages.best(copy.rse, copy.addresses)
                if copy.rse not in folders:
                    continue
                if address is None or not address.startswith("file:"):  # what we took for dark would be its bytes
                    raise LakeError(
                        f"{did} at {copy.rse}: its path can't be told from {copy.addresses}", "see the site"
                    )
                known[path_of(address)] = (copy.rse, str(did), copy.state)
    lost = [(rse, did) for path, (rse, did, state) in known.items() if state == "AVAILABLE" and not path.exists()]
    dark, removed = [], 0
    for site, paths in on_disk.items():
        for path in sorted(paths - known.keys()):
            told = path.lstat() if path.is_symlink() or path.exists() else None
            if told is None or now - told.st_mtime < older_than:
                continue
            dark.append((site, str(path.relative_to(folders[site])), told.st_size))
            if remove_dark:
                path.unlink(missing_ok=True)
                removed += 1
    return Audit(len(known), tuple(dark), tuple(sorted(lost)), removed, tuple(s for s in sites if s not in folders))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
