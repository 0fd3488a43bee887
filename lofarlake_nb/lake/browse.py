"""Browse a lake from Python through the Rucio JupyterLab extension: what its panel shows, scripted.

What the extension has no endpoint for (lists of any length, copies at all sites, metadata) is asked of the catalogue.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import DIDNotFound, InvalidDID
from lofarlake_nb.lake import about as abouts
from lofarlake_nb.lake import client, extension, looking, panel, tree
from lofarlake_nb.lake import retrieve as retrieving
from lofarlake_nb.lake import rules as replication
from lofarlake_nb.lake import search as searching
from lofarlake_nb.lake import verify as verifying
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import Listing
from lofarlake_nb.lake.panel import ROW_LIMIT, Panel
from lofarlake_nb.lake.query import Query
from lofarlake_nb.lake.rows import Rows
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.lake.tree import Entry

_NOTHING_CHOSEN = "there is no dataset to list"

KINDS = ("collection", "dataset", "container", "file", "all")


@dataclass(frozen=True)
class Found:
    """A data identifier that a search found; `bytes` is None where the lake has not summed them up.

    Examples
    --------
    >>> (found,) = connect(home).search("lofar:example.image.fits", "file")
    >>> found.did, found.type
    ('lofar:example.image.fits', 'file')
    """

    did: str
    type: str
    bytes: int | None


@dataclass(frozen=True)
class File:
    """A file of a dataset.

    Parameters
    ----------
    did : str
        ``scope:name``.
    bytes : int
        Its size.
    status : str
        At the mounted site: ``OK``, ``REPLICATING``, ``STUCK`` or ``NOT_AVAILABLE``.
    path : str
        Where it is on this machine, empty when it is not.

    Examples
    --------
    >>> (file,) = connect(home).files("lofar:example")
    >>> file.bytes, file.status, Path(file.path).name
    (69120, 'OK', 'example.image.fits')
    """

    did: str
    bytes: int
    status: str
    path: str


@dataclass(frozen=True)
class Rule:
    """A replication rule, and how many of its files are there, on their way, or stuck.

    Examples
    --------
    >>> [(rule.state, rule.ok) for rule in connect(home).rules("lofar:example") if rule.sites == "SARA"]
    [('OK', 1)]
    """

    id: str
    sites: str
    state: str
    ok: int
    replicating: int
    stuck: int
    error: str


@dataclass(frozen=True)
class Browser:
    """A lake, browsed through the extension.

    Parameters
    ----------
    answers : Panel
        The extension.
    lake : str
        As `client.connect` takes it.

    Examples
    --------
    >>> browser = connect(home)
    >>> [file.did for file in browser.files("lofar:example")]
    ['lofar:example.image.fits']
    >>> "SARA" in browser.sites()
    True
    """

    answers: Panel
    lake: str = ""
    _here: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @property
    def catalogue(self) -> client.Lake:
        """The lake's own client; each thread has its own."""
        if not hasattr(self._here, "lake"):
            self._here.lake = client.connect(self.lake)
        return self._here.lake

    @property
    def via(self) -> str:
        """What answers, in words."""
        return str(self.answers)

    def scopes(self) -> list[str]:
        """Scopes of the lake, sorted."""
        return sorted(self.answers.scopes())

    def search(self, pattern: str = "lofar:*", kind: str = "collection", filters: str = "") -> Rows[Found]:
        """Data identifiers that match.

        Parameters
        ----------
        pattern : str
            ``scope:name``; the name may have wildcards ``*``.
        kind : str
            ``collection`` (datasets and containers), ``dataset``, ``container``, ``file`` or ``all``.
        filters : str
            On metadata, in Rucio's words: ``length>3``, joined by ``,`` (and) or ``;`` (or).

        Returns
        -------
        Rows of Found
            By name; at most `ROW_LIMIT`.

        Raises
        ------
        InvalidDID
            When the pattern has no scope and name, or there is no such kind.
        """
        if kind not in KINDS:
            raise InvalidDID(f"kind: {kind!r} is none", f"it is one of {', '.join(KINDS)}")
        found = self.answers.search(*_split(pattern), kind, filters)
        rows = sorted((Found(f["did"], f["type"], f["size"]) for f in found), key=lambda f: f.did)
        if not rows:
            return Rows(rows, f"nothing in the lake matches {pattern}")
        return Rows(rows, f"only the first {ROW_LIMIT} are shown" if len(rows) == ROW_LIMIT else "")

    def files(self, dataset: str) -> Rows[File]:
        """Files of a dataset or container, as they are now.

        Parameters
        ----------
        dataset : str
            ``scope:name``; nothing has no files.

        Returns
        -------
        Rows of File
            By name.

        Raises
        ------
        DIDNotFound
            When there is no such data identifier.
        """
        if not dataset:
            return Rows((), _NOTHING_CHOSEN)
        answers = self.answers.details(*_split(dataset))
        rows = sorted((_file(answer) for answer in answers), key=lambda f: f.did)
        if not rows and not self.search(dataset, kind="all"):
            raise DIDNotFound(f"{dataset} is not in the lake", 'search("lofar:*") lists what is')
        return Rows(rows, "" if rows else f"{dataset} has no files")

    def rules(self, did: str) -> Rows[Rule]:
        """Replication rules of a data identifier.

        Raises
        ------
        DIDNotFound
            When there is no such data identifier.
        """
        if not did:
            return Rows((), _NOTHING_CHOSEN)
        answers = self.answers.rules(*_split(did))
        return Rows([_rule(answer) for answer in answers], "" if answers else f"no rule holds {did}")

    def listing(self, did: str, after: Callable[[], object] = lambda: None) -> Listing:
        """What is in a scope, a container or a dataset, in pages: the first is there before the last row is known.

        Parameters
        ----------
        did : str
            A scope, or ``scope:name``.
        after : callable
            What is waited for before the lake is asked: a long list is in the way of short questions.
        """

        def ask() -> Iterator[Entry]:
            after()
            lake = self.catalogue
            return tree.contents(lake, tree.entry(lake, did)) if ":" in did else tree.collections(lake, did)

        return Listing(ask)

    def about(self, did: str) -> abouts.About:
        """Size, checksum, sites, rules with what they wait for, and metadata.

        Raises
        ------
        DIDNotFound
            When there is no such data identifier.
        """
        return abouts.of(self.catalogue, did)

    def sites(self) -> list[str]:
        """Sites that a copy can be asked for at."""
        return abouts.sites(self.catalogue)

    def find(self, *, kind: str = "dataset", scope: str = "", **wanted: str) -> Rows[searching.Found]:
        """Search by metadata: `search.find` with a `Query` of these words.

        Parameters
        ----------
        kind, scope : str
            See `search.find`.
        **wanted : str
            See `Query`: target, min_frequency, cone, since ...
        """
        return searching.find(self.catalogue, Query(**wanted), kind=kind, scope=scope)

    def found(self, *, kind: str = "dataset", pattern: str = "", **wanted: str) -> Listing:
        """What `find` finds, and `like` leaves, in pages: the first is there before the search has ended."""

        def ask() -> Iterator[Entry]:
            for one in searching.each(self.catalogue, Query(**wanted), kind=kind):
                if not pattern or like(Rows([one]), pattern):
                    yield Entry(DID.parse(one.did), one.type, one.bytes, one.files)

        return Listing(ask)

    def retrieve(self, did: str, folder: str | Path, progress: Sink | None = None) -> retrieving.Retrieved:
        """Bring it to a folder here, verified: `retrieve.retrieve`."""
        looking.refuse(f"retrieve {did}")
        return retrieving.retrieve(self.catalogue, did, Path(folder), progress=progress)

    def replicate(self, did: str, sites: str, progress: Sink | None = None) -> replication.Rule:
        """Ask for a copy at a site, and wait until it is there: `rules.replicate`, `rules.wait`."""
        looking.refuse(f"replicate {did}")
        return replication.wait(self.catalogue, replication.replicate(self.catalogue, did, sites), progress=progress)

    def verify(self, did: str, progress: Sink | None = None) -> verifying.Verified:
        """Compare the checksums of all copies with the catalogue's: `verify.verify`."""
        return verifying.verify(self.catalogue, did, progress=progress)


def connect(lake: str | Path = "") -> Browser:
    """Browse a lake: by the JupyterLab that runs for it, else in this process.

    Parameters
    ----------
    lake : str or Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``; empty for the default lake.

    Returns
    -------
    Browser
        One that answers.

    Raises
    ------
    LakeNotRunning
        When the lake does not answer.

    Examples
    --------
    >>> browser = connect(home)
    >>> "lofar" in browser.scopes()
    True
    """
    browser = Browser(panel.of(extension.located(lake)), str(lake))
    browser.scopes()
    return browser


def like(rows: Rows[Any], pattern: str) -> Rows[Any]:
    """Those of which the DID is like a pattern, with its scope or without.

    Examples
    --------
    >>> rows = connect(home).search("lofar:*")
    >>> [found.did for found in like(rows, "exampl*")]
    ['lofar:example']
    """
    full = pattern if ":" in pattern else f"*:{pattern}"
    return Rows([row for row in rows if fnmatchcase(row.did, full)], rows.note)


def _split(did: str) -> tuple[str, str]:
    scope, _, name = did.partition(":")
    if not scope or not name or ":" in name:
        raise InvalidDID(f"{did!r} is no data identifier", "write it as scope:name, as lofar:L667520")
    return scope, name


def _file(answer: dict[str, Any]) -> File:
    return File(answer["did"], answer["size"], answer["status"], answer["path"] or "")


def _rule(answer: dict[str, Any]) -> Rule:
    return Rule(
        id=answer["id"],
        sites=answer["rse_expression"],
        state=answer["state"],
        ok=answer["locks_ok_cnt"],
        replicating=answer["locks_replicating_cnt"],
        stuck=answer["locks_stuck_cnt"],
        error=answer["error"] or "",
    )
