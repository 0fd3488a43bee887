"""The lake browser's search by name and metadata: its controls, what they ask the lake, and the line that asks it."""

from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets

from lofarlake_nb.lake import browse, search
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import Listing
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.widgets import controls, folding
from lofarlake_nb.widgets.lake_actions import call_of

# What a search by metadata takes, with an example.
_WORDS = {
    "target": "3C196",
    "min_frequency": "130 MHz",
    "max_frequency": "150 MHz",
    "since": "2018-09-01",
    "until": "2018-12-31",
    "cone": "123.4deg 48.2deg 2deg",
}


@dataclass(frozen=True)
class Question:
    """What was filled in when a search began.

    Parameters
    ----------
    name : str
        Pattern of a DID, with or without its scope; empty for all.
    kind : str
        One of `search.KINDS`.
    wanted : dict
        Of the metadata; without any the search is by name.

    Examples
    --------
    >>> Question("L66*", "dataset", {"target": "3C196"}).line("")
    "browse.like(browse.connect('').find(kind='dataset', target='3C196'), 'L66*')"
    """

    name: str
    kind: str
    wanted: dict[str, str]

    def line(self, lake: str) -> str:
        """The line of code that asks a lake the same."""
        if not self.wanted:
            return call_of(lake, f"search({self._pattern!r}, kind={self.kind!r})")
        given = "".join(f", {word}={text!r}" for word, text in self.wanted.items())
        found = call_of(lake, f"find(kind={self.kind!r}{given})")
        return f"browse.like({found}, {self.name!r})" if self.name else found

    def ask(self, browser: browse.Browser) -> tuple[Listing, str]:
        """Rows that fit all that is given, as they are found; and what is to be said of them."""
        if self.wanted:
            return browser.found(kind=self.kind, pattern=self.name, **self.wanted), ""
        rows = browser.search(self._pattern, kind=self.kind)
        return Listing(lambda: [Entry(DID.parse(row.did), row.type, row.bytes) for row in rows]), rows.note

    @property
    def _pattern(self) -> str:
        return self.name if ":" in self.name else f"lofar:{self.name or '*'}"


class Search:
    """The controls, folded away at first.

    Parameters
    ----------
    start : callable
        Called when a search is wanted.
    end : callable
        Called when all scopes are wanted again.

    Examples
    --------
    >>> search = Search(print, print)
    >>> search.wanted["target"].value = " 3C196 "
    >>> search.question()
    Question(name='', kind='dataset', wanted={'target': '3C196'})
    """

    def __init__(self, start: Callable[[], None], end: Callable[[], None]) -> None:
        style = controls.WHOLE_LABEL
        self.name = ipywidgets.Text(placeholder="lofar:L66*", description="Name", style=style)
        self.kind = ipywidgets.Dropdown(options=list(search.KINDS), description="Kind", style=style)
        self.wanted = {
            word: ipywidgets.Text(placeholder=example, description=word.replace("_", " ").capitalize(), style=style)
            for word, example in _WORDS.items()
        }
        tooltip = "search the lake by name and metadata: all that is given must fit"
        self.look = controls.button("Search", tooltip, start)
        self.look.button_style = "primary"
        self.back = controls.button("All scopes", "back to the tree of all scopes", end)
        filled = [self.name, self.kind, *self.wanted.values()]
        for control in filled:
            control.layout.width = "15em"
        row = ipywidgets.HBox([*filled, self.look, self.back], layout={"flex_flow": "row wrap"})
        self.widgets = folding.folded("Search by name and metadata", [row])

    def question(self) -> Question:
        """What is filled in."""
        wanted = {word: text.value.strip() for word, text in self.wanted.items() if text.value.strip()}
        return Question(self.name.value.strip(), self.kind.value, wanted)
