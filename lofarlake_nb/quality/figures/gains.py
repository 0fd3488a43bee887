"""Gain amplitudes and phases of every station, over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.figure import Figure

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.quality.figures.drawing import BLUE, ORANGE, TICKS, saved, utc

COLUMNS = 6
HANDS = ("X", "Y")  # of circular feeds, R and L
NO_SOLUTION = "0.85"  # grey: no colour of the scales


def gains(calibrated: Calibrated, place: Path) -> Image | None:
    """Gains of every station over time: amplitude and phase of X and Y, in the middle of the first Measurement Set.

    Parameters
    ----------
    calibrated : Calibrated
        With solutions.
    place : Path
        Folder that gets ``gains.png`` (all stations side by side) and ``phases.png`` (a panel for each station).

    Returns
    -------
    Image or None
        The first picture, for a notebook to show; None where nothing was solved.

    Examples
    --------
    >>> picture = gains(calibrated, place)
    """
    if not calibrated.solution_files:
        return None
    stations = measurement_set.layout(calibrated.measurement_sets[0]).stations
    solved = solutions.read(calibrated.solution_files[0])
    _panels(solved, stations, calibrated.reference_station, place / "phases.png")
    return _waterfalls(solved, stations, calibrated.reference_station, place / "gains.png")


def _waterfalls(solved: Gains, stations: Sequence[str], reference: str, output: Path) -> Image:
    middle = _hands(solved)
    figure = Figure(figsize=(17, 0.13 * len(stations) + 2.2), layout="constrained")
    panels = figure.subplots(1, 4, sharey=True)
    for hand, name in enumerate(HANDS):
        values = middle[:, :, hand].T
        size = np.abs(values)
        usual = np.nanmedian(size) if np.isfinite(size).any() else 1.0
        shown = ((size / usual, "viridis", (0.0, 2.0)), (np.degrees(np.angle(values)), "twilight", (-180, 180)))
        for what, (pixels, colours, (low, high)) in enumerate(shown):
            axes = panels[2 * what + hand]
            axes.set_facecolor(NO_SOLUTION)
            drawn = axes.imshow(pixels, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
            axes.set_title(f"{name}: " + ("amplitude / median" if what == 0 else f"phase against {reference} (deg)"))
            _label_intervals(axes, solved.times)
            if hand == 1:
                figure.colorbar(drawn, ax=list(panels[2 * what : 2 * what + 2]), pad=0.01, aspect=40)
    panels[0].set_yticks(range(len(stations)), stations, fontsize=6)
    figure.suptitle(
        f"gains at {solved.frequencies[len(solved.frequencies) // 2] / 1e6:.2f} MHz (grey: none)", fontsize=11
    )
    return saved(figure, output)


def _panels(solved: Gains, stations: Sequence[str], reference: str, output: Path) -> Image:
    """A panel for each station: phases of X and Y over time, one Measurement Set."""
    middle = np.degrees(np.angle(_hands(solved)))
    rows = -(-len(stations) // COLUMNS)
    size = float(np.clip(200 / len(middle), 2, 8))
    figure = Figure(figsize=(17, 1.25 * rows + 1), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, COLUMNS, sharex=True, sharey=True)).ravel()
    for axes, name, index in zip(panels, stations, range(len(stations)), strict=False):
        for hand, colour in enumerate((BLUE, ORANGE)):
            axes.plot(middle[:, index, hand], ".", markersize=size, color=colour, label=HANDS[hand])
        if not np.isfinite(middle[:, index]).any():
            axes.set_facecolor(NO_SOLUTION)
        axes.set_title(name + (" (reference)" if name == reference else ""), fontsize=7, pad=2)
        axes.set_ylim(-185, 185)
        axes.set_yticks((-180, 0, 180))
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.2)
    for axes in panels[len(stations) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(stations) - COLUMNS) : len(stations)]:
        _label_intervals(axes, solved.times, most=3)
        axes.tick_params(labelsize=6, labelbottom=True)
        axes.set_xlabel("")
    panels[0].legend(fontsize=6, loc="lower left", markerscale=3)
    figure.suptitle(
        f"phases against {reference} (deg) over UTC, {solved.frequencies.mean() / 1e6:.2f} MHz", fontsize=11
    )
    return saved(figure, output)


def _hands(gains: Gains) -> np.ndarray:
    """(interval, station, 2): gains of the two dipoles in the middle channel; of a Jones matrix, its diagonal."""
    middle = gains.values[:, gains.values.shape[1] // 2]
    return middle[..., [0, -1]]


def _label_intervals(axes: object, times: np.ndarray, most: int = TICKS // 2) -> None:
    """UTC at some of the solution intervals."""
    count = len(times)
    places = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    axes.set_xticks(places, [f"{utc(times[i]):%H:%M}" for i in places])  # type: ignore[attr-defined]
    axes.set_xlabel("UTC")  # type: ignore[attr-defined]
