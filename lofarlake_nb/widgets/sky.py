"""What a lake holds on the sky, and over frequency and time: click to choose a dataset."""

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure

from lofarlake_nb.lake import client
from lofarlake_nb.lake.observations import Observation, observations
from lofarlake_nb.widgets import interactive, variable
from lofarlake_nb.widgets.picture import Picture, picture_of
from lofarlake_nb.wording import counted

PROJECTIONS = ("all sky", "zoomed")
_COLOUR, _CHOSEN = "#0072B2", "#D55E00"  # Okabe and Ito's; what is chosen is larger and hollow too
_NEAR = 8  # points of the screen around a click


def picture(lake: str | Path = "", *, projection: str = "all sky") -> Picture:
    """A picture of what a lake holds, for an executed notebook.

    Parameters
    ----------
    lake : str or Path
        As `client.connect` takes it.
    projection : str
        One of `PROJECTIONS`.

    Returns
    -------
    Picture
        None, with a word why, where no dataset says where it was observed.

    Examples
    --------
    >>> "observation" in repr(picture(home))
    True
    """
    found = observations(client.connect(lake))
    if not found:
        return Picture(b"", found.note)
    figure = Figure(figsize=(9, 7), layout="constrained")
    draw(figure, found, projection)
    targets = sorted({one.target for one in found if one.target})
    return picture_of(figure, f"{counted(len(found), 'observation')} of {', '.join(targets[:10]) or 'unnamed targets'}")


def sky_view(lake: str | Path = "", *, name: str = "dataset") -> ipywidgets.Widget:
    """A view of what a lake holds; a click chooses a dataset, which can be made a variable of the notebook.

    Parameters
    ----------
    lake : str or Path
        As `client.connect` takes it.
    name : str
        Of that variable.

    Returns
    -------
    Widget
        For a notebook.

    Raises
    ------
    LakeNotRunning
        When the lake does not answer.

    Examples
    --------
    >>> view = sky_view(home)
    """
    found = observations(client.connect(lake))
    return SkyView(found, name).widget if found else ipywidgets.HTML(html.escape(found.note))


class SkyView:
    """What the view shows, and what its controls do.

    Parameters
    ----------
    found : sequence of Observation
        Of the lake.
    name : str
        Of the variable that a chosen DID becomes.

    Examples
    --------
    >>> view = SkyView(observations(client.connect(home)))
    >>> view.near([0])
    >>> view.did == view.found[0].did
    True
    """

    def __init__(self, found: Sequence[Observation], name: str = "dataset") -> None:
        self.found, self.did = found, ""
        self.figure = Figure(figsize=(7.5, 6.5), layout="constrained")
        self.canvas = interactive.canvas_of(self.figure)
        self.projection = ipywidgets.Dropdown(options=PROJECTIONS, description="Sky")
        self.choice = ipywidgets.Select(options=[], rows=6, layout={"width": "auto"})
        self.choice.tooltip = "observations that are seen, to choose from"
        self.shown = ipywidgets.HTML("Click an observation in one of the plots.")
        self.code = ipywidgets.HTML()
        self.variable = variable.Use(lambda: self.did, name, self._say)
        self._axes: list[Any] = []
        self._marks: list[Any] = []
        self._draw()
        self.projection.observe(lambda _: self._draw(), "value")
        self.choice.observe(self._chosen, "value")
        self.canvas.mpl_connect("button_press_event", self._pressed)
        chosen = ipywidgets.VBox(
            [self.shown, self.choice, self.variable.widget, self.code], layout={"flex": "1 1 22em"}
        )
        plots = ipywidgets.VBox([self.projection, interactive.named(self.canvas)])
        self.widget = ipywidgets.HBox([plots, chosen], layout={"flex_flow": "row wrap"})

    def near(self, indices: Sequence[int]) -> None:
        """Offer observations to choose from; the only one is chosen."""
        some = [self.found[i] for i in indices]
        if not some:
            return
        self.choice.options = [(f"{one.target or one.did}  {one.start[:16]}  {one.did}", one.did) for one in some]
        self.choice.value = None
        self.shown.value = f"{counted(len(some), 'observation is')} here: choose one."
        self.choice.value = some[0].did if len(some) == 1 else None

    def _draw(self) -> None:
        self.figure.clear()
        self._marks = []
        self._axes = draw(self.figure, self.found, self.projection.value)
        self._mark()
        self.canvas.draw_idle()

    def _pressed(self, event: Any) -> None:
        if event.inaxes not in self._axes or self.canvas.toolbar.mode:  # while it zooms, a click is not a choice
            return
        points = _places(self.found, self.projection.value)[self._axes.index(event.inaxes)]
        at = event.inaxes.transData.transform(points)
        away = np.hypot(*(at - (event.x, event.y)).T)
        self.near([int(i) for i in np.argsort(away) if away[i] < _NEAR * self.figure.dpi / 72])

    def _chosen(self, change: dict[str, Any]) -> None:
        self.did = change["new"] or ""
        self.variable.button.disabled = not self.did
        if self.did:
            one = next(o for o in self.found if o.did == self.did)
            self.shown.value = f"<b>{html.escape(one.did)}</b><br>{html.escape(words(one))}"
            self._say(f"{self.variable.name.value} = {self.did!r}")
        self._mark()
        self.canvas.draw_idle()

    def _mark(self) -> None:
        for mark in self._marks:
            mark.remove()
        self._marks = []
        index = next((i for i, one in enumerate(self.found) if one.did == self.did), None)
        if index is not None:
            for axes, points in zip(self._axes, _places(self.found, self.projection.value), strict=True):
                self._marks += axes.plot(*points[index], "o", ms=14, mfc="none", mec=_CHOSEN, mew=2.5, zorder=5)

    def _say(self, line: str) -> None:
        self.code.value = f"<code>{html.escape(line)}</code>"


def words(one: Observation) -> str:
    """An observation in a line.

    Examples
    --------
    >>> any(words(one).startswith("3C196, RA") for one in observations(client.connect(home)))
    True
    """
    said = [one.target or "unnamed", f"RA {one.ra_deg:.3f}°, Dec {one.dec_deg:+.3f}°"]
    if one.min_frequency_mhz == one.min_frequency_mhz:
        said.append(f"{one.min_frequency_mhz:.2f} to {one.max_frequency_mhz:.2f} MHz")
    if one.start:
        said.append(f"{one.start[:19].replace('T', ' ')} UTC, {one.duration_s / 3600:.2f} h")
    return ", ".join(said)


def draw(figure: Figure, found: Sequence[Observation], projection: str = "all sky") -> list[Any]:
    """Draw observations on the sky, and over time and frequency; the axes of both.

    Parameters
    ----------
    figure : Figure
        Empty.
    found : sequence of Observation
        At least one.
    projection : str
        One of `PROJECTIONS`: Mollweide's of all the sky, or around what there is.

    Examples
    --------
    >>> sky, times = draw(Figure(), observations(client.connect(home)))
    """
    on_sky, over_time = _places(found, projection)
    grid = figure.add_gridspec(2, 1, height_ratios=(1.5, 1))
    make: Callable[[Figure, Any, Sequence[Observation]], Any] = _all_sky if projection == "all sky" else _zoomed
    sky = make(figure, grid[0], found)
    sky.scatter(
        on_sky[:, 0], on_sky[:, 1], s=36, color=_COLOUR, alpha=0.75, linewidths=0.6, edgecolors="white", zorder=3
    )
    sky.grid(alpha=0.3)
    # At the left: the toolbar is at the right.
    sky.set_title("Observations on the sky", pad=14, loc="left", fontsize=11)
    times = figure.add_subplot(grid[1])
    _draw_times(times, found)
    times.scatter(over_time[:, 0], over_time[:, 1], s=16, color=_COLOUR, alpha=0.75, zorder=3)
    return [sky, times]


def _all_sky(figure: Figure, place: Any, found: Sequence[Observation]) -> Any:
    axes = figure.add_subplot(place, projection="mollweide")
    hours = np.arange(10, -11, -2)  # 12 h is at both edges
    axes.set_xticks(np.deg2rad(-15.0 * hours), [f"{hour % 24} h" for hour in hours], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    return axes


def _zoomed(figure: Figure, place: Any, found: Sequence[Observation]) -> Any:
    axes = figure.add_subplot(place)
    points = _places(found, "zoomed")[0]
    (left, low), (right, high) = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    axes.set_xlim(right, left)  # east is left
    axes.set_ylim(low, high)
    axes.xaxis.set_major_formatter(lambda degrees, _: f"{round(degrees % 360, 6) % 360:g}")
    axes.set_xlabel("right ascension (deg)")
    axes.set_ylabel("declination (deg)")
    return axes


def _draw_times(axes: Any, found: Sequence[Observation]) -> None:
    for one in found:
        if one.span and one.min_frequency_mhz == one.min_frequency_mhz:
            begin, end = dates.date2num(one.span)
            axes.fill_between([begin, end], one.min_frequency_mhz, one.max_frequency_mhz, color=_COLOUR, alpha=0.4)
    axes.xaxis_date()
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_ylabel("frequency (MHz)")
    axes.set_title("Over time (UTC) and frequency", loc="left", fontsize=11)
    axes.margins(0.05, 0.1)
    axes.grid(alpha=0.3)


def _places(found: Sequence[Observation], projection: str) -> tuple[np.ndarray, np.ndarray]:
    """(observation, 2) where each is in the plot of the sky, and of time and frequency; NaN where it is not."""
    sky = np.array([(one.ra_deg, one.dec_deg) for one in found])
    if projection == "all sky":
        # East is left, and 0 h in the middle.
        sky = np.deg2rad(np.column_stack([-((sky[:, 0] + 180) % 360 - 180), sky[:, 1]]))
    else:
        # Around the circle from its widest gap on: what lies on both sides of 0 h is together.
        around = np.unique(sky[:, 0] % 360)
        gaps = np.diff(around, append=around[0] + 360)
        widest = int(np.argmax(gaps[::-1]))  # of equals that over 0 h
        end = around[len(around) - 1 - widest]
        sky[:, 0] = np.where(sky[:, 0] % 360 > end, sky[:, 0] % 360 - 360, sky[:, 0] % 360)
    middle = [
        (float(np.mean(dates.date2num(one.span))) if one.span else np.nan,
         0.5 * (one.min_frequency_mhz + one.max_frequency_mhz))
        for one in found
    ]  # fmt: skip
    return sky, np.array(middle)
