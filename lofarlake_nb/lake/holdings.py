"""What a lake holds, newest first."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb.lake import metadata, retrieve
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.lineage import made_from
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
    """A file of a dataset; both empty when there is none, with a word why.

    Parameters
    ----------
    dataset : str
        DID of the dataset.
    file : str
        DID of the file.
    note : str
        What to say of it.

    Examples
    --------
    >>> newest_product(lake, "lofar:example")
    Product(dataset='lofar:example', file='lofar:example.image.fits', note='')
    >>> Product("", "", "no image yet")._repr_html_()
    '<p>no image yet</p>'
    """

    dataset: str
    file: str
    note: str = ""

    def _repr_html_(self) -> str:
        if not self.file:
            return f"<p>{html.escape(self.note or 'No such product is in the lake yet: run 2_process first.')}</p>"
        said = f"<code>{html.escape(self.file)}</code> of dataset <code>{html.escape(self.dataset)}</code>"
        return f"<p>{said}{html.escape(f', {self.note}' if self.note else '')}</p>"


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
    """The newest file of a kind, or the one of a dataset or of what was made from it; with its own dataset.

    Of a dataset that has several the first by name is taken; one that has none, as an observation has no image, is
    looked up in lineages, and the newest result that has one is taken.

    Parameters
    ----------
    lake : Lake
        Where to look.
    dataset : str
        DID of an observation or of a result; empty for all of the scope.
    scope : str
        Where to look when no dataset is given.
    ending : str
        What the file's name ends in.

    Returns
    -------
    Product
        Empty when the lake holds none; of a dataset it says which.

    Raises
    ------
    DIDNotFound
        When there is no such dataset.

    Examples
    --------
    >>> newest_product(lake, "lofar:example").file
    'lofar:example.image.fits'
    >>> newest_product(lake, "lofar:L990100").note
    'the newest that was made from lofar:L990100'
    >>> newest_product(lake, "lofar:L990100", ending="cube.fits").note
    'no cube.fits of lofar:L990100 yet; stage 2 (2_process) makes images of an observation'
    """
    if dataset:
        return _product_of(lake, DID.parse(dataset), ending)
    for file in newest(lake, scope, f"*{ending}", "file"):
        did = DID.parse(file.did)
        for parent in lake.call("list_parent_dids", did.scope, did.name):
            return Product(f"{parent['scope']}:{parent['name']}", file.did)
    return Product("", "")


def _product_of(lake: Lake, did: DID, ending: str) -> Product:
    """Of a dataset itself, or else of the newest result that was made from it."""
    lake.get(did)
    if file := _first(lake, did, ending):
        return Product(str(did), file)
    for result in made_from(lake, did):
        if file := _first(lake, result, ending):
            return Product(str(result), file, f"the newest that was made from {did}")
    return Product("", "", f"no {ending} of {did} yet; stage 2 (2_process) makes images of an observation")


def _first(lake: Lake, did: DID, ending: str) -> str:
    """The first file by name that ends so; empty where there is none."""
    files = (f"{row['scope']}:{row['name']}" for row in lake.stream("list_files", did.scope, did.name))
    return min((file for file in files if file.endswith(ending)), default="")


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
