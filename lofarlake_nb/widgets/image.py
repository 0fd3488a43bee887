"""A FITS image of the sky: read, drawn on sky axes, and as a picture that stays in a notebook."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
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
from scipy.ndimage import map_coordinates

from lofarlake_nb.errors import NotAnImage, UsageError
from lofarlake_nb.parameters import quantity
from lofarlake_nb.widgets import overlays

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
DRAWN = 3000
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


def read(path: Path, plane: int = 0) -> Image:
    """A plane of a FITS image.

    Parameters
    ----------
    path : Path
        The file.
    plane : int
        Which, of polarizations and frequencies, from 0.

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
                at = np.unravel_index(plane, shape[:-2]) if shape[2:] else ()
                values = np.asarray(hdus[0].data[at], np.float32)
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
        f"{header.get('OBJECT') or path.name}{_stokes(header, shape, plane)}",
        beam,
    )


def planes(path: Path) -> int:
    """Planes that a FITS image has: of polarizations and frequencies; 1 where it can't be told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            with fits.open(path, memmap=False) as hdus:
                return int(np.prod(hdus[0].shape[:-2], dtype=int)) if len(hdus[0].shape) > 2 else 1
        except (OSError, ValueError, IndexError):
            return 1


def _stokes(header: fits.Header, shape: tuple[int, ...], plane: int) -> str:
    """Name of a plane, where an image has several."""
    if np.prod(shape[:-2], dtype=int) <= 1:
        return ""
    index = np.unravel_index(plane, shape[:-2])
    said = []
    for axis, at in zip(range(len(shape), 2, -1), index, strict=True):
        if shape[len(shape) - axis] > 1:
            start, first, step = (header.get(f"{key}{axis}", 1) for key in ("CRVAL", "CRPIX", "CDELT"))
            value = start + (at + 1 - first) * step
            is_stokes = str(header.get(f"CTYPE{axis}", "")).startswith("STOKES")
            said.append("IQUV"[round(value) - 1] if is_stokes and 1 <= round(value) <= 4 else f"plane {at}")
    return f", {', '.join(said)}"


def _beam(header: fits.Header) -> tuple[float, float, float] | None:
    return (float(header["BMAJ"]), float(header["BMIN"]), float(header["BPA"])) if "BMAJ" in header else None


def picture(
    path: str | Path,
    *,
    stretch: str = "asinh",
    interval: str = "99.9 %",
    width: str = "",
    regions: str | Path = "",
    catalogue: str | Path = "",
) -> Picture:
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
    regions, catalogue : str or Path
        Files to draw on it, see `overlays`; empty for none.

    Returns
    -------
    Picture
        A PNG.

    Raises
    ------
    NotAnImage
        When the file is no FITS image of the sky.
    UsageError
        When there is no such stretch or interval, or `width` is no angle, or what is drawn on it can't be read.

    Examples
    --------
    >>> drawn = picture("image.fits", stretch="log", width="0.5 deg")
    """
    if not str(path):
        return Picture(b"", "there is no image to look at")
    image = read(Path(path))
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axes = draw(figure, image, stretch=stretch, interval=interval, width=width).axes
    if str(regions):
        overlays.draw_regions(axes, overlays.regions(regions))
    if str(catalogue):
        overlays.draw_catalogue(axes, overlays.catalogue(catalogue))
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    low, high = np.nanmin(image.values), np.nanmax(image.values)
    text = (
        f"{image.title}: {image.values.shape[1]} × {image.values.shape[0]} pixels, {low:.4g} to {high:.4g} {image.unit}"
    )
    return Picture(png.getvalue(), text)


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
    step = max(1, -(-max(rows.stop - rows.start, columns.stop - columns.start) // DRAWN))
    values = image.values[rows.start : rows.stop : step, columns.start : columns.stop : step]
    axes = figure.add_subplot(projection=image.wcs)
    left, low = columns.start - step / 2, rows.start - step / 2  # a pixel that is drawn for several stands at its own
    # Nearest: a smoothed plot hides fringes of a pixel's width.
    drawn = axes.imshow(
        values,
        origin="lower",
        cmap="inferno",
        interpolation="nearest",
        norm=norm_of(values, stretch, interval),
        extent=(left, left + values.shape[1] * step, low, low + values.shape[0] * step),
    )
    figure.colorbar(drawn, ax=axes, label=image.unit, shrink=0.85)
    axes.set_xlabel("Right ascension")
    axes.set_ylabel("Declination")
    axes.set_title(image.title)
    axes.format_coord = lambda x, y: readout(image, x, y)
    if image.beam:
        _draw_beam(axes, image.beam, scale)
    return drawn


def readout(image: Image, x: float, y: float) -> str:
    """What is at a place of an image: pixel, position on the sky, value.

    Parameters
    ----------
    image : Image
        From `read`.
    x, y : float
        In pixels, from 0 at the centre of the first.
    """
    column, row = round(x), round(y)
    said = f"pixel {column}, {row}"
    sky = image.wcs.pixel_to_world(x, y)
    if np.isfinite(sky.data.lon.value):
        said += f"; {sky.to_string('hmsdms', precision=1)}"
    if 0 <= row < image.values.shape[0] and 0 <= column < image.values.shape[1]:
        said += f"; {image.values[row, column]:.4g} {image.unit}"
    return said


def cut(image: Image, start: tuple[float, float], stop: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Values along a straight line.

    Parameters
    ----------
    image : Image
        From `read`.
    start, stop : (x, y) pixels

    Returns
    -------
    distance, values : (sample,) arcsec, and in the image's unit
        A sample a pixel, between pixels by their neighbours in proportion.
    """
    length = float(np.hypot(stop[0] - start[0], stop[1] - start[1]))
    share = np.linspace(0, 1, max(2, round(length) + 1))
    x, y = (a + share * (b - a) for a, b in zip(start, stop, strict=True))
    scale = float(np.mean(proj_plane_pixel_scales(image.wcs))) * 3600
    return share * length * scale, map_coordinates(image.values, [y, x], order=1, cval=np.nan)


def aligned(image: Image, like: Image) -> np.ndarray:
    """An image on the pixels of another: the nearest pixel's value, NaN outside.

    Parameters
    ----------
    image, like : Image
        From `read`.

    Returns
    -------
    (y, x) float32
        In the shape of `like`.
    """
    if image.values.shape == like.values.shape and image.wcs.wcs.compare(like.wcs.wcs, tolerance=1e-9):
        return image.values
    x, y = np.meshgrid(*(np.arange(size) for size in like.values.shape[::-1]))
    column, row = image.wcs.world_to_pixel(like.wcs.pixel_to_world(x, y))
    coordinates = [np.where(np.isfinite(a), a, -1e9) for a in (row, column)]
    return map_coordinates(image.values, coordinates, order=0, cval=np.nan)


def _draw_beam(axes: Axes, beam: tuple[float, float, float], scale: float) -> None:
    major, minor, angle = beam
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    # East is left: the position angle turns from up to the left, as matplotlib's angles do.
    at = (left + 0.06 * (right - left), low + 0.06 * (high - low))
    axes.add_patch(Ellipse(at, minor / scale, major / scale, angle=angle, edgecolor="white", facecolor="none"))


def _centre(size: int, width: str, scale: float) -> slice:
    if not width:
        return slice(0, size)
    wanted = round(quantity("width", width, u.deg).value / scale)
    if wanted < 2:
        raise UsageError(f"width: {width!r} is less than two pixels", f"a pixel is {scale * 3600:.3g} arcsec")
    first = max(0, (size - wanted) // 2)
    return slice(first, min(size, first + wanted))


def norm_of(values: np.ndarray, stretch: str, interval: str) -> ImageNormalize:
    """Colour scale of an image.

    Parameters
    ----------
    values : (y, x) float
    stretch, interval
        See `picture`.

    Raises
    ------
    UsageError
        When there is no such stretch or interval.
    """
    if stretch not in STRETCHES:
        raise UsageError(f"stretch: {stretch!r} is none", f"it is one of {', '.join(STRETCHES)}")
    if interval not in INTERVALS:
        raise UsageError(f"interval: {interval!r} is none", f"it is one of {', '.join(INTERVALS)}")
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = INTERVALS[interval].get_limits(finite)
    high = high if high > low else low + 1
    noise = float(mad_std(finite)) / (high - low)
    return ImageNormalize(vmin=low, vmax=high, stretch=STRETCHES[stretch](noise))
