"""One level of the lake's tree in pages: the first page is there at once, however long it is."""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate

from lofarlake_nb.lake.tree import Entry

PAGE = 50  # rows
LONG = 2000  # rows, from which on nobody waits for the others
_LOOK = 0.02  # seconds


@dataclass(frozen=True)
class Page:
    """Some rows of a listing, and how many there are.

    Parameters
    ----------
    rows : tuple of Entry
        By name once all are known; before that as the catalogue gives them.
    number : int
        Of the page, from 0.
    found : int
        Rows that fit the pattern, so far.
    read : int
        Rows that were read, so far.
    complete : bool
        Whether all rows were read.
    first : int
        Place of the first row among those that fit, from 0.

    Examples
    --------
    >>> from lofarlake_nb.lake.did import DID
    >>> rows = [Entry(DID("lofar", f"L{number}"), "dataset", None) for number in range(60)]
    >>> page = Listing(lambda: rows).page(9, patience=60)
    >>> page.number, len(page.rows), page.found, page.more
    (1, 10, 60, False)
    """

    rows: tuple[Entry, ...]
    number: int
    found: int
    read: int
    complete: bool
    first: int

    @property
    def more(self) -> bool:
        """Whether there are rows after these, as far as is known."""
        return self.first + len(self.rows) < self.found


class Listing:
    """Rows that a thread reads; pages of what it has read so far.

    Parameters
    ----------
    ask : callable
        Gives the rows, in that thread.

    Examples
    --------
    >>> from lofarlake_nb.lake.did import DID
    >>> rows = [Entry(DID("lofar", name), "dataset", None) for name in ("L3", "L1", "M", "L2")]
    >>> page = Listing(lambda: rows).page(pattern="l*", size=2, patience=60)
    >>> [entry.did.name for entry in page.rows], page.found, page.more
    (['L1', 'L2'], 3, True)
    """

    def __init__(self, ask: Callable[[], Iterable[Entry]]) -> None:
        self._rows: list[Entry] = []
        self._error: Exception | None = None
        self._done = threading.Event()
        self._stop = False
        self._sorted = False
        self._matches: tuple[str, list[Entry]] = ("", [])
        self._thread = threading.Thread(target=self._read, args=(ask,), name="listing", daemon=True)
        self._thread.start()

    def page(self, number: int = 0, *, pattern: str = "", size: int = PAGE, patience: float = 0.5) -> Page:
        """Rows of one page.

        Parameters
        ----------
        number : int
            From 0; beyond the last page it is the last.
        pattern : str
            Of names, with ``*`` and ``?``; without them, what a name has in it. Large and small letters are the same.
        size : int
            Rows of a page.
        patience : float
            Seconds to wait for all rows; then what is there is given.

        Raises
        ------
        LofarlakeError
            What came in the place of the rows.
        """
        self._done.wait(patience)
        complete = self._done.is_set()
        if self._error is not None:
            raise self._error
        rows = self._fitting(pattern, complete)
        number = min(number, max(0, (len(rows) - 1) // size))
        first = number * size
        return Page(tuple(rows[first : first + size]), number, len(rows), len(self._rows), complete, first)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether all rows were read in that time."""
        return self._done.wait(seconds)

    def wait_unless_long(self, seconds: float) -> None:
        """Wait until all rows were read, or that time is over, or so many have come that it is a long level."""
        end = time.monotonic() + seconds
        while len(self._rows) < LONG and time.monotonic() < end and not self._done.wait(_LOOK):
            pass

    def stop(self) -> None:
        """Read no more."""
        self._stop = True

    def _read(self, ask: Callable[[], Iterable[Entry]]) -> None:
        try:
            for row in ask():
                self._rows.append(row)
                if self._stop:
                    break
        except Exception as error:  # whatever it is, what was read is not all
            self._error = error
        finally:
            self._done.set()

    def _fitting(self, pattern: str, complete: bool) -> list[Entry]:
        if complete and not self._sorted:
            self._rows.sort(key=lambda entry: entry.did)
            self._sorted = True
        if not pattern:
            return self._rows
        if self._matches[0] != pattern or not complete:
            fits = re.compile(translate(pattern if re.search(r"[*?]", pattern) else f"*{pattern}*"), re.IGNORECASE)
            rows = self._rows[:]  # more come meanwhile
            self._matches = (pattern if complete else "", [row for row in rows if fits.match(row.did.name)])
        return self._matches[1]
