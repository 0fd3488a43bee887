"""Working copies of the notebooks that come with lofarlake: a person's own, and never written over."""

import hashlib
import json
import logging
import os
from pathlib import Path

import nbformat

from lofarlake_nb.errors import UsageError

_log = logging.getLogger(__name__)

# What was written into a folder of working copies: the lake, and each notebook's digest.
_RECORD = ".lofarlake.json"
_OPEN_PARAMETER = 'lake: str = ""'


def working_copies(shipped: Path, folder: Path, lake: str) -> list[Path]:
    """Copies of the shipped notebooks in a folder, each with the lake in its parameters.

    A copy whose cells a person changed stays as it is. One that was only run is renewed when a newer lofarlake brings
    other cells.

    Parameters
    ----------
    shipped : Path
        Folder of the notebooks that come with lofarlake.
    folder : Path
        Where the copies go; made when missing.
    lake : str
        Value of their parameter ``lake``; empty for the default lake.

    Returns
    -------
    list of Path
        The copies, by name.

    Raises
    ------
    UsageError
        When the folder can't be written.

    Examples
    --------
    >>> from lofarlake_nb.inspecting import notebooks_folder
    >>> copies = working_copies(notebooks_folder(), Path("copies"), "/data/lake")
    >>> [copy.name for copy in copies if "/data/lake" in copy.read_text()][:2]
    ['0_start_here.ipynb', '1_ingest.ipynb']
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = _written(folder / _RECORD)
        copies = [_copy(source, folder, lake, written) for source in sorted(shipped.glob("*.ipynb"))]
        _replace(folder / _RECORD, json.dumps({"lake": lake, "written": written}, indent=2) + "\n")
    except OSError as error:
        raise UsageError(
            f"{folder}: working copies of the notebooks can't be written ({error.strerror})",
            "run it in a folder of your own, or name one as root_dir",
        ) from error
    return copies


def _copy(source: Path, folder: Path, lake: str, written: dict[str, str]) -> Path:
    copy = folder / source.name
    notebook = _with_lake(nbformat.read(source, as_version=4), lake)
    new, then = _digest(notebook), written.get(copy.name)
    now = _digest_of(copy)
    if now is None or (now == then and now != new):
        _replace(copy, nbformat.writes(notebook))
        written[copy.name] = new
    elif now == new:
        written[copy.name] = new
    elif new != then:
        _log.info("%s: kept as you changed it; the one that comes with lofarlake is %s", copy, source)
    return copy


def _with_lake(notebook: nbformat.NotebookNode, lake: str) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace(_OPEN_PARAMETER, f"lake: str = {json.dumps(lake)}", 1)
    return notebook


def _digest_of(path: Path) -> str | None:
    """Digest of a notebook, None where there is none; a file that is no notebook (any more) is a person's."""
    if not path.exists():
        return None
    try:
        return _digest(nbformat.read(path, as_version=4))
    except (ValueError, TypeError, AttributeError, LookupError, nbformat.ValidationError):
        return "not a notebook"


def _digest(notebook: nbformat.NotebookNode) -> str:
    """Hash of what a person writes in a notebook: not of its outputs."""
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _written(record: Path) -> dict[str, str]:
    try:
        return dict(json.loads(record.read_text())["written"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        _log.warning("%s can't be read: the notebooks beside it are taken as changed by you", record)
        return {}


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(text)
    os.replace(partial, path)
