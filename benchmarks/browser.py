"""A session with the lake browser against a lake of 100,000 files: how long each click takes to answer.

``python -m benchmarks.browser HOME [--rows 100000]`` on an embedded lake that runs and may be filled with rows. A click
has answered when the widget shows what it was for, or that it is being read; all that it read is a row of its own.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import catalogue
from lofarlake_nb.lake import browse, client, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.widgets.lake import LakeBrowser

BOUND = 1.0  # seconds
_PAUSE = 0.005
_GIVEN_UP = 120.0  # seconds

Row = dict[str, object]


def main() -> int:
    """Run the session, print its rows; 1 when a click took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="of an embedded lake that runs")
    parser.add_argument("--rows", type=int, default=100_000, help="files (default: 100000)")
    given = parser.parse_args()
    stem = filled(given.home, given.rows)
    rows = session(given.home, stem, given.rows)
    print(json.dumps(rows, indent=1))
    return 0 if all(row["met"] for row in rows) else 1


def filled(home: Path, count: int) -> str:
    """A dataset of so many files, beside a thousand others; its name."""
    lake, stem = client.connect(home), f"browse{count}"
    if lake.find(DID("lofar", stem)) is None:
        catalogue.make(lake, home, stem, count)
        entries = {DID("lofar", f"{stem}.set{n:04d}"): catalogue.about_of(n) for n in range(catalogue.DATASETS)}
        lake.call("add_datasets", [did.parts for did in entries])
        metadata.write(lake, entries)
    return stem


def session(home: Path, stem: str, count: int) -> list[Row]:
    """What a person does, one after the other."""
    rows: list[Row] = []
    start = time.monotonic()
    seen = LakeBrowser(browse.connect(home), str(home))
    rows.append(_row("the browser opens", time.monotonic() - start))
    dataset = f"lofar:{stem}"

    def click(name: str, do: Callable[[], object], answered: Callable[[], bool]) -> None:
        begin = time.monotonic()
        do()
        returned = time.monotonic() - begin
        while not answered():
            if time.monotonic() - begin > _GIVEN_UP:
                raise TimeoutError(f"{name}: no answer after {_GIVEN_UP:.0f} s")
            time.sleep(_PAUSE)
        rows.append({**_row(name, time.monotonic() - begin), "returned_s": round(returned, 3)})

    def choose(end: str) -> None:
        seen.tree.value = next(key for _, key in seen.tree.options if key[-1] == end)

    def has(part: str) -> bool:
        return any(part in text for text, _ in seen.tree.options)

    seen.outline.roots = ["lofar"]
    seen._draw()
    click("a scope of 1001 datasets opens", lambda: choose("lofar"), lambda: has(stem))
    click("names are filtered", lambda: setattr(seen.filter, "value", "set0999"), lambda: len(seen.tree.options) == 2)
    seen.filter.value = ""
    seen.wait()
    click(f"a dataset of {count} files opens", lambda: choose(dataset), lambda: has("·"))
    click("its sites and rules", lambda: None, lambda: "Sites" in seen.shown.value)
    begin = time.monotonic()
    seen.outline.levels[seen._key].listing.wait(_GIVEN_UP)
    rows.append(_row("(all of it is read, meanwhile)", time.monotonic() - begin, bound=False))
    seen.wait()
    click("the next page", lambda: choose(">"), lambda: has("before"))
    last = catalogue.name_of(stem, count - 1).removeprefix(f"{stem}_")
    click("one of all is found by its name", lambda: setattr(seen.filter, "value", last), lambda: has(last))
    seen.wait()
    end = f"lofar:{catalogue.name_of(stem, count - 1)}"
    click("its size, checksum, sites and rules", lambda: choose(end), lambda: "adler32" in seen.shown.value)
    seen.wait()
    seen.search.wanted["target"].value, seen.search.wanted["min_frequency"].value = "3C190", "150 MHz"
    click("a search of datasets by metadata", seen.search.look.click, lambda: "found" in seen.shown.value)
    seen.search.kind.value = "file"
    seen.search.wanted["max_frequency"].value = "151 MHz"
    click("a search of files is taken up", seen.search.look.click, lambda: "search" in seen.shown.value)
    begin = time.monotonic()
    seen.wait()
    rows.append(_row(f"(it has looked through {count} files)", time.monotonic() - begin, bound=False))
    return rows


def _row(name: str, seconds: float, *, bound: bool = True) -> Row:
    return {
        "name": name,
        "seconds": round(seconds, 3),
        "bound": BOUND if bound else None,
        "met": not bound or seconds <= BOUND,
    }


if __name__ == "__main__":
    sys.exit(main())
