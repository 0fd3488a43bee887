"""Finished work is found again: a step's result is kept beside its products, under a key made from its inputs."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb import __version__
from lofarlake_nb.errors import UsageError

# What a cell shows besides what a person reads, for whoever runs the notebook: how far it is (a tick), and what it
# made: ``{"dataset": DID, "files": [paths]}``, either of them.
TICK_MIME = "application/vnd.lofarlake.tick+json"
MADE_MIME = "application/vnd.lofarlake.made+json"
# What a kept result shows, so that the executed notebook, once it is whole, can join the dataset.
KEEP_MIME = "application/vnd.lofarlake.keep+json"


def key(*inputs: object) -> str:
    """Key of a step: a hash of its inputs and of lofarlake's version.

    Parameters
    ----------
    *inputs
        Frozen parameters (dataclasses), plain values, or paths. A path counts by its name, size and modification time,
        a folder by those of the files in it.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> key("flag", {"window": 3}) == key("flag", {"window": 3})
    True
    """
    text = json.dumps([__version__, *map(_plain, inputs)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def once(
    record: Path, step_key: str, work: Callable[[], dict[str, Any]], *, products: Callable[[dict], Iterable[Path]]
) -> dict[str, Any]:
    """Result of a step, from its record when it was done before with the same key and its products are there.

    Parameters
    ----------
    record : Path
        JSON file that holds the key and the result.
    step_key : str
        From `key`.
    work : callable
        Does the step and returns its result, which must survive JSON.
    products : callable
        From a result, the files or folders that must exist for it to count as done, all beside the record: where a
        folder was copied, those of the first one may have been made again by now. A KeyError means that the record
        lacks what this version wants, and the step is done again.

    Returns
    -------
    dict
        What `work` returned, now or then.

    Raises
    ------
    UsageError
        When another process does a step with its record in the same folder: one would write into the other's products.

    Examples
    --------
    >>> work = lambda: {"sum": 1 + 2}
    >>> once(Path("sum.json"), key("sum", 1, 2), work, products=lambda result: [])
    {'sum': 3}
    """
    if record.is_file():
        try:
            kept = json.loads(record.read_text())
        except ValueError:
            kept = {}  # a record cut short by a crash: the step is done again
        is_whole = isinstance(kept, dict) and isinstance(kept.get("result"), dict)
        if is_whole and kept.get("key") == step_key and _are_there(products, kept["result"], record.parent):
            return kept["result"]
        record.unlink(missing_ok=True)
    with _alone(record.parent):
        result = work()
        write_json(record, {"key": step_key, "result": result})
    return result


def _are_there(products: Callable[[dict], Iterable[Path]], result: dict[str, Any], folder: Path) -> bool:
    """Whether products exist, in the folder of their record or below."""
    home = folder.resolve()
    try:
        paths = list(products(result))
    except KeyError:
        return False  # of another version, whose result has other fields
    return all(path.exists() and (home == path.resolve() or home in path.resolve().parents) for path in paths)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from working in a folder, where its disk knows locks."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"{folder}: another run works in this folder", "wait for it, or choose another"
                ) from error
        yield
    finally:
        os.close(descriptor)


def empty(folder: Path) -> None:
    """Remove what is in a folder, but not itself: it is locked while a step works in it.

    Parameters
    ----------
    folder : Path
        May be missing.

    Examples
    --------
    >>> old = write_json(Path("averaged") / "averaged.json", {})
    >>> empty(old.parent)
    >>> old.exists(), old.parent.exists()
    (False, True)
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> Path:
    """Write JSON so that a reader sees the whole file or none.

    Parameters
    ----------
    path : Path
        The file; its folder is made when missing.
    value : object
        What `json` can write. NaN and infinity are refused: they are no JSON.

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> write_json(Path("figures.json"), {"rms": 0.25}).read_text()
    '{\\n  "rms": 0.25\\n}\\n'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
    os.replace(partial, path)
    return path


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {k: _plain(v) for k, v in asdict(value).items()}}
    if isinstance(value, Path):
        return _fingerprint(value)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, int | float | bool | None) else str(value)


def _fingerprint(path: Path) -> list:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [[str(p.relative_to(path.parent)), p.stat().st_size, p.stat().st_mtime_ns] for p in files if p.exists()]
