"""Files of a dataset and where their bytes are, as the catalogue says.

Rucio lists copies at 0.5 to 6 ms each: it makes every address anew, and sorts those that it gives by distance. How many
files of a dataset a site has, in state AVAILABLE, it counts in one query. So the copies of a site that has all of
them are made here from its answer for two; what is not whole, or lies where names don't tell, is listed.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lofarlake_nb.errors import DIDNotFound
from lofarlake_nb.lake import paths
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID

FEW = 200  # files: the copies of so many are listed in the time that counting and asking for two takes
# All domains, and unsorted: else Rucio looks each of a site's https addresses up in a table of the world's places.
_ASKED = {"all_states": True, "domain": "all", "sort": "random"}


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of a file.

    Examples
    --------
    >>> (file,) = files_of(lake, "lofar:example")
    >>> [replica.state for replica in file.replicas if replica.rse == "SARA"]
    ['AVAILABLE']
    """

    rse: str
    state: str  # AVAILABLE, COPYING, UNAVAILABLE, BAD, ...
    addresses: tuple[str, ...]  # Rucio's PFNs, one for each protocol


@dataclass(frozen=True, slots=True)
class File:
    """One file of a dataset.

    Examples
    --------
    >>> (file,) = files_of(lake, "lofar:example")
    >>> str(file.did), file.size
    ('lofar:example.image.fits', 69120)
    """

    did: DID
    size: int  # bytes
    adler32: str  # 8 hexadecimal digits
    replicas: tuple[Replica, ...]  # by site


def files_of(lake: Lake, did: DID | str) -> list[File]:
    """Files of a dataset or container, or one file, with all their copies.

    Parameters
    ----------
    lake : Lake
        Where it is.
    did : DID or str
        ``scope:name``.

    Returns
    -------
    list of File
        By name; a file without any copy too.

    Raises
    ------
    DIDNotFound
        When it is not there, or holds nothing.

    Examples
    --------
    >>> (file,) = files_of(lake, "lofar:L990100")
    >>> "SARA" in [replica.rse for replica in file.replicas]
    True
    """
    did = DID.parse(did)
    kind = lake.get(did)["type"]
    held = _held_below(lake, did) if kind == "CONTAINER" else {did: held_by(lake, did)}
    sizes = {one: size for files in held.values() for one, size in files.items()}
    if not sizes:
        raise DIDNotFound(f"{did} is an empty {kind.lower()}", "ingest files into it first")
    copies: dict[DID, tuple[Replica, ...]] = {}
    for dataset, files in held.items():
        if len(files) >= FEW:
            copies |= replicas_in(lake, dataset, sorted(files))
    copies |= replicas_of(lake, sorted(sizes.keys() - copies.keys()))
    return [File(one, size, adler32, copies.get(one, ())) for one, (size, adler32) in sorted(sizes.items())]


def held_by(lake: Lake, did: DID) -> dict[DID, tuple[int, str]]:
    """Bytes and adler32 of each file of a dataset, or of one file.

    Raises
    ------
    DIDNotFound
        When it is not there.

    Examples
    --------
    >>> [(str(did), size) for did, (size, _adler32) in held_by(lake, DID("lofar", "example")).items()]
    [('lofar:example.image.fits', 69120)]
    """
    return {DID(row["scope"], row["name"]): _size(row) for row in lake.stream("list_files", did.scope, did.name)}


def _held_below(lake: Lake, container: DID) -> dict[DID, dict[DID, tuple[int, str]]]:
    """The same of each dataset below a container."""
    above, seen, datasets = [container], {container}, set()
    while above:
        one = above.pop()
        for row in lake.call("list_content", one.scope, one.name):
            inner = DID(row["scope"], row["name"])
            if row["type"] == "DATASET":
                datasets.add(inner)
            elif inner not in seen:
                above.append(inner)
            seen.add(inner)
    held: dict[DID, dict[DID, tuple[int, str]]] = {dataset: {} for dataset in sorted(datasets)}
    for some in batches(list(held)):
        for row in lake.stream("bulk_list_files", [dataset.parts for dataset in some]):
            dataset = DID(row["parent_scope"], row["parent_name"])
            held[dataset][DID(row["scope"], row["name"])] = _size(row)
    return held


def _size(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["bytes"], (row["adler32"] or "").rjust(8, "0")


def replicas_of(lake: Lake, dids: Sequence[DID], rse_expression: str = "") -> dict[DID, tuple[Replica, ...]]:
    """Copies of files in any state, at all sites or some, asked for in bulk; a file without any may be missing.

    Examples
    --------
    >>> did = DID("lofar", "example.image.fits")
    >>> "SARA" in [replica.rse for replica in replicas_of(lake, [did])[did]]
    True
    """
    return {did: found for some in batches(dids) for did, found in listed(lake, some, rse_expression)}


def listed(lake: Lake, dids: Sequence[DID], rse_expression: str = "") -> Iterator[tuple[DID, tuple[Replica, ...]]]:
    """Copies of files, and of the files of datasets, one file after the other; of a dataset, files that have some.

    Examples
    --------
    >>> rows = listed(lake, [DID("lofar", "example")], "SARA")
    >>> [(str(did), [replica.rse for replica in found]) for did, found in rows]
    [('lofar:example.image.fits', ['SARA'])]
    """
    where = {"rse_expression": rse_expression} if rse_expression else {}
    for row in lake.stream("list_replicas", [one.parts for one in dids], **_ASKED, **where):
        yield DID(row["scope"], row["name"]), _replicas(row)


def replicas_in(lake: Lake, dataset: DID, files: Sequence[DID]) -> dict[DID, tuple[Replica, ...]]:
    """Copies of all files of a dataset; listed only where a site has some of them, or its addresses can't be made.

    Parameters
    ----------
    lake : Lake
        Where it is.
    dataset : DID
        Of at least two files.
    files : sequence of DID
        All that it holds, by name.

    Examples
    --------
    >>> from lofarlake_nb.lake import ingest
    >>> done = ingest.ingest_products(lake, ["image.fits", "sources.csv"], "lofar:both", {}, replicate_to="")
    >>> copies = replicas_in(lake, DID("lofar", "both"), sorted(held_by(lake, DID("lofar", "both"))))
    >>> {did.name: [replica.rse for replica in found] for did, found in copies.items()}
    {'both.image.fits': ['SARA'], 'both.sources.csv': ['SARA']}
    """
    starts = _starts(lake, whole_sites(lake, dataset, len(files)), (files[0], files[-1]))
    copies: dict[DID, tuple[Replica, ...]] = dict.fromkeys(files, ())
    for rse, before in sorted(starts.items()):
        for did, path in paths.made(lake, rse, files).items():
            copies[did] += (Replica(rse, "AVAILABLE", tuple(start + path for start in before)),)
    others = {row["rse"] for row in lake.call("list_rses")} - starts.keys()
    if others:
        for did, found in listed(lake, [dataset], f"*\\({'|'.join(sorted(starts))})" if starts else ""):
            copies[did] = tuple(sorted((*copies.get(did, ()), *found), key=lambda replica: replica.rse))
    return copies


def all_of(lake: Lake, scope: str) -> Iterator[tuple[DID, tuple[Replica, ...]]]:
    """Copies of all files of a scope, in datasets or not; a file without any may be missing.

    Parameters
    ----------
    lake : Lake
        Where they are.
    scope : str
        The scope.

    Examples
    --------
    >>> copies = dict(all_of(lake, "lofar"))
    >>> "SARA" in [replica.rse for replica in copies[DID("lofar", "example.image.fits")]]
    True
    """
    every = {"filters": [{"name": "*"}]}
    left = {DID(scope, name) for name in lake.stream("list_dids", scope, **every, did_type="file")}
    for row in lake.call("list_dids", scope, **every, did_type="dataset", long=True):
        # Rucio may not have counted them yet; where it has, a small dataset is not looked into.
        if not left or (row["length"] is not None and row["length"] < FEW):
            continue
        dataset = DID(scope, row["name"])
        files = held_by(lake, dataset)
        if len(files) >= FEW and not left.isdisjoint(files):
            copies = replicas_in(lake, dataset, sorted(files))
            yield from ((did, found) for did, found in copies.items() if did in left)
            left -= copies.keys()
    for some in batches(sorted(left)):
        yield from listed(lake, some)


def whole_sites(lake: Lake, dataset: DID, count: int) -> list[str]:
    """Sites at which every file of a dataset is AVAILABLE.

    Parameters
    ----------
    lake : Lake
        Where it is.
    dataset : DID
        The dataset.
    count : int
        Files that it holds: one that got more meanwhile is whole nowhere.

    Examples
    --------
    >>> "SARA" in whole_sites(lake, DID("lofar", "example"), 1), whole_sites(lake, DID("lofar", "example"), 2)
    (True, [])
    """
    rows = lake.call("list_dataset_replicas", dataset.scope, dataset.name, deep=True)
    times = Counter(row["rse"] for row in rows)  # a second row of a site is of archives that hold the files
    return sorted(
        row["rse"] for row in rows if row["available_length"] == row["length"] == count and times[row["rse"]] == 1
    )


def _starts(lake: Lake, sites: Collection[str], probes: tuple[DID, DID]) -> dict[str, tuple[str, ...]]:
    """What comes before the path in Rucio's addresses, by site; sites that make them otherwise are missing."""
    told = replicas_of(lake, probes, "|".join(sites)) if sites else {}
    starts: dict[str, tuple[str, ...]] = {}
    for rse in sites:
        if not lake.rse(rse)["deterministic"]:
            continue
        ours = paths.made(lake, rse, probes)
        theirs = [next((r.addresses for r in told.get(did, ()) if r.rse == rse), ()) for did in probes]
        if not all(a.endswith(ours[did]) for did, found in zip(probes, theirs, strict=True) for a in found):
            continue
        first, last = (
            tuple(a.removesuffix(ours[did]) for a in found) for did, found in zip(probes, theirs, strict=True)
        )
        if first and first == last:
            starts[rse] = first
    return starts


def _replicas(row: dict) -> tuple[Replica, ...]:
    addresses: dict[str, list[str]] = {rse: [] for rse in row.get("states", {})}
    for address, told in row.get("pfns", {}).items():
        addresses.setdefault(told["rse"], []).append(address)
    return tuple(
        Replica(rse, row.get("states", {}).get(rse, "AVAILABLE"), tuple(sorted(found)))
        for rse, found in sorted(addresses.items())
    )
