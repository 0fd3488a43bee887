"""Progress of many bytes, counted in many threads, and told by ticks."""

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from lofarlake_nb.lake.ticks import SILENCE, Failure, Moving, Sink, Site, Tick
from lofarlake_nb.observation.archive import Block

_PAUSE = 0.2  # seconds between two ticks
_BEAT = 1.0  # seconds between two ticks while nothing happens
_WINDOW = 5.0  # seconds that the rate of now is over
_KEPT = 20  # failures that a tick carries, the newest; files on their way, the first

log = logging.getLogger(__name__)

Counting = Callable[[Iterable[Block]], Iterator[Block]]  # the same blocks, counted as they pass


@dataclass
class _Tally:
    """What is counted of one site."""

    done: int = 0
    failed: int = 0
    bytes: int = 0
    lost: bool = False
    note: str = ""
    underway: int = 0  # files
    heard: float = 0.0  # when the last byte moved, or the first file set out


@dataclass(eq=False)
class _File:
    """What is counted of one file that is on its way."""

    what: str
    site: str
    size: int
    bytes: int = 0


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
    """Counts files and bytes of several threads; while it is entered, a thread of its own sends ticks to a sink.

    Who moves bytes never waits for who looks on: a sink that is slow gets fewer ticks, one that fails gets no more.
    There is a tick each second while nothing happens, so that a silence is seen.

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

    Examples
    --------
    >>> with Progress("ingest", 1) as progress:
    ...     moved = sum(len(block) for block in progress.count([b"1234", b"567"], "SARA"))
    ...     progress.finished("SARA")
    >>> moved, progress.bytes, progress.done
    (7, 7, 1)
    """

    def __init__(self, stage: str, total: int, sink: Sink | None = None, *, total_bytes: int = 0) -> None:
        self.stage, self.total, self.sink, self.total_bytes = stage, total, sink, total_bytes
        self.done = self.bytes = 0
        self._sites: dict[str, _Tally] = {}
        self._failures: deque[Failure] = deque(maxlen=_KEPT)
        self._moving: list[_File] = []
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._recent = _Recent(deque([(self._start, 0)]))
        self._news, self._ended = threading.Event(), threading.Event()
        self._teller: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        """Begin to send ticks."""
        if self.sink is not None:
            # With our context: a notebook's outputs go to the cell that asked for them, from whatever thread.
            run = contextvars.copy_context().run
            self._teller = threading.Thread(target=run, args=(self._go_on_telling,), name="ticks", daemon=True)
            self._teller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Send the last tick, unless `end` did; no thread is left."""
        self.end("failed" if kind else "done")

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
                tally = self._of(site)
                tally.bytes += len(block)
                tally.heard = time.monotonic()
            self._news.set()

    @contextmanager
    def underway(self, site: str = "", what: str = "", size: int = 0) -> Iterator[Counting]:
        """While it lasts, a file is on its way: a site that moves no byte meanwhile is silent.

        Parameters
        ----------
        site : str
            That it goes to or comes from.
        what, size : str, int
            Name of the file and its bytes, to be told; without a name only the site's count is.

        Yields
        ------
        callable
            As `count` of the file's blocks. What was moved in vain, when it fails, is to be moved once more.
        """
        file = _File(what, site, size)

        def counted(blocks: Iterable[Block]) -> Iterator[Block]:
            for block in self.count(blocks, site):
                yield block
                file.bytes += len(block)

        with self._lock:
            tally = self._of(site)
            if not tally.underway:
                tally.heard = time.monotonic()
            tally.underway += 1
            self._moving.append(file)
        try:
            yield counted
        except BaseException:
            with self._lock:
                self.total_bytes += file.bytes if self.total_bytes else 0
            raise
        finally:
            with self._lock:
                tally.underway -= 1
                self._moving.remove(file)

    def finished(self, site: str = "", *, skipped: int = 0) -> None:
        """One more file is done; of `skipped` bytes that need not be moved."""
        with self._lock:
            self.done += 1
            self.total_bytes = max(self.total_bytes - skipped, 0)
            self._of(site).done += 1
        self._news.set()

    def failed(self, what: str, reason: str, site: str = "", *, lost: bool = False) -> None:
        """Something failed; `lost`: it is not tried again."""
        with self._lock:
            self._failures.append(Failure(what, site, reason))
            tally = self._of(site)
            tally.failed += 1
            tally.lost |= lost
        self._news.set()

    def note(self, site: str, note: str) -> None:
        """Say what is waited for at a site."""
        with self._lock:
            self._of(site).note = note
        self._news.set()

    def end(self, state: str = "done") -> None:
        """Send the last tick, ``done`` or ``failed``; the first word holds, nothing comes after it."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._news.set()
        if self._teller is not None:
            self._teller.join()
        self._tell(self.now(state))

    def now(self, state: str = "running") -> Tick:
        """How far it is."""
        with self._lock:
            return self._tick(state, time.monotonic())

    def _go_on_telling(self) -> None:
        while not self._ended.is_set():
            self._tell(self.now())
            if not self._ended.wait(_PAUSE):
                self._news.wait(_BEAT - _PAUSE)
                self._news.clear()

    def _tell(self, tick: Tick) -> None:
        if self.sink is None:
            return
        try:
            self.sink(tick)
        except Exception as error:  # a terminal that was closed, say: the work goes on
            self.sink = None
            log.warning("%s goes on unseen: %s: %s", self.stage, type(error).__name__, error)

    def _of(self, site: str) -> _Tally:
        return self._sites.setdefault(site, _Tally())

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
            sites=tuple(self._site(name, tally, state, now) for name, tally in sorted(self._sites.items()) if name),
            failures=tuple(self._failures),
            moving=tuple(Moving(f.what, f.site, f.bytes, f.size) for f in self._moving[:_KEPT] if f.what),
        )

    @staticmethod
    def _site(name: str, tally: _Tally, state: str, now: float) -> Site:
        given_up = tally.lost or (state == "failed" and tally.failed > 0)
        silent = now - tally.heard if tally.underway and now - tally.heard > SILENCE else 0.0
        colour = "red" if given_up else "yellow" if tally.failed or silent else "green"
        return Site(name, tally.done, tally.failed, tally.bytes, colour, silent, tally.note)
