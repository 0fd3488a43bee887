"""A place beside a target to build it in: what appears at the target is whole, and what a killed process left goes."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_END = ".part"
_LONGEST = 200  # bytes of a name that still has room for its beginning and its ending
_MADE = re.compile(r"\..+\.[a-z0-9_]{8}\.part")  # names as `building` makes them


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

    Examples
    --------
    >>> with building(Path("whole.txt")) as part:
    ...     count = (part / "text").write_text("all of it")
    ...     whole = (part / "text").rename("whole.txt")
    >>> part.exists(), whole.read_text()
    (False, 'all of it')
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    part, lock = _new(target)
    try:
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

    Examples
    --------
    >>> left_there = Path(".target.abcdefgh.part")
    >>> left_there.mkdir()
    >>> clear(Path("target"))
    >>> left_there.exists()
    False
    """
    with os.scandir(target.parent) as entries:
        names = [e.path for e in entries if e.name.startswith(_start(target)) and e.name.endswith(_END)]
    for name in names:
        remove(Path(name))


def left(folder: Path) -> Iterator[Path]:
    """Places below a folder that were built in, by the living or the dead; links are not followed.

    Parameters
    ----------
    folder : Path
        Where to look.

    Yields
    ------
    Path
        Folders; whether one is dead tells `is_dead`.

    Examples
    --------
    >>> Path("below/.target.abcdefgh.part").mkdir(parents=True)
    >>> [part.name for part in left(Path("below"))]
    ['.target.abcdefgh.part']
    """
    for place, folders, _ in os.walk(folder):
        found = sorted(name for name in folders if _MADE.fullmatch(name))
        folders[:] = [name for name in folders if name not in found]
        yield from (Path(place) / name for name in found if not (Path(place) / name).is_symlink())


def is_dead(part: Path) -> bool:
    """Whether nobody who lives builds there; not so where the file system has no locks to tell by.

    Examples
    --------
    >>> with building(Path("in work")) as part:
    ...     is_dead(part)
    False
    """
    with suppress(OSError):  # it went meanwhile, or is not ours
        lock = _locked(str(part))
        if lock is not None:
            os.close(lock)
            return True
    return False


def remove(part: Path) -> bool:
    """Remove a place to build in, unless somebody who lives builds there; whether it is gone.

    Examples
    --------
    >>> with building(Path("in work")) as part:
    ...     remove(part), part.exists()
    (False, True)
    """
    lock = None
    with suppress(OSError):  # it went meanwhile, or is no folder
        lock = _locked(str(part))
    if lock is not None:
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)
    return not part.exists()


def _new(target: Path) -> tuple[str, int | None]:
    """A folder, and our lock on it: a new one where another, clearing up, took the first for a dead one's."""
    while True:
        part = tempfile.mkdtemp(prefix=_start(target), suffix=_END, dir=target.parent)
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _locked(part)
            if os.path.isdir(part):
                return part, lock
            if lock is not None:
                os.close(lock)


def _start(target: Path) -> str:
    """What their names begin with: another for each target, however long its name is."""
    name = os.fsencode(target.name)
    if len(name) <= _LONGEST:
        return f".{target.name}."
    return f".{hashlib.sha256(name).hexdigest()[:24]}."


def _locked(folder: str) -> int | None:
    """A folder, open and locked by us; None when the file system has no locks, BlockingIOError when another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
