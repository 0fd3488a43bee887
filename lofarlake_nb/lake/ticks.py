"""Progress of many bytes: frozen ticks, for whoever wants to show them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lofarlake_nb.observation.archive import Block

_PAUSE = 0.2  # seconds between two ticks
_WINDOW = 5.0  # seconds that the rate of now is over
_KEPT = 20  # failures that a tick carries, the newest


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
        ``green``: all is well; ``yellow``: something failed and it goes on; ``red``: it was given up.
    """

    name: str
    done: int = 0
    failed: int = 0
    bytes: int = 0
    state: str = "green"


@dataclass(frozen=True)
class Failure:
    """What went wrong, and why."""

    what: str
    site: str
    reason: str


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

    @property
    def left(self) -> float | None:
        """Seconds until it is done, by the mean rate: of bytes where their number is known, else of files."""
        if self.state != "running":
            return None
        whole, part = (self.total_bytes, self.bytes) if self.total_bytes else (self.total, self.done)
        return self.seconds * (whole - part) / part if 0 < part <= whole else None


Sink = Callable[[Tick], None]


@dataclass
class _Tally:
    """What is counted of one site."""

    done: int = 0
    failed: int = 0
    bytes: int = 0
    lost: bool = False


@dataclass
class _Recent:
    """Bytes at the moments of the last seconds."""

    moments: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, now: float, moved: int) -> float:
        """Bytes per second since the oldest moment that is kept."""
        self.moments.append((now, moved))
        while len(self.moments) > 2 and now - self.moments[0][0] > _WINDOW:
            self.moments.popleft()
        then, before = self.moments[0]
        return (moved - before) / (now - then) if now > then else 0.0


class Progress:
    """Counts files and bytes of several threads, and sends ticks to a sink, at most some each second.

    Parameters
    ----------
    stage : str
        What is being done.
    total : int
        Files.
    sink : callable, optional
        Takes each `Tick`.
    total_bytes : int
        To be moved; 0 when it is not known.
    """

    def __init__(self, stage: str, total: int, sink: Sink | None = None, *, total_bytes: int = 0) -> None:
        self.stage, self.total, self.sink, self.total_bytes = stage, total, sink, total_bytes
        self.done = self.bytes = 0
        self._sites: dict[str, _Tally] = {}
        self._failures: deque[Failure] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._start = self._last = time.monotonic()
        self._recent = _Recent(deque([(self._start, 0)]))

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.monotonic() - self._start

    def count(self, blocks: Iterable[Block], site: str = "") -> Iterator[Block]:
        """The same blocks, counted as they pass, for the site that they go to or come from."""
        for block in blocks:
            yield block
            with self._lock:
                self.bytes += len(block)
                self._of(site).bytes += len(block)
            self._tell()

    def finished(self, site: str = "", *, skipped: int = 0) -> None:
        """One more file is done; of `skipped` bytes that need not be moved."""
        with self._lock:
            self.done += 1
            self.total_bytes = max(self.total_bytes - skipped, 0)
            self._of(site).done += 1
        self._tell()

    def failed(self, what: str, reason: str, site: str = "", *, lost: bool = False) -> None:
        """Something failed; `lost`: it is not tried again."""
        with self._lock:
            self._failures.append(Failure(what, site, reason))
            tally = self._of(site)
            tally.failed += 1
            tally.lost |= lost
        self._tell()

    def end(self, state: str = "done") -> None:
        """Send the last tick."""
        self._tell(state)

    def _of(self, site: str) -> _Tally:
        return self._sites.setdefault(site, _Tally())

    def _tell(self, state: str = "running") -> None:
        if self.sink is None:
            return
        with self._lock:
            now = time.monotonic()
            if state == "running" and now - self._last < _PAUSE:
                return
            self._last = now
            self.sink(self._tick(state, now))

    def _tick(self, state: str, now: float) -> Tick:
        seconds = max(now - self._start, 1e-9)
        return Tick(
            stage=self.stage,
            done=self.done,
            total=self.total,
            bytes=self.bytes,
            rate=self.bytes / seconds,
            state=state,
            total_bytes=self.total_bytes,
            rate_now=self._recent.rate(now, self.bytes),
            seconds=seconds,
            sites=tuple(self._site(name, tally, state) for name, tally in sorted(self._sites.items()) if name),
            failures=tuple(self._failures),
        )

    @staticmethod
    def _site(name: str, tally: _Tally, state: str) -> Site:
        given_up = tally.lost or (state == "failed" and tally.failed > 0)
        colour = "red" if given_up else "yellow" if tally.failed else "green"
        return Site(name, tally.done, tally.failed, tally.bytes, colour)
