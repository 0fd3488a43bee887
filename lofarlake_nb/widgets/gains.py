"""Gains of stations from an h5parm (LoSoTo's and DP3's format): all over time, and one station's by frequency."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import ipywidgets
import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure

from lofarlake_nb.errors import UsageError
from lofarlake_nb.widgets import interactive
from lofarlake_nb.widgets.picture import Picture, picture_of

_ALL = "all stations"
_AXES = ("time", "freq", "ant", "pol")
_MJD_S = 86400.0
_POLARIZATIONS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's; line styles differ too
_STYLES = ("o-", "s--", "^:", "d-.")


@dataclass(frozen=True)
class Solutions:
    """Amplitudes and phases of stations.

    Parameters
    ----------
    amplitude, phase : (time, frequency, station, polarization) float64
        Phase in rad; NaN where there is no solution.
    times : (time,) MJD s
    frequencies : (frequency,) Hz
    stations, polarizations : tuple of str

    Examples
    --------
    >>> found = read("gains.h5")
    >>> found.stations[1], found.polarizations, found.amplitude[0, 0, 1].tolist()
    ('CS002HBA0', ('XX', 'YY'), [4.0, 4.0])
    """

    amplitude: np.ndarray
    phase: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray
    stations: tuple[str, ...]
    polarizations: tuple[str, ...]


def read(path: str | Path) -> Solutions:
    """Gains of the first solution set of an h5parm.

    Parameters
    ----------
    path : str or Path
        The file, with ``amplitude000`` and ``phase000``, or one of them.

    Raises
    ------
    UsageError
        When it is no h5parm with gains.

    Examples
    --------
    >>> read("gains.h5").amplitude.shape
    (5, 2, 3, 2)
    """
    try:
        with h5py.File(path) as file:
            group = next(file[name] for name in sorted(file) if name.startswith("sol"))
            tables = {kind: group[f"{kind}000"] for kind in ("amplitude", "phase") if f"{kind}000" in group}
            if not tables:
                raise ValueError("it holds neither amplitude000 nor phase000")
            values = {kind: _ordered(table) for kind, table in tables.items()}
            shape = np.broadcast_shapes(*(one.shape for one in values.values()))  # phases may be of no polarization
            sizes = dict(zip(_AXES, shape, strict=True))
            known = {n: t[n][:] for t in tables.values() for n in _AXES if n in t and len(t[n]) == sizes[n]}
    except (OSError, KeyError, StopIteration, ValueError, IndexError, TypeError) as error:
        said = str(error) or "it holds no solutions"
        raise UsageError(f"{path} is no h5parm with gains: {said}", "give one of LoSoTo, DP3 or stage 2") from error
    return Solutions(
        np.broadcast_to(values.get("amplitude", 1.0), shape),
        np.broadcast_to(values.get("phase", 0.0), shape),
        np.asarray(known.get("time", np.arange(shape[0])), float),
        np.asarray(known.get("freq", np.arange(shape[1])), float),
        tuple(_text(name) for name in known.get("ant", np.arange(shape[2]))),
        tuple(_text(name) for name in known.get("pol", ["XX", "YY"][: shape[3]])),
    )


def _ordered(table: h5py.Group) -> np.ndarray:
    """(time, frequency, station, polarization); of a direction the first, NaN where the weight is 0."""
    values, weights = table["val"][:].astype(float), table["weight"][:]
    axes = _text(table["val"].attrs["AXES"]).split(",")
    values[weights == 0] = np.nan
    for axis in [a for a in axes if a not in _AXES]:
        values, axes = values.take(0, axis=axes.index(axis)), [a for a in axes if a != axis]
    for axis in _AXES:
        if axis not in axes:
            values, axes = values[..., None], [*axes, axis]
    return values.transpose([axes.index(axis) for axis in _AXES])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def draw(figure: Figure, found: Solutions, station: str = _ALL) -> None:
    """Draw amplitudes and phases over time: of all stations as a picture, or of one as lines.

    Parameters
    ----------
    figure : Figure
        Empty.
    found : Solutions
        From `read`.
    station : str
        Of `found`, or ``all stations``.

    Raises
    ------
    UsageError
        When there is no such station.

    Examples
    --------
    >>> figure = Figure()
    >>> draw(figure, read("gains.h5"), "CS002HBA0")
    >>> figure.axes[0].get_title()
    'CS002HBA0 at 136.00 MHz'
    """
    if station == _ALL:
        _draw_all(figure, found)
        return
    if station not in found.stations:
        raise UsageError(f"there is no station {station}", f"there are {', '.join(found.stations)}")
    index, middle = found.stations.index(station), len(found.frequencies) // 2
    times = dates.date2num(np.datetime64("1858-11-17") + (found.times * 1e3).astype("timedelta64[ms]"))
    for row, (values, label) in enumerate(((found.amplitude, "amplitude"), (np.degrees(found.phase), "phase (deg)"))):
        axes = figure.add_subplot(2, 1, row + 1)
        for n, name in enumerate(found.polarizations):
            line = _broken(times, values[:, middle, index, n])
            axes.plot(*line, _STYLES[n % 4], color=_POLARIZATIONS[n % 4], ms=4, label=name)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.xaxis_date()
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
        if label != "amplitude":
            axes.set_ylim(-190, 190)
    figure.axes[0].legend(loc="upper right")
    figure.axes[0].set_title(f"{station} at {found.frequencies[middle] / 1e6:.2f} MHz")


def _broken(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, with NaN in each gap between scans: no line leads over what was not observed."""
    apart = np.diff(times)
    gaps = np.flatnonzero(apart > 3 * np.median(apart)) + 1 if len(apart) else np.array([], int)
    return np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan)


def _draw_all(figure: Figure, found: Solutions) -> None:
    """Of the middle frequency and the first polarization; phases against the first station that has some."""
    middle = len(found.frequencies) // 2
    amplitude, phase = found.amplitude[:, middle, :, 0].T, found.phase[:, middle, :, 0].T
    usual = np.nanmedian(amplitude) if np.isfinite(amplitude).any() else 1.0
    reference = next((n for n, row in enumerate(phase) if np.isfinite(row).any()), 0)
    against = np.degrees(np.angle(np.exp(1j * (phase - phase[reference]))))
    panels = (
        (amplitude / usual, "amplitude / median", "viridis", (0.0, 2.0)),
        (against, f"phase (deg) against {found.stations[reference]}", "twilight", (-180.0, 180.0)),
    )
    for n, (shown, label, colours, (low, high)) in enumerate(panels):
        axes = figure.add_subplot(1, 2, n + 1)
        drawn = axes.imshow(shown, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
        axes.set_facecolor("0.7")
        axes.set_yticks(range(len(found.stations)), found.stations, fontsize=6 if len(found.stations) > 20 else 8)
        axes.set_xlabel("solution interval")
        figure.colorbar(drawn, ax=axes, label=label)


def picture(path: str | Path, station: str = _ALL) -> Picture:
    """The plot for an executed notebook.

    Parameters
    ----------
    path : str or Path
        An h5parm; nothing gives no picture, but says so.
    station : str
        See `draw`.

    Examples
    --------
    >>> picture("gains.h5").text
    'gains of 3 stations, 5 intervals'
    """
    if not str(path):
        return Picture(b"", "there are no gains to look at")
    found = read(path)
    figure = _figure(found, station)
    draw(figure, found, station)
    return picture_of(figure, f"gains of {len(found.stations)} stations, {len(found.times)} intervals")


def view(path: str | Path) -> ipywidgets.Widget:
    """The plot for JupyterLab: zoom, save, and a station to choose.

    Parameters
    ----------
    path : str or Path
        An h5parm.

    Examples
    --------
    >>> station, plot = view("gains.h5").children
    >>> station.value = "CS002HBA0"
    """
    found = read(path)
    figure = _figure(found, _ALL)
    canvas = interactive.canvas_of(figure)
    station = ipywidgets.Dropdown(options=[_ALL, *found.stations], description="Station")

    def redraw(_change: object = None) -> None:
        figure.clear()
        draw(figure, found, station.value)
        canvas.draw_idle()

    redraw()
    station.observe(redraw, "value")
    return ipywidgets.VBox([station, interactive.named(canvas)])


def _figure(found: Solutions, station: str) -> Figure:
    height = 0.13 * len(found.stations) + 2 if station == _ALL else 5
    return Figure(figsize=(10, float(np.clip(height, 4, 10))), layout="constrained")
