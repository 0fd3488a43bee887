"""Visibilities of a Measurement Set: dynamic spectra of baselines with their flags, and coverage of the uv plane."""

import math
from dataclasses import replace
from pathlib import Path

import ipywidgets
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import measurement_set, tables, uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.widgets import interactive
from lofarlake_nb.widgets.picture import Picture, picture_of

LIGHT = 299_792_458.0  # m/s
_SLOTS, _BASELINES = 120, 2000  # that the uv plane is drawn from
_ROWS = 2000  # slots of a dynamic spectrum that are drawn; every second, third ... of more


def dynamic_spectrum(
    figure: Figure, path: Path, layout: Layout, baseline: int, polarization: int = 0, column: str = "DATA"
) -> None:
    """Draw amplitudes of a baseline over time and frequency; what is flagged is in another colour.

    Parameters
    ----------
    figure : Figure
        Empty.
    path : Path
        Measurement Set.
    layout : Layout
        Of it.
    baseline : int
        Index into `layout`.
    polarization : int
        Index: XX, XY, YX, YY.
    column : str
        ``DATA``, ``CORRECTED_DATA`` ...

    Raises
    ------
    NotAMeasurementSet
        When it is broken, or there is no such column.

    Examples
    --------
    >>> path, figure = Path("observation/L990100_SAP000_SB000_uv.MS"), Figure()
    >>> dynamic_spectrum(figure, path, measurement_set.layout(path), baseline=1)
    >>> figure.axes[0].get_title().split(":")[0]
    'CS001HBA0 & CS002HBA0, XX'
    """
    step = max(1, -(-len(layout.times) // _ROWS))
    one = replace(
        layout,
        times=layout.times[::step],
        antenna1=layout.antenna1[baseline : baseline + 1],
        antenna2=layout.antenna2[baseline : baseline + 1],
        rows=layout.rows[::step, baseline : baseline + 1],
    )
    block = measurement_set.read(path, one, [column, "FLAG"], slice(0, len(one.times)))
    amplitude = np.abs(block[column][:, 0, :, polarization])
    flag = block["FLAG"][:, 0, :, polarization]
    since = one.times - layout.times[0]
    unit, seconds = _unit(since[-1])
    megahertz = layout.frequencies / 1e6
    half = layout.channel_width / 2e6 * (1 if megahertz[-1] >= megahertz[0] else -1)
    extent = (megahertz[0] - half, megahertz[-1] + half, len(since) - 0.5, -0.5)  # slots: scans may be far apart
    axes = figure.add_subplot()
    shown = np.ma.array(amplitude, mask=flag)
    good = shown.compressed()
    low, high = np.percentile(good, [1, 99]) if good.size else (0.0, 1.0)
    drawn = axes.imshow(
        shown,
        aspect="auto",
        interpolation="nearest",
        cmap="viridis",
        extent=extent,
        vmin=low,
        vmax=max(high, low + 1e-12),
    )
    flags = np.ma.array(np.ones_like(amplitude), mask=~flag)
    axes.imshow(flags, aspect="auto", interpolation="nearest", cmap=ListedColormap(["#D55E00"]), extent=extent)
    figure.colorbar(drawn, ax=axes, label=f"amplitude of {column}")
    axes.set_xlabel("frequency (MHz)")
    axes.xaxis.set_major_locator(MaxNLocator(5))  # of a subband each label takes six digits
    axes.yaxis.set_major_formatter(lambda slot, _: _clock(since / seconds, slot))
    gaps = np.flatnonzero(np.diff(since) > 1.5 * step * layout.interval)
    for gap in gaps:
        axes.axhline(gap + 0.5, color="white", lw=0.8)
    axes.set_ylabel(f"{unit} since the start{', scans without their gaps' if len(gaps) else ''}")
    name = layout.correlations[polarization]
    axes.set_title(f"{_pair(layout, baseline)}, {name}: {100 * flag.mean():.1f} % flagged (orange)", fontsize=11)


def _unit(span: float) -> tuple[str, float]:
    """In what a span of so many seconds is told, and its seconds."""
    if span < 300:
        return "seconds", 1.0
    return ("minutes", 60.0) if span < 7200 else ("hours", 3600.0)


def _clock(since: np.ndarray, slot: float) -> str:
    """Time of a slot, with digits enough for neighbouring ticks to differ."""
    places = max(0, 2 - math.floor(math.log10(max(since[-1], 1e-6))))
    return f"{since[int(np.clip(round(slot), 0, len(since) - 1))]:.{places}f}"


def uv_coverage(figure: Figure, layout: Layout) -> None:
    """Draw where the uv plane is sampled, at the middle frequency, in wavelengths; both halves.

    Parameters
    ----------
    figure : Figure
        Empty.
    layout : Layout
        Of the Measurement Set.

    Examples
    --------
    >>> figure = Figure()
    >>> uv_coverage(figure, measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS")))
    >>> figure.axes[0].get_title()
    '3 stations, 135.00 MHz'
    """
    times = layout.times[:: max(1, -(-len(layout.times) // _SLOTS))]
    cross = np.flatnonzero(layout.cross)
    cross = cross[:: max(1, -(-len(cross) // _BASELINES))]
    stations = uvw.station_uvw(times, layout.positions, layout.phase_centre)
    at = uvw.baseline_uvw(stations, layout.antenna1[cross], layout.antenna2[cross])
    kilowavelengths = at[..., :2].reshape(-1, 2) * float(layout.frequencies.mean()) / LIGHT / 1e3
    axes = figure.add_subplot()
    for sign in (1, -1):
        axes.plot(*(sign * kilowavelengths.T), ",", color="#0072B2", alpha=0.6, rasterized=True)
    axes.set_aspect("equal")
    axes.invert_xaxis()  # east is left, as on the sky
    axes.set_xlabel("u (kλ)")
    axes.set_ylabel("v (kλ)")
    axes.grid(alpha=0.3)
    axes.set_title(f"{len(layout.stations)} stations, {layout.frequencies.mean() / 1e6:.2f} MHz", fontsize=11)


def picture(path: str | Path, what: str = "uv", baseline: tuple[str, str] | None = None) -> Picture:
    """A plot for an executed notebook.

    Parameters
    ----------
    path : str or Path
        Measurement Set; nothing gives no picture, but says so.
    what : str
        ``uv`` or ``spectrum``.
    baseline : tuple of str, optional
        Two stations, of a spectrum; else the longest baseline.

    Raises
    ------
    UsageError
        When there is no such plot or baseline.
    NotAMeasurementSet
        For anything else, or a broken one.

    Examples
    --------
    >>> picture("observation/L990100_SAP000_SB000_uv.MS").text
    'L990100_SAP000_SB000_uv.MS: 3 stations, 135.00 MHz'
    """
    if not str(path):
        return Picture(b"", "there are no visibilities to look at")
    layout = measurement_set.layout(Path(path))
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    if what == "uv":
        uv_coverage(figure, layout)
    elif what == "spectrum":
        dynamic_spectrum(figure, Path(path), layout, _index(layout, baseline))
    else:
        raise UsageError(f"what: {what!r} is no plot of visibilities", "it is uv or spectrum")
    return picture_of(figure, f"{Path(path).name}: {figure.axes[0].get_title()}")


def view(path: str | Path) -> ipywidgets.Widget:
    """Plots for JupyterLab: zoom, save, and a baseline and polarization to choose.

    Parameters
    ----------
    path : str or Path
        Measurement Set, or a folder with one.

    Raises
    ------
    NotAMeasurementSet
        When there is none.

    Examples
    --------
    >>> widget = view("observation")
    """
    place = next(iter(measurement_set.find(Path(path))), Path(path))
    layout = measurement_set.layout(place)
    with tables.opened(place) as ms:
        columns = sorted(tables.visibility_columns(ms), key=lambda name: (name != "DATA", name))
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    canvas = interactive.canvas_of(figure)
    names = {n: _pair(layout, n) for n in range(len(layout.antenna1))}
    first = _index(layout, None)
    baseline = ipywidgets.Combobox(options=list(names.values()), value=names[first], description="Baseline")
    baseline.ensure_option = True
    polarization = ipywidgets.Dropdown(
        options=[(name, n) for n, name in enumerate(layout.correlations)], description="Correlation"
    )
    column = ipywidgets.Dropdown(options=columns, description="Column")
    what = ipywidgets.ToggleButtons(options=[("Dynamic spectrum", "spectrum"), ("uv coverage", "uv")])
    index = {name: n for n, name in names.items()}

    def redraw(_change: object = None) -> None:
        figure.clear()
        if what.value == "uv":
            uv_coverage(figure, layout)
        elif baseline.value in index:
            dynamic_spectrum(figure, place, layout, index[baseline.value], polarization.value, column.value)
        canvas.draw_idle()

    redraw()
    for control in (baseline, polarization, column, what):
        control.observe(redraw, "value")
    chosen = ipywidgets.HBox([baseline, polarization, column], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([what, chosen, interactive.named(canvas)])


def _pair(layout: Layout, baseline: int) -> str:
    return " & ".join(layout.stations[antenna[baseline]] for antenna in (layout.antenna1, layout.antenna2))


def _index(layout: Layout, baseline: tuple[str, str] | None) -> int:
    """Of a baseline by its stations, or of the longest."""
    if baseline is None:
        away = layout.positions[layout.antenna2] - layout.positions[layout.antenna1]
        return int(np.argmax(np.linalg.norm(away, axis=1)))
    for n in range(len(layout.antenna1)):
        if {layout.stations[layout.antenna1[n]], layout.stations[layout.antenna2[n]]} == set(baseline):
            return n
    raise UsageError(f"there is no baseline of {' and '.join(baseline)}", f"stations: {', '.join(layout.stations)}")
