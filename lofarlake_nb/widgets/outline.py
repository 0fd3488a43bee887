"""The tree that the lake browser shows: which levels are open, at which page, and the rows that this makes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import live
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import Listing, Page
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.wording import counted

Key = tuple[str, ...]  # the way from the root: a scope, then DIDs; or a turn of a page, see `turned`
_FORWARD, _BACK = ">", "<"
_INDENT = "\u00a0\u00a0\u00a0"  # other spaces are not shown
_LONGEST = 70  # characters of a name


@dataclass
class Level:
    """What is below an open row.

    Parameters
    ----------
    listing : Listing
        Its rows.
    page : int
        That is shown, from 0.
    pattern : str
        Of the names that are shown.

    Examples
    --------
    >>> entries = [Entry(DID("lofar", name), "dataset", None) for name in ("L2", "L1", "image")]
    >>> level = Level(Listing(lambda: entries), pattern="L")
    >>> level.listing.wait(5)
    True
    >>> [str(entry.did) for entry in level.now().rows]
    ['lofar:L1', 'lofar:L2']
    """

    listing: Listing
    page: int = 0
    pattern: str = ""

    def now(self) -> Page:
        """The page as far as it is read."""
        return self.listing.page(self.page, pattern=self.pattern, patience=0)


@dataclass
class Outline:
    """Rows of a tree of which each level is read when it is opened, and shown a page at a time.

    Parameters
    ----------
    below : callable
        Gives the listing of what is in a scope or DID.
    roots : list of str
        Scopes.
    levels : dict
        What is open; at the key ``()`` what a search found, which has no row above it.

    Examples
    --------
    >>> outline = Outline(lambda name: Listing(lambda: [Entry(DID(name, "L1"), "dataset", None)]), ["lofar", "test"])
    >>> outline.open(("lofar",)).listing.wait(5)
    True
    >>> [key for _, key in outline.rows()]
    [('lofar',), ('lofar', 'lofar:L1'), ('test',)]
    """

    below: Callable[[str], Listing]
    roots: Sequence[str] = ()
    levels: dict[Key, Level] = field(default_factory=dict)

    def open(self, key: Key) -> Level:
        """Open a row; it stays as it is when it is open."""
        if key not in self.levels:
            self.levels[key] = Level(self.below(key[-1]))
        return self.levels[key]

    def close(self, key: Key) -> None:
        """Close a row and all below it."""
        for one in [k for k in self.levels if k[: len(key)] == key]:
            self.levels.pop(one).listing.stop()

    def turn(self, key: Key) -> Key:
        """Turn a page, if that is what a row is for; the row that it belongs to."""
        *place, direction = key
        level = self.levels[tuple(place)]
        with suppress(LofarlakeError):  # which the row says
            now = level.now()
            level.page = now.number + int(now.more) if direction == _FORWARD else max(0, now.number - 1)
        return tuple(place)

    def filter(self, key: Key, pattern: str) -> None:
        """Show what fits a pattern only, from its first page."""
        if key in self.levels:
            self.levels[key].pattern, self.levels[key].page = pattern, 0

    @property
    def reading(self) -> bool:
        """Whether a level is still being read."""
        return any(not level.listing.wait(0) for level in self.levels.values())

    def rows(self) -> list[tuple[str, Key]]:
        """Text and key of each row that is to be seen."""
        found = list(self._inside((), self.levels[()])) if () in self.levels else []
        for root in self.roots:
            found += self._row((root,), root, "scope", is_file=False)
        return found

    def _row(self, key: Key, name: str, note: str, is_file: bool) -> Iterator[tuple[str, Key]]:
        mark = "·" if is_file else "▾" if key in self.levels else "▸"
        yield f"{_INDENT * (len(key) - 1)}{mark} {_shortened(name)}\u2003{note}", key
        if key in self.levels:
            yield from self._inside(key, self.levels[key])

    def _inside(self, key: Key, level: Level) -> Iterator[tuple[str, Key]]:
        indent = _INDENT * len(key)
        try:
            page = level.now()
        except LofarlakeError as error:
            yield f"{indent}✖ {error}", (*key, _FORWARD)
            return
        if page.number:
            yield f"{indent}↑ the {page.first:,} before", (*key, _BACK)
        for entry in page.rows:
            yield from self._row((*key, str(entry.did)), _in(key, entry.did), words(entry), entry.is_file)
        last = page.first + len(page.rows)
        if page.more:
            yield f"{indent}↓ more: {page.first + 1:,} to {last:,} of {page.found:,} are shown", (*key, _FORWARD)
        if not page.complete:
            yield f"{indent}… {page.read:,} were read so far", (*key, _FORWARD)
        elif not page.rows:
            yield (
                f"{indent}nothing{f' like {level.pattern}' if level.pattern else ' is in it' if key else ''}",
                (*key, _FORWARD),
            )


def is_turn(key: Key) -> bool:
    """Whether a row turns a page, and is no scope and no DID.

    Examples
    --------
    >>> is_turn(("lofar", "lofar:L1")), is_turn(("lofar", "lofar:L1", ">"))
    (False, True)
    """
    return key[-1] in (_FORWARD, _BACK)


def words(entry: Entry) -> str:
    """What a row says of a container, a dataset or a file.

    Examples
    --------
    >>> words(Entry(DID("lofar", "L1"), "dataset", 2_000_000, 1))
    'dataset, 1 file, 2 MB'
    """
    said = [] if entry.is_file else [entry.type]
    if entry.files is not None:
        said.append(counted(entry.files, "file", ","))
    if entry.bytes is not None:
        said.append(live.size(entry.bytes))
    return ", ".join(said)


def _in(key: Key, did: DID) -> str:
    """A name below others: without its scope, and without what it has in common with what it is in."""
    if not key:
        return str(did)
    above = key[-1]
    scope = above.partition(":")[0]
    if did.scope != scope:
        return str(did)
    start = f"{above.partition(':')[2]}."
    return did.name.removeprefix(start) if ":" in above and did.name != start else did.name


def _shortened(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"
