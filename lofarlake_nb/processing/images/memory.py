"""Memory that imaging takes: said before it starts, and kept to by what stays on disk."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import distributed
import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.images.geometry import Geometry

logger = logging.getLogger(__name__)

# Bytes of a chunk's visibility while it is held (value and weight, and its part of the row), while it is read (rows
# that are used are copied out), and what a task adds that subtracts a model and grids the rest.
HELD = 14
READ = 30
GRIDDED = 18
# Bytes of a pixel for the gridder's oversampled plane, the model, and the images that are summed (measured at 4096²).
PIXEL = 48
# What a worker takes before it holds anything: Python, the engines' libraries and their tables.
BASE = 350_000_000
# A worker of Dask's that passes 80 % of its limit takes no more tasks.
SHARE = 0.8
# A chunk's visibilities: at least, so that its overheads don't count, and at most, so that it fits a small machine.
FEWEST, MOST = 2_000_000, 32_000_000
# Visibilities that take as long to grid as a pixel of one plane to transform: measured, 290 ns to 7 ns.
PIXELS_A_VISIBILITY = 40


@dataclass(frozen=True)
class Need:
    """How an image is fitted into the memory of the workers.

    Parameters
    ----------
    chunk : int
        Visibilities in a chunk.
    on_disk : bool
        Whether chunks lie in the work folder, not in memory.
    bytes_a_worker : int
        That a worker takes at its peak.
    limit : int
        That it may take; 0 where it has no limit.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in paths]
    >>> sizes = (Geometry(npix, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)) for npix in (500, 1000))
    >>> small, large = (need(size, layouts, session.client).bytes_a_worker for size in sizes)
    >>> large - small  # 64 bytes a pixel
    48000000
    """

    chunk: int
    on_disk: bool
    bytes_a_worker: int
    limit: int


def need(
    geometry: Geometry,
    layouts: Sequence[Layout],
    client: distributed.Client,
    images: int = 2,
    copies: int = 1,
    cutout: Geometry | None = None,
    pairs: int = 1,
) -> Need:
    """Plan the memory of an image, and say it.

    Parameters
    ----------
    geometry : Geometry
    layouts : sequence of Layout
        Of the Measurement Sets.
    client : distributed.Client
    images : int
        Whose sums wait on a worker at once: dirty image and psf.
    copies : int
        Of the visibilities that are held at once.
    cutout : Geometry, optional
        Of a second image that is made of the same chunks: planned for is the one with more pixels.
    pairs : int
        Of classes of stations, whose visibilities are gridded by themselves.

    Returns
    -------
    Need

    Raises
    ------
    ProcessingError
        When not even the smallest chunk fits.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in paths]
    >>> needed = need(Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)), layouts, session.client)
    >>> needed.chunk, needed.on_disk
    (2000000, False)
    """
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limit = int(min((w["memory_limit"] for w in workers if w["memory_limit"]), default=0))
    total = sum(len(a.times) * len(a.antenna1) * len(a.frequencies) for a in layouts)
    slot = max(len(a.antenna1) * len(a.frequencies) for a in layouts)
    chunk = max(slot, chunk_size(geometry, total, pairs))
    largest, whose, less = geometry, "", "fewer pixels"
    if cutout is not None and cutout.npix > geometry.npix:
        largest, whose, less = cutout, " of the cut-out", "a smaller cutout"
    while limit and peak(largest, chunk, images) > SHARE * limit and chunk // 2 >= slot:
        chunk //= 2
    most = peak(largest, chunk, images)
    if limit and most > SHARE * limit:
        raise ProcessingError(
            f"{largest.npix}² pixels{whose} take {most / 1e9:.1f} GB on a worker, which has {limit / 1e9:.1f} GB",
            f"use fewer workers, {less}, or a machine with more memory",
        )
    held = copies * HELD * total / max(1, len(workers))
    on_disk = bool(limit) and most + held > SHARE * limit
    found = Need(chunk, on_disk, round(most if on_disk else most + held), limit)
    logger.info(
        "%.1f million visibilities in chunks of %.1f million, %s: at most %.1f GB a worker%s",
        total / 1e6,
        chunk / 1e6,
        f"on disk ({copies * HELD * total / 1e9:.1f} GB in the work folder)" if on_disk else "held in memory",
        found.bytes_a_worker / 1e9,
        f" of {limit / 1e9:.1f} GB" if limit else "",
    )
    if whose:
        logger.info(
            "memory is planned for the %d² pixels%s, more than the image's %d²", largest.npix, whose, geometry.npix
        )
    return found


def chunk_size(geometry: Geometry, total: int, pairs: int = 1) -> int:
    """Visibilities in a chunk: enough that gridding costs more than the transforms; all in one only where they are few.

    Parameters
    ----------
    geometry : Geometry
    total : int
        Visibilities there are.
    pairs : int
        Of classes of stations that a chunk is parted into.

    Examples
    --------
    >>> small, large = (Geometry(npix, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)) for npix in (512, 4096))
    >>> chunk_size(small, 10**8), chunk_size(large, 10**8)
    (2000000, 32000000)
    >>> chunk_size(large, 10**7), chunk_size(large, 10**7, pairs=3)
    (5000000, 10000000)
    """
    transforms = geometry.planes * geometry.npix**2 // PIXELS_A_VISIBILITY
    # Few chunks where the transforms cost much, but work for two at least, and up to eight where they cost little.
    pieces = int(np.clip(total // max(1, transforms), 2 if pairs == 1 else 1, 8))
    return int(min(max(3 * transforms, FEWEST), MOST, max(FEWEST, -(-total // pieces))))


def peak(geometry: Geometry, chunk: int, images: int) -> int:
    """Bytes that a worker takes for one chunk at a time.

    Examples
    --------
    >>> peak(Geometry(1000, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)), 2_000_000, 2)
    478000000
    """
    image = (PIXEL + 8 * images) * geometry.npix**2
    return round(BASE + chunk * max(READ, HELD + GRIDDED) + image)
