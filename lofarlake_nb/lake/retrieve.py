"""Retrieve: the best copy to this disk, one stream a file, verified and unpacked in flight, whole or not at all."""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError, UsageError
from lofarlake_nb.lake import records, space
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.observation import archive, measurement_set, naming, unpacking

if TYPE_CHECKING:  # local files need no lake, and no Rucio
    from lofarlake_nb.lake.client import Lake
    from lofarlake_nb.lake.replicas import File

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retrieved:
    """What is here now.

    Parameters
    ----------
    paths : tuple of Path
        Folders (of tars, unpacked) and files, by name; of `inputs`, the Measurement Sets in them.
    files : int
        Files of the lake that they are, verified.
    bytes : int
        That were moved now; 0 when all was here.
    seconds : float
        That it took.
    problems : tuple of str
        Copies that were bad, though another was good.

    Examples
    --------
    >>> first, second = (retrieve(lake, "lofar:example", Path("twice")) for _ in range(2))
    >>> first.bytes, second.bytes, [path.name for path in second.paths]
    (69120, 0, ['example.image.fits'])
    """

    paths: tuple[Path, ...]
    files: int
    bytes: int
    seconds: float
    problems: tuple[str, ...] = ()


def inputs(
    lake: "Lake | str | Path", dataset: str, paths: Sequence[str | Path], to: Path, *, progress: Sink | None = None
) -> Retrieved:
    """Measurement Sets to work on: of a dataset in a lake, or local ones.

    Parameters
    ----------
    lake : Lake, str or Path
        As `client.connect` takes it; only looked at for a dataset.
    dataset : str
        DID; empty for local ones.
    paths : sequence of paths
        Folders (taken where they are, never changed) and tars (unpacked into `to`); empty for a dataset.
    to : Path
        Where retrieved and unpacked ones go.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Retrieved
        Its paths are Measurement Sets.

    Raises
    ------
    UsageError
        When not exactly one of dataset and paths is given.
    NotAMeasurementSet
        When a folder or a tar holds none.
    BadArchive
        When a tar can't be trusted.
    LofarlakeError
        As `retrieve`.

    Examples
    --------
    >>> retrieved = inputs(lake, "lofar:L990100", [], to=Path("work"))
    >>> [path.name for path in retrieved.paths]
    ['L990100_SAP000_SB000_uv.MS']
    """
    if bool(dataset) == bool(paths):
        raise UsageError(
            "expected a dataset or paths, got " + ("both" if dataset else "neither"),
            "give the DID of a dataset in the lake, or Measurement Sets (folders or tars)",
        )
    if dataset:
        from lofarlake_nb.lake.client import Lake, connect

        found = retrieve(lake if isinstance(lake, Lake) else connect(lake), dataset, to, progress=progress)
    else:
        found = _local([Path(os.path.expanduser(path)) for path in paths], to)
    sets = [_measurement_sets(path) for path in found.paths]
    return Retrieved(
        tuple(sorted(p for some in sets for p in some)), found.files, found.bytes, found.seconds, found.problems
    )


def retrieve(
    lake: "Lake",
    dataset: DID | str,
    to: Path,
    *,
    streams: int = 4,
    unpack: bool = True,
    patience: float = 24 * 3600.0,
    progress: Sink | None = None,
) -> Retrieved:
    """Bring a dataset here: what is here and right is not moved again.

    A copy that is bad is declared bad where another was good, so that the lake makes it anew; where we may not, or
    no other was good, it is declared suspicious.

    Parameters
    ----------
    lake : Lake
        Where it is.
    dataset : DID or str
        ``scope:name`` of a dataset, a container or a file.
    to : Path
        Folder; it is made. Each tar becomes a folder in it, named after the tar; other files keep their names.
    streams : int
        Files moved at the same time.
    unpack : bool
        Take tars apart; else they are kept as they are.
    patience : float
        Seconds without a file coming, of those that are only on tape. Copies on disk are taken first, at any site.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Retrieved
        When every file is here.

    Raises
    ------
    DIDNotFound
        When there is no such dataset, or it is empty.
    ChecksumMismatch, TransferFailed
        When no copy of a file is good: the message says what is wrong with each.
    ObservationError
        When something else is in the place of a file, or it was changed since it came.
    NoSpace
        Before the first byte, when it does not fit.
    UsageError
        Before the first byte, when two files would have one name here.

    Examples
    --------
    >>> retrieve(lake, "lofar:example", Path("here")).files
    1
    """
    from lofarlake_nb.lake import journal, repair
    from lofarlake_nb.lake.asked import Asked
    from lofarlake_nb.lake.fetching import Fetching
    from lofarlake_nb.lake.metadata import original_names
    from lofarlake_nb.lake.replicas import files_of
    from lofarlake_nb.lake.staging import Staging
    from lofarlake_nb.lake.storage import Storages

    start, to, did = time.monotonic(), Path(os.path.expanduser(to)), DID.parse(dataset)
    files = sorted(files_of(lake, did), key=lambda file: file.did)  # by subband: the catalogue has no order
    targets = _targets(files, original_names(lake, [file.did for file in files]), to, unpack)
    missing = [file for file in files if not records.is_here(targets[file.did], str(file.did), file.adler32)]
    space.check_here(to, sum(file.size for file in missing))
    told = Progress("retrieve", len(missing), progress, total_bytes=sum(file.size for file in missing))
    storages = Storages(lake)
    staging = Staging(storages, told, Asked(journal.place(lake, to)), patience)
    fetching = Fetching(storages, told, unpack=unpack, staging=staging)
    try:
        with told:
            fetching.run([(file, targets[file.did]) for file in missing], streams)
    finally:
        staging.end()
        repair.tell(lake, fetching.bad, fetching.lost)
    moved = fetching.progress.bytes
    seconds = time.monotonic() - start
    log.info("%s: %d files in %s, %d bytes moved in %.1f s", did, len(files), to, moved, seconds)
    problems = tuple(sorted(fetching.problems))
    return Retrieved(tuple(sorted(targets.values())), len(files), moved, seconds, problems)


def _targets(files: "Sequence[File]", originals: dict[DID, str], to: Path, unpack: bool) -> dict[DID, Path]:
    """Where each file goes; a folder's name has the hash where two tars would share a name without it."""
    flat = {file.did: originals.get(file.did, file.did.name).replace("/", "_") for file in files}
    if not unpack:
        return _distinct({did: to / name for did, name in flat.items()})
    short = {did: naming.folder_name(name) if naming.is_tar(name) else name for did, name in flat.items()}
    times = Counter(short.values())
    return _distinct(
        {did: to / (name if times[name] == 1 else flat[did].removesuffix(".tar")) for did, name in short.items()}
    )


def _distinct(targets: dict[DID, Path]) -> dict[DID, Path]:
    """The same; an error where two files, of two scopes it may be, would be in one place."""
    owners: dict[Path, DID] = {}
    for did, target in targets.items():
        if owners.setdefault(target, did) != did:
            raise UsageError(f"{owners[target]} and {did} would both be {target}", "retrieve them to two folders")
    return targets


def make_way(paths: Sequence[Path], to: Path) -> None:
    """Remove what `inputs` of these paths will not take as it is here.

    That is what was unpacked of tars that are others by now, or was changed since; and what came from anything else.

    Parameters
    ----------
    paths : sequence of Path
        Folders, which are left alone, and tars.
    to : Path
        Folder of ours that tars are unpacked into.

    Examples
    --------
    >>> make_way([Path("observation")], Path("nothing here"))
    """
    unpacked = [_unpacked(path, to) for path in paths if path.is_file()]
    wanted = {records.FOLDER, *(target.name for target, _, _ in unpacked)}
    for other in [path for path in to.iterdir() if path.name not in wanted] if to.is_dir() else []:
        log.info("%s: removed, for it is of another input", other)
        records.forget(other)
    for target, origin, mark in unpacked:
        try:
            records.is_here(target, origin, mark)
        except ObservationError as error:
            log.info("%s: removed", error)
            records.forget(target)


def _unpacked(path: Path, to: Path) -> tuple[Path, str, str]:
    """Where a tar is unpacked, where it comes from, and which bytes it is."""
    told = path.stat()
    return Path(to) / naming.folder_name(path.name), str(path.resolve()), f"{told.st_size} {told.st_mtime_ns}"


def _local(paths: Sequence[Path], to: Path) -> Retrieved:
    """Folders as they are, tars unpacked."""
    start, moved = time.monotonic(), 0
    taken: dict[Path, Path] = {}  # target to source
    for path in paths:
        if not path.exists():
            raise NotAMeasurementSet(f"{path}: no such file or folder", "check the path")
        target, origin, mark = (path, "", "") if path.is_dir() else _unpacked(path, to)
        if taken.setdefault(target, path) != path:
            raise UsageError(f"{taken[target]} and {path} would both be unpacked into {target}", "rename one of them")
        if path.is_dir():
            continue
        if not records.is_here(target, origin, mark):
            records.expect(target, origin, mark)
            unpacking.unpack(archive.blocks_of(path), target, name=str(path))
            if not measurement_set.find(target):
                records.forget(target)
                raise NotAMeasurementSet(f"{path}: no Measurement Set in this tar", "check which tar it is")
            records.keep(target, origin, mark)
            moved += path.stat().st_size
    return Retrieved(tuple(taken), len(taken), moved, time.monotonic() - start)


def _measurement_sets(path: Path) -> list[Path]:
    found = measurement_set.find(path) if path.is_dir() else []
    if not found:
        raise NotAMeasurementSet(f"{path} holds no Measurement Set", "give a Measurement Set, or a folder of them")
    return found
