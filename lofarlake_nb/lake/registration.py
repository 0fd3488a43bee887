"""The catalogue's side of an ingest, in bulk: what is known already, replicas, datasets and containers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lofarlake_nb.errors import AlreadyThere, ChecksumMismatch, DIDNotFound, LakeError, LakeRefused, UsageError
from lofarlake_nb.lake import replicas
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.plan import Item

_CLOSING = Patience(30)


@dataclass(frozen=True)
class Known:
    """What the catalogue has of a file.

    Parameters
    ----------
    size : int
        Bytes.
    adler32 : str
        8 hexadecimal digits.
    replica : str
        State of the replica at the site in question: ``AVAILABLE``, ``COPYING``, ...; empty when there is none.

    Examples
    --------
    >>> from pathlib import Path
    >>> item = Item(DID("lofar", "example.image.fits"), Path("image.fits"), 69120)
    >>> known = [look_up(lake, [item], rse, DID("lofar", "example"))[item.did] for rse in ("SARA", "POZNAN")]
    >>> [(one.size, one.replica) for one in known]
    [(69120, 'AVAILABLE'), (69120, '')]
    """

    size: int
    adler32: str
    replica: str = ""


@dataclass(frozen=True)
class Stored:
    """A file whose bytes are at a site, checked.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> stored, lake = Stored(DID("lofar", "a.fits"), 7, "059b016d", "https://disk/a.fits"), Mock()
    >>> add_replicas(lake, "DISK", [stored], {})
    >>> lake.call.call_args.args[2][0]["pfn"]
    'https://disk/a.fits'
    """

    did: DID
    size: int
    adler32: str
    pfn: str = ""  # where it lies, at a site that takes files under whatever path they have


def look_up(lake: Lake, items: Sequence[Item], rse: str, dataset: DID) -> dict[DID, Known]:
    """What the catalogue has of these files; replicas are asked for only where a file is known.

    Parameters
    ----------
    lake : Lake
        Whose catalogue.
    items : sequence of Item
        The files.
    rse : str
        The site in question.
    dataset : DID
        That they join; it need not be there yet.

    Raises
    ------
    ChecksumMismatch
        When a file of the same name has another size: the message names both.

    Examples
    --------
    >>> from pathlib import Path
    >>> item = Item(DID("lofar", "example.image.fits"), Path("image.fits"), 7)
    >>> look_up(lake, [item], "SARA", DID("lofar", "example"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.ChecksumMismatch: lofar:example.image.fits in the lake has 69120 bytes with adler32 ...
    """
    try:
        held = replicas.held_by(lake, dataset)
    except DIDNotFound:
        held = {}
    known = {item.did: Known(*held[item.did]) for item in items if item.did in held}
    known |= _registered(lake, [item.did for item in items if item.did not in held])
    for item in items:
        if item.did in known and known[item.did].size != item.size:
            raise other_bytes(item, known[item.did], f"{item.size} bytes")
    in_dataset = known.keys() & held.keys()
    if in_dataset and rse in replicas.whole_sites(lake, dataset, len(held)):
        states = dict.fromkeys(in_dataset, "AVAILABLE")
    else:  # of the whole dataset, only files that have a copy there are listed
        states = dict(_states(lake, [dataset], rse)) if in_dataset else {}
    for some in batches(sorted(known.keys() - held.keys())):
        states |= _states(lake, some, rse)
    return {did: replace(about, replica=states.get(did, "")) for did, about in known.items()}


def _registered(lake: Lake, dids: Sequence[DID]) -> dict[DID, Known]:
    """Those of these files that the catalogue knows."""
    known = {}
    for some in batches(dids):
        for row in lake.call("get_metadata_bulk", [did.parts for did in some]):
            if row["did_type"] != "FILE":
                raise UsageError(
                    f"{row['scope']}:{row['name']} is a {row['did_type'].lower()} in the lake, not a file",
                    "rename what you ingest",
                )
            known[DID(row["scope"], row["name"])] = Known(row["bytes"], (row["adler32"] or "").rjust(8, "0"))
    return known


def _states(lake: Lake, dids: Sequence[DID], rse: str) -> Iterator[tuple[DID, str]]:
    """States of the replicas at a site, of files and of the files of datasets; those without may be left out."""
    for did, found in replicas.listed(lake, dids, rse):
        yield did, next((replica.state for replica in found if replica.rse == rse), "")


def other_bytes(item: Item, known: Known, found: str) -> ChecksumMismatch:
    """The error of a name that the lake has with other bytes.

    Examples
    --------
    >>> from pathlib import Path
    >>> item = Item(DID("lofar", "a.fits"), Path("mine/a.fits"), 8)
    >>> other_bytes(item, Known(7, "059b016d"), "8 bytes").message
    'lofar:a.fits in the lake has 7 bytes with adler32 059b016d, but mine/a.fits has 8 bytes'
    """
    return ChecksumMismatch(
        f"{item.did} in the lake has {known.size} bytes with adler32 {known.adler32}, but {item.source} has {found}",
        "files in the lake never change: ingest it under another name, or see which of the two is right",
    )


def prepare(lake: Lake, dataset: DID, container: DID | None, files: Iterable[DID]) -> set[DID]:
    """Make the dataset and its container where they are missing.

    Returns
    -------
    set of DID
        Files that the dataset holds already.

    Raises
    ------
    UsageError
        When one of the names is that of something else.
    LakeRefused
        When the dataset is closed and does not hold all of the files.

    Examples
    --------
    >>> prepare(lake, DID("lofar", "example"), DID("lofar", "group"), [])
    {DID(scope='lofar', name='example.image.fits')}
    >>> [row["name"] for row in lake.call("list_content", "lofar", "group")]
    ['example']
    """
    attached = _dataset(lake, dataset, set(files))
    if container is not None:
        _container(lake, container, dataset)
    return attached


def _dataset(lake: Lake, dataset: DID, files: set[DID]) -> set[DID]:
    found = _expected(lake, dataset, "DATASET")
    if found is None:
        with suppress(AlreadyThere):
            lake.call("add_dataset", dataset.scope, dataset.name)
        return set()
    held = set(replicas.held_by(lake, dataset))
    if not found["open"] and (new := sorted(files - held)):
        raise LakeRefused(
            f"{dataset} is closed and does not hold {new[0]}" + (f" and {len(new) - 1} more" if new[1:] else ""),
            "choose another dataset",
        )
    return held


def _container(lake: Lake, container: DID, dataset: DID) -> None:
    if _expected(lake, container, "CONTAINER") is None:
        with suppress(AlreadyThere):
            lake.call("add_container", container.scope, container.name)
        held = []
    else:
        held = lake.call("list_content", container.scope, container.name)
    if dataset not in {DID(row["scope"], row["name"]) for row in held}:
        attach(lake, container, [dataset])


def _expected(lake: Lake, did: DID, kind: str) -> dict | None:
    found = lake.find(did)
    if found is not None and found["type"] != kind:
        raise UsageError(f"{did} is a {found['type'].lower()} in the lake, not a {kind.lower()}", "choose another name")
    return found


def add_replicas(lake: Lake, rse: str, stored: Sequence[Stored], known: Mapping[DID, Known]) -> None:
    """Tell the catalogue of files that are at a site.

    Parameters
    ----------
    lake : Lake
        Whose catalogue.
    rse : str
        Where they are.
    stored : sequence of Stored
        The files, whole and checked.
    known : mapping
        From `look_up`.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> lake = Mock()
    >>> add_replicas(lake, "SARA", [Stored(DID("lofar", "a.fits"), 7, "059b016d")], {})
    >>> lake.call.call_args.args
    ('add_replicas', 'SARA', [{'scope': 'lofar', 'name': 'a.fits', 'bytes': 7, 'adler32': '059b016d'}])
    """
    without = [s for s in stored if not (s.did in known and known[s.did].replica)]
    for some in batches(without):
        files = [
            {**s.did.parts, "bytes": s.size, "adler32": s.adler32, **({"pfn": s.pfn} if s.pfn else {})} for s in some
        ]
        lake.call("add_replicas", rse, files)
    # A replica that another client left half done, or that the lake lost: its bytes are there now.
    unavailable = [s for s in stored if s.did in known and known[s.did].replica not in ("", "AVAILABLE")]
    for some in batches(unavailable):
        lake.call("update_replicas_states", rse, [{**s.did.parts, "state": "A"} for s in some])


def attach(lake: Lake, dataset: DID, files: Sequence[DID]) -> None:
    """Let a dataset hold files; those that it holds already stay.

    Examples
    --------
    >>> held = prepare(lake, DID("lofar", "example"), DID("lofar", "pair"), [])
    >>> attach(lake, DID("lofar", "pair"), [DID("lofar", "example"), DID("lofar", "L990100")])
    >>> sorted(row["name"] for row in lake.call("list_content", "lofar", "pair"))
    ['L990100', 'example']
    """
    for some in batches(files):
        attachment = {**dataset.parts, "dids": [did.parts for did in some]}
        # A repeated call is no error: the answer to the first may have been lost.
        lake.call("attach_dids_to_dids", [attachment], ignore_duplicate=True)


def check_sites(lake: Lake, rse_expression: str, rse: str) -> tuple[str, list[str]]:
    """Expression for a copy elsewhere than at a site, and the sites that fit it.

    Raises
    ------
    LakeError
        When no other site fits.

    Examples
    --------
    >>> expression, sites = check_sites(lake, "JUELICH|SARA", "SARA")
    >>> print(expression, sites)
    (JUELICH|SARA)\\SARA ['JUELICH']
    """
    sites = {row["rse"] for row in lake.call("list_rses", rse_expression)}
    if not sites - {rse}:
        raise LakeError(
            f"replicate_to: no site but {rse} fits {rse_expression!r}", "choose another expression, or none"
        )
    return rse_expression if rse not in sites else f"({rse_expression})\\{rse}", sorted(sites - {rse})


def closed(lake: Lake, dataset: DID | str) -> bool:
    """Whether a dataset is there and closed: it is whole, and takes no more files.

    Parameters
    ----------
    lake : Lake
        Where it would be.
    dataset : DID or str
        ``scope:name``.

    Raises
    ------
    UsageError
        When it is no dataset.

    Examples
    --------
    >>> closed(lake, "lofar:example"), closed(lake, "lofar:nothing")
    (True, False)
    """
    found = _expected(lake, DID.parse(dataset), "DATASET")
    return found is not None and not found["open"]


def close(lake: Lake, dataset: DID | str) -> None:
    """Close a dataset; one that is closed stays so.

    Raises
    ------
    DIDNotFound
        When it is not there.
    UsageError
        When it is no dataset.

    Examples
    --------
    >>> close(lake, "lofar:example"), closed(lake, "lofar:example")
    (None, True)
    >>> close(lake, "lofar:nothing")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.DIDNotFound: lofar:nothing is not in the lake at ...
    """
    did = DID.parse(dataset)
    found = _expected(lake, did, "DATASET")
    if found is None:
        raise DIDNotFound(f"{did} is not in the lake at {lake.url}")
    if found["open"]:
        with lake.patient(_CLOSING):  # Rucio's judge may be at the dataset's rules at the same moment
            lake.call("close", did.scope, did.name)
