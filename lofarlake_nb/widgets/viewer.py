"""Look at FITS images in a notebook: zoom, read-out, colour scales, blinking, cuts, regions and catalogues, offline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import looking
from lofarlake_nb.widgets import colour_scale, describing, fits_image, image, interactive, overlays
from lofarlake_nb.widgets.fits_image import Image

_MOST = 8  # planes to blink between
_PACE = 800  # milliseconds between two images that blink


def view(path: str | Path, *others: str | Path, regions: str | Path = "", catalogue: str | Path = "") -> Any:
    """A view of FITS images that zooms and pans, reads out pixel and sky, and changes its scale.

    Parameters
    ----------
    path : str or Path
        The file.
    *others : str or Path
        More of the same field, to blink between: before and after. The polarizations of one file can be blinked too.
    regions, catalogue : str or Path
        Files to draw on it, see `overlays`.

    Returns
    -------
    Widget
        For a notebook that runs in JupyterLab.

    Raises
    ------
    NotAnImage
        When a file is no FITS image of the sky.
    UsageError
        When what is to be drawn on it can't be read.

    Examples
    --------
    >>> viewer = view("image.fits")
    """
    if not str(path):
        return ipywidgets.HTML("there is no image to look at")
    files = [Path(one) for one in (path, *others)]
    found = [fits_image.read(one, plane) for one in files for plane in range(min(fits_image.planes(one), _MOST))]
    viewer = Viewer(found[:_MOST])
    for file, kind in ((regions, "regions"), (catalogue, "catalogue")):
        if str(file):
            viewer.overlay(kind, file)
    return viewer.widget


class Viewer:
    """What the view shows, and what its controls do.

    Parameters
    ----------
    images : list of Image
        The first one's pixels are drawn, others are put on them.

    Examples
    --------
    >>> viewer = Viewer([fits_image.read(Path("image.fits"))])
    >>> viewer.cut((60, 64), (70, 64))
    >>> viewer.readout(64, 64).split("; ")[1], len(viewer.profile.children)
    ('08h13m36.0s +48d12m00.0s', 1)
    """

    def __init__(self, images: list[Image]) -> None:
        first = images[0]
        others = [replace(one, values=fits_image.aligned(one, first), wcs=first.wcs) for one in images[1:]]
        self.images = [first, *others]
        self.figure = Figure(figsize=(7.5, 6.5), layout="constrained")
        self.canvas = interactive.canvas_of(self.figure)
        self.drawn = image.draw(self.figure, first)
        self.axes: Any = self.drawn.axes
        self.axes.format_coord = self.readout  # type: ignore[method-assign]
        self.stretch = _dropdown("Stretch", list(colour_scale.STRETCHES))
        self.interval = _dropdown("Interval", list(colour_scale.INTERVALS))
        self.which = ipywidgets.Dropdown(
            options=[(f"{n + 1}: {one.title}", n) for n, one in enumerate(images)], value=0, description="Image"
        )
        self.blink = ipywidgets.Play(min=0, max=len(images) - 1, interval=_PACE, description="Blink")
        self.blink.repeat = True
        ipywidgets.jslink((self.blink, "value"), (self.which, "index"))
        self.cutting = ipywidgets.ToggleButton(description="Cut", tooltip="click two points of the image")
        self.cutting.layout.width = "auto"
        self.file = ipywidgets.Text(placeholder="sources.reg, or a catalogue", description="Draw")
        self.file.continuous_update = False
        self.clear = ipywidgets.Button(description="Clear", tooltip="remove cuts, regions and catalogues")
        self.clear.layout.width = "auto"
        self.said, self.profile = ipywidgets.HTML(), ipywidgets.VBox()
        self._from: tuple[float, float] | None = None
        self._over: list[Any] = []
        self._watch()
        self.widget = self._laid_out()

    @property
    def shown(self) -> Image:
        """The image that is to be seen."""
        return self.images[self.which.value]

    def readout(self, x: float, y: float) -> str:
        """What is under the pointer."""
        return fits_image.readout(self.shown, x, y)

    def overlay(self, kind: str, file: str | Path) -> None:
        """Draw a file's ``regions``, or its ``catalogue``.

        Raises
        ------
        UsageError
            When it can't be read.
        """
        if kind == "regions":
            self._over += overlays.draw_regions(self.axes, overlays.regions(file))
        else:
            self._over += overlays.draw_catalogue(self.axes, overlays.catalogue(file))
        self.canvas.draw_idle()

    def cut(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Draw a line, and below the image the values along it."""
        self._over += self.axes.plot(*zip(start, stop, strict=True), color=overlays._COLOUR, lw=1.2)
        distance, values = fits_image.cut(self.shown, start, stop)
        figure = Figure(figsize=(7.5, 2.6), layout="constrained")
        canvas = interactive.canvas_of(figure)
        axes = figure.add_subplot()
        axes.plot(distance, values, drawstyle="steps-mid", color="#0072B2")
        axes.set_xlabel("distance (arcsec)")
        axes.set_ylabel(self.shown.unit or "value")
        axes.set_title(f"{self.readout(*start).split(';')[0]} to {self.readout(*stop).split(';')[0]}", fontsize=10)
        self.profile.children = [interactive.named(canvas)]
        self.canvas.draw_idle()

    def _laid_out(self) -> ipywidgets.Widget:
        wrapped = {"flex_flow": "row wrap"}
        scale = ipywidgets.HBox([self.stretch, self.interval], layout=wrapped)
        several = [self.which, self.blink] if len(self.images) > 1 else []
        file = [] if looking.only() else [self.file]  # any path of this disk
        more = ipywidgets.HBox([*several, *file, self.cutting, self.clear], layout=wrapped)
        return ipywidgets.VBox([scale, more, interactive.named(self.canvas), self.said, self.profile])

    def _watch(self) -> None:
        for control in (self.stretch, self.interval, self.which):
            control.observe(self._redraw, "value")
        self.file.observe(self._draw_file, "value")
        self.clear.on_click(lambda _: self._forget())
        self.canvas.mpl_connect("button_press_event", self._pressed)

    def _redraw(self, _change: object) -> None:
        step = max(1, -(-max(self.shown.values.shape) // image.DRAWN))
        self.drawn.set_data(self.shown.values[::step, ::step])
        self.drawn.set_norm(colour_scale.norm_of(self.shown.values, self.stretch.value, self.interval.value))
        self.axes.set_title(self.shown.title)
        self.canvas.draw_idle()

    def _draw_file(self, change: dict[str, Any]) -> None:
        file = change["new"].strip()
        if not file:
            return
        try:
            looking.refuse(f"draw {file}")
            self.overlay("regions" if file.endswith(".reg") else "catalogue", file)
            self.said.value = ""
        except LofarlakeError as error:
            self.said.value = describing.problem(error)

    def _forget(self) -> None:
        for artist in self._over:
            artist.remove()
        self._over, self._from, self.profile.children, self.file.value = [], None, [], ""
        self.canvas.draw_idle()

    def _pressed(self, event: Any) -> None:
        if not self.cutting.value or event.inaxes is not self.axes:
            return
        at = (event.xdata, event.ydata)
        if self._from is None:
            self._from = at
            return
        self.cut(self._from, at)
        self._from, self.cutting.value = None, False


def _dropdown(name: str, options: list[str]) -> ipywidgets.Dropdown:
    made = ipywidgets.Dropdown(options=options, description=name)
    made.layout.width = "15em"
    return made
