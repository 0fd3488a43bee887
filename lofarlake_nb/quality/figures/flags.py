"""What was flagged: per station, baseline, frequency and time."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.quality.figures.drawing import BLUE, RED, TICKS, label_slots, saved

LEAST_PERCENT = 1.0  # that an axis reaches to
# Channels farther apart than this many of the usual steps are of different subbands.
GAP_CHANNELS = 1.5


def flags(flagged: Flagged, place: Path) -> Image:
    """What was flagged, per station, baseline, frequency and time.

    Parameters
    ----------
    flagged : Flagged
        What flagging found.
    place : Path
        Folder that gets ``flags.png``.

    Returns
    -------
    Image
        The picture, for a notebook to show; bad stations are hatched, and not counted over frequency and time.

    Examples
    --------
    >>> picture = flags(flagged, place)
    """
    bad = {station.name for station in flagged.bad_stations}
    names, baselines = _baselines(flagged)
    figure = Figure(figsize=(15, 9.5), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.1, 1, 1), width_ratios=(1.35, 1))
    _stations(figure.add_subplot(grid[0, :]), flagged.station_fractions, bad)
    _frequencies(figure.add_subplot(grid[1, 0]), np.array(sorted(flagged.channel_fractions)))
    _times(figure.add_subplot(grid[2, 0]), np.array(sorted(flagged.time_fractions)))
    axes = figure.add_subplot(grid[1:, 1])
    usual = np.nanmedian(baselines) if np.isfinite(baselines).any() else 0.0
    highest = 100 * min(1.0, max(3 * usual, 0.05))
    drawn = axes.imshow(100 * baselines, origin="lower", cmap="viridis", vmin=0, vmax=highest, interpolation="nearest")
    places = range(0, len(names), max(1, -(-len(names) // 32)))
    axes.set_xticks(places, [names[i] for i in places], rotation=90, fontsize=6)
    axes.set_yticks(places, [names[i] for i in places], fontsize=6)
    axes.set_title("flagged samples per baseline")
    figure.colorbar(drawn, ax=axes, label="flagged (%)", shrink=0.85, extend="max" if highest < 100 else "neither")
    return saved(figure, place / "flags.png")


def _stations(axes: Axes, fractions: dict[str, float], bad: set[str]) -> None:
    names = list(fractions)
    bars = axes.bar(range(len(names)), [100 * fractions[n] for n in names], color=BLUE)
    for name, bar in zip(names, bars, strict=True):
        if name in bad:
            bar.set(facecolor=RED, edgecolor="white", hatch="//")
            axes.annotate(f"{100 * fractions[name]:.0f} %", (bar.get_x() + 0.5, 1), xycoords=("data", "axes fraction"),
                          ha="center", va="bottom", fontsize=7)  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_xlim(-1, len(names))
    good = [100 * fractions[n] for n in names if n not in bad]
    highest = min(100.0, 2.5 * max(good, default=40.0) + 1)
    axes.set_ylim(0, highest)  # those of bad stations, 100 %, run out of the top
    axes.set_ylabel("flagged (%)")
    title = "flagged samples per station" + (" (hatched: bad, left out altogether)" if bad else "")
    axes.set_title(title, pad=14 if bad else 6)


def _baselines(flagged: Flagged) -> tuple[list[str], np.ndarray]:
    """Stations, and flagged fractions (station, station): 1 for baselines of bad ones, NaN where there is none."""
    names = list(flagged.station_fractions)
    bad = {station.name for station in flagged.bad_stations}
    matrix = np.full((len(names), len(names)), np.nan)
    for pair, fraction in flagged.baseline_fractions.items():
        one, other = pair.split(" & ")
        i, j = names.index(one), names.index(other)
        matrix[i, j] = matrix[j, i] = 1.0 if bad & {one, other} else fraction
    return names, matrix


def _frequencies(axes: Axes, seen: np.ndarray) -> None:
    """Channels one beside the other: subbands may lie far apart, and there are no data between them."""
    frequency, fraction = seen.reshape(-1, 2).T * np.array([[1e-6], [100]])
    steps = np.diff(frequency)
    breaks = np.flatnonzero(steps > GAP_CHANNELS * np.median(steps)) + 1 if len(steps) else np.zeros(0, int)
    edges = [0, *breaks.tolist(), len(frequency)]
    for start, end in pairwise(edges):
        axes.plot(np.arange(start, end), fraction[start:end], ".-", color=BLUE, markersize=3, linewidth=0.8)
    for edge in edges[1:-1]:
        axes.axvline(edge - 0.5, color="0.8", linewidth=0.8)
    middle = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    chosen = middle[:: max(1, -(-len(middle) // TICKS))]
    axes.set_xticks(chosen, [f"{frequency[i]:.2f}" for i in chosen])
    axes.set_xlabel("frequency of the channel (MHz)" + (" (gaps left out)" if len(breaks) else ""))
    axes.set_ylabel("flagged (%)")
    axes.set_ylim(0, max(LEAST_PERCENT, axes.get_ylim()[1]))
    axes.set_title("per channel, without bad stations")


def _times(axes: Axes, seen: np.ndarray) -> None:
    times, fraction = seen.reshape(-1, 2).T
    axes.plot(np.arange(len(times)), 100 * fraction, ".-", color=BLUE, markersize=3, linewidth=0.8)
    label_slots(axes, times)
    axes.set_ylabel("flagged (%)")
    axes.set_ylim(0, max(LEAST_PERCENT, axes.get_ylim()[1]))
    axes.set_title("per time slot, without bad stations")
