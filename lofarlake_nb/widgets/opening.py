"""What a person sees of a file that was opened: an image of the sky, gains, visibilities, a table, a text."""

import contextlib
import html
import json
from pathlib import Path

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.widgets import describing, viewer

_TEXT = {".txt", ".md", ".json", ".log", ".csv", ".lua", ".parset", ".skymodel"}
_LONGEST = 100_000  # characters


def look(path: Path) -> ipywidgets.Widget:
    """A widget that shows a file or a Measurement Set.

    Parameters
    ----------
    path : Path
        On this disk.

    Returns
    -------
    Widget
        What it is, and what is wrong with it, where it can't be shown.

    Examples
    --------
    >>> widget = look(Path("gains.h5"))
    """
    try:
        return _of(Path(path))
    except (LofarlakeError, OSError) as error:
        return ipywidgets.HTML(describing.problem(error))


def _of(path: Path) -> ipywidgets.Widget:
    if path.is_dir():
        from lofarlake_nb.widgets import visibilities

        return visibilities.view(path)
    ending = path.suffix.lower()
    if ending == ".h5":
        from lofarlake_nb.widgets import gains

        return gains.view(path)
    if ending in (".fits", ".fit"):
        return viewer.view(path)
    if ending == ".png":
        return ipywidgets.Image(value=path.read_bytes(), format="png", layout={"max_width": "100%"})
    if ending == ".ipynb":
        return ipywidgets.HTML(f"a notebook: open <code>{html.escape(str(path))}</code> in JupyterLab")
    if ending in _TEXT:
        return ipywidgets.HTML(f"<pre>{html.escape(_text(path, ending))}</pre>", layout={"max_height": "30em"})
    return ipywidgets.HTML(f"<code>{html.escape(str(path))}</code>, {path.stat().st_size:,} bytes, is here")


def _text(path: Path, ending: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(_LONGEST + 1)
    if ending == ".json" and len(text) <= _LONGEST:
        with contextlib.suppress(ValueError):  # then as it is
            text = json.dumps(json.loads(text), indent=1)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n… the rest is in the file"
