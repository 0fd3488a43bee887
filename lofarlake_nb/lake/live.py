"""A stage as it goes, in words: the same for a terminal and for a notebook."""

import os
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from typing import Protocol, TextIO

from lofarlake_nb.lake.ticks import Failure, Moving, Site, Tick
from lofarlake_nb.wording import counted

MARKS = {"green": "●", "yellow": "▲", "red": "✖"}  # told apart without their colours
_CODES = {"green": "36", "yellow": "33", "red": "1;31"}  # cyan, not green: red and green look the same to many
_SHOWN = 3  # failures
_MOVING = 4  # files on their way
_PLAIN_PAUSE = 10.0  # seconds between two lines where they can't be replaced


def headline(tick: Tick) -> str:
    """The whole stage in one line, and how it ended.

    Examples
    --------
    >>> headline(Tick("ingest", 8, 8, 15 * 10**8, 2e8, "done"))
    'ingest: 8 of 8 files, 1.5 GB, 200 MB/s in the mean (done)'
    """
    return figures_words(tick) + ("" if tick.state == "running" else f" ({tick.state})")


def figures_words(tick: Tick) -> str:
    """Figures of the whole stage in one line, where its state is said beside them.

    Examples
    --------
    >>> figures_words(Tick("ingest", 3, 8, 15 * 10**8, 2e8, total_bytes=4 * 10**9, rate_now=2.5e8, seconds=7.5))
    'ingest: 3 of 8 files, 1.5 GB of 4 GB, 250 MB/s now, 200 MB/s in the mean, 12 s left'
    """
    done = f"{tick.done} of {counted(tick.total, 'file')}" if tick.total else "all was there"
    words = [f"{tick.stage}: {done}"]
    is_running = tick.state == "running"
    if tick.bytes:
        whole = f" of {size(tick.total_bytes)}" if tick.total_bytes else ""
        words.append(f"{size(tick.bytes)}{whole}")
        now = f"{size(tick.rate_now)}/s now, " if is_running else ""
        words.append(f"{now}{size(tick.rate)}/s in the mean")
    if tick.left is not None:
        words.append(f"{duration(tick.left)} left")
    elif is_running and tick.seconds >= 1:
        words.append(f"{duration(tick.seconds)} so far, time left unknown")
    return ", ".join(words)


def state_words(tick: Tick) -> str:
    """State of a stage without any figure; of one that failed the newest reason too.

    Examples
    --------
    >>> from lofarlake_nb.lake.ticks import Failure
    >>> state_words(Tick("ingest", 3, 8, 15 * 10**8, 2e8))
    'ingest: running'
    >>> state_words(Tick("ingest", 3, 8, 0, 0.0, "failed", failures=(Failure("lofar:b.tar", "SARA", "no space left"),)))
    'ingest: failed: lofar:b.tar at SARA: no space left'
    """
    words = f"{tick.stage}: {tick.state}"
    return f"{words}: {failure_words(tick.failures[-1])}" if tick.state == "failed" and tick.failures else words


def site_words(site: Site) -> str:
    """A site in one line: its colour is a word too.

    Examples
    --------
    >>> site_words(Site("SARA", done=3, failed=1, bytes=15 * 10**8, state="yellow"))
    'SARA: yellow, 3 files done, 1.5 GB, 1 failed'
    """
    failed = f", {site.failed} failed" if site.failed else ""
    moved = f", {size(site.bytes)}" if site.bytes else ""
    silent = f", no bytes for {duration(site.silent)}" if site.silent else ""
    note = f"; {site.note}" if site.note else ""
    return f"{site.name}: {site.state}, {counted(site.done, 'file')} done{moved}{failed}{silent}{note}"


def failure_words(failure: Failure) -> str:
    """A failure in one line, with its reason.

    Examples
    --------
    >>> failure_words(Failure("lofar:a.tar", "JUELICH", "no space left"))
    'lofar:a.tar at JUELICH: no space left'
    """
    at = f" at {failure.site}" if failure.site else ""
    return f"{failure.what}{at}: {failure.reason}"


def moving_words(file: Moving) -> str:
    """A file on its way in one line.

    Examples
    --------
    >>> moving_words(Moving("a.tar", "SARA", 15 * 10**8, 6 * 10**9))
    'a.tar: 1.5 GB of 6 GB, 25 %'
    """
    whole = f" of {size(file.size)}, {100 * min(file.bytes / file.size, 1.0):.0f} %" if file.size else ""
    return f"{file.what}: {size(file.bytes)}{whole}"


def size(count: float) -> str:
    """Bytes for a person, in three digits.

    Examples
    --------
    >>> size(64_300_000)
    '64.3 MB'
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while float(f"{value:.3g}") >= 1000 and len(units) > 1:  # 999.9 kB is written as 1 MB, not as 1e+03 kB
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}" if value < 1000 else f"{value:.0f} {units[0]}"


def duration(seconds: float) -> str:
    """Seconds for a person.

    Examples
    --------
    >>> duration(4000)
    '1 h 06 min'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class View(Protocol):
    """What shows ticks, and lets other lines by, as the stream of a handler of logs.

    Examples
    --------
    >>> view: View = terminal(sys.stdout)
    >>> view.write("a line of the log\\n")
    a line of the log
    >>> view(Tick("verify", 1, 2, 0, 0.0, "failed", failures=(Failure("lofar:a.tar", "SARA", "gone"),)))
      lofar:a.tar at SARA: gone
    verify: 1 of 2 files (failed)
    """

    def __call__(self, tick: Tick) -> None:
        """Show a tick."""

    def write(self, text: str) -> object:
        """Let whole lines by."""

    def flush(self) -> None:
        """See to it that they are seen."""


def terminal(stream: TextIO | None = None) -> View:
    """Sink of ticks that shows the newest one.

    Parameters
    ----------
    stream : text stream, optional
        Standard error when not given. On a terminal the lines are replaced; elsewhere there is one each ten seconds
        and one at the end, and each failure once.

    Returns
    -------
    View
        To be given as ``progress=``.

    Examples
    --------
    >>> tell = terminal(sys.stdout)
    >>> tell(Tick("verify", 8, 8, 0, 0.0, "done"))
    verify: 8 of 8 files (done)
    """
    to = sys.stderr if stream is None else stream
    return _Replaced(to) if to.isatty() else _Plain(to)


class _Replaced:
    """Lines on a terminal, written over the earlier ones, as wide as its window; what else is said goes above them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown: list[str] = []
        self._lock = threading.Lock()  # ticks and logs come from several threads

    def __call__(self, tick: Tick) -> None:
        window = _window(self.stream)
        lines = _folded(headline(tick), window.columns)
        for site in tick.sites:
            first, *more = _folded(f"  {MARKS[site.state]} {_safe(site_words(site))}", window.columns)
            lines += [
                first.replace(MARKS[site.state], f"\x1b[{_CODES[site.state]}m{MARKS[site.state]}\x1b[0m", 1),
                *more,
            ]
        for file in tick.moving[:_MOVING]:
            lines += _folded(f"    {_safe(moving_words(file))}", window.columns)
        for failure in tick.failures[-_SHOWN:]:
            lines += _folded(f"    {_safe(failure_words(failure))}", window.columns)
        with self._lock:
            self._draw(lines[: max(window.lines - 1, 1)])  # what has left the window can't be written over
            self.shown = self.shown if tick.state == "running" else []

    def write(self, text: str) -> None:
        """Put lines above."""
        with self._lock:
            self._draw(self.shown, above=text)

    def flush(self) -> None:
        """Nothing: all is flushed as it is written."""

    def _draw(self, lines: Sequence[str], above: str = "") -> None:
        up = f"\x1b[{len(self.shown)}F\x1b[J" if self.shown else ""
        # Without wrapping: a character that is wider than we think must not make two lines of one.
        text = "\x1b[?7l" + "".join(f"{line}\n" for line in lines) + "\x1b[?7h" if lines else ""
        self.stream.write(up + above + text)
        self.stream.flush()
        self.shown = list(lines)


class _Plain:
    """Lines in a log file: few, and none twice."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.last = time.monotonic()
        self.told: tuple[Failure, ...] = ()

    def __call__(self, tick: Tick) -> None:
        new = [failure for failure in tick.failures if failure not in self.told]
        self.told = tick.failures
        lines = [f"  {_safe(failure_words(failure))}" for failure in new]
        now = time.monotonic()
        if tick.state != "running" or now - self.last >= _PLAIN_PAUSE:
            self.last = now
            lines.append("; ".join([headline(tick), *(_safe(site_words(site)) for site in tick.sites)]))
        for line in lines:
            print(line, file=self.stream, flush=True)

    def write(self, text: str) -> None:
        """Pass it on."""
        self.stream.write(text)

    def flush(self) -> None:
        """Pass it on."""
        self.stream.flush()


def _window(stream: TextIO) -> os.terminal_size:
    try:
        window = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):  # no terminal of the system's
        window = os.terminal_size((0, 0))
    return os.terminal_size((max(window.columns, 20) if window.columns else 80, window.lines or 24))


def _folded(line: str, columns: int) -> list[str]:
    """As many lines as it takes in a window."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, columns, subsequent_indent=f"{indent}    ", break_on_hyphens=False) or [""]


def _safe(words: str) -> str:
    """Names come from outside: none of them moves the cursor."""
    return "".join(c if c.isprintable() else "?" for c in words)
