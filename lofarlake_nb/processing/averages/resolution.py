"""How much data are averaged: slots and channels that become one, and the disk that it takes."""

from collections.abc import Sequence
from dataclasses import replace

import astropy.units as u
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters, quantity
from lofarlake_nb.processing.averages import smearing
from lofarlake_nb.processing.windows import groups, scans

# Slots that a scan keeps at least: the verdict on a calibration needs slots that were not solved on.
FEWEST_SLOTS = 4
# Channels that lie further apart than this part of their width have a gap between them, and are not averaged.
GAP = 0.1
# What a table takes besides its values.
OVERHEAD, TABLE_BYTES = 1.03, 8_000_000


def factors(layout: Layout, parameters: AverageParameters) -> tuple[int, int]:
    """Slots and channels that become one.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    parameters : AverageParameters
        Wanted resolution.

    Returns
    -------
    tuple of int
        Slots at most, and channels; the channels divide evenly. 1 where the data are as coarse as wanted.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()  # slots of 4 s, channels of 12.2 kHz
    >>> factors(layout, AverageParameters(interval="8 s", channel="48.83 kHz", smearing=1.0))
    (2, 4)
    """
    slots, most = smearing.allowed(parameters, layout, asked(layout, parameters))
    longest = max(scan.stop - scan.start for scan in scans(layout.times, layout.interval))
    n_channel = len(layout.frequencies)
    channels = max(n for n in range(1, min(most, n_channel) + 1) if n_channel % n == 0)
    return max(1, min(slots, longest // FEWEST_SLOTS)), channels if even(layout) else 1


def asked(layout: Layout, parameters: AverageParameters) -> tuple[int, int]:
    """Slots and channels that would become one, whatever they cost.

    Examples
    --------
    >>> asked(flagged.sources[0].layout(), AverageParameters(interval="1 min", channel="1 MHz"))
    (15, 82)
    """
    wanted_s = quantity("interval", parameters.interval, u.s).value
    wanted_hz = quantity("channel", parameters.channel, u.Hz).value
    # A hundredth more, for intervals like 1.00139 s and channels like 12.2070 kHz.
    return max(1, int(1.01 * wanted_s / layout.interval)), max(1, int(1.01 * wanted_hz / layout.channel_width))


def even(layout: Layout) -> bool:
    """Whether the channels follow each other without a gap.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> even(layout), even(replace(layout, frequencies=np.delete(layout.frequencies, 3)))
    (True, False)
    """
    steps_hz = np.abs(np.diff(layout.frequencies))
    return bool((np.abs(steps_hz - layout.channel_width) < GAP * layout.channel_width).all())


def limited(layout: Layout, parameters: AverageParameters) -> list[str]:
    """What the limit on smearing makes finer than asked for: ``interval``, ``channel``, both or none.

    Examples
    --------
    >>> wanted = AverageParameters(interval="1 min", channel="24.42 kHz", smearing=0.02)
    >>> limited(flagged.sources[0].layout(), wanted)
    ['interval']
    """
    wanted = asked(layout, parameters)
    got = smearing.allowed(parameters, layout, wanted)
    return [name for name, a, b in zip(("interval", "channel"), wanted, got, strict=True) if b < a]


def averaged_layout(layout: Layout, starts: np.ndarray, slots: int, channels: int) -> Layout:
    """Layout after averaging: cross-correlations only, sorted by their stations, frequencies ascending.

    Parameters
    ----------
    layout : Layout
        Before.
    starts : (group,) int
        First slot of each group.
    slots, channels : int
        From `factors`.

    Returns
    -------
    Layout

    Examples
    --------
    >>> before = flagged.sources[0].layout()  # 3 scans of 10 slots of 4 s, 16 channels of 12.2 kHz
    >>> after = averaged_layout(before, np.arange(0, 30, 2), 2, 4)
    >>> len(after.times), after.interval, len(after.frequencies), round(after.channel_width)
    (15, 8.0, 4, 48828)
    """
    size = np.diff(np.append(starts, len(layout.times)))
    times = np.add.reduceat(layout.times - layout.times[0], starts) / size + layout.times[0]
    kept = baselines(layout)
    return replace(
        layout,
        times=times,
        antenna1=layout.antenna1[kept],
        antenna2=layout.antenna2[kept],
        rows=np.arange(len(times) * len(kept), dtype=np.int64).reshape(len(times), len(kept)),
        frequencies=np.sort(layout.frequencies.reshape(-1, channels).mean(axis=1)),
        interval=layout.interval * min(slots, int(size.max())),
        channel_width=layout.channel_width * channels,
    )


def baselines(layout: Layout) -> np.ndarray:
    """Cross-correlations (baseline,) int, sorted by their stations: subbands whose rows lie otherwise are alike then.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> swapped = replace(layout, antenna1=layout.antenna1[::-1], antenna2=layout.antenna2[::-1])
    >>> baselines(layout)[:3].tolist(), baselines(swapped)[:3].tolist() == (209 - baselines(layout)[:3]).tolist()
    ([1, 2, 3], True)
    """
    kept = np.flatnonzero(layout.cross)
    return kept[np.lexsort((layout.antenna2[kept], layout.antenna1[kept]))]


def target(layout: Layout, parameters: AverageParameters) -> Layout:
    """Layout after averaging as the parameters ask for it.

    Examples
    --------
    >>> target(flagged.sources[0].layout(), AverageParameters(interval="8 s", smearing=1.0)).interval
    8.0
    """
    slots, channels = factors(layout, parameters)
    return averaged_layout(layout, groups(layout.times, layout.interval, slots), slots, channels)


def disk_need(layouts: Sequence[Layout], parameters: AverageParameters) -> int:
    """Bytes on disk that averaged Measurement Sets will take.

    Parameters
    ----------
    layouts : sequence of Layout
        Before averaging.
    parameters : AverageParameters

    Returns
    -------
    int

    Examples
    --------
    >>> layouts = [source.layout() for source in flagged.sources]
    >>> round(disk_need(layouts, AverageParameters(smearing=1.0)) / 1e6, 1)  # MB
    18.7
    """
    need = 0.0
    for layout in layouts:
        slots, channels = factors(layout, parameters)
        rows = len(groups(layout.times, layout.interval, slots)) * int(layout.cross.sum())
        samples = len(layout.frequencies) // channels * len(layout.correlations)
        visibilities = 16 if parameters.model_column else 8
        # Visibilities, weights and flags; uvw, station numbers, row flag.
        need += OVERHEAD * rows * (samples * (visibilities + 4 + 1 / 8) + 24 + 8 + 1 / 8) + TABLE_BYTES
    return int(need)
