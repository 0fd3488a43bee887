"""The lake, to click through: a tree that reads each level when it is opened, search, and what can be done with a DID.

Whatever is clicked is a call of `lofarlake_nb.lake.browse`, and the widget shows the line that does the same.
"""

import html
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import browse, search
from lofarlake_nb.lake.listing import Listing
from lofarlake_nb.widgets import controls, describing, lake_actions, variable
from lofarlake_nb.widgets.lake_actions import Actions
from lofarlake_nb.widgets.lake_search import Search
from lofarlake_nb.widgets.outline import Key, Level, Outline, is_turn

log = logging.getLogger(__name__)

# What a screen reader calls the tree, which has no label beside it.
TREE = "what the lake holds: scopes, datasets, files"
_PATIENCE = 0.3  # seconds that a level is waited for before its first page is shown as it is
_LOOK = 0.05  # seconds between two looks whether a search has found something
_FIRST = 0.4  # seconds that a level waits at most until what is chosen was asked for


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

    Examples
    --------
    >>> browser = LakeBrowser(browse.connect(home), "my lake")
    >>> browser.tree.value = ("lofar",)
    >>> browser.wait()
    >>> html.unescape(browser.code.value)
    "<code>browse.connect('my lake').listing('lofar').page()</code>"
    """

    def __init__(self, browser: browse.Browser, lake: str, *, folder: str = "explore", name: str = "dataset") -> None:
        self.browser, self.lake = browser, lake
        self.did = ""
        self.outline = Outline(self._listing, browser.scopes())
        self._key: Key = ()
        self._asked = threading.Event()  # of what is chosen
        self._drawing = threading.local()  # what a thread changes is no click; what the page says meanwhile is one
        self._turn = 0  # of what was clicked: what comes late of an earlier click is not shown
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="browse")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="about")
        self._future: Future[None] | None = None
        self.tree = ipywidgets.Select(options=self.outline.rows(), value=None, rows=22, layout={"width": "auto"})
        self.tree.tooltip = TREE
        self.tree.observe(self._clicked, "value")
        self.filter = ipywidgets.Text(placeholder="part of a name, or with *", continuous_update=False)
        self.filter.description, self.filter.style = "Names like", controls.WHOLE_LABEL
        self.filter.observe(self._filtered, "value")
        self.close = controls.button("Close", "close the level that is chosen, and all below it", self._close)
        self.shown = ipywidgets.HTML("Choose a scope; what is in it opens below.")
        self.code = ipywidgets.HTML()
        self.search = Search(self._search, self._all)
        self.actions = Actions(browser, lake, lambda: self.did, self._say, self._changed, folder)
        self.variable = variable.Use(lambda: self.did, name, self._say)
        self._enable()
        self.widget = self._laid_out()

    def wait(self) -> None:
        """Until all that was clicked is done."""
        self.actions.wait()
        while self._future is not None and not self._future.done():
            self._future.result()

    # ---- what is shown

    def _laid_out(self) -> ipywidgets.Widget:
        wrapped, half = {"flex_flow": "row wrap"}, {"flex": "1 1 26em"}
        left = ipywidgets.VBox([ipywidgets.HBox([self.filter, self.close]), self.tree], layout=half)
        right = ipywidgets.VBox(
            [self.shown, *self.actions.rows, self.variable.widget], layout={**half, "padding": "0 0 0 1em"}
        )
        body = ipywidgets.HBox([left, right], layout=wrapped)
        return ipywidgets.VBox([*self.search.widgets, body, self.code, self.actions.log, self.actions.opened])

    def _enable(self) -> None:
        self.actions.enable(is_file=self._key not in self.outline.levels)
        self.variable.button.disabled = not self.did

    def _line(self, call: str) -> None:
        self._say(lake_actions.call_of(self.lake, call))

    def _say(self, line: str) -> None:
        self.code.value = f"<code>{html.escape(line)}</code>"

    def _draw(self) -> None:
        rows = self.outline.rows()
        keys = [key for _, key in rows]
        with self._unobserved(), self.tree.hold_sync():
            self.tree.options = rows
            self.tree.value = self._key if self._key in keys else None

    @contextmanager
    def _unobserved(self) -> Iterator[None]:
        self._drawing.now = True
        try:
            yield
        finally:
            self._drawing.now = False

    def _is_drawn(self) -> bool:
        return getattr(self._drawing, "now", False)

    # ---- what is clicked

    def _submit(self, do: Callable[[int], None]) -> None:
        self._turn += 1
        turn = self._turn

        self._future = self._pool.submit(self._telling, do, turn)

    def _telling(self, do: Callable[..., None], *given: Any) -> None:
        """Do it in the thread; what goes wrong is shown, and logged where it is neither ours nor the system's."""
        try:
            do(*given)
        except Exception as error:
            if not isinstance(error, (LofarlakeError, OSError)):
                log.exception("%s", self.code.value)
                error = RuntimeError(f"{type(error).__name__}: {error}")
            self.shown.value = describing.problem(error)

    def _clicked(self, change: dict[str, Any]) -> None:
        key = change["new"]
        if key is None or self._is_drawn():
            return
        if is_turn(key):
            self._key = self.outline.turn(key)
            self._submit(self._level)
            return
        self._key, self.did = key, key[-1] if ":" in key[-1] else ""
        label = self.tree.label or ""
        is_file = label.lstrip("\u00a0").startswith("·")
        with self._unobserved():
            self.filter.value = self.outline.levels[key].pattern if key in self.outline.levels else ""
        self._asked = threading.Event()
        if not self.did:
            self._asked.set()
        if is_file:
            self._line(f"about({self.did!r})")
        else:
            self._line(f"listing({key[-1]!r}).page()")
            self.outline.open(key)
        self._enable()
        self.shown.value = f"<b>{html.escape(key[-1])}</b>"
        self._submit(self._told if is_file else self._both)

    def _listing(self, did: str) -> Listing:
        asked = self._asked
        return self.browser.listing(did, after=lambda: asked.wait(_FIRST))

    def _both(self, turn: int) -> None:
        """What is chosen, and its level; short questions come first."""
        asked = self._asked
        told = self._asking.submit(self._telling, self._told, turn)
        told.add_done_callback(lambda _: asked.set())
        asked.wait(_FIRST)
        self._level(turn)
        told.result()

    def _level(self, turn: int) -> None:
        """Show a level; again when the rest of it has come."""
        level = self.outline.levels.get(self._key)
        if level is not None:
            level.listing.wait_unless_long(_PATIENCE)
        self._draw()
        if level is not None and not level.listing.wait(0):
            self._pool.submit(self._telling, self._rest, turn, level.listing)

    def _rest(self, turn: int, listing: Listing) -> None:
        """How far a long level is, until it is read or something else is clicked."""
        ended = listing.wait(_PATIENCE)
        if turn == self._turn or ended:
            self._draw()
        if not ended:
            self._future = self._pool.submit(self._telling, self._rest, turn, listing)

    def _told(self, turn: int) -> None:
        """All that is known of what is chosen."""
        if self.did and turn == self._turn:
            known = self.browser.about(self.did)
            if turn == self._turn:
                self.shown.value = describing.about(known)

    def _filtered(self, change: dict[str, Any]) -> None:
        if self._is_drawn() or not self._key:
            return
        self._key = self._key if self._key in self.outline.levels else self._key[:-1]
        if self._key:
            self.outline.filter(self._key, change["new"])
            self._line(f"listing({self._key[-1]!r}).page(pattern={change['new']!r})")
            self._submit(self._level)

    def _close(self) -> None:
        self._key = self._key if self._key in self.outline.levels else self._key[:-1]
        if self._key:
            self.outline.close(self._key)
        self._draw()

    def _all(self) -> None:
        self._turn += 1  # a search that goes on is of no use any more
        self._show(Outline(self._listing, self.browser.scopes()))

    def _show(self, outline: Outline) -> None:
        for level in self.outline.levels.values():
            level.listing.stop()
        self.outline, self._key, self.did = outline, (), ""
        self._enable()
        self._draw()

    def _search(self) -> None:
        question = self.search.question()
        self.shown.value = '<div role="status">searching …</div>'
        self._say(question.line(self.lake))

        def do(turn: int) -> None:
            listing, note = question.ask(self.browser)
            while not listing.page(patience=_LOOK).rows and not listing.wait(0):
                if turn != self._turn:
                    return listing.stop()
            self._show(Outline(self._listing, levels={(): Level(listing)}))
            self._found(turn, listing, note, patience=_LOOK)

        self._submit(do)

    def _found(self, turn: int, listing: Listing, note: str, patience: float = _PATIENCE) -> None:
        """How many a search has found, until it ends or something else is clicked."""
        ended, count = listing.wait(patience), listing.page(patience=0).found
        if turn == self._turn:
            more = note or ("" if count else search.NONE) if ended else "searching …"
            said = f"{count} found" + (f"; {more}" if more else "")
            self.shown.value = f'<div role="status">{html.escape(said)}</div>'
        if turn == self._turn or ended:
            self._draw()
        if not ended:
            self._future = self._pool.submit(self._telling, self._found, turn, listing, note)

    def _changed(self) -> None:
        """Sites and rules of what is chosen may be others now."""
        self._submit(self._told)
