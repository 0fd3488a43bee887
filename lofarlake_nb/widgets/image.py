"""Look at a FITS image: a picture that stays in the notebook, and a view that zooms."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import ipywidgets
import numpy as np
from astropy.io import fits
from astropy.stats import mad_std
from astropy.utils.exceptions import AstropyWarning
from astropy.visualization import (
    AsinhStretch,
    BaseStretch,
    ImageNormalize,
    LinearStretch,
    LogStretch,
    MinMaxInterval,
    PercentileInterval,
    SqrtStretch,
    ZScaleInterval,
)
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Ellipse

from lofarlake_nb.errors import NotAnImage, UsageError
from lofarlake_nb.parameters import quantity

# Each from the part of the scale that the noise takes: asinh is linear up to some times of that.
STRETCHES: dict[str, Callable[[float], BaseStretch]] = {
    "asinh": lambda noise: AsinhStretch(min(max(5 * noise, 1e-5), 1.0)),
    "linear": lambda noise: LinearStretch(),
    "log": lambda noise: LogStretch(),
    "sqrt": lambda noise: SqrtStretch(),
}
INTERVALS = {
    "99.9 %": PercentileInterval(99.9),
    "99 %": PercentileInterval(99.0),
    "zscale": ZScaleInterval(),
    "minmax": MinMaxInterval(),
}
# More pixels than this a side are not seen anyway; every second, third ... is drawn.
_DRAWN = 3000
_LARGEST = 2**31  # pixels


@dataclass(frozen=True)
class Image:
    """One plane of a FITS image.

    Parameters
    ----------
    values : (y, x) float32
        In `unit`.
    wcs : WCS
        Celestial, of those two axes.
    unit : str
        As the file says it, but for the case of Jy/beam.
    title : str
        The object, or the file's name.
    beam : tuple of float, optional
        FWHM of the restoring beam, major and minor, and its position angle north to east: degrees.
    """

    values: np.ndarray
    wcs: WCS
    unit: str
    title: str
    beam: tuple[float, float, float] | None


@dataclass(frozen=True)
class Picture:
    """A picture in a notebook that stays there, in the executed copy too."""

    png: bytes
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text} | ({"image/png": self.png} if self.png else {})


def read(path: Path) -> Image:
    """First plane of a FITS image.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Image
        With celestial coordinates.

    Raises
    ------
    NotAnImage
        When the file is no FITS image of the sky.
    """
    hint = "give a FITS image with celestial coordinates"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # old headers are mended, and say so
            with fits.open(path, memmap=False) as hdus:
                header, shape = hdus[0].header, hdus[0].shape
                if len(shape) < 2 or 0 in shape or np.prod(shape, dtype=float) > _LARGEST:
                    raise NotAnImage(f"{path}: expected an image, found an array of shape {shape}", hint)
                values = np.asarray(hdus[0].data[(0,) * (len(shape) - 2)], np.float32)
            wcs = WCS(header).celestial
            beam = _beam(header)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        if isinstance(error, NotAnImage):
            raise
        raise NotAnImage(f"{path}: {' '.join(str(error).split())}", hint) from error
    if wcs.naxis != 2 or not np.isfinite(values).any():
        raise NotAnImage(f"{path}: it has no celestial coordinates, or no finite pixel", hint)
    return Image(
        values,
        wcs,
        str(header.get("BUNIT", "")).replace("JY/BEAM", "Jy/beam"),
        str(header.get("OBJECT") or path.name),
        beam,
    )


def _beam(header: fits.Header) -> tuple[float, float, float] | None:
    return (float(header["BMAJ"]), float(header["BMIN"]), float(header["BPA"])) if "BMAJ" in header else None


def picture(path: str | Path, *, stretch: str = "asinh", interval: str = "99.9 %", width: str = "") -> Picture:
    """A picture of a FITS image with its coordinates, colour scale and beam.

    Parameters
    ----------
    path : str or Path
        The file; nothing gives no picture, but says so.
    stretch : str
        Of the colour scale: one of `STRETCHES`.
    interval : str
        Of the values that it spans: one of `INTERVALS`.
    width : str
        Side of what is drawn, around the centre, as ``"10 arcmin"``; empty for the whole image.

    Returns
    -------
    Picture
        A PNG.

    Raises
    ------
    NotAnImage
        When the file is no FITS image of the sky.
    UsageError
        When there is no such stretch or interval, or `width` is no angle.
    """
    if not str(path):
        return Picture(b"", "there is no image to look at")
    image = read(Path(path))
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    draw(figure, image, stretch=stretch, interval=interval, width=width)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    low, high = np.nanmin(image.values), np.nanmax(image.values)
    text = (
        f"{image.title}: {image.values.shape[1]} × {image.values.shape[0]} pixels, {low:.4g} to {high:.4g} {image.unit}"
    )
    return Picture(png.getvalue(), text)


def view(path: str | Path) -> ipywidgets.Widget:
    """A view of a FITS image that zooms and pans, reads out the sky, and changes its scale.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Widget
        For a notebook that runs in JupyterLab.

    Raises
    ------
    NotAnImage
        When the file is no FITS image of the sky.
    """
    from ipympl.backend_nbagg import Canvas, FigureManager

    if not str(path):
        return ipywidgets.HTML("there is no image to look at")
    image = read(Path(path))
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    canvas = Canvas(figure)
    FigureManager(canvas, 0)
    canvas.header_visible = False
    canvas.toolbar_position = "top"  # at the left it hides the declinations
    canvas.toolbar_visible = True
    stretch = ipywidgets.Dropdown(options=list(STRETCHES), description="Stretch")
    interval = ipywidgets.Dropdown(options=list(INTERVALS), description="Interval")

    def redraw(_change: object) -> None:
        shown.set_norm(_norm(image.values, stretch.value, interval.value))
        canvas.draw_idle()

    shown = draw(figure, image, stretch=stretch.value, interval=interval.value)
    stretch.observe(redraw, "value")
    interval.observe(redraw, "value")
    return ipywidgets.VBox([ipywidgets.HBox([stretch, interval]), canvas])


def draw(
    figure: Figure, image: Image, *, stretch: str = "asinh", interval: str = "99.9 %", width: str = ""
) -> AxesImage:
    """Draw an image on sky axes, with colour scale and beam.

    Parameters
    ----------
    figure : Figure
        Empty.
    image : Image
        From `read`.
    stretch, interval, width
        See `picture`.

    Returns
    -------
    AxesImage
        What is drawn, on sky axes.
    """
    scale = float(np.mean(proj_plane_pixel_scales(image.wcs)))  # degrees
    rows, columns = (_centre(size, width, scale) for size in image.values.shape)
    step = max(1, -(-max(rows.stop - rows.start, columns.stop - columns.start) // _DRAWN))
    shown = (slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step))
    values, wcs = image.values[shown], image.wcs.slice(shown)
    axes = figure.add_subplot(projection=wcs)
    # Nearest: a smoothed plot hides fringes of a pixel's width.
    drawn = axes.imshow(
        values, origin="lower", cmap="inferno", interpolation="nearest", norm=_norm(values, stretch, interval)
    )
    figure.colorbar(drawn, ax=axes, label=image.unit, shrink=0.85)
    axes.set_xlabel("Right ascension")
    axes.set_ylabel("Declination")
    axes.set_title(image.title)
    if image.beam:
        _draw_beam(axes, image.beam, scale * step, values.shape)
    return drawn


def _draw_beam(axes: Axes, beam: tuple[float, float, float], scale: float, shape: tuple[int, ...]) -> None:
    major, minor, angle = beam
    # East is left: the position angle turns from up to the left, as matplotlib's angles do.
    at = (0.06 * shape[1], 0.06 * shape[0])
    axes.add_patch(Ellipse(at, minor / scale, major / scale, angle=angle, edgecolor="white", facecolor="none"))


def _centre(size: int, width: str, scale: float) -> slice:
    if not width:
        return slice(0, size)
    wanted = round(quantity("width", width, u.deg).value / scale)
    if wanted < 2:
        raise UsageError(f"width: {width!r} is less than two pixels", f"a pixel is {scale * 3600:.3g} arcsec")
    first = max(0, (size - wanted) // 2)
    return slice(first, min(size, first + wanted))


def _norm(values: np.ndarray, stretch: str, interval: str) -> ImageNormalize:
    if stretch not in STRETCHES:
        raise UsageError(f"stretch: {stretch!r} is none", f"it is one of {', '.join(STRETCHES)}")
    if interval not in INTERVALS:
        raise UsageError(f"interval: {interval!r} is none", f"it is one of {', '.join(INTERVALS)}")
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = INTERVALS[interval].get_limits(finite)
    high = high if high > low else low + 1
    noise = float(mad_std(finite)) / (high - low)
    return ImageNormalize(vmin=low, vmax=high, stretch=STRETCHES[stretch](noise))
