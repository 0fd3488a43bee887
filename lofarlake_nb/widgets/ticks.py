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
    # Two places: one that changes at each tick may not hold what a screen reader reads out at each change.
    empty = {"text/html": "", "text/plain": ""}
    shown_state = display(empty, raw=True, display_id=True)
    shown_figures = display(empty, raw=True, display_id=True)
    said = ""

    def tell(tick: Tick) -> None:
        nonlocal said
        if (now := state(tick)) != said:
            said = now
            shown_state.update({"text/html": now, "text/plain": live.state_words(tick)}, raw=True)
        shown = {"text/html": figures(tick), "text/plain": live.figures_words(tick), TICK_MIME: asdict(tick)}
        shown_figures.update(shown, raw=True)

    return tell


def state(tick: Tick) -> str:
    """State of a tick as HTML that screen readers read out by themselves; it holds no figures, so it seldom changes.

    Examples
    --------
    >>> state(Tick("ingest", 1, 4, 2_000_000, 1e6)) == state(Tick("ingest", 2, 4, 9_000_000, 2e6))
    True
    """
    return f'<div role="status">{html.escape(live.state_words(tick))}</div>'


def figures(tick: Tick) -> str:
    """Figures of a tick as lines of HTML: the whole with its bar, sites, failures with reasons, files on their way.

    Examples
    --------
    >>> said = figures(Tick("ingest", 1, 4, 2_000_000, 1e6, total_bytes=8_000_000, seconds=2.0))
    >>> "ingest: 1 of 4 files, 2 MB of 8 MB" in said, "6 s left" in said
    (True, True)
    """
    whole = bar(*((tick.bytes, tick.total_bytes) if tick.total_bytes else (tick.done, tick.total)))
    rows = [f"<div>{whole} {html.escape(live.figures_words(tick))}</div>", *map(_site, tick.sites)]
    if tick.failures:
        words = (f"<li>{html.escape(live.failure_words(failure))}</li>" for failure in tick.failures[-_FAILURES:])
        rows.append(f"<ul>{''.join(words)}</ul>")
    return f'<div role="group" aria-label="how far it is">{"".join(rows)}</div>{_moving(tick)}'


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
