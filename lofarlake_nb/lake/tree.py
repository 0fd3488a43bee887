"""The lake as a tree: scopes, in them containers and datasets, in those files; one level at a time, as rows come."""

from collections.abc import Iterator
from dataclasses import dataclass

from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID


@dataclass(frozen=True, slots=True)
class Entry:
    """A container, a dataset or a file.

    Parameters
    ----------
    did : DID
        Its name.
    type : str
        ``container``, ``dataset`` or ``file``.
    bytes : int or None
        Of a collection what the lake has counted so far; None where it has not.
    files : int or None
        In a collection, the same.
    adler32 : str
        8 hexadecimal digits; empty of a collection.
    open : bool
        Whether files may still join a collection.

    Examples
    --------
    >>> file, dataset = entry(lake, "lofar:example.image.fits"), entry(lake, "lofar:example")
    >>> file.is_file, file.bytes, dataset.is_file, dataset.open
    (True, 69120, False, False)
    """

    did: DID
    type: str
    bytes: int | None
    files: int | None = None
    adler32: str = ""
    open: bool = False

    @property
    def is_file(self) -> bool:
        """Whether nothing is in it."""
        return self.type == "file"


def scopes(lake: Lake) -> list[str]:
    """Scopes of a lake, sorted.

    Examples
    --------
    >>> "lofar" in scopes(lake)
    True
    """
    return sorted(lake.call("list_scopes"))


def entry(lake: Lake, did: DID | str) -> Entry:
    """What the catalogue says of a DID.

    Raises
    ------
    DIDNotFound
        When there is none.

    Examples
    --------
    >>> entry(lake, "lofar:L990100").type
    'dataset'
    """
    did = DID.parse(did)
    told = lake.get(did)
    kind = str(told["type"]).lower()
    if kind == "file":
        return Entry(did, kind, told["bytes"], None, (told.get("adler32") or "").rjust(8, "0"))
    return Entry(did, kind, told.get("bytes"), told.get("length"), open=bool(told.get("open")))


def collections(lake: Lake, scope: str) -> Iterator[Entry]:
    """Containers and datasets of a scope, in the catalogue's order; none where there is no such scope.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> "L990100" in [one.did.name for one in collections(lake, "lofar")]
    True
    """
    for row in lake.stream("list_dids", scope, filters=[{"name": "*"}], did_type="collection", long=True):
        yield Entry(DID(scope, row["name"]), str(row["did_type"]).lower(), row["bytes"], row["length"])


def contents(lake: Lake, parent: Entry) -> Iterator[Entry]:
    """What is in a container or a dataset, in the catalogue's order; the first rows come before the last are known.

    Raises
    ------
    DIDNotFound
        When it is gone.

    Examples
    --------
    >>> [str(one.did) for one in contents(lake, entry(lake, "lofar:example"))]
    ['lofar:example.image.fits']
    """
    scope, name = parent.did.scope, parent.did.name
    if parent.type == "container":
        for row in lake.stream("list_content", scope, name):
            yield Entry(DID(row["scope"], row["name"]), str(row["type"]).lower(), row.get("bytes"), row.get("length"))
    elif parent.type == "dataset":
        for row in lake.stream("list_files", scope, name):
            yield Entry(
                DID(row["scope"], row["name"]), "file", row["bytes"], None, (row["adler32"] or "").rjust(8, "0")
            )


def parents(lake: Lake, did: DID) -> set[DID]:
    """Containers and datasets that something is in.

    Examples
    --------
    >>> DID("lofar", "example") in parents(lake, DID("lofar", "example.image.fits"))
    True
    """
    return {DID(row["scope"], row["name"]) for row in lake.call("list_parent_dids", did.scope, did.name)}
