"""Flags of a Measurement Set beside it, a bit for each time, baseline and channel: the user's own stay untouched."""

from pathlib import Path

import numpy as np


def size(shape: tuple[int, int, int]) -> int:
    """Bytes that flags (time, baseline, frequency) take."""
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
    """
    stored = np.lib.format.open_memmap(path, mode="r+")
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
    """
    stored = np.lib.format.open_memmap(path, mode="r")
    return np.unpackbits(np.asarray(stored[times]), axis=2, count=n_channels).astype(bool)
