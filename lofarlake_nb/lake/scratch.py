"""What killed processes left where they built files and folders: found below a folder, and removed."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import partial


@dataclass(frozen=True)
class Purged:
    """What was found.

    Parameters
    ----------
    left : tuple of (path, bytes)
        Places of processes that are gone.
    removed : int
        How many of them were removed.

    Examples
    --------
    >>> Purged((("data/.a.tar.part", 7),), removed=0).ok, Purged((("data/.a.tar.part", 7),), removed=1).ok
    (False, True)
    """

    left: tuple[tuple[str, int], ...]
    removed: int

    @property
    def ok(self) -> bool:
        """Whether nothing is left."""
        return len(self.left) == self.removed

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def purge(folders: Iterable[str | Path], *, older_than: float = 3600.0, remove: bool = False) -> Purged:
    """Find what ingests, retrievals and unpackings that were killed left half made.

    Each builds beside its target in a folder that it holds locked while it lives; the next one for the same target
    clears it. What nobody asks for again lies there until this is called.

    Parameters
    ----------
    folders : iterable of paths
        Where to look, with all that is below.
    older_than : float
        Seconds that a place must have lain unchanged, besides being nobody's: a new one is locked a moment later.
    remove : bool
        Remove them too.

    Returns
    -------
    Purged
        Places of living processes are not in it, nor are those on a file system without locks.

    Raises
    ------
    UsageError
        When a folder is not there.

    Examples
    --------
    >>> purge(["observation"]).left
    ()
    """
    found: list[tuple[str, int]] = []
    removed, now = 0, time.time()
    for folder in dict.fromkeys(Path(one).absolute() for one in folders):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", "give the folders to look through")
        for part in partial.left(folder):
            try:
                if not partial.is_dead(part) or now - part.stat().st_mtime < older_than:
                    continue
                size = sum(path.lstat().st_size for path in part.rglob("*") if path.is_file())
            except FileNotFoundError:  # who makes its target anew has cleared it meanwhile
                continue
            found.append((str(part), size))
            removed += remove and partial.remove(part)
    return Purged(tuple(found), removed)
