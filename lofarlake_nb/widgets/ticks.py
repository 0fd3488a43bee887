"""Progress in a notebook: one line, updated in place, which stays right in the executed copy."""

import html
from collections.abc import Callable
from typing import Protocol

from IPython.display import HTML, display


class Tick(Protocol):
    """What a stage tells, see `lofarlake_nb.lake.ticks.Tick`."""

    stage: str
    done: int
    total: int
    bytes: int
    rate: float
    state: str


def show() -> Callable[[Tick], None]:
    """Sink of ticks that shows the newest one below the cell.

    Returns
    -------
    callable
        To be given as ``progress=``.
    """
    handle = display(HTML(""), display_id=True)

    def tell(tick: Tick) -> None:
        handle.update(HTML(line(tick)))

    return tell


def line(tick: Tick) -> str:
    """Tick as a line of HTML, with a bar that needs no script."""
    share = tick.done / tick.total if tick.total else 1.0
    words = f"{tick.stage}: {tick.done} of {tick.total} files" if tick.total else f"{tick.stage}: all was there"
    if tick.bytes:
        words += f", {tick.bytes / 1e6:.0f} MB at {tick.rate / 1e6:.0f} MB/s"
    return (
        f'<div role="status"><progress max="1" value="{share:.3f}" style="vertical-align: middle"></progress> '
        f"{html.escape(words)} ({html.escape(tick.state)})</div>"
    )
