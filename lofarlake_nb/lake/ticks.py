"""Progress of many bytes: frozen ticks, for whoever wants to show them."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_PAUSE = 0.2  # seconds between two ticks


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
    """

    stage: str
    done: int
    total: int
    bytes: int
    rate: float
    state: str = "running"


Sink = Callable[[Tick], None]


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
    """

    def __init__(self, stage: str, total: int, sink: Sink | None = None) -> None:
        self.stage, self.total, self.sink = stage, total, sink
        self.done = self.bytes = 0
        self._lock = threading.Lock()
        self._start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.monotonic() - self._start

    def count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks, counted as they pass."""
        for block in blocks:
            yield block
            with self._lock:
                self.bytes += len(block)
            self._tell()

    def finished(self) -> None:
        """One more file is done."""
        with self._lock:
            self.done += 1
        self._tell()

    def end(self, state: str = "done") -> None:
        """Send the last tick."""
        self._tell(state)

    def _tell(self, state: str = "running") -> None:
        if self.sink is None:
            return
        with self._lock:
            now = time.monotonic()
            if state == "running" and now - self._last < _PAUSE:
                return
            self._last = now
            rate = self.bytes / max(now - self._start, 1e-9)
            self.sink(Tick(self.stage, self.done, self.total, self.bytes, rate, state))
