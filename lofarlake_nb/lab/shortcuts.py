"""JupyterLab's keys, mended: those that act on cells while the notebook has the focus leave lists alone.

JupyterLab takes an arrow or a letter for itself wherever the focus is in a notebook, in a list of a widget too: there
an arrow would move to another cell, and "D" pressed twice would delete one.
"""

import json
import sys
from pathlib import Path
from typing import Any

# Of the settings folder: where JupyterLab keeps the shortcuts that somebody has chosen.
CHOSEN = Path("@jupyterlab/shortcuts-extension/shortcuts.jupyterlab-settings")
_SCHEMAS = Path(sys.prefix) / "share/jupyter/lab/schemas/@jupyterlab"
_ANYWHERE = " :focus"


def write(settings: Path) -> None:
    """Leave lists alone, where nobody has chosen shortcuts yet.

    Parameters
    ----------
    settings : Path
        JupyterLab's folder of user settings.

    Examples
    --------
    >>> write(Path("user-settings"))
    >>> json.loads((Path("user-settings") / CHOSEN).read_text())["shortcuts"] == mended()
    True
    """
    path = settings / CHOSEN
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shortcuts": mended()}, indent=2) + "\n")


def mended() -> list[dict[str, Any]]:
    """Shortcuts of a notebook that act wherever the focus is in it, each off, and on again but for lists.

    Examples
    --------
    >>> [one["selector"][-20:] for one in mended() if one["keys"] == ["D", "D"]]
    ['od-readWrite) :focus', ') :focus:not(select)']
    """
    found = []
    for path in sorted(_SCHEMAS.glob("*/*.json")):
        shipped = json.loads(path.read_text()).get("jupyter.lab.shortcuts", [])
        for one in shipped:
            if one["selector"].startswith(".jp-Notebook") and one["selector"].endswith(_ANYWHERE) and one["keys"]:
                found += [one | {"disabled": True}, one | {"selector": one["selector"] + ":not(select)"}]
    return found
