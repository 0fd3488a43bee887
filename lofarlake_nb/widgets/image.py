"""A FITS image drawn on sky axes, and as a picture that stays in a notebook."""

from pathlib import Path

import numpy as np
from astropy.wcs.utils import proj_plane_pixel_scales
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Ellipse

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters import width_deg
from lofarlake_nb.widgets import overlays
from lofarlake_nb.widgets.colour_scale import INTERVALS, STRETCHES, norm_of
from lofarlake_nb.widgets.fits_image import Image, aligned, cut, planes, read, readout
from lofarlake_nb.widgets.picture import Picture, picture_of

# All that is done with an image, by one name in a notebook.
__all__ = [
    "DRAWN",
    "INTERVALS",
    "STRETCHES",
    "Image",
    "Picture",
    "aligned",
    "cut",
    "draw",
    "norm_of",
    "picture",
    "planes",
    "read",
    "readout",
]

# More pixels than this a side are not seen anyway; every second, third ... is drawn.
DRAWN = 3000


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
    low, high = np.nanmin(image.values), np.nanmax(image.values)
    text = (
        f"{image.title}: {image.values.shape[1]} × {image.values.shape[0]} pixels, {low:.4g} to {high:.4g} {image.unit}"
    )
    return picture_of(figure, text)


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

    Examples
    --------
    >>> drawn = draw(Figure(), read(Path("image.fits")), width="0.5 deg")
    >>> drawn.get_array().shape  # pixels of 20 arcsec
    (90, 90)
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


def _draw_beam(axes: Axes, beam: tuple[float, float, float], scale: float) -> None:
    major, minor, angle = beam
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    # East is left: the position angle turns from up to the left, as matplotlib's angles do.
    at = (left + 0.06 * (right - left), low + 0.06 * (high - low))
    axes.add_patch(Ellipse(at, minor / scale, major / scale, angle=angle, edgecolor="white", facecolor="none"))


def _centre(size: int, width: str, scale: float) -> slice:
    if not width:
        return slice(0, size)
    wanted = round(width_deg(width) / scale)
    if wanted < 2:
        raise UsageError(f"width: {width!r} is less than two pixels", f"a pixel is {scale * 3600:.3g} arcsec")
    first = max(0, (size - wanted) // 2)
    return slice(first, min(size, first + wanted))
