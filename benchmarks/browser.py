"""A session in a browser against a lake of 100,000 files: how long the lake browser takes to answer each click.

``make bench-browser`` makes a lake, fills it with rows, opens JupyterLab on it in chromium, and clicks through the lake
browser in a notebook, one thing after the other, as a person would: keys and clicks are the browser's own. A click has
answered when the page shows what it was for, or, where its row says so, the first of it; when all is there is a row
of its own, without a bound. ``ARGS="--home HOME"`` takes an embedded lake that runs, and leaves it as it is but for
the rows.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from benchmarks import browser_page, catalogue
from benchmarks.browser_page import ROW, RUN, SAID, TREE
from benchmarks.rows import HEADER, Row, compared, in_words, write
from lofarlake_nb.lake import client, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.lake.query import Query, tests_of

BOUND = 1.0  # seconds
_GIVEN_UP, _LOOK = 120_000, 10  # ms


def main() -> int:
    """Run the session, print its rows; 1 when a click took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="of an embedded lake that runs (default: one that is made for this)")
    parser.add_argument("--rows", type=int, default=100_000, help="files (default: 100000)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="bench-browser-"))
    home = given.home.absolute() if given.home else scratch / "lake"
    try:
        if not given.home:
            supervisor.start(home)
        stem = filled(home, given.rows)
        with browser_page.opened(home, scratch) as page:
            seen = Session(page)
            print(HEADER)
            browse(seen, stem, given.rows)
            search(seen, stem, given.rows)
        write(given.output, seen.rows)
    finally:
        if not given.home:
            supervisor.reset(home)
        shutil.rmtree(scratch)
    return 0 if all(row.met is not False for row in seen.rows) else 1


def filled(home: Path, count: int) -> str:
    """A dataset of so many files, beside a thousand others; its name."""
    lake, stem = client.connect(home), f"browse{count}"
    if lake.find(DID("lofar", stem)) is None:
        catalogue.make(lake, home, stem, count)
        entries = {DID("lofar", f"{stem}.set{n:04d}"): catalogue.about_of(n) for n in range(catalogue.DATASETS)}
        lake.call("add_datasets", [did.parts for did in entries])
        metadata.write(lake, entries)
    return stem


class Session:
    """A page, what is done in it, and what that took."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.rows: list[Row] = []
        self.output = page.locator(".jp-OutputArea", has=page.locator("select[size='22']")).first
        self.tree = page.locator(TREE)
        self._begun = 0.0

    def time(self, name: str, do: Callable[[], object], answered: str, about: Any) -> None:
        """Do it, and wait until the page has answered; looked at every 10 ms."""
        self._begun = time.monotonic()
        do()
        self.until(name, answered, about, BOUND)

    def until(self, name: str, answered: str, about: Any, bound: float | None = None) -> None:
        """Seconds from what was done last to this answer."""
        self.page.wait_for_function(answered, arg=about, polling=_LOOK, timeout=_GIVEN_UP)
        row = compared(name, round(time.monotonic() - self._begun, 3), None, "s", bound, faster=False)
        self.rows.append(row)
        print(in_words(row), flush=True)

    def choose(self, part: str) -> None:
        """The first row of the tree that has this in it."""
        rows = [row.replace("\u00a0", " ") for row in self.tree.locator("option").all_text_contents()]
        self.tree.select_option(index=next(n for n, row in enumerate(rows) if part in row))

    def fill(self, **values: str) -> None:
        """Controls by their labels; what is typed is taken by Enter."""
        for label, value in values.items():
            control = self.output.get_by_label(label.replace("_", " "), exact=True)
            control.fill(value)
            control.press("Enter")

    def scroll(self) -> None:
        """To the tree's end, by the wheel."""
        self.tree.hover()
        self.page.mouse.wheel(0, 10_000)

    def ask(self, name: str, answer: str, **values: str) -> None:
        """A search by these values only, from Search to its answer."""
        labels = ("Name", "Target", "Min_frequency", "Max_frequency", "Since", "Until", "Cone")
        self.fill(**{label: values.get(label, "") for label in labels})
        self.time(name, self.output.get_by_role("button", name="Search", exact=True).click, SAID, answer)


def browse(seen: Session, stem: str, count: int) -> None:
    """The tree: a scope, its datasets, one with all the files, a file."""
    seen.time("lake browser opens", lambda: seen.page.evaluate(RUN), ROW, "lofar")
    seen.time(f"scope of {catalogue.DATASETS + 1} datasets opens", lambda: seen.choose("lofar"), ROW, stem)
    seen.time("dataset by its name", lambda: seen.fill(Names_like="set0999"), ROW, f"{stem}.set0999")
    seen.fill(Names_like=stem)
    seen.page.wait_for_function(ROW, arg=f"{stem}\u2003")
    seen.time(f"dataset of {count} files opens: first page", lambda: seen.choose(f"{stem}\u2003"), ROW, "·")
    seen.until(f"dataset of {count} files: its sites and rules", SAID, "Sites[^]*Rules", BOUND)
    seen.until(f"dataset of {count} files: all of it is read", ROW, f"of {count:,} are shown")
    seen.time("next page", lambda: seen.choose("↓ more"), ROW, "↑ the 50 before")
    scrolled = f"() => (tree => tree.scrollTop + tree.clientHeight > tree.scrollHeight - 2)({browser_page.FOUND})"
    seen.time("scroll to its end", seen.scroll, scrolled, None)
    last = catalogue.name_of(stem, count - 1)
    seen.time(f"file of {count} by its name", lambda: seen.fill(Names_like=last[-6:]), ROW, f"· {last}")
    seen.time("its checksum, sites, rules", lambda: seen.choose(f"· {last}"), SAID, "adler32[^]*Sites[^]*Rules")


def search(seen: Session, stem: str, count: int) -> None:
    """By name and by metadata: datasets, and files among all that there are."""
    seen.output.get_by_role("button", name="Search by name and metadata").click()
    band = {"Min_frequency": "150 MHz", "Max_frequency": "151 MHz"}
    kinds = {
        "target and frequency": {"Target": "3C194", **band},
        "date": {"Since": "2012-08-01", "Until": "2012-10-01"},
        "cone": {"Cone": "150.5deg 61.5deg 0.2deg"},
    }
    seen.ask("search datasets: name", "^1 found$", Name=f"{stem}.set0999")
    for name, values in kinds.items():
        seen.ask(f"search datasets: {name}", f"^{fitting(values)} found$", **values)
    seen.output.get_by_label("Kind", exact=True).select_option("file")
    before = fitting(values)
    for name, values in kinds.items():
        expected = fitting(values) * count // 1000
        seen.ask(f"search {count} files: {name}, first page", f"^(?!{before} )[1-9]\\d* found", **values)
        seen.until(f"search {count} files: {name}, all {expected}", SAID, f"^{expected} found$")
        before = expected


def fitting(values: dict[str, str]) -> int:
    """How many of the thousand metadata that there are, in the datasets and again and again in the files, fit."""
    tests = tests_of(Query(**{word.lower(): value for word, value in values.items()}))
    return sum(all(test(catalogue.about_of(n)) for test in tests) for n in range(catalogue.DATASETS))


if __name__ == "__main__":
    sys.exit(main())
