"""Sums of what tasks make of chunks: in an order that the chunks alone decide, for any number of workers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import Any

import distributed
import numpy as np

from lofarlake_nb.processing.images.chunks import Chunk, OnDisk
from lofarlake_nb.processing.images.primary_beam import ChunkBeam

# Images that are summed one after the other, before sums are summed.
ONE_BY_ONE = 8


def add_pairs(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Sums of the members of two tuples; a task.

    Examples
    --------
    >>> image, count = add_pairs((np.array([1.0, 2.0]), 3), (np.array([10.0, 20.0]), 4))
    >>> image.tolist(), count
    ([11.0, 22.0], 7)
    """
    return tuple(a + b for a, b in zip(first, second, strict=True))


def folded(
    task: Callable[..., Any],
    chunks: Sequence[Chunk | OnDisk],
    beams: Sequence[ChunkBeam | None],
    arguments: Sequence[Any],
    add: Callable[[Any, Any], Any],
    at_once: int,
) -> Any:
    """Sum of what a task makes of some chunks, several of them at once; a task for a worker with cores to spare.

    Parameters
    ----------
    task : callable
        As `gridding.residual`, of one chunk.
    chunks, beams : sequence
        `ONE_BY_ONE` at most: the sum is then the same, to the bit, as that of `tree_sum`.
    arguments : sequence
        What the task is given after a chunk and its beam.
    add : callable
        Sum of two of them.
    at_once : int
        Threads, each with one chunk.

    Examples
    --------
    >>> folded(lambda chunk, beam, power: chunk**power, [1, 2, 3], [None] * 3, [2], np.add, at_once=2)
    np.int64(14)
    """
    with ThreadPoolExecutor(at_once) as threads:
        return reduce(add, threads.map(lambda chunk, beam: task(chunk, beam, *arguments), chunks, beams))


def leave(result: Any, file: Path) -> Any:
    """Write an image, alone or the first of several, into a file; a task, of what is left of them.

    A client that gets an array from Dask holds three copies of it until something else comes (measured), and images
    are large.

    Examples
    --------
    >>> leave((np.zeros((8, 8)), 3), Path("image.npy")), np.load("image.npy").shape
    ((3,), (8, 8))
    """
    image, *others = result if isinstance(result, tuple) else (result,)
    np.save(file, image)
    return tuple(others)


def tree_sum(
    futures: Sequence[distributed.Future], client: distributed.Client, add: Callable[[Any, Any], Any] = np.add
) -> distributed.Future:
    """Sum of arrays that stay on the workers, in an order that their number alone decides.

    A few are summed one after the other, so that not many wait for their sum: images are large.

    Parameters
    ----------
    futures : sequence of Future
        Of arrays of one shape. The caller's own references keep each on its worker until they go; and tasks that were
        submitted together run in any order, but for their ``priority``: let it fall from one to the next.
    client : distributed.Client
    add : callable
        Sum of two of them.

    Returns
    -------
    Future
        Of the sum.

    Examples
    --------
    >>> float(tree_sum(session.client.map(float, [1, 2, 3, 4, 5]), session.client).result())
    15.0
    """

    def both(first: distributed.Future, second: distributed.Future) -> distributed.Future:
        # Before what is still to be made.
        return client.submit(add, first, second, pure=False, priority=1)

    level = list(futures)
    while len(level) > 1:
        level = [reduce(both, level[i : i + ONE_BY_ONE]) for i in range(0, len(level), ONE_BY_ONE)]
    return level[0]
