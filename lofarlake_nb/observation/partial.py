"""A place beside a target to build it in: what appears at the target is whole, and what a killed process left goes."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_END = ".part"


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """A new folder beside a target; it is gone at the end, with all that was not renamed out of it.

    Parameters
    ----------
    target : Path
        File or folder that is being made; its parents are made when missing.

    Yields
    ------
    Path
        Folder on the same file system, locked as long as we live: only those of the dead are removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    part = tempfile.mkdtemp(prefix=_start(target), suffix=_END, dir=target.parent)
    lock = None
    try:
        lock = _locked(part)
        yield Path(part)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def clear(target: Path) -> None:
    """Remove what killed processes left beside a target; places of the living stay.

    Parameters
    ----------
    target : Path
        File or folder that was being made; its parent exists.
    """
    with os.scandir(target.parent) as entries:
        names = [e.path for e in entries if e.name.startswith(_start(target)) and e.name.endswith(_END)]
    for name in names:
        lock = None
        with suppress(OSError):  # it went meanwhile, or is no folder
            lock = _locked(name)
        if lock is not None:
            shutil.rmtree(name, ignore_errors=True)
            os.close(lock)


def _start(target: Path) -> str:
    return f".{target.name[:100]}."


def _locked(folder: str) -> int | None:
    """Open folder that only we have locked; None when another has, or the file system has no locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
