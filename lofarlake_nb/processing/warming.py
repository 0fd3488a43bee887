"""What workers load as soon as they run, so that no task has to wait for it: engines, their tables, compiled kernels.

Loading it takes a worker seconds; compiling it, once after an installation, many more.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from distributed import Client, Worker, WorkerPlugin

logger = logging.getLogger(__name__)


def warm(client: Client) -> None:
    """Let a scheduler's workers, and those that come later, load what the tasks need while they have nothing to do.

    Parameters
    ----------
    client : distributed.Client
        Returns once modules are imported; kernels are loaded while the workers take tasks.

    Examples
    --------
    >>> import sys
    >>> warm(session.client)
    >>> list(session.client.run(lambda: "lofarlake_nb.processing.kernels" in sys.modules).values())
    [True]
    """
    client.register_plugin(Warming())


class Warming(WorkerPlugin):
    """Imports, then loads kernels in a thread of the worker's own, beside the one that runs its tasks.

    Examples
    --------
    >>> list(session.client.run(lambda dask_worker: Warming.name in dask_worker.plugins).values())
    [True]
    """

    name = "lofarlake-warming"

    def setup(self, worker: Worker) -> None:
        """Begin."""
        # Not in the thread: a task that imports at the same time would find half of a module. Nor with this module,
        # which would keep the worker from its start.
        from lofarlake_nb.processing import kernels

        self._stopped = threading.Event()
        # Workers that compile start at either end: each finds what the others have compiled already.
        backwards = isinstance(worker.name, int) and worker.name % 2 == 1
        # A daemon: a worker that is told to end doesn't wait for it.
        threading.Thread(
            target=_load, args=(kernels.PIECES, self._stopped, backwards), name=self.name, daemon=True
        ).start()

    def teardown(self, worker: Worker) -> None:
        """End after what is being loaded."""
        self._stopped.set()


def _load(pieces: Sequence[Callable[[], Any]], stopped: threading.Event, backwards: bool) -> None:
    try:
        for piece in reversed(pieces) if backwards else pieces:
            if stopped.is_set():
                return
            piece()
    except Exception:  # whatever is wrong shows where it is needed, by the task that needs it
        logger.debug("not everything was loaded beforehand", exc_info=True)
