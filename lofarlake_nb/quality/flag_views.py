"""Flagged fractions of an observation by baseline, frequency and time, from the flags that were found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.windows import windows


@dataclass(frozen=True)
class FlagViews:
    """Flagged fractions of the cross-correlations, bad stations not counted with the rest.

    Parameters
    ----------
    stations : tuple of str
    baselines : (station, station)
        Symmetric; all of a bad station's are 1; NaN where there is no baseline.
    frequencies : (channel,)
        Hz, of all Measurement Sets, ascending.
    by_frequency : (channel,)
    times : (time,)
        MJD s.
    by_time : (time,)
        Over all Measurement Sets that have the slot.
    """

    stations: tuple[str, ...]
    baselines: np.ndarray
    frequencies: np.ndarray
    by_frequency: np.ndarray
    times: np.ndarray
    by_time: np.ndarray


def views(flagged: Flagged) -> FlagViews:
    """Count the flags of an observation.

    Parameters
    ----------
    flagged : Flagged
        From `flagging.flag`.

    Returns
    -------
    FlagViews
    """
    layouts = [measurement_set.layout(path) for path in flagged.measurement_sets]
    stations = tuple(dict.fromkeys(name for layout in layouts for name in layout.stations))
    bad = {station.name for station in flagged.bad_stations}
    pairs = np.zeros((2, len(stations), len(stations)))
    by_time: dict[float, np.ndarray] = {}
    frequencies, by_frequency = [], []
    for layout, file in zip(layouts, flagged.flag_files, strict=True):
        channels = np.zeros((2, len(layout.frequencies)))
        index = np.array([stations.index(name) for name in layout.stations])
        good = layout.cross & ~_of(bad, layout)
        for window in windows(layout):
            flag = flag_store.get(file, window, len(layout.frequencies))
            counted = np.stack([flag.sum(axis=(0, 2)), np.full(flag.shape[1], flag.shape[0] * flag.shape[2])])
            # Each baseline is there once, so that plain addition loses none.
            pairs[:, index[layout.antenna1], index[layout.antenna2]] += counted
            used = flag[:, good]
            channels += [used.sum(axis=(0, 1)), np.full(len(layout.frequencies), used.shape[0] * used.shape[1])]
            for time, n in zip(layout.times[window], used.sum(axis=(1, 2)), strict=True):
                by_time.setdefault(round(float(time), 3), np.zeros(2))
                by_time[round(float(time), 3)] += [n, used.shape[1] * used.shape[2]]
        frequencies.append(layout.frequencies)
        by_frequency.append(_fraction(channels))
    order = np.argsort(np.concatenate(frequencies), kind="stable")
    times = np.array(sorted(by_time))
    return FlagViews(
        stations,
        _matrix(pairs, [name in bad for name in stations]),
        np.concatenate(frequencies)[order],
        np.concatenate(by_frequency)[order],
        times,
        _fraction(np.array([by_time[t] for t in times]).T),
    )


def _of(names: set[str], layout: Layout) -> np.ndarray:
    """(baseline,) bool: one of the stations is among the names."""
    chosen = np.array([name in names for name in layout.stations])
    return chosen[layout.antenna1] | chosen[layout.antenna2]


def _matrix(pairs: np.ndarray, bad: Sequence[bool]) -> np.ndarray:
    fraction = _fraction(pairs + pairs.transpose(0, 2, 1))
    left_out = np.asarray(bad)
    there = np.isfinite(fraction)
    fraction[(left_out[:, None] | left_out) & there] = 1.0
    np.fill_diagonal(fraction, np.nan)
    return fraction


def _fraction(counted: np.ndarray) -> np.ndarray:
    """Flagged over all; NaN where there is nothing."""
    return np.divide(counted[0], counted[1], out=np.full(counted[0].shape, np.nan), where=counted[1] > 0)
