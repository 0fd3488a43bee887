"""The lake, to click through: a tree that reads each level when it is opened, search, and what can be done with a DID.

Whatever is clicked is a call of `lofarlake_nb.lake.browse`, and the widget shows the line that does the same.
"""

import html
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import browse, search
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import Listing
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.widgets import describing, folding, opening, variable
from lofarlake_nb.widgets.outline import Key, Outline, is_turn
from lofarlake_nb.widgets.work import Work

# What a screen reader calls the tree, which has no label beside it.
TREE = "what the lake holds: scopes, datasets, files"
_WIDE = {"description_width": "initial"}
_PATIENCE = 0.3  # seconds that a level is waited for before its first page is shown as it is
_KEPT = 6  # works that are shown, the newest

# What a search by metadata takes, with an example.
_WORDS = {
    "target": "3C196",
    "min_frequency": "130 MHz",
    "max_frequency": "150 MHz",
    "since": "2018-09-01",
    "until": "2018-12-31",
    "cone": "123.4deg 48.2deg 2deg",
}


def lake_browser(lake: str | Path = "", *, folder: str = "explore", name: str = "dataset") -> ipywidgets.Widget:
    """A widget that browses a lake; each level is read when it is opened, a page at a time.

    Parameters
    ----------
    lake : str or Path
        Folder of an embedded lake, or a ``rucio.cfg``; empty for the default lake.
    folder : str
        Where what is retrieved goes.
    name : str
        Of the variable that a chosen DID becomes.

    Returns
    -------
    Widget
        For a notebook.

    Raises
    ------
    LakeNotRunning
        When the lake does not answer.

    Examples
    --------
    >>> browser = lake_browser(home)
    """
    return LakeBrowser(browse.connect(lake), str(lake), folder=folder, name=name).widget


class LakeBrowser:
    """What the widget shows, and what its controls do.

    Parameters
    ----------
    browser : Browser
        The lake.
    lake : str
        How a person named it, for the line of code.
    folder, name : str
        See `lake_browser`.
    """

    def __init__(self, browser: browse.Browser, lake: str, *, folder: str = "explore", name: str = "dataset") -> None:
        self.browser, self.lake = browser, lake
        self.did = ""
        self.works: list[Work] = []
        self.outline = Outline(browser.listing, browser.scopes())
        self._key: Key = ()
        self._drawing = False
        self._turn = 0  # of what was clicked: what comes late of an earlier click is not shown
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="browse")
        self._future: Future[None] | None = None
        self.tree = ipywidgets.Select(options=self.outline.rows(), value=None, rows=22, layout={"width": "auto"})
        self.tree.tooltip = TREE
        self.tree.observe(self._clicked, "value")
        self.filter = ipywidgets.Text(placeholder="part of a name, or with *", continuous_update=False)
        self.filter.description, self.filter.style = "Names like", _WIDE
        self.filter.observe(self._filtered, "value")
        self.close = _button("Close", "close the level that is chosen, and all below it", self._close)
        self.shown = ipywidgets.HTML("Choose a scope; what is in it opens below.")
        self.code = ipywidgets.HTML()
        self.log = ipywidgets.VBox()
        self.opened = ipywidgets.VBox()
        self._make_search()
        self._make_actions(folder, name)
        self.widget = self._laid_out()

    def wait(self) -> None:
        """Until all that was clicked is done."""
        for work in self.works:
            work.wait()
        while self._future is not None and not self._future.done():
            self._future.result()

    # ---- what is shown

    def _make_search(self) -> None:
        self.name = ipywidgets.Text(placeholder="lofar:L66*", description="Name", style=_WIDE)
        self.kind = ipywidgets.Dropdown(options=list(search.KINDS), description="Kind", style=_WIDE)
        self.wanted = {
            word: ipywidgets.Text(placeholder=example, description=word.replace("_", " ").capitalize(), style=_WIDE)
            for word, example in _WORDS.items()
        }
        self.look = _button("Search", "search the lake by name and metadata: all that is given must fit", self._search)
        self.look.button_style = "primary"
        self.back = _button("All scopes", "back to the tree of all scopes", self._all)
        for control in (self.name, self.kind, *self.wanted.values()):
            control.layout.width = "15em"

    def _make_actions(self, folder: str, name: str) -> None:
        self.folder = ipywidgets.Text(value=folder, description="Folder", style=_WIDE, layout={"width": "14em"})
        self.site = ipywidgets.Dropdown(options=self.browser.sites(), description="Site", style=_WIDE)
        self.site.layout.width = "11em"
        self.variable = variable.Use(lambda: self.did, name, lambda line: self._say(line))
        self.actions = {
            "retrieve": _button("Retrieve", "bring it to the folder, verified", self._retrieve),
            "open": _button("Open", "bring it to the folder, and look at it below", self._open),
            "replicate": _button("Replicate", "ask for a copy at the site, and wait for it", self._replicate),
            "verify": _button("Verify", "compare the checksums of all copies", self._verify),
            "process": _button("Process", "flag, calibrate and image it: stage 2, from a form", self._process),
        }
        self._enable()

    def _laid_out(self) -> ipywidgets.Widget:
        wrapped = {"flex_flow": "row wrap"}
        searching = ipywidgets.HBox([self.name, self.kind, *self.wanted.values(), self.look, self.back], layout=wrapped)
        fold = folding.folded("Search by name and metadata", [searching])
        left = ipywidgets.VBox([ipywidgets.HBox([self.filter, self.close]), self.tree], layout={"flex": "1 1 26em"})
        some = self.actions
        here = ipywidgets.HBox([self.folder, some["retrieve"], some["open"], some["process"]], layout=wrapped)
        there = ipywidgets.HBox([self.site, some["replicate"], some["verify"]], layout=wrapped)
        right = ipywidgets.VBox(
            [self.shown, here, there, self.variable.widget], layout={"flex": "1 1 26em", "padding": "0 0 0 1em"}
        )
        body = ipywidgets.HBox([left, right], layout=wrapped)
        return ipywidgets.VBox([*fold, body, self.code, self.log, self.opened])

    def _enable(self) -> None:
        is_file = self._key not in self.outline.levels
        for name, button in self.actions.items():
            button.disabled = not self.did or (name == "process" and is_file)
        self.variable.button.disabled = not self.did

    def _line(self, call: str) -> None:
        self._say(f"browse.connect({self.lake!r}).{call}")

    def _say(self, line: str) -> None:
        self.code.value = f"<code>{html.escape(line)}</code>"

    def _draw(self) -> None:
        rows = self.outline.rows()
        keys = [key for _, key in rows]
        self._drawing = True
        try:
            with self.tree.hold_sync():
                self.tree.options = rows
                self.tree.value = self._key if self._key in keys else None
        finally:
            self._drawing = False

    # ---- what is clicked

    def _submit(self, do: Callable[[int], None]) -> None:
        self._turn += 1
        turn = self._turn

        def run() -> None:
            try:
                do(turn)
            except LofarlakeError as error:
                self.shown.value = describing.problem(error)

        self._future = self._pool.submit(run)

    def _clicked(self, change: dict[str, Any]) -> None:
        key = change["new"]
        if self._drawing or key is None:
            return
        if is_turn(key):
            self._key = self.outline.turn(key)
            self._submit(self._level)
            return
        self._key, self.did = key, key[-1] if ":" in key[-1] else ""
        label = self.tree.label or ""
        is_file = label.lstrip("\u00a0").startswith("·")
        self._drawing = True
        self.filter.value = self.outline.levels[key].pattern if key in self.outline.levels else ""
        self._drawing = False
        if is_file:
            self._line(f"about({self.did!r})")
        else:
            self._line(f"listing({key[-1]!r}).page()")
            self.outline.open(key)
        self._enable()
        self.shown.value = f"<b>{html.escape(key[-1])}</b>"
        self._submit(self._told if is_file else self._both)

    def _both(self, turn: int) -> None:
        self._level(turn)
        self._told(turn)

    def _level(self, turn: int) -> None:
        """Show a level; again when the rest of it has come."""
        level = self.outline.levels.get(self._key)
        if level is not None:
            level.listing.wait(_PATIENCE)
        self._draw()
        if level is not None and not level.listing.wait(0):
            self._pool.submit(self._rest, turn, level.listing)

    def _rest(self, turn: int, listing: Listing) -> None:
        """How far a long level is, until it is read or something else is clicked."""
        ended = listing.wait(_PATIENCE)
        if turn == self._turn or ended:
            self._draw()
        if not ended:
            self._future = self._pool.submit(self._rest, turn, listing)

    def _told(self, turn: int) -> None:
        """All that is known of what is chosen."""
        if self.did and turn == self._turn:
            known = self.browser.about(self.did)
            if turn == self._turn:
                self.shown.value = describing.about(known)

    def _filtered(self, change: dict[str, Any]) -> None:
        if self._drawing or not self._key:
            return
        self._key = self._key if self._key in self.outline.levels else self._key[:-1]
        if self._key:
            self.outline.filter(self._key, change["new"])
            self._line(f"listing({self._key[-1]!r}).page(pattern={change['new']!r})")
            self._submit(self._level)

    def _close(self) -> None:
        self._key = self._key if self._key in self.outline.levels else self._key[:-1]
        self.outline.close(self._key)
        self._draw()

    def _all(self) -> None:
        self._show_roots(self.browser.scopes())

    def _show_roots(self, roots: list[Any]) -> None:
        for level in self.outline.levels.values():
            level.listing.stop()
        self.outline, self._key, self.did = Outline(self.browser.listing, roots), (), ""
        self._enable()
        self._draw()

    def _search(self) -> None:
        wanted = {word: text.value.strip() for word, text in self.wanted.items() if text.value.strip()}
        name, kind = self.name.value.strip(), self.kind.value
        self.shown.value = '<div role="status">searching …</div>'
        if wanted:
            given = "".join(f", {word}={text!r}" for word, text in wanted.items())
            self._line(f"find(kind={kind!r}{given})")
        else:
            name = name if ":" in name else f"lofar:{name or '*'}"
            self._line(f"search({name!r}, kind={kind!r})")

        def do(turn: int) -> None:
            rows = self.browser.find(kind=kind, **wanted) if wanted else self.browser.search(name, kind=kind)
            if wanted and name:
                rows = browse.like(rows, name)
            if turn == self._turn:
                self._show_roots([Entry(DID.parse(r.did), r.type, r.bytes, getattr(r, "files", None)) for r in rows])
                said = f"{len(rows)} found" + (f"; {rows.note}" if rows.note else "")
                self.shown.value = f'<div role="status">{html.escape(said)}</div>'

        self._submit(do)

    # ---- what is done

    def _begin(self, title: str, call: str, do: Callable[[Sink], str], after: Callable[[], None] | None = None) -> None:
        self._line(call)
        work = Work(title, do, after)
        self.works.append(work)
        self.log.children = [one.widget for one in self.works[:-_KEPT:-1]]

    def _again(self) -> None:
        """Sites and rules of what is chosen may be others now."""
        self._submit(self._told)

    def _retrieve(self) -> None:
        did, folder = self.did, self.folder.value or "."

        def do(sink: Sink) -> str:
            found = self.browser.retrieve(did, folder, sink)
            return f"{found.files} files are in {folder}, verified"

        self._begin(f"retrieve {did}", f"retrieve({did!r}, {folder!r})", do)

    def _open(self) -> None:
        did, folder = self.did, self.folder.value or "."

        def do(sink: Sink) -> str:
            found = self.browser.retrieve(did, folder, sink)
            self.opened.children = [opening.look(path) for path in found.paths[:1]]
            more = f"; the first of {len(found.paths)} is shown" if found.paths[1:] else ""
            return f"{found.paths[0]}{more}"

        self._begin(f"open {did}", f"retrieve({did!r}, {folder!r})", do)

    def _replicate(self) -> None:
        did, site = self.did, self.site.value

        def do(sink: Sink) -> str:
            return f"{self.browser.replicate(did, site, sink).ok} files are at {site}"

        self._begin(f"replicate {did} to {site}", f"replicate({did!r}, {site!r})", do, self._again)

    def _verify(self) -> None:
        did = self.did

        def do(sink: Sink) -> str:
            found = self.browser.verify(did, sink).require()
            return f"{len(found.rows)} copies of {found.files} files are right"

        self._begin(f"verify {did}", f"verify({did!r})", do)

    def _process(self) -> None:
        from lofarlake_nb.widgets.form import stage_form

        given: dict[str, Any] = {"dataset": self.did} | ({"lake": self.lake} if self.lake else {})
        self._say(f"stage_form('2_process', {', '.join(f'{k}={v!r}' for k, v in given.items())})")
        try:
            self.opened.children = [stage_form("2_process", **given).widget]
        except LofarlakeError as error:
            self.opened.children = [ipywidgets.HTML(describing.problem(error))]


def _button(text: str, tooltip: str, do: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, tooltip=tooltip, layout={"width": "auto"})
    button.on_click(lambda _: do())
    return button
