"""What a lake holds, newest first."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import DIDNotFound
from lofarlake_nb.lake import metadata, retrieve
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.rows import Rows

_NONE_YET = "the lake holds nothing yet: notebook 1_ingest brings an observation, 2_process its images"


@dataclass(frozen=True)
class Holding:
    """A dataset or container; `bytes` and `files` are None until the lake has counted.

    Examples
    --------
    >>> (holding,) = newest(lake, pattern="example.image.fits", kind="file")
    >>> holding.did, holding.type, holding.bytes
    ('lofar:example.image.fits', 'file', 69120)
    """

    did: str
    type: str
    files: int | None
    bytes: int | None
    created: str


@dataclass(frozen=True)
class Product:
    """A file of a dataset; both empty when there is none.

    Parameters
    ----------
    dataset : str
        DID of the dataset.
    file : str
        DID of the file.

    Examples
    --------
    >>> newest_product(lake, "lofar:example")
    Product(dataset='lofar:example', file='lofar:example.image.fits')
    """

    dataset: str
    file: str

    def _repr_html_(self) -> str:
        said = f"<code>{html.escape(self.file)}</code> of dataset <code>{html.escape(self.dataset)}</code>"
        return f"<p>{said if self.file else 'No such product is in the lake yet: run 2_process first.'}</p>"


def newest(lake: Lake, scope: str = "lofar", pattern: str = "*", kind: str = "collection") -> Rows[Holding]:
    """Data identifiers of a scope, newest first.

    Parameters
    ----------
    lake : Lake
        Where they are.
    scope : str
        The scope.
    pattern : str
        Of the name, with wildcards ``*``.
    kind : str
        ``collection``, ``dataset``, ``container`` or ``file``.

    Returns
    -------
    Rows of Holding
        All of them.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> [holding.did for holding in newest(lake, pattern="exampl*", kind="dataset")]
    ['lofar:example']
    """
    names = lake.call("list_dids", scope, filters=[{"name": pattern}], did_type=kind)
    entries = [{"scope": scope, "name": name} for name in names]
    known = [about for some in batches(entries) for about in lake.call("get_metadata_bulk", list(some))]
    known.sort(key=lambda about: about["created_at"], reverse=True)
    return Rows([_holding(about) for about in known], "" if known else _NONE_YET)


def newest_product(lake: Lake, dataset: str = "", scope: str = "lofar", ending: str = "image.fits") -> Product:
    """The newest file of a kind, or the first by name of one dataset, and the dataset that it belongs to.

    Parameters
    ----------
    lake : Lake
        Where to look.
    dataset : str
        DID of the dataset to look in; empty for all of the scope.
    scope : str
        Where to look when no dataset is given.
    ending : str
        What the file's name ends in.

    Returns
    -------
    Product
        Empty when the lake holds none.

    Raises
    ------
    DIDNotFound
        When there is no such dataset, or it has no such file.

    Examples
    --------
    >>> newest_product(lake, "lofar:example").file
    'lofar:example.image.fits'
    """
    if dataset:
        did = DID.parse(dataset)
        lake.get(did)
        files = [f"{f['scope']}:{f['name']}" for f in lake.call("list_files", did.scope, did.name)]
        found = sorted(f for f in files if f.endswith(ending))
        if not found:
            raise DIDNotFound(f"{did} has no file that ends in {ending}", f"it has {len(files)} others")
        return Product(str(did), found[0])
    for file in newest(lake, scope, f"*{ending}", "file"):
        did = DID.parse(file.did)
        for parent in lake.call("list_parent_dids", did.scope, did.name):
            return Product(f"{parent['scope']}:{parent['name']}", file.did)
    return Product("", "")


def retrieved(lake: Lake, product: Product, folder: str | Path) -> str:
    """Path of a product on this disk, brought here and verified when it is not there yet.

    Parameters
    ----------
    lake : Lake
        Where it is.
    product : Product
        From `newest_product`.
    folder : str or Path
        Where it goes.

    Returns
    -------
    str
        Empty when there is no product.

    Raises
    ------
    LofarlakeError
        As `retrieve.retrieve`.

    Examples
    --------
    >>> product = newest_product(lake, "lofar:example", "image.fits")
    >>> retrieved(lake, product, "here")
    'here/example.image.fits'
    """
    return str(retrieve.retrieve(lake, product.file, Path(folder)).paths[0]) if product.file else ""


def lineage(lake: Lake, product: Product) -> dict[str, Any]:
    """Where a product comes from: inputs, parameters, versions; empty when it is not said.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> product = newest_product(lake, "lofar:example", "image.fits")
    >>> lineage(lake, product)["inputs"]
    ['lofar:L990100']
    """
    return metadata.read(lake, product.dataset).get("lofarlake", {}) if product.dataset else {}


def _holding(about: dict[str, Any]) -> Holding:
    return Holding(
        f"{about['scope']}:{about['name']}",
        str(about["did_type"]).lower(),
        about["length"],
        about["bytes"],
        f"{about['created_at']:%Y-%m-%d %H:%M:%S} UTC",
    )
