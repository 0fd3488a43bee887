"""Arrays in files of a run, mapped into memory."""

import threading
from pathlib import Path
from typing import Literal

import numpy as np

# NumPy reads a file's header with `ast.literal_eval`, of which CPython 3.11 bears one at a time in a process: when
# memory is collected meanwhile, another thread's turn spoils the count of its depth, and it ends with "AST constructor
# recursion depth mismatch" (python/cpython#106905).
_one_at_a_time = threading.Lock()


def mapped(path: Path, mode: Literal["r", "r+"] = "r") -> np.memmap:
    """An array in a file; several threads may ask at once.

    Parameters
    ----------
    path : Path
        As `numpy.save` wrote it.
    mode : {"r", "r+"}
        To read, or to write as well.

    Returns
    -------
    numpy.memmap
        Pages are read as they are used.

    Examples
    --------
    >>> np.save("three.npy", np.arange(3))
    >>> mapped(Path("three.npy")).tolist()
    [0, 1, 2]
    """
    with _one_at_a_time:
        return np.lib.format.open_memmap(path, mode=mode)
