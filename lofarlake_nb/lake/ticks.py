"""How far a stage is: frozen ticks, for whoever wants to show them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SILENCE = 15.0  # seconds without a byte of files that are on their way, after which a site is yellow


@dataclass(frozen=True)
class Site:
    """How far one site is.

    Parameters
    ----------
    name : str
        Of the RSE.
    done, failed : int
        Files that were finished; attempts and files that were not.
    bytes : int
        Moved so far.
    state : str
        ``green``: all is well; ``yellow``: something failed and it goes on, or it is silent; ``red``: it was given up.
    silent : float
        Seconds since the last byte, where files are on their way and that is longer than `SILENCE`; else 0.
    note : str
        What is waited for there; else empty.

    Examples
    --------
    >>> from lofarlake_nb.lake.progress import Progress
    >>> progress = Progress("ingest", 2)
    >>> progress.finished("SARA"), progress.failed("lofar:b.tar", "the connection broke", "SARA")
    (None, None)
    >>> progress.now().sites
    (Site(name='SARA', done=1, failed=1, bytes=0, state='yellow', silent=0.0, note=''),)
    """

    name: str
    done: int = 0
    failed: int = 0
    bytes: int = 0
    state: str = "green"
    silent: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """What went wrong, and why.

    Examples
    --------
    >>> from lofarlake_nb.lake.progress import Progress
    >>> progress = Progress("ingest", 1)
    >>> progress.failed("lofar:a.tar", "no space left", "SARA")
    >>> progress.now().failures
    (Failure(what='lofar:a.tar', site='SARA', reason='no space left'),)
    """

    what: str
    site: str
    reason: str


@dataclass(frozen=True)
class Moving:
    """A file on its way: its name, the site that it goes to or comes from, bytes that moved, and all that it has.

    Examples
    --------
    >>> from lofarlake_nb.lake.progress import Progress
    >>> progress = Progress("ingest", 1)
    >>> with progress.underway("SARA", "a.tar", 7) as counted:
    ...     passed = list(counted([b"1234"]))
    ...     progress.now().moving
    (Moving(what='a.tar', site='SARA', bytes=4, size=7),)
    """

    what: str
    site: str
    bytes: int
    size: int


@dataclass(frozen=True)
class Tick:
    """How far a stage is.

    Parameters
    ----------
    stage : str
        What is being done: ``ingest``, ``retrieve``, ``verify``, ``replicate``.
    done, total : int
        Files.
    bytes : int
        Moved so far.
    rate : float
        Bytes per second since the stage began.
    state : str
        ``running``, ``done`` or ``failed``.
    total_bytes : int
        To be moved; 0 when it is not known.
    rate_now : float
        Bytes per second of the last seconds.
    seconds : float
        Since the stage began.
    sites : tuple of Site
        By name.
    failures : tuple of Failure
        The newest ones, oldest first.
    moving : tuple of Moving
        Files on their way, the first to set out first.

    Examples
    --------
    >>> Tick("ingest", 1, 4, 2_000_000, 1e6, total_bytes=8_000_000, seconds=2.0).left
    6.0
    """

    stage: str
    done: int
    total: int
    bytes: int
    rate: float
    state: str = "running"
    total_bytes: int = 0
    rate_now: float = 0.0
    seconds: float = 0.0
    sites: tuple[Site, ...] = ()
    failures: tuple[Failure, ...] = ()
    moving: tuple[Moving, ...] = ()

    @property
    def left(self) -> float | None:
        """Seconds until it is done, by the mean rate: of bytes where their number is known, else of files.

        None when it has ended, and when nobody can tell: before the first, and while all is silent.
        """
        if self.state != "running" or (not self.rate_now and any(site.silent for site in self.sites)):
            return None
        whole, part = (self.total_bytes, self.bytes) if self.total_bytes else (self.total, self.done)
        return self.seconds * (whole - part) / part if 0 < part <= whole else None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Tick":
        """A tick again, from what `dataclasses.asdict` made of one."""
        parts = {"sites": Site, "failures": Failure, "moving": Moving}
        whole = {name: tuple(part(**one) for one in value.get(name, ())) for name, part in parts.items()}
        return cls(**{**value, **whole})


Sink = Callable[[Tick], None]
