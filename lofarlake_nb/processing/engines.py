"""What the engines need around them: variables that they read at their start, data files, threads."""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from dask.system import cpu_count

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measures

# Whose versions decide what the steps make: a step that another version did is done again.
PACKAGES = ("aoflagger", "everybeam", "ducc0", "radler", "bdsf", "python-casacore")
# Parallelism is ours, over processes: a BLAS with threads of its own fights it for the same cores.
VARIABLES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "DUCC0_NUM_THREADS": "1",
}


def versions() -> dict[str, str]:
    """Versions of the engines, by package.

    Examples
    --------
    >>> sorted(versions())[:2]
    ['aoflagger', 'bdsf']
    """
    return {package: version(package) for package in PACKAGES}


def prepare() -> dict[str, str]:
    """Set what the engines read, in this process and for those that it starts; any number of times.

    Returns
    -------
    dict
        The variables that were set.

    Raises
    ------
    ObservationError
        When casacore's measures data are missing.

    Examples
    --------
    >>> prepare()["OMP_NUM_THREADS"]
    '1'
    """
    measures.use_packaged_data()
    variables = dict(VARIABLES)
    responses = Path(sys.prefix) / "share" / "everybeam"
    if responses.is_dir():
        variables["EVERYBEAM_DATADIR"] = str(responses)
    os.environ.update(variables)
    return variables


def cores() -> int:
    """Cores that this process may use: by its affinity, and by its container's share of the machine.

    Examples
    --------
    >>> 1 <= cores() <= (os.cpu_count() or 1)
    True
    """
    return cpu_count()


def give_back() -> None:
    """Give memory that this process took and does not use any more back to the system.

    Examples
    --------
    >>> import weakref
    >>> cycle = lambda: cycle
    >>> cycle.itself, unused = cycle, weakref.ref(cycle)
    >>> del cycle
    >>> give_back()
    >>> unused() is None
    True
    """
    with _interrupted_after():
        gc.collect()
    trim()


@contextmanager
def _interrupted_after() -> Iterator[None]:
    """Leave SIGINT until afterwards: in what Dask does at each collection, an exception is told and lost."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    asked: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if asked and callable(before):
        before(*asked[0])


def trim() -> None:
    """As `give_back`, of what is free already: in no time, where Python's collector takes a quarter of a second.

    Examples
    --------
    >>> trim()
    """
    with suppress(AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


def flagging_strategy(path: str = "") -> str:
    """AOFlagger strategy to use.

    Parameters
    ----------
    path : str
        A Lua file of one's own; empty for the one that AOFlagger keeps for LOFAR.

    Returns
    -------
    str
        Path of the Lua file.

    Raises
    ------
    ProcessingError
        When there is no such file.

    Examples
    --------
    >>> Path(flagging_strategy()).name
    'lofar-default.lua'
    """
    import aoflagger  # here, so that the package imports where only other engines are needed

    if path:
        if not Path(path).is_file():
            raise ProcessingError(f"strategy: no file {path}", "give an AOFlagger Lua strategy, or leave it empty")
        return path
    found = aoflagger.AOFlagger().find_strategy_file(aoflagger.TelescopeId.LOFAR)
    if not found:
        raise ProcessingError("aoflagger carries no LOFAR strategy", "install aoflagger's wheel from PyPI")
    return found
