"""Visibilities of one block of time, with the model of them: what gains are solved on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.gains.correcting import flagged
from lofarlake_nb.processing.sky.predict import LIGHT_M_S
from lofarlake_nb.processing.windows import groups, scans


@dataclass(frozen=True)
class Block:
    """Visibilities of some solution intervals, ready to solve on.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    model : (time, baseline, frequency, 1 or polarization) complex64, Jy
        With one polarization it is Stokes I, the same for X and Y.
    flag : (time, baseline, frequency) bool
    weight : (time, baseline, frequency, polarization) float32
    long : (time, baseline, frequency) bool
        Whether the baseline is long enough to solve on.
    interval : (time,) int
        Solution interval of each slot, from 0.
    channel_block : (frequency,) int
        Solution block of each channel, from 0.
    scan : (time,) int
        Number of the scan that a slot is of.
    antenna1, antenna2 : (baseline,) int
    n_station : int
    exposure : float
        Bandwidth × time of an unflagged sample, Hz s.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE
    >>> read = {"DATA": np.ones(SHAPE, "c8"), "FLAG": np.zeros(SHAPE, bool), "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"),
    ...         "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> one = make(read, np.ones((*SHAPE[:3], 1), "c8"), LAYOUT, slice(0, 8), CalibrationParameters())
    >>> one.data.shape, one.hands(one.data).shape, one.hands(one.model).shape
    ((8, 28, 8, 4), (8, 28, 8, 2), (8, 28, 8, 1))
    """

    data: np.ndarray
    model: np.ndarray
    flag: np.ndarray
    weight: np.ndarray
    long: np.ndarray
    interval: np.ndarray
    channel_block: np.ndarray
    scan: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    n_station: int
    exposure: float

    def hands(self, values: np.ndarray) -> np.ndarray:
        """XX and YY (..., 2) of values (..., polarization); Stokes I stays as it is."""
        return values[..., :: max(1, values.shape[-1] - 1)]


@dataclass(frozen=True)
class Window:
    """Blocks that are solved together, each read when it is its turn.

    Parameters
    ----------
    pieces : sequence of slice
        Slots of each; whole solution intervals.
    read : callable
        Block of some slots; may be asked for twice.

    Examples
    --------
    >>> seen = Window([slice(0, 2), slice(2, 5)], lambda piece: f"slots {piece.start} to {piece.stop - 1}")
    >>> list(seen.blocks())
    ['slots 0 to 1', 'slots 2 to 4']
    """

    pieces: Sequence[slice]
    read: Callable[[slice], Block]

    def blocks(self) -> Iterator[Block]:
        """One after the other."""
        return (self.read(piece) for piece in self.pieces)


def solution_of(layout: Layout, parameters: CalibrationParameters) -> tuple[np.ndarray, np.ndarray]:
    """Which solution each slot and each channel belongs to.

    Parameters
    ----------
    layout : Layout
    parameters : CalibrationParameters

    Returns
    -------
    interval : (time,) int
        From 0.
    channel_block : (frequency,) int
        From 0.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # 8 slots, 8 channels
    >>> interval, channel_block = solution_of(LAYOUT, CalibrationParameters(slots=3, channels=5))
    >>> interval.tolist(), channel_block.tolist()
    ([0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 0, 0, 1, 1, 1])
    """
    starts = groups(layout.times, layout.interval, parameters.slots)
    interval = np.searchsorted(starts, np.arange(len(layout.times)), side="right") - 1
    return interval, np.arange(len(layout.frequencies)) // parameters.channels


def make(
    read: dict[str, np.ndarray], model: np.ndarray, layout: Layout, times: slice, parameters: CalibrationParameters
) -> Block:
    """Block from columns that are in memory.

    Parameters
    ----------
    read : dict of array
        ``DATA``, ``FLAG``, ``WEIGHT_SPECTRUM`` and ``UVW`` as from `measurement_set.read`.
    model : (time, baseline, frequency, 1 or polarization) complex64, Jy
    layout : Layout
        Of all slots.
    times : slice
        Those that were read; whole solution intervals.
    parameters : CalibrationParameters

    Returns
    -------
    Block

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE  # 8 slots, 8 channels
    >>> read = {"DATA": np.ones(SHAPE, "c8"), "FLAG": np.zeros(SHAPE, bool), "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"),
    ...         "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> parameters = CalibrationParameters(slots=3, channels=4)
    >>> one = make(read, np.ones((*SHAPE[:3], 1), "c8"), LAYOUT, slice(0, 8), parameters)
    >>> one.interval.tolist(), one.channel_block.tolist()
    ([0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1])
    """
    intervals, channel_block = solution_of(layout, parameters)
    interval = intervals[times]
    scan = np.empty(len(layout.times), int)
    for i, its in enumerate(scans(layout.times, layout.interval)):
        scan[its] = i
    length = np.sqrt(np.einsum("tbi,tbi->tb", read["UVW"], read["UVW"]))
    return Block(
        data=read["DATA"],
        model=model,
        flag=flagged(read["FLAG"]),
        weight=read["WEIGHT_SPECTRUM"],
        long=length[..., None] >= parameters.minimum_uv * LIGHT_M_S / layout.frequencies,
        interval=interval - interval[0],
        channel_block=channel_block,
        scan=scan[times],
        antenna1=layout.antenna1,
        antenna2=layout.antenna2,
        n_station=len(layout.stations),
        exposure=layout.channel_width * layout.interval,
    )
