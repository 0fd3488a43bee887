"""``rucio://scope/dataset/file``: what such a path leads to, and how the path of a DID is written.

A part of a path is a DID's name; in a dataset, what a file's name has in common with the dataset's may be left out
(``rucio://lofar/RESULTS/image.fits`` is ``lofar:RESULTS.image.fits``). A name's slashes are written ``%2F``, and
what is of another scope than what it lies in ``scope:name``.
"""

from collections.abc import Sequence
from urllib.parse import unquote

from lofarlake_nb.errors import DIDNotFound, NotInTheLake
from lofarlake_nb.lake import tree
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.tree import Entry


def entry(lake: Lake, path: str) -> Entry:
    """What a path leads to, from collection to collection.

    Parameters
    ----------
    lake : Lake
        Where to look.
    path : str
        Of a collection or a file, without ``rucio://``.

    Raises
    ------
    NotInTheLake
        When there is no such thing.

    Examples
    --------
    >>> str(entry(lake, "lofar/example/image.fits").did)
    'lofar:example.image.fits'
    """
    scope, *parts = path.split("/")
    if not all(parts):
        whole = "/".join([scope, *filter(None, parts)])
        raise NotInTheLake(
            f"rucio://{path} has nothing between two slashes, expected scope/dataset/file",
            f"leave one out: rucio://{whole}; a slash in a name is written %2F",
        )
    try:
        found = tree.entry(lake, DID(scope, unquote(parts[0])))
        for part in parts[1:]:
            found = _inside(lake, found, part)
    except DIDNotFound as error:
        raise NotInTheLake(f"rucio://{path} is not in the lake: {error.message}", error.hint) from error
    except ValueError as error:  # no name that a lake has
        raise NotInTheLake(f"rucio://{path} is not in the lake: {error}") from error
    return found


def names(dids: Sequence[DID], parent: DID | None = None) -> list[str]:
    """How each DID is written in a path.

    Parameters
    ----------
    dids : sequence of DID
        All that is in the collection: what is left out of a name must not make it another's.
    parent : DID, optional
        The collection that they lie in; without it they lie in their scope.

    Examples
    --------
    >>> names([DID("lofar", "example.image.fits"), DID("lofar", "a/b.fits")], DID("lofar", "example"))
    ['image.fits', 'a%2Fb.fits']
    """
    if parent is None:
        return [_quoted(did.name) for did in dids]
    full = {_full(did, parent) for did in dids}
    return [_quoted(_short(did, parent, full)) for did in dids]


def _inside(lake: Lake, parent: Entry, written: str) -> Entry:
    scope, colon, name = unquote(written).rpartition(":")
    scope = scope if colon else parent.did.scope
    for candidate in (name, f"{parent.did.name}.{name}"):
        did = DID(scope, candidate)
        if lake.find(did) is not None and parent.did in tree.parents(lake, did):
            return tree.entry(lake, did)
    raise DIDNotFound(f"{parent.did} has no {written}", f"see what it has: fs.ls('{parent.did.scope}/...')")


def _full(did: DID, parent: DID) -> str:
    return did.name if did.scope == parent.scope else str(did)


def _short(did: DID, parent: DID, full: set[str]) -> str:
    """Name in a collection: without the collection's own, unless that is another's name."""
    written = _full(did, parent)
    short = written.removeprefix(f"{parent.name}.")
    return short if did.scope == parent.scope and short and short[0].isalnum() and short not in full else written


def _quoted(name: str) -> str:
    return name.replace("/", "%2F")
