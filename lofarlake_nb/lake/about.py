"""All that the lake knows of one DID: size, checksum, which sites have it, what its rules wait for, its metadata."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lofarlake_nb.lake import metadata, replicas, rules, tree
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.rules import Held
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.wording import counted

_PENDING = 5  # files that are looked up for each rule
_BELOW = 100  # datasets of a container that are looked at

# Rucio's states of a replica: the colour, and what it means.
_STATES = {
    "AVAILABLE": ("green", "has it"),
    "COPYING": ("yellow", "is being copied to"),
    "BEING_DELETED": ("yellow", "it is being deleted"),
    "TEMPORARY_UNAVAILABLE": ("yellow", "can't be read for a while"),
    "UNAVAILABLE": ("red", "can't be read"),
    "BAD": ("red", "its bytes are bad"),
}


@dataclass(frozen=True)
class Site:
    """How a site stands to a DID.

    Parameters
    ----------
    name : str
        Of the RSE.
    colour : str
        ``green``: all is there; ``yellow``: some is, or it is on its way; ``red``: it is stuck, bad or out of reach.
    words : str
        The same in words.

    Examples
    --------
    >>> next(site.words for site in of(lake, "lofar:example").sites if site.name == "SARA")
    'has the file'
    """

    name: str
    colour: str
    words: str


@dataclass(frozen=True)
class About:
    """What the lake knows of a DID.

    Parameters
    ----------
    entry : Entry
        Its size and checksum.
    sites : tuple of Site
        By name.
    rules : tuple of Held
        Those that hold it, and what they wait for.
    metadata : mapping
        From its Measurement Sets, and of its lineage.
    parents : tuple of str
        DIDs of the datasets and containers that it is in.

    Examples
    --------
    >>> known = of(lake, "lofar:example.image.fits")
    >>> known.entry.bytes, known.metadata["filename"], "lofar:example" in known.parents
    (69120, 'image.fits', True)
    """

    entry: Entry
    sites: tuple[Site, ...]
    rules: tuple[Held, ...]
    metadata: Mapping[str, Any]
    parents: tuple[str, ...]


def of(lake: Lake, did: DID | str) -> About:
    """All that a lake knows of a DID.

    Parameters
    ----------
    lake : Lake
        Where it is.
    did : DID or str
        ``scope:name``.

    Raises
    ------
    DIDNotFound
        When there is no such DID.

    Examples
    --------
    >>> sorted(site.name for site in of(lake, "lofar:example.image.fits").sites)
    ['JUELICH', 'SARA']
    """
    did = DID.parse(did)
    entry = tree.entry(lake, did)
    held = tuple(rules.of(lake, did, _PENDING))
    known = _of_file(lake, did) if entry.is_file else _of_datasets(lake, _datasets(lake, entry))
    return About(
        entry,
        tuple(sorted(_with_rules(known, held).values(), key=lambda site: site.name)),
        held,
        metadata.read(lake, did),
        tuple(sorted(map(str, tree.parents(lake, did)))),
    )


def _of_file(lake: Lake, did: DID) -> dict[str, Site]:
    found = {}
    for replica in replicas.replicas_of(lake, [did]).get(did, ()):
        colour, words = _STATES.get(replica.state, ("yellow", f"the catalogue says {replica.state}"))
        found[replica.rse] = Site(replica.rse, colour, words)
    return found


def _datasets(lake: Lake, entry: Entry) -> list[DID]:
    if entry.type == "dataset":
        return [entry.did]
    return [inner.did for inner in tree.contents(lake, entry) if inner.type == "dataset"][:_BELOW]


def _of_datasets(lake: Lake, datasets: Iterable[DID]) -> dict[str, Site]:
    there: Counter[str] = Counter()
    total = 0
    for did in datasets:
        rows = lake.call("list_dataset_replicas", did.scope, did.name, deep=True)
        total += max((row["length"] or 0 for row in rows), default=0)
        for row in rows:
            there[row["rse"]] += row["available_length"] or 0
    return {rse: _counted(rse, count, total) for rse, count in there.items()}


def _counted(rse: str, count: int, total: int) -> Site:
    if count >= total:
        return Site(rse, "green", f"has all {total} files" if total != 1 else "has the file")
    return Site(rse, "yellow", f"has {count} of {counted(total, 'file')}")


def _with_rules(known: dict[str, Site], held: Iterable[Held]) -> dict[str, Site]:
    """The same, with the sites that rules wait for."""
    found = dict(known)
    for one in held:
        for pending in one.pending:
            colour = "red" if pending.state == "STUCK" else "yellow"
            words = "is stuck" if pending.state == "STUCK" else "is waited for"
            before = found.get(pending.rse)
            if before is None or before.colour != "red":
                said = f"{before.words}; the rest {words}" if before and before.colour != "green" else words
                found[pending.rse] = Site(pending.rse, colour, said)
    return found


def sites(lake: Lake) -> list[str]:
    """Names of a lake's sites, sorted.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> {"JUELICH", "POZNAN", "SARA"} <= set(sites(lake))
    True
    """
    return sorted(row["rse"] for row in lake.call("list_rses"))
