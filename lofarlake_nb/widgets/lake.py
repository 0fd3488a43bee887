"""The lake, to click through: scopes, datasets, their files; beside it the line of code that does the same."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import browse
from lofarlake_nb.lake.rows import Rows

_WIDE = {"description_width": "initial"}


def lake_browser(lake: str | Path = "") -> ipywidgets.Widget:
    """A widget that browses a lake; each list is asked for when it is opened.

    Parameters
    ----------
    lake : str or Path
        Folder of an embedded lake, or a ``rucio.cfg``; empty for the default lake.

    Returns
    -------
    Widget
        For a notebook.

    Raises
    ------
    LakeNotRunning
        When the lake does not answer.
    """
    return LakeBrowser(browse.connect(lake), str(lake)).widget


class LakeBrowser:
    """What the widget shows, and what its controls do.

    Parameters
    ----------
    browser : Browser
        The lake.
    lake : str
        How a person named it, for the line of code.
    """

    def __init__(self, browser: browse.Browser, lake: str) -> None:
        self.browser = browser
        self.lake = lake
        self.scope = ipywidgets.Dropdown(options=browser.scopes(), value=None, description="Scope", style=_WIDE)
        self.name = ipywidgets.Text(value="*", description="Name", style=_WIDE, continuous_update=False)
        self.datasets = ipywidgets.Select(options=[], description="Datasets", rows=8, style=_WIDE)
        self.datasets.layout.width = "auto"
        self.shown = ipywidgets.HTML("choose a scope")
        self.code = ipywidgets.HTML()
        self.scope.observe(self._search, "value")
        self.name.observe(self._search, "value")
        self.datasets.observe(self._open, "value")
        controls = ipywidgets.HBox([self.scope, self.name])
        self.widget = ipywidgets.VBox([controls, self.datasets, self.shown, self.code])

    def _search(self, _change: object) -> None:
        if self.scope.value:
            pattern = f"{self.scope.value}:{self.name.value or '*'}"
            found = self._ask(f"search({pattern!r})", lambda: self.browser.search(pattern))
            self.datasets.options = [(f"{row.did}  ({row.type})", row.did) for row in found]
            self.datasets.value = None
            self.shown.value = f"{len(found)} found; {html.escape(found.note or 'choose one')}"

    def _open(self, _change: object) -> None:
        if did := self.datasets.value:
            files = self._ask(f"files({did!r})", lambda: self.browser.files(did))
            self.shown.value = files._repr_html_()

    def _ask(self, call: str, ask: Callable[[], Rows]) -> Rows:
        """Rows of the lake; what it refuses is said where they would be."""
        line = f"browse.connect({self.lake!r}).{call}"
        self.code.value = f"<code>{html.escape(line)}</code>"
        try:
            return ask()
        except LofarlakeError as error:
            return Rows((), str(error))
