"""Which visibilities make a chunk, that the data alone decide: some slots of Measurement Sets of the same slots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise
from pathlib import Path

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout


@dataclass(frozen=True)
class Part:
    """What a chunk is read from.

    Parameters
    ----------
    paths : tuple of Path
        Measurement Sets with the same slots and baselines.
    times : slice
        Slots.
    band : tuple of float
        Channels from the first frequency up to (not including) the second, Hz.
    group : int
        Which of the images over frequency it belongs to.
    visibilities : int
        At most so many.
    spectrum : tuple of float
        Spectral index, and the frequency (Hz) that visibilities are brought to by it: so a flat model fits a wide band.
    classes : tuple of int
        Class of each station, from 0: there is a chunk for each pair of classes. Empty for one chunk of all.

    Examples
    --------
    >>> Part((), slice(0, 1), classes=(0, 1, 1)).pairs
    [(0, 0), (0, 1), (1, 1)]
    """

    paths: tuple[Path, ...]
    times: slice
    band: tuple[float, float] = (0.0, np.inf)
    group: int = 0
    visibilities: int = 0
    spectrum: tuple[float, float] = (0.0, 1.0)
    classes: tuple[int, ...] = ()

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of classes."""
        return pairs(self.classes)


def pairs(classes: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of classes of stations, each of which has a chunk of its own.

    Examples
    --------
    >>> pairs((0, 1, 1)), pairs(())
    ([(0, 0), (0, 1), (1, 1)], [(0, 0)])
    """
    return list(combinations_with_replacement(range(max(classes, default=0) + 1), 2))


def plan(
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    *,
    most: int,
    spectrum: tuple[float, float] = (0.0, 1.0),
    classes: tuple[int, ...] = (),
    edges: Sequence[float] | np.ndarray = (0.0, np.inf),
) -> list[Part]:
    """Cut the visibilities into chunks.

    Parameters
    ----------
    paths : sequence of Path
        Calibrated Measurement Sets.
    layouts : sequence of Layout
        Theirs.
    most : int
        Visibilities in a chunk, about; one slot of one Measurement Set is never cut.
    spectrum, classes : tuple
        See `Part`.
    edges : sequence of float
        Of the images over frequency, Hz, ascending.

    Returns
    -------
    list of Part
        The same for any number of workers.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout("observation/L990100_SAP000_SB000_uv.MS")  # 4 slots, 6 baselines, 4 channels
    >>> [part.times for part in plan([Path("some.MS")], [layout], most=48)]
    [slice(0, 2, None), slice(2, 4, None)]
    """
    parts = []
    for group, band in enumerate(pairwise(edges)):
        alike: dict[bytes, list[int]] = {}
        for i, layout in enumerate(layouts):
            n_channel = int(np.sum((layout.frequencies >= band[0]) & (layout.frequencies < band[1])))
            same = layout.times.tobytes() + layout.antenna1.tobytes() + layout.antenna2.tobytes()
            if n_channel:
                alike.setdefault(same + str(n_channel).encode(), []).append(i)
        for members in alike.values():
            parts += _parts([paths[i] for i in members], layouts[members[0]], band, group, most)
    return [replace(part, spectrum=spectrum, classes=classes) for part in parts]


def _parts(paths: list[Path], layout: Layout, band: tuple[float, float], group: int, most: int) -> list[Part]:
    """Chunks of Measurement Sets with the same slots and baselines."""
    n_channel = int(np.sum((layout.frequencies >= band[0]) & (layout.frequencies < band[1])))
    slot, n_time = len(layout.antenna1) * n_channel, len(layout.times)
    # As even as can be: Measurement Sets together first (the gridder's work is the same for all), slots then.
    count = -(-len(paths) // max(1, round(most / (slot * n_time))))
    edges = [i * len(paths) // count for i in range(count + 1)]
    parts = []
    for first, last in pairwise(edges):
        together = tuple(paths[first:last])
        pieces = min(n_time, max(1, round(slot * n_time * len(together) / most)))
        for a, b in pairwise(i * n_time // pieces for i in range(pieces + 1)):
            parts.append(Part(together, slice(a, b), band, group, slot * (b - a) * len(together)))
    return parts
