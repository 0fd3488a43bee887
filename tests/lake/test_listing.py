"""Levels of the lake in pages: all rows, once each, by name; the first page before the last row is read."""

import threading
import time

import pytest

from lofarlake_nb.errors import DIDNotFound
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import LONG, Listing
from lofarlake_nb.lake.tree import Entry

ROWS = [Entry(DID("lofar", f"file{(7 * n) % 1000:03d}"), "file", n) for n in range(1000)]


def test_pages_have_all_rows_by_name():
    listing = Listing(lambda: ROWS)
    assert listing.wait(5)
    pages = [listing.page(number, size=64) for number in range(16)]
    assert [row for page in pages for row in page.rows] == sorted(ROWS, key=lambda row: row.did)
    assert [page.more for page in pages] == [True] * 15 + [False]
    assert listing.page(99, size=64) == pages[-1]


def test_the_first_page_is_there_before_the_last_row():
    go_on = threading.Event()

    def ask():
        yield from ROWS[:100]
        go_on.wait(10)
        yield from ROWS[100:]

    listing = Listing(ask)
    page = listing.page(size=10, patience=0.1)
    while page.read < 100:
        page = listing.page(size=10, patience=0.1)
    assert (page.complete, page.found, page.rows) == (False, 100, tuple(ROWS[:10]))
    assert listing.page(pattern="file99", patience=0).found == sum("file99" in r.did.name for r in ROWS[:100])
    go_on.set()
    assert listing.wait(5)
    assert listing.page(size=10).rows[0].did.name == "file000"


@pytest.mark.parametrize(("count", "waited"), [(LONG - 1, True), (LONG, False)])
def test_a_long_level_is_not_waited_for(count, waited):
    go_on = threading.Event()

    def ask():
        yield from [ROWS[0]] * count
        go_on.wait(60)

    patience = 1.0 if waited else 30.0
    began, reading = time.monotonic(), Listing(ask)
    reading.wait_unless_long(patience)
    assert (time.monotonic() - began >= patience) == waited
    assert (reading.page(patience=0).found, reading.wait(0)) == (count, False)
    go_on.set()
    assert reading.wait(60)
    reading.wait_unless_long(60.0)
    assert time.monotonic() - began < 50


@pytest.mark.parametrize(("pattern", "found"), [("*99", 10), ("FILE01?", 10), ("le50", 10), ("file5", 100), ("x", 0)])
def test_patterns_are_of_names(pattern, found):
    page = Listing(lambda: ROWS).page(pattern=pattern, patience=5)
    assert (page.found, page.read, page.complete) == (found, 1000, True)


@pytest.mark.parametrize("error", [DIDNotFound("lofar:gone is not in the lake"), ValueError("gone")])
def test_an_error_in_the_place_of_rows_is_raised(error):
    def ask():
        yield from ROWS[:10]
        raise error

    with pytest.raises(type(error), match="gone"):
        Listing(ask).page(patience=5)


def test_what_is_stopped_reads_no_more():
    rows = iter(lambda: ROWS[0], None)  # without end
    listing = Listing(lambda: rows)
    listing.stop()
    assert listing.wait(5)
