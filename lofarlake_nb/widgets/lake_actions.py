"""What the lake browser does with a chosen DID: retrieve, open, replicate, verify, process; each a button.

A page for people who only look has none of them.
"""

from collections.abc import Callable
from typing import Any

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import browse, looking
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.widgets import controls, describing, opening
from lofarlake_nb.widgets.work import Work
from lofarlake_nb.wording import counted

_KEPT = 6  # works that are shown, the newest


class Actions:
    """The buttons, the works that they start, and what these show.

    Parameters
    ----------
    browser : Browser
        The lake.
    lake : str
        How a person named it.
    chosen : callable
        Gives the DID.
    say : callable
        Is told the line of code that does the same.
    changed : callable
        Called when sites and rules of what is chosen may be others.
    folder : str
        Where what is retrieved goes, at first.

    Examples
    --------
    >>> actions = Actions(browse.connect(home), "", lambda: "lofar:example.image.fits", print, print, "explore")
    >>> actions.enable(is_file=True)
    >>> [name for name, button in actions.buttons.items() if button.disabled]
    ['process']
    """

    def __init__(
        self,
        browser: browse.Browser,
        lake: str,
        chosen: Callable[[], str],
        say: Callable[[str], None],
        changed: Callable[[], None],
        folder: str,
    ) -> None:
        self.browser, self.lake = browser, lake
        self._chosen, self._say, self._changed = chosen, say, changed
        self.works: list[Work] = []
        self.buttons: dict[str, ipywidgets.Button] = {}
        self.rows: list[ipywidgets.Widget] = []
        if not looking.only():
            self._offer(folder)
        self.log, self.opened = ipywidgets.VBox(), ipywidgets.VBox()

    def _offer(self, folder: str) -> None:
        self.folder = ipywidgets.Text(value=folder, description="Folder", style=controls.WHOLE_LABEL)
        self.folder.layout.width = "14em"
        self.site = ipywidgets.Dropdown(options=self.browser.sites(), description="Site", style=controls.WHOLE_LABEL)
        self.site.layout.width = "11em"
        self.buttons = {
            "retrieve": controls.button("Retrieve", "bring it to the folder, verified", self._retrieve),
            "open": controls.button("Open", "bring it to the folder, and look at it below", self._open),
            "replicate": controls.button("Replicate", "ask for a copy at the site, and wait for it", self._replicate),
            "verify": controls.button("Verify", "compare the checksums of all copies", self._verify),
            "process": controls.button("Process", "flag, calibrate and image it: stage 2, from a form", self._process),
        }
        here = [self.folder, *(self.buttons[name] for name in ("retrieve", "open", "process"))]
        there = [self.site, *(self.buttons[name] for name in ("replicate", "verify"))]
        self.rows = [ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in (here, there)]

    def enable(self, is_file: bool) -> None:
        """Only what can be done with what is chosen."""
        for name, button in self.buttons.items():
            button.disabled = not self._chosen() or (name == "process" and is_file)

    def wait(self) -> None:
        """Until all that was begun is done."""
        for work in self.works:
            work.wait()

    def _begin(self, title: str, call: str, do: Callable[[Sink], str], after: Callable[[], None] | None = None) -> None:
        self._say(call_of(self.lake, call))
        self.works.append(Work(title, do, after))
        self.log.children = [one.widget for one in self.works[: -_KEPT - 1 : -1]]

    def _retrieve(self) -> None:
        did, folder = self._chosen(), self.folder.value or "."

        def do(sink: Sink) -> str:
            found = self.browser.retrieve(did, folder, sink)
            return f"{counted(found.files, 'file is')} in {folder}, verified"

        self._begin(f"retrieve {did}", f"retrieve({did!r}, {folder!r})", do)

    def _open(self) -> None:
        did, folder = self._chosen(), self.folder.value or "."

        def do(sink: Sink) -> str:
            found = self.browser.retrieve(did, folder, sink)
            if not found.paths:
                return "nothing is in it"
            self.opened.children = [opening.look(path) for path in found.paths[:1]]
            more = f"; the first of {len(found.paths)} is shown" if found.paths[1:] else ""
            return f"{found.paths[0]}{more}"

        self._begin(f"open {did}", f"retrieve({did!r}, {folder!r})", do)

    def _replicate(self) -> None:
        did, site = self._chosen(), self.site.value

        def do(sink: Sink) -> str:
            return f"{counted(self.browser.replicate(did, site, sink).ok, 'file is')} at {site}"

        self._begin(f"replicate {did} to {site}", f"replicate({did!r}, {site!r})", do, self._changed)

    def _verify(self) -> None:
        did = self._chosen()

        def do(sink: Sink) -> str:
            found = self.browser.verify(did, sink).require()
            are = "is" if len(found.rows) == 1 else "are"
            return f"{counted(len(found.rows), 'copy')} of {counted(found.files, 'file')} {are} right"

        self._begin(f"verify {did}", f"verify({did!r})", do)

    def _process(self) -> None:
        from lofarlake_nb.widgets.form import stage_form

        given: dict[str, Any] = {"dataset": self._chosen()} | ({"lake": self.lake} if self.lake else {})
        self._say(f"stage_form('2_process', {', '.join(f'{k}={v!r}' for k, v in given.items())})")
        try:
            self.opened.children = [stage_form("2_process", **given).widget]
        except LofarlakeError as error:
            self.opened.children = [ipywidgets.HTML(describing.problem(error))]


def call_of(lake: str, call: str) -> str:
    """The line of code that calls a browser of a lake.

    Examples
    --------
    >>> call_of("my lake", "scopes()")
    "browse.connect('my lake').scopes()"
    """
    return f"browse.connect({lake!r}).{call}"
