"""What an ingest sends: each file of the lake, and where its bytes come from, before the first byte is read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import NotAMeasurementSet, UsageError
from lofarlake_nb.lake import metadata, names
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.observation import archive, measurement_set, naming
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.measurement_set import Description
from lofarlake_nb.parameters import IngestParameters


@dataclass(frozen=True)
class Item:
    """One file of the lake.

    Parameters
    ----------
    did : DID
        What it is called there.
    source : Path
        A ready file, or the folder that it is the tar of.
    size : int
        Bytes in the lake.
    metadata : mapping
        What the catalogue shall know of it.
    packing : Packing or None
        How the folder becomes a tar.

    Examples
    --------
    >>> b"".join(map(bytes, ready(Path("sources.csv"), "lofar").blocks()))[:16]
    b'name,ra,dec,flux'
    """

    did: DID
    source: Path
    size: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    packing: archive.Packing | None = None

    def blocks(self) -> Iterator[Block]:
        """Its bytes."""
        return self.packing.blocks() if self.packing else archive.blocks_of(self.source, self.size)


@dataclass(frozen=True)
class Order:
    """What one ingest is asked for.

    Examples
    --------
    >>> parameters = IngestParameters(dataset="lofar:mine", patience="2 min")
    >>> Order([], parameters, DID("lofar", "mine"), None, {}).patience.seconds
    120.0
    """

    items: list[Item]
    parameters: IngestParameters
    dataset: DID
    container: DID | None
    about: Mapping[str, Any]  # metadata of the dataset
    pfns: Mapping[DID, str] | None = None  # of files that are registered in place, where each lies
    by_files: bool = False  # whether the dataset is described by what its files share and span, too

    @property
    def patience(self) -> Patience:
        """With servers that fail."""
        return Patience(self.parameters.patience_s)


def observation(paths: Sequence[str | Path], scope: str) -> list[Item]:
    """Files of an observation: a tar for each Measurement Set, ready files as they are.

    Parameters
    ----------
    paths : sequence of paths
        Measurement Sets, folders with Measurement Sets in them, or files.
    scope : str
        Of their DIDs.

    Returns
    -------
    list of Item
        By name.

    Raises
    ------
    NotAMeasurementSet
        When there is nothing at a path, or no Measurement Set in a folder.
    InvalidDID
        When the scope has characters that the lake refuses; in names they are encoded.
    UsageError
        When there are no paths, or two would have the same name in the lake.

    Examples
    --------
    >>> [item.did.name[:26] for item in observation(["observation"], "lofar")]
    ['L990100_SAP000_SB000_uv.MS']
    """
    items = []
    for path in map(Path, paths):
        if path.is_file():
            items.append(ready(path, scope))
            continue
        found = measurement_set.find(path)
        if not found:
            raise NotAMeasurementSet(f"{path} holds no Measurement Set", "give a Measurement Set, or a folder of them")
        items += [_measurement_set(folder, scope) for folder in found]
    return distinct(items)


def products(files: Sequence[str | Path], dataset: DID, lineage: Mapping[str, Any]) -> list[Item]:
    """Files of a result: the name of each begins with the dataset's, for names are unique in a scope.

    Parameters
    ----------
    files : sequence of paths
        Images, tables, pictures, notebooks.
    dataset : DID
        That they join.
    lineage : mapping
        Where they come from; every file carries it.

    Returns
    -------
    list of Item
        By name.

    Raises
    ------
    UsageError
        When a file is missing, or there are none.

    Examples
    --------
    >>> [str(item.did) for item in products(["image.fits"], DID("lofar", "mine"), {})]
    ['lofar:mine.image.fits']
    """
    items = []
    for path in map(Path, files):
        if not path.is_file():
            raise UsageError(f"{path}: no such file", "give the files of the result")
        about = {"filename": path.name, **lineage}
        items.append(_file(path, *_named(dataset.scope, f"{dataset.name}.{path.name}", about)))
    return distinct(items)


def ready(path: Path, scope: str, size: int | None = None) -> Item:
    """A file that goes as it is; of one that is not on this machine, with its size.

    Examples
    --------
    >>> item = ready(Path("sources.csv"), "lofar")
    >>> str(item.did), item.size, ready(Path("my table.csv"), "lofar", 61).did.name
    ('lofar:sources.csv', 61, 'my__20table.csv')
    """
    did, about = _named(scope, path.name, metadata.of_name(path.name))
    return _file(path, did, about) if size is None else Item(did, path, size, about)


def _file(path: Path, did: DID, about: Mapping[str, Any]) -> Item:
    return Item(did, path, path.stat().st_size, about)


def _measurement_set(folder: Path, scope: str) -> Item:
    described = measurement_set.describe(folder)
    packing = archive.pack(folder)
    name = _tar_name(described, packing.contents_hash)
    did, about = _named(scope, name, metadata.of_measurement_set(described))
    return Item(did, folder, packing.size, about, packing)


def _named(scope: str, name: str, about: Mapping[str, Any]) -> tuple[DID, Mapping[str, Any]]:
    """DID and metadata of a file; where the lake refuses its name, the metadata has it."""
    written = names.encode(name)
    if written == name:
        return DID(scope, name), about
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise UsageError(f"{name!r}: the name of this file is no UTF-8, which the lake can't keep", "rename it")
    return DID(scope, written), {**about, names.ORIGINAL: name}


def _tar_name(described: Description, contents_hash: str) -> str:
    """LOFAR's own form where the folder's name or the Measurement Set says enough for it."""
    folder = described.path.resolve().name
    known = naming.parse(folder)
    number = re.fullmatch(r"L?(\d{1,9})", described.observation_id)
    if known is None and number and described.subband is not None:
        known = naming.SubbandName(f"L{number[1]}", described.subband, described.sap or 0)
    return naming.tar_name(known.measurement_set if known else folder, contents_hash)


def distinct(items: list[Item]) -> list[Item]:
    """Items by name, each once.

    Raises
    ------
    UsageError
        When there are none, or two would have the same name in the lake.

    Examples
    --------
    >>> items = [ready(Path(name), "lofar") for name in ("sources.csv", "image.fits", "sources.csv")]
    >>> [item.did.name for item in distinct(items)]
    ['image.fits', 'sources.csv']
    """
    if not items:
        raise UsageError("nothing to ingest", "give Measurement Sets, folders of them, or files")
    by_name: dict[DID, Item] = {}
    for item in items:
        other = by_name.setdefault(item.did, item)
        if other is not item and other.source.resolve() != item.source.resolve():
            raise UsageError(
                f"{other.source} and {item.source} would both be {item.did}", "ingest one, or rename its folder"
            )
    return sorted(by_name.values(), key=lambda item: item.did)
