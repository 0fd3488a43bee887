"""Progress in a notebook: a few lines, updated in place, which stay right in the executed copy."""

import html
from dataclasses import asdict

from IPython.display import display

from lofarlake_nb.lake import live
from lofarlake_nb.lake.ticks import Sink, Site, Tick
from lofarlake_nb.steps import TICK_MIME

# Okabe and Ito's palette, which colour-blind people tell apart: bluish green, orange, vermilion; a mark and a word too.
COLOURS = {"green": "#009E73", "yellow": "#E69F00", "red": "#D55E00"}
_FAILURES = 5


def show() -> Sink:
    """Sink of ticks that shows the newest one below the cell.

    Returns
    -------
    callable
        To be given as ``progress=``.
    """
    handle = display({"text/html": "", "text/plain": ""}, raw=True, display_id=True)

    def tell(tick: Tick) -> None:
        shown = {"text/html": lines(tick), "text/plain": live.headline(tick), TICK_MIME: asdict(tick)}
        handle.update(shown, raw=True)

    return tell


def lines(tick: Tick) -> str:
    """Tick as lines of HTML: the whole with a bar that needs no script, each site, failures with their reason."""
    part, whole = (tick.bytes, tick.total_bytes) if tick.total_bytes else (tick.done, tick.total)
    share = min(part / whole, 1.0) if whole else 1.0
    bar = f'<progress max="1" value="{share:.3f}" aria-hidden="true" style="vertical-align: middle"></progress>'
    rows = [f"<div>{bar} {html.escape(live.headline(tick))}</div>", *map(_site, tick.sites)]
    if tick.failures:
        words = (f"<li>{html.escape(live.failure_words(failure))}</li>" for failure in tick.failures[-_FAILURES:])
        rows.append(f"<ul>{''.join(words)}</ul>")
    return f'<div role="status">{"".join(rows)}</div>'


def _site(site: Site) -> str:
    mark = f'<span style="color: {COLOURS[site.state]}" aria-hidden="true">{live.MARKS[site.state]}</span>'
    return f"<div>{mark} {html.escape(live.site_words(site))}</div>"
