"""What was brought here, as it was when it came: it is not brought twice, and nothing of others is overwritten."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

from lofarlake_nb.errors import NoSpace, ObservationError
from lofarlake_nb.steps import write_json

FOLDER = ".lofarlake"  # beside what was brought
_LONGEST = 200  # bytes of a name


def is_here(target: Path, origin: str, mark: str) -> bool:
    """Whether a target is here as it came.

    Parameters
    ----------
    target : Path
        File or folder.
    origin : str
        Where it comes from: a DID, or a path.
    mark : str
        Which bytes: a checksum.

    Returns
    -------
    bool
        False when it must be brought (again).

    Raises
    ------
    ObservationError
        When something else is there, or it was changed since it came.

    Examples
    --------
    >>> here = Path("brought.csv")
    >>> size, _ = here.write_text("1,2"), keep(here, "lofar:brought.csv", "02580090")
    >>> is_here(here, "lofar:brought.csv", "02580090"), is_here(Path("elsewhere.csv"), "lofar:brought.csv", "02580090")
    (True, False)
    """
    if not os.path.lexists(target):
        return False
    kept = _kept(target)
    if kept.get("origin") != origin or kept.get("mark") != mark:
        raise ObservationError(
            f"{target} is there already and is not {origin} as it is now", "remove it, or choose another folder"
        )
    if not kept.get("contents"):  # it was on its way when something stopped us
        _remove(target)
        return False
    if kept["contents"] != _contents(target):
        raise ObservationError(
            f"{target} was changed since it came from {origin}", "remove it to have it again, or choose another folder"
        )
    return True


def expect(target: Path, origin: str, mark: str) -> None:
    """Note that a target is on its way: what appears in its place is ours.

    Raises
    ------
    NoSpace, ObservationError
        When the note can't be written.

    Examples
    --------
    >>> half = Path("half.csv")
    >>> _, size = expect(half, "lofar:half.csv", "02580090"), half.write_text("1,")
    >>> is_here(half, "lofar:half.csv", "02580090"), half.exists()
    (False, False)
    """
    _note(target, {"origin": origin, "mark": mark, "contents": ""})


def keep(target: Path, origin: str, mark: str) -> None:
    """Note that a target is here, and what it looks like.

    Raises
    ------
    NoSpace, ObservationError
        When the note can't be written: the target is brought again.

    Examples
    --------
    >>> changed = Path("changed.csv")
    >>> size, _ = changed.write_text("1,2"), keep(changed, "lofar:a.csv", "02580090")
    >>> size = changed.write_text("1,2,3")
    >>> is_here(changed, "lofar:a.csv", "02580090")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.ObservationError: changed.csv was changed since it came from lofar:a.csv; remove it ...
    """
    _note(target, {"origin": origin, "mark": mark, "contents": _contents(target)})


def forget(target: Path) -> None:
    """Remove a target and its record.

    Examples
    --------
    >>> gone = Path("gone.csv")
    >>> size, _ = gone.write_text("1,2"), keep(gone, "lofar:gone.csv", "02580090")
    >>> forget(gone), gone.exists(), _record(gone).exists()
    (None, False, False)
    """
    _remove(target)
    _record(target).unlink(missing_ok=True)


def _note(target: Path, told: dict[str, str]) -> None:
    try:
        write_json(_record(target), told)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{target.parent}: no space left to note {target.name}", "free some space") from error
        raise ObservationError(f"{_record(target)} can't be written: {error.strerror}") from error


def _record(target: Path) -> Path:
    name = os.fsencode(target.name)  # a record's own name must have room for its ending
    short = target.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()
    return target.parent / FOLDER / f"{short}.json"


def _kept(target: Path) -> dict[str, str]:
    try:
        kept = json.loads(_record(target).read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _contents(target: Path) -> str:
    """Hash of names, sizes and times; of lock files, which casacore may touch, only the name."""
    lines = []
    for path in [target] if target.is_file() else sorted(target.rglob("*")):
        told = path.lstat()
        state = "" if path.is_dir() or path.name == "table.lock" else f"{told.st_size} {told.st_mtime_ns}"
        lines.append(f"{os.fsencode(path.relative_to(target))!r} {state}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
