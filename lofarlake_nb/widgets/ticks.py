"""Progress in a notebook: a few lines, updated in place, which stay right in the executed copy."""

import html
from dataclasses import asdict

from IPython import get_ipython
from IPython.display import display

from lofarlake_nb.lake import live
from lofarlake_nb.lake.ticks import Sink, Site, Tick
from lofarlake_nb.steps import TICK_MIME

# Okabe and Ito's palette, which colour-blind people tell apart: bluish green, orange, vermilion; a mark and a word too.
COLOURS = {"green": "#009E73", "yellow": "#E69F00", "red": "#D55E00"}
_FAILURES = 5
_MOVING = 8  # files on their way


def show() -> Sink:
    """Sink of ticks that shows the newest one below the cell, or on the terminal where there is no notebook.

    Returns
    -------
    callable
        To be given as ``progress=``.

    Examples
    --------
    >>> tell = show()
    >>> tell(Tick("ingest", 4, 4, 0, 0.0, "done"))
    """
    if get_ipython() is None:
        return live.terminal()
    handle = display({"text/html": "", "text/plain": ""}, raw=True, display_id=True)

    def tell(tick: Tick) -> None:
        shown = {"text/html": lines(tick), "text/plain": live.headline(tick), TICK_MIME: asdict(tick)}
        handle.update(shown, raw=True)

    return tell


def lines(tick: Tick) -> str:
    """Tick as lines of HTML: the whole with its bar, sites, failures with reasons, files on their way.

    Examples
    --------
    >>> said = lines(Tick("ingest", 1, 4, 2_000_000, 1e6, total_bytes=8_000_000, seconds=2.0))
    >>> "ingest: 1 of 4 files, 2 MB of 8 MB" in said, "6 s left" in said
    (True, True)
    """
    whole = bar(*((tick.bytes, tick.total_bytes) if tick.total_bytes else (tick.done, tick.total)))
    rows = [f"<div>{whole} {html.escape(live.headline(tick))}</div>", *map(_site, tick.sites)]
    if tick.failures:
        words = (f"<li>{html.escape(live.failure_words(failure))}</li>" for failure in tick.failures[-_FAILURES:])
        rows.append(f"<ul>{''.join(words)}</ul>")
    # What changes with every byte stands outside of what a screen reader reads out by itself.
    return f'<div role="status">{"".join(rows)}</div>{_moving(tick)}'


def _moving(tick: Tick) -> str:
    files = "".join(
        f"<div>{bar(one.bytes, one.size)} {html.escape(live.moving_words(one))}</div>" for one in tick.moving[:_MOVING]
    )
    return f'<div role="group" aria-label="files on their way">{files}</div>' if files else ""


def bar(part: float, whole: float) -> str:
    """A bar of HTML that needs no script; of an unknown whole it is full.

    Examples
    --------
    >>> 'value="0.250"' in bar(1, 4)
    True
    """
    share = min(part / whole, 1.0) if whole else 1.0
    return f'<progress max="1" value="{share:.3f}" aria-hidden="true" style="vertical-align: middle"></progress>'


def _site(site: Site) -> str:
    mark = f'<span style="color: {COLOURS[site.state]}" aria-hidden="true">{live.MARKS[site.state]}</span>'
    return f"<div>{mark} {html.escape(live.site_words(site))}</div>"
