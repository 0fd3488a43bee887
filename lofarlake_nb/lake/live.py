"""A stage as it goes, in words: the same for a terminal and for a notebook."""

import sys
import time
from typing import TextIO

from lofarlake_nb.lake.ticks import Failure, Sink, Site, Tick

MARKS = {"green": "●", "yellow": "▲", "red": "✖"}  # told apart without their colours
_CODES = {"green": "36", "yellow": "33", "red": "1;31"}  # cyan, not green: red and green look the same to many
_SHOWN = 3  # failures
_PLAIN_PAUSE = 10.0  # seconds between two lines where they can't be replaced


def headline(tick: Tick) -> str:
    """The whole stage in one line."""
    words = [f"{tick.stage}: {tick.done} of {tick.total} files" if tick.total else f"{tick.stage}: all was there"]
    if tick.bytes:
        whole = f" of {size(tick.total_bytes)}" if tick.total_bytes else ""
        words.append(f"{size(tick.bytes)}{whole}")
        now = f"{tick.rate_now / 1e6:.0f} MB/s now, " if tick.state == "running" else ""
        words.append(f"{now}{tick.rate / 1e6:.0f} MB/s in the mean")
    if tick.left is not None:
        words.append(f"{duration(tick.left)} left")
    return ", ".join(words) + ("" if tick.state == "running" else f" ({tick.state})")


def site_words(site: Site) -> str:
    """A site in one line: its colour is a word too."""
    failed = f", {site.failed} failed" if site.failed else ""
    moved = f", {size(site.bytes)}" if site.bytes else ""
    return f"{site.name}: {site.state}, {site.done} files done{moved}{failed}"


def failure_words(failure: Failure) -> str:
    """A failure in one line, with its reason."""
    at = f" at {failure.site}" if failure.site else ""
    return f"{failure.what}{at}: {failure.reason}"


def size(count: int) -> str:
    """Bytes for a person."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}" if count < 1000 * limit else f"{count / limit:.0f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    """Seconds for a person."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def terminal(stream: TextIO | None = None) -> Sink:
    """Sink of ticks that shows the newest one.

    Parameters
    ----------
    stream : text stream, optional
        Standard error when not given. On a terminal the lines are replaced; elsewhere there is one each ten seconds
        and one at the end, and each failure once.

    Returns
    -------
    callable
        To be given as ``progress=``.
    """
    to = sys.stderr if stream is None else stream
    return _Replaced(to) if to.isatty() else _Plain(to)


class _Replaced:
    """Lines on a terminal, written over the earlier ones."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.height = stream, 0

    def __call__(self, tick: Tick) -> None:
        lines = [headline(tick)]
        lines += [f"  \x1b[{_CODES[s.state]}m{MARKS[s.state]}\x1b[0m {_safe(site_words(s))}" for s in tick.sites]
        lines += [f"    {_safe(failure_words(f))}" for f in tick.failures[-_SHOWN:]]
        up = f"\x1b[{self.height}F" if self.height else ""
        # Without wrapping: a line that is too long for the window would be two, and the count would be wrong.
        self.stream.write(f"{up}\x1b[J\x1b[?7l" + "\n".join(lines) + "\n\x1b[?7h")
        self.stream.flush()
        self.height = 0 if tick.state != "running" else len(lines)


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


def _safe(words: str) -> str:
    """Names come from outside: none of them moves the cursor."""
    return "".join(c if c.isprintable() else "?" for c in words)
