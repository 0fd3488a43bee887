"""Results of a run in the lake: a dataset named by their content, with the way back to where they come from."""

import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lofarlake_nb.lake import ingest, metadata, names, registration
from lofarlake_nb.lake.client import Lake, connect
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.ingest import Ingested
from lofarlake_nb.steps import KEEP_MIME
from lofarlake_nb.wording import counted

# Whose versions decide what a product looks like.
ENGINES = (
    "lofarlake",
    "aoflagger",
    "ducc0",
    "radler",
    "everybeam",
    "bdsf",
    "astropy",
    "python-casacore",
    "dask",
    "numpy",
    "rucio-clients",
)


@dataclass(frozen=True)
class Kept:
    """Products that are in the lake.

    Parameters
    ----------
    dataset : str
        DID of the results dataset; empty where there was no lake to keep them in.
    lake : str
        As `client.connect` takes it.
    rse : str
        Site that has them.
    notebook : str
        Name of the notebook whose executed copy is to join them.
    ingested : Ingested or None
        What was sent.

    Examples
    --------
    >>> Kept("")._repr_mimebundle_()["text/plain"]
    'kept on this disk only: the input did not come from a lake'
    """

    dataset: str
    lake: str = ""
    rse: str = ""
    notebook: str = ""
    ingested: Ingested | None = None

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not self.dataset:
            return {"text/plain": "kept on this disk only: the input did not come from a lake"}
        request = {"dataset": self.dataset, "lake": self.lake, "rse": self.rse, "notebook": self.notebook}
        files = self.ingested.files if self.ingested else 0
        return {"text/plain": f"{counted(files, 'product is')} in the lake as {self.dataset}", KEEP_MIME: request}


def keep(
    lake: str,
    products: Sequence[Path],
    *,
    dataset: str,
    parameters: Mapping[str, Any],
    notebook: str,
    rse: str = "SARA",
    replicate_to: str = "JUELICH",
) -> Kept:
    """Bring the products of a run into the lake, beside the dataset that they were made from.

    The results dataset is called after the input and the content of the products, so the same products are the same
    dataset. It stays open for the executed notebook: `add_notebook`. Of a long name of an input it has the beginning.
    They are found by the target, place, frequencies and time of the input: see `metadata.of_results`.

    Parameters
    ----------
    lake : str
        As `client.connect` takes it.
    products : sequence of Path
        Files.
    dataset : str
        DID of the input; empty where the input was no dataset: then nothing is kept.
    parameters : mapping
        Of the run.
    notebook : str
        Name of the notebook that made them.
    rse, replicate_to : str
        Site that receives them; RSE expression for a copy, or empty.

    Returns
    -------
    Kept
        To be shown by a cell.

    Raises
    ------
    LakeError
        When the lake does not take them.

    Examples
    --------
    >>> kept = keep(home, [Path("image.fits")], dataset="lofar:L990100", parameters={}, notebook="2_process.ipynb")
    >>> kept.dataset.startswith("lofar:L990100_2_process_")
    True
    """
    if not dataset:
        return Kept("")
    source = DID.parse(dataset)
    ending = f"_{Path(notebook).stem}_{content(products)}"
    name = DID(source.scope, _cut(source.name, names.LONGEST - len(f"{ending}.{notebook}")) + ending)
    lineage = {
        "inputs": [str(source)],
        "notebook": f"{name}.{notebook}",
        "parameters": dict(parameters),
        "versions": {package: version(package) for package in ENGINES},
    }
    connected = connect(lake)
    about = _observed(connected, lineage)
    done = ingest.ingest_products(connected, products, name, lineage, about=about, rse=rse, replicate_to=replicate_to)
    return Kept(str(name), lake, rse, notebook, done)


def add_notebook(lake: Lake, executed: Path, dataset: str, *, rse: str, notebook: str) -> bool:
    """Add the executed notebook to its results, and close them.

    Parameters
    ----------
    lake : Lake
        Where the results are.
    executed : Path
        The executed notebook.
    dataset : str
        DID of the results.
    rse : str
        Site that receives it.
    notebook : str
        Its name in the lake, which the lineage of the products has.

    Returns
    -------
    bool
        Whether it was added; not where an earlier run, which made the results, has closed them.

    Raises
    ------
    LakeError
        When the lake does not take it.

    Examples
    --------
    >>> given = {"dataset": "lofar:L990100", "parameters": {}, "notebook": "2_process.ipynb", "replicate_to": ""}
    >>> kept, executed = keep(home, [Path("sources.csv")], **given), Path("executed.ipynb")
    >>> size = executed.write_text("{}")
    >>> add_notebook(lake, executed, kept.dataset, rse="SARA", notebook="2_process.ipynb")
    True
    >>> add_notebook(lake, executed, kept.dataset, rse="SARA", notebook="2_process.ipynb")  # they are closed
    False
    """
    did = DID.parse(dataset)
    if registration.closed(lake, did):
        return False
    if lake.find(DID(did.scope, f"{did.name}.{notebook}")) is not None:
        registration.close(lake, did)  # an earlier run added it, and was stopped before it closed the dataset
        return False
    lineage = metadata.read(lake, did).get("lofarlake", {})
    with tempfile.TemporaryDirectory(prefix="lofarlake-") as folder:
        named = Path(shutil.copyfile(executed, Path(folder) / notebook))
        about = _observed(lake, lineage)
        ingest.ingest_products(lake, [named], did, lineage, about=about, rse=rse, replicate_to="", close=True)
    return True


def _observed(lake: Lake, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """What the inputs say of the sky, of frequencies and times; nothing where one of them is not in the lake."""
    inputs = [DID.parse(one) for one in lineage.get("inputs", ())]
    known = metadata.of_files(lake, inputs)
    return metadata.of_results(known) if len(known) == len(inputs) else {}


def _cut(name: str, longest: int) -> str:
    """A name, or its beginning and a hash, so that the notebook's, which begins with it, is none too long."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def content(products: Sequence[Path]) -> str:
    """Eight hexadecimal digits from names and bytes.

    Examples
    --------
    >>> len(content([Path("image.fits")]))
    8
    """
    digest = 1
    for path in sorted(products, key=lambda p: p.name):
        digest = zlib.crc32(path.name.encode(), digest)
        with path.open("rb") as file:
            while block := file.read(4 << 20):
                digest = zlib.crc32(block, digest)
    return f"{digest:08x}"
