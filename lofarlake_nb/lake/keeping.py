"""Keep any files in the lake, with where they come from; and share them by a line that someone else can run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import DIDNotFound, UsageError
from lofarlake_nb.lake import (
    ingest,
    lease,
    logins,
    looking,
    metadata,
    names,
    plan,
    registration,
    replicas,
    results,
    urls,
)
from lofarlake_nb.lake.client import Lake, connect
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.wording import counted


@dataclass(frozen=True)
class Shared:
    """Files that are in the lake, and how someone else opens them.

    Parameters
    ----------
    dataset : str
        DID of their dataset; empty where there is none.
    urls : tuple of str
        Of each file, as `lofarlake_nb.lake.filesystem` and fsspec take them.
    already : str
        Of files that are kept again, what was there before and what is added, in words; empty of new ones.

    Examples
    --------
    >>> shared(lake, "lofar:example").dataset
    'lofar:example'
    """

    dataset: str
    urls: tuple[str, ...]
    already: str = field(default="", compare=False)

    @property
    def line(self) -> str:
        """A line of Python that opens the first file, on a machine with the lake's ``rucio.cfg``; empty of nothing."""
        if not self.urls:
            return ""
        return f"import fsspec; file = fsspec.open({self.urls[0]!r}, lake='rucio.cfg').open()"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not self.dataset:
            return {"text/plain": "there is nothing to share yet"}
        if not self.urls:
            return {"text/plain": f"{self.dataset} has no files yet"}
        files = counted(len(self.urls), "file is")
        said = f"{files} in the lake as {self.dataset}; someone else opens the first with\n{self.line}"
        said += f"\n{self.already}" if self.already else ""
        return {"text/plain": said}


def keep(
    paths: Sequence[str | Path] | str | Path,
    *,
    lake: str | Path = "",
    dataset: str = "",
    inputs: Sequence[str] = (),
    note: str = "",
    rse: str = "SARA",
    replicate_to: str = "",
    progress: Sink | None = None,
) -> Shared:
    """Bring files into the lake, with their lineage; what is there already keeps its own, and new inputs are added.

    Parameters
    ----------
    paths : path or sequence of paths
        Files: a notebook, a picture, a table.
    lake : str or Path
        As `client.connect` takes it.
    dataset : str
        DID of the new dataset, or of one that has lineage; empty to name it after the first file and the content of
        all, in the scope ``lofar``: the same files are the same dataset, whatever they are said to be made from.
    inputs : sequence of str
        DIDs that they were made from; each must be in the lake.
    note : str
        What they are, in words; another note than the first is added below it.
    rse, replicate_to : str
        Site that receives them; RSE expression for a copy, or empty.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Shared
        What to tell others.

    Raises
    ------
    UsageError
        When there is no such file, or it holds the lake's login: see `logins`; when the dataset is there and is not
        one of results, as an observation's.
    OnlyLooking
        On a page for people who only look.
    DIDNotFound
        When an input is not in the lake.
    LakeError
        When the lake does not take them.

    Examples
    --------
    >>> keep("image.fits", lake=home, dataset="lofar:mine", inputs=["lofar:example"]).dataset
    'lofar:mine'
    >>> keep("image.fits", lake=home, dataset="lofar:mine").already
    'it was there already, made from lofar:example'
    """
    looking.refuse("keep files")
    files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for file in files:
        if not file.is_file():
            raise UsageError(f"{file}: no such file", "save it first, and give its path")
    if not files:
        raise UsageError("there is nothing to keep", "name a file")
    _check(files)
    connected = connect(lake)
    logins.refuse(connected, files)
    for one in inputs:
        connected.get(DID.parse(one))
    name = (
        DID.parse(dataset) if dataset else DID("lofar", f"kept_{names.encode(files[0].stem)}_{results.content(files)}")
    )
    lineage = {
        "inputs": [str(DID.parse(one)) for one in inputs],
        "note": note,
        "by": connected.account,
        "versions": {package: version(package) for package in ("lofarlake", "rucio-clients")},
    }
    whole, first = registration.closed(connected, name), _lineage(connected, name, files)
    both = merged(first, lineage)
    ingest.ingest_products(
        connected, files, name, both, rse=rse, replicate_to=replicate_to, close=True, progress=progress
    )
    return replace(shared(connected, name), already=_already(first, both) if whole else "")


def merged(first: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Lineage of what is kept again: the first one, with the inputs and the note that the later one adds.

    Examples
    --------
    >>> first = {"inputs": ["lofar:a"], "note": "a plot", "by": "me"}
    >>> merged(first, {"inputs": ["lofar:b", "lofar:a"], "note": "", "by": "you"})
    {'inputs': ['lofar:a', 'lofar:b'], 'note': 'a plot', 'by': 'me'}
    """
    inputs = dict.fromkeys([*first.get("inputs", ()), *later.get("inputs", ())])
    note = first.get("note", "")
    more = [line for line in later.get("note", "").splitlines() if line not in note.splitlines()]
    return {**later, **first, "inputs": list(inputs), "note": "\n".join([note, *more] if note else more)}


def _lineage(lake: Lake, did: DID, files: Sequence[Path]) -> dict[str, Any]:
    """What the lake has of a dataset; empty where that is new. One that was not made from anything is not ours."""
    try:
        told = metadata.read(lake, did)
    except DIDNotFound:
        return {}
    if "lofarlake" in told:
        return told["lofarlake"]
    # A keep that was stopped left nothing but some of its files.
    others = replicas.held_by(lake, did).keys() - {item.did for item in plan.products(files, did, {})}
    if others or told.keys() - {lease.KEY}:
        raise UsageError(
            f"{did} is in the lake already, and no dataset of kept files: it would be taken for a result, and closed",
            "give the name of a new dataset, or none",
        )
    return {}


def _already(first: Mapping[str, Any], both: Mapping[str, Any]) -> str:
    """That it was there, and what is new of its lineage, in words."""
    before = first.get("inputs", [])
    said = "it was there already" + (f", made from {', '.join(before)}" if before else "")
    new = [f"input {one}" for one in both["inputs"] if one not in before]
    new += ["the note"] if both["note"] != first.get("note", "") else []
    return f"{said}; added: {', '.join(new)}" if new else said


def shared(lake: Lake, did: DID | str) -> Shared:
    """What to tell someone else who is to open a dataset; of no dataset, that there is nothing.

    Raises
    ------
    DIDNotFound
        When it is not in the lake.

    Examples
    --------
    >>> shared(lake, "lofar:example").urls
    ('rucio://lofar/example/image.fits',)
    """
    if not did:
        return Shared("", ())
    did = DID.parse(did)
    lake.get(did)
    files = sorted(DID(row["scope"], row["name"]) for row in lake.stream("list_files", did.scope, did.name))
    start = f"rucio://{did.scope}/{urls.names([did])[0]}"
    if files == [did]:  # it is a file itself
        return Shared(str(did), (start,))
    return Shared(str(did), tuple(f"{start}/{name}" for name in urls.names(files, did)))


def _check(files: Sequence[Path]) -> None:
    """A notebook that can't be read as one is not kept: it was being written."""
    for file in files:
        if file.suffix == ".ipynb":
            try:
                json.loads(file.read_text())
            except ValueError as error:
                raise UsageError(f"{file} is no notebook: {error}", "save it again") from error
