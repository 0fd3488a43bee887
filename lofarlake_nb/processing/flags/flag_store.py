"""Flags of a Measurement Set beside it, a bit for each time, baseline and channel: the user's own stay untouched."""

from pathlib import Path

import numpy as np

from lofarlake_nb.processing.mapped import mapped


def size(shape: tuple[int, int, int]) -> int:
    """Bytes that flags (time, baseline, frequency) take.

    Examples
    --------
    >>> size((10, 3, 9))  # 9 channels take two bytes
    60
    """
    return shape[0] * shape[1] * -(-shape[2] // 8)


def create(path: Path, shape: tuple[int, int, int]) -> Path:
    """New flags, all False.

    Parameters
    ----------
    path : Path
        ``.npy`` file; replaced when there.
    shape : (time, baseline, frequency)

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> file = create(Path("created.npy"), (4, 3, 9))
    >>> get(file, slice(0, 4), 9).shape, int(get(file, slice(0, 4), 9).sum())
    ((4, 3, 9), 0)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    packed = (shape[0], shape[1], -(-shape[2] // 8))
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=packed).flush()
    return path


def put(path: Path, start: int, flag: np.ndarray) -> None:
    """Write a block of time; blocks of different tasks never share a byte.

    Parameters
    ----------
    path : Path
        From `create`.
    start : int
        First slot of the block.
    flag : (time, baseline, frequency) bool

    Examples
    --------
    >>> file = create(Path("put.npy"), (4, 1, 9))
    >>> put(file, 2, np.ones((1, 1, 9), bool))
    >>> get(file, slice(0, 4), 9).sum(axis=2).ravel().tolist()
    [0, 0, 9, 0]
    """
    stored = mapped(path, "r+")
    stored[start : start + len(flag)] = np.packbits(flag, axis=2)
    stored.flush()


def get(path: Path, times: slice, n_channels: int) -> np.ndarray:
    """Read a block of time.

    Parameters
    ----------
    path : Path
        From `create`.
    times : slice
        Slots.
    n_channels : int
        Of the Measurement Set.

    Returns
    -------
    (time, baseline, frequency) bool

    Examples
    --------
    >>> file = create(Path("got.npy"), (4, 1, 3))
    >>> put(file, 0, np.array([[[True, False, True]]]))
    >>> get(file, slice(0, 2), 3).tolist()
    [[[True, False, True]], [[False, False, False]]]
    """
    stored = mapped(path)
    return np.unpackbits(np.asarray(stored[times]), axis=2, count=n_channels).astype(bool)
