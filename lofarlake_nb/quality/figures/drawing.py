"""What all pictures share: colours that the colour-blind can tell apart, time axes, PNG files."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito (2008).
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"

# Ticks at the most on an axis of slots.
TICKS = 8


def saved(figure: Figure, output: Path) -> Image:
    """Write a figure as PNG, the same bytes each time, for a notebook to show.

    Examples
    --------
    >>> figure = Figure(figsize=(1, 1))
    >>> saved(figure, Path("once.png")).data == saved(figure, Path("again.png")).data
    True
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(output), metadata={"Software": None})
    return Image(filename=str(output))


def utc(mjd_seconds: float) -> datetime:
    """Moment of a Measurement Set's TIME.

    Examples
    --------
    >>> str(utc(4_925_491_200.5))
    '2014-12-17 00:00:00.500000'
    """
    return datetime(1858, 11, 17) + timedelta(seconds=float(mjd_seconds))


def label_slots(axes: Axes, times: Sequence[float] | np.ndarray) -> None:
    """Label an axis of slots by their UTC: pauses between scans take no room on it.

    Examples
    --------
    >>> axes = Figure().subplots()
    >>> label_slots(axes, 4_925_491_200 + np.array([0.0, 4.0, 600.0]))
    >>> axes.get_xlabel(), [label.get_text() for label in axes.get_xticklabels()]
    ('UTC, 2014-12-17 (pauses left out)', ['00:00:00', '00:00:04', '00:10:00'])
    """
    count = len(times)
    places = np.unique(np.linspace(0, count - 1, min(TICKS, count)).round().astype(int))
    axes.set_xticks(places, [f"{utc(times[i]):%H:%M:%S}" for i in places])
    axes.set_xlabel(f"UTC, {utc(times[0]):%Y-%m-%d}" + (" (pauses left out)" if paused(times) else ""))


def paused(times: Sequence[float] | np.ndarray) -> bool:
    """Whether there are pauses between the slots.

    Examples
    --------
    >>> paused([0, 4, 8, 12]), paused([0, 4, 8, 600])
    (False, True)
    """
    steps = np.diff(np.asarray(times, dtype=float))
    return bool(len(steps) > 1 and steps.max() > 1.5 * np.median(steps))
