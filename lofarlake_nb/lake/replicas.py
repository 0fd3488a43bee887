"""Files of a dataset and where their bytes are, as the catalogue says."""

from collections.abc import Sequence
from dataclasses import dataclass

from lofarlake_nb.errors import DIDNotFound
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID


@dataclass(frozen=True)
class Replica:
    """One copy of a file."""

    rse: str
    state: str  # AVAILABLE, COPYING, UNAVAILABLE, BAD, ...
    addresses: tuple[str, ...]  # Rucio's PFNs, one for each protocol


@dataclass(frozen=True)
class File:
    """One file of a dataset."""

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
    """
    did = DID.parse(did)
    kind = lake.get(did)["type"]
    held = lake.call("list_files", did.scope, did.name)
    if not held:
        raise DIDNotFound(f"{did} is an empty {kind.lower()}", "ingest files into it first")
    sizes = {DID(row["scope"], row["name"]): (row["bytes"], (row["adler32"] or "").rjust(8, "0")) for row in held}
    copies = replicas_of(lake, sorted(sizes))
    return [File(one, size, adler32, copies.get(one, ())) for one, (size, adler32) in sorted(sizes.items())]


def replicas_of(lake: Lake, dids: Sequence[DID]) -> dict[DID, tuple[Replica, ...]]:
    """Copies of files in any state, asked for in bulk; a file without any may be missing."""
    copies: dict[DID, tuple[Replica, ...]] = {}
    for some in batches(dids):
        for row in lake.call("list_replicas", [one.parts for one in some], all_states=True, domain="all"):
            copies[DID(row["scope"], row["name"])] = _replicas(row)
    return copies


def _replicas(row: dict) -> tuple[Replica, ...]:
    addresses: dict[str, list[str]] = {rse: [] for rse in row.get("states", {})}
    for address, told in row.get("pfns", {}).items():
        addresses.setdefault(told["rse"], []).append(address)
    return tuple(
        Replica(rse, row.get("states", {}).get(rse, "AVAILABLE"), tuple(sorted(found)))
        for rse, found in sorted(addresses.items())
    )
