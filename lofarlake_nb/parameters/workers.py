"""Parameters of the Dask workers of stage 2."""

from lofarlake_nb.errors import UsageError


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
