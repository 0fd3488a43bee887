"""Long work behind a button: a thread of its own with ticks, and a last line that says how it ended."""

import contextvars
import html
import logging
import threading
from collections.abc import Callable

import ipywidgets

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake.ticks import Sink, Tick
from lofarlake_nb.widgets import describing, ticks

log = logging.getLogger(__name__)


class Work:
    """Something that is done while the page stays usable.

    Parameters
    ----------
    title : str
        What is being done.
    do : callable
        Takes a sink of ticks, and says in words what was done; what it raises is shown, and logged where it is neither
        ours nor the system's.
    after : callable, optional
        Called in the same thread when it went well.

    Examples
    --------
    >>> work = Work("count", lambda tell: "all is counted")
    >>> work.wait(10), work.error
    (True, '')
    """

    def __init__(self, title: str, do: Callable[[Sink], str], after: Callable[[], None] | None = None) -> None:
        self.title, self.error = title, ""
        # What screen readers read out by themselves is apart from the figures, which change at every tick.
        self.state = ipywidgets.HTML(f'<div role="status">{html.escape(title)} …</div>')
        self.figures = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.state, self.figures])
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run, do, after), name="work", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended in that time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _tell(self, tick: Tick) -> None:
        self.figures.value = ticks.figures(tick)

    def _run(self, do: Callable[[Sink], str], after: Callable[[], None] | None) -> None:
        try:
            said = do(self._tell)
        except Exception as error:
            if not isinstance(error, (LofarlakeError, OSError)):
                log.exception("%s", self.title)
                error = RuntimeError(f"{type(error).__name__}: {error}")
            self.error = str(error)
            self.state.value = f"<div>{html.escape(self.title)}</div>{describing.problem(error)}"
            return
        line = f'<div role="status">{describing.mark("green")} {html.escape(f"{self.title}: {said}")}</div>'
        self.state.value = line
        if after is not None:
            after()
