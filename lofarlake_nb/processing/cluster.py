"""Dask workers: processes of this machine, or a scheduler that runs elsewhere."""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dask
import distributed
from distributed.system import MEMORY_LIMIT

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.parameters import check_workers
from lofarlake_nb.processing import engines, warming
from lofarlake_nb.processing.settings import worker_memory

logger = logging.getLogger(__name__)

# Bytes of the machine, or of the container where that has fewer.
MEMORY = MEMORY_LIMIT

# Of the machine's (or the container's) memory, what all workers together may use: the rest is the client's.
MEMORY_SHARE = 0.7
CONNECT = "5s"
# Seconds that a scheduler without workers is given: those of a queue come when there is room for them.
COME = 600
REMOVALS = 50
RESTART = "60s"
# In Dask's configuration: the port of the loopback on which JupyterLab looks for the dashboard.
DASHBOARD = "lofarlake.dashboard"
# Of glibc, in bytes: arrays below the first are cut from memory that a worker has had already, of which it keeps the
# second. By Dask's settings each array is memory that the kernel clears first: half of what calibrating took.
PRE_SPAWN = "distributed.nanny.pre-spawn-environ"
MALLOC = {"MALLOC_MMAP_THRESHOLD_": 32 << 20, "MALLOC_TRIM_THRESHOLD_": 128 << 20}
# Beams and gains go to the workers with the tasks that need them: Dask would warn of ten megabytes of that.
LARGE_GRAPH = {"distributed.admin.large-graph-warning-threshold": "200MB"}
# Where there is less than this for each core's worker, there are fewer workers.
WORKER_MEMORY = 1_000_000_000


@contextmanager
def start(
    workers: int = 0, *, scheduler: str = "", dashboard: bool = False, memory: str = ""
) -> Iterator[distributed.Client]:
    """Dask client, with its workers.

    Parameters
    ----------
    workers : int
        Worker processes of one thread each (AOFlagger holds Python's lock); 0 for one a core, or as many as the
        machine's or the container's memory allows.
    scheduler : str
        Address of a running scheduler (``tcp://host:8786``) whose workers have lofarlake installed and see the same
        files; then no workers are started.
    dashboard : bool
        Whether to serve Dask's dashboard, on a free port of the loopback. Dask's configuration can want it too, on a
        port: `DASHBOARD`.
    memory : str
        That each worker may take, as ``"4 GB"``; empty for an even share of most of the machine's.

    Yields
    ------
    distributed.Client
        Closed at the end, with the workers that were started.

    Raises
    ------
    UsageError
        When `workers` is negative, or `memory` is no size.
    ProcessingError
        When no scheduler answers at the address.

    Examples
    --------
    >>> with start(scheduler=session.client.scheduler.address) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    check_workers(workers)
    variables = engines.prepare()
    if scheduler:
        with _connected(scheduler) as client:
            yield client
        return
    count = workers or affordable(engines.cores(), MEMORY)
    limit = worker_memory(memory) if memory else int(MEMORY_SHARE * MEMORY / count)
    logger.info("%d workers of one thread, at most %.1f GB each", count, limit / 1e9)
    wanted = int(dask.config.get(DASHBOARD, 0))
    scratch = tempfile.mkdtemp(prefix="lofarlake-dask-")
    try:
        with (
            dask.config.set({PRE_SPAWN: {**dask.config.get(PRE_SPAWN), **MALLOC}, **LARGE_GRAPH}),
            distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                memory_limit=limit,
                host="127.0.0.1",
                # A port of the loopback, whether or not there is a dashboard on it: Dask serves its health there.
                dashboard_address=f"127.0.0.1:{_free(wanted)}",
                scheduler_kwargs={"dashboard": dashboard or wanted > 0},
                local_directory=scratch,
                env={**variables, "TMPDIR": scratch},  # of workers that end in the midst of something, too
                silence_logs=logging.CRITICAL,  # an error of a task is raised here: once is enough
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            warming.warm(client)
            yield client
    finally:
        _remove(scratch)


def affordable(cores: int, memory: int) -> int:
    """Workers for a machine: one a core, where each gets memory enough.

    Parameters
    ----------
    cores : int
    memory : int
        Of the machine or the container, bytes.

    Returns
    -------
    int
        1 at least.

    Examples
    --------
    >>> affordable(8, 64 * 10**9)
    8
    >>> affordable(2, 2 * 10**9)  # a Binder
    1
    """
    return max(1, min(cores, int(MEMORY_SHARE * memory / WORKER_MEMORY)))


def _remove(scratch: str) -> None:
    """Remove the workers' folder; those that were interrupted may still be leaving it."""
    for _ in range(REMOVALS):
        shutil.rmtree(scratch, ignore_errors=True)
        if not os.path.exists(scratch):
            return
        time.sleep(0.1)


@contextmanager
def deaths_told() -> Iterator[None]:
    """Say what it most often is when workers die of a task, again and again.

    Raises
    ------
    ProcessingError
        Instead of Dask's own.

    Examples
    --------
    >>> try:
    ...     with deaths_told():
    ...         raise distributed.KilledWorker("average_one", None, 3)
    ... except ProcessingError as error:
    ...     print(error.hint)
    start fewer workers, or give each more memory
    """
    try:
        yield
    except distributed.KilledWorker as error:
        raise ProcessingError(
            f"workers died of a task, {error.allowed_failures + 1} times; most often their memory is too small",
            "start fewer workers, or give each more memory",
        ) from error


def _free(port: int) -> int:
    """The port, or 0 for any other where it is taken: of two sessions, the first has the dashboard beside it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return 0
    return port


@contextmanager
def _connected(scheduler: str) -> Iterator[distributed.Client]:
    try:
        client = distributed.Client(scheduler, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise ProcessingError(f"no Dask scheduler answers at {scheduler}", "check the address") from error
    with client, dask.config.set(LARGE_GRAPH):
        if not client.scheduler_info()["workers"]:
            logger.info("waiting for workers of %s, at most %d s", scheduler, COME)
        try:
            client.wait_for_workers(1, timeout=COME)
        except TimeoutError as error:
            raise ProcessingError(f"no worker of {scheduler} came in {COME} s", "start workers for it") from error
        client.run(engines.prepare)
        warming.warm(client)
        yield client


class Session:
    """Workers that stay until they are closed, for a notebook, whose cells can't share a ``with``.

    Python's end closes them too: of a notebook that is stopped, the cell that would do it never runs.

    Parameters
    ----------
    workers, scheduler, dashboard, memory
        As `start` takes them.

    Examples
    --------
    >>> session = Session(1)
    >>> session.client.submit(sum, [1, 2]).result()
    3
    >>> session.close()
    """

    def __init__(self, workers: int = 0, *, scheduler: str = "", dashboard: bool = False, memory: str = "") -> None:
        self._stack, self._owns_workers = ExitStack(), not scheduler
        started = start(workers, scheduler=scheduler, dashboard=dashboard, memory=memory)
        self.client = self._stack.enter_context(started)
        atexit.register(self.close)

    def renewed(self) -> distributed.Client:
        """The client, after workers that were started here have begun anew: without what earlier steps left in them.

        What they left in this process, and nobody uses, goes back to the system.
        """
        engines.give_back()
        if self._owns_workers:
            self.client.restart(timeout=RESTART)
        return self.client

    def close(self) -> None:
        """Stop the workers that were started."""
        atexit.unregister(self.close)
        self._stack.close()
