"""Room on a disk, asked for before the first byte."""

import shutil
from pathlib import Path

from lofarlake_nb.errors import NoSpace


def require(folder: Path, need: int, what: str) -> int:
    """Make sure that something fits.

    Parameters
    ----------
    folder : Path
        Where it will be written; it need not be there yet.
    need : int
        Bytes.
    what : str
        What takes them, for the error.

    Returns
    -------
    int
        Bytes that are free.

    Raises
    ------
    NoSpace
        When less is free.

    Examples
    --------
    >>> require(Path("images"), 10**20, "the image")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.NoSpace: images: the image will take 100000000000.00 GB, ... GB is free; ...
    """
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if need > free:
        raise NoSpace(
            f"{folder}: {what} will take {need / 1e9:.2f} GB, {free / 1e9:.2f} GB is free",
            "make room, or choose another output folder",
        )
    return free
