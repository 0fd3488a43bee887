"""Parameters of the Dask workers of stage 2."""

import math
import re

from lofarlake_nb.errors import UsageError

# Python and the engines' libraries alone take most of it.
LEAST_MEMORY = 500_000_000

_SIZE = re.compile(r"(\d+\.?\d*(?:e\d+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)


def check_workers(workers: int) -> None:
    """Refuse a number of Dask workers that can't be.

    Raises
    ------
    UsageError
        When it is negative.

    Examples
    --------
    >>> check_workers(0)  # one a core
    """
    if workers < 0:
        raise UsageError(f"workers: expected 0 (one a core) or more, got {workers}")


def worker_memory(memory: str) -> int:
    """Bytes that a worker may take, as a person wrote them.

    Parameters
    ----------
    memory : str
        As ``"4 GB"`` or ``"4 GiB"``.

    Raises
    ------
    UsageError
        When it is no size, or too small for a worker.

    Examples
    --------
    >>> worker_memory("4 GB")
    4000000000
    >>> worker_memory("lots")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: memory: 'lots' is no size; write it as "4 GB"
    """
    found = _SIZE.fullmatch(memory.strip())
    size = float(found[1]) * (1024 if found[3] else 1000) ** " kmgtp".index(found[2].lower() or " ") if found else 0.0
    if not found or not math.isfinite(size):
        raise UsageError(f"memory: {memory!r} is no size", 'write it as "4 GB"')
    if size < LEAST_MEMORY:
        raise UsageError(f"memory: expected at least {LEAST_MEMORY / 1e9:.1f} GB for a worker, got {memory}")
    return int(size)
