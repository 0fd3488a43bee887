"""A FITS image of the sky: read, and asked what is at a place, along a line, or on another's pixels."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from scipy.ndimage import map_coordinates

from lofarlake_nb.errors import NotAnImage

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

    Examples
    --------
    >>> image = read(Path("image.fits"))
    >>> image.unit, image.title, image.beam
    ('Jy/beam', 'image.fits', None)
    """

    values: np.ndarray
    wcs: WCS
    unit: str
    title: str
    beam: tuple[float, float, float] | None


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

    Examples
    --------
    >>> read(Path("image.fits")).values.shape
    (128, 128)
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
    """Planes that a FITS image has: of polarizations and frequencies; 1 where it can't be told.

    Examples
    --------
    >>> planes(Path("image.fits"))
    1
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            with fits.open(path, memmap=False) as hdus:
                return int(np.prod(hdus[0].shape[:-2], dtype=int)) if len(hdus[0].shape) > 2 else 1
        except (OSError, ValueError, IndexError):
            return 1


def readout(image: Image, x: float, y: float) -> str:
    """What is at a place of an image: pixel, position on the sky, value.

    Parameters
    ----------
    image : Image
        From `read`.
    x, y : float
        In pixels, from 0 at the centre of the first.

    Examples
    --------
    >>> readout(read(Path("image.fits")), 64, 64).split("; ")[:2]
    ['pixel 64, 64', '08h13m36.0s +48d12m00.0s']
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

    Examples
    --------
    >>> distance, values = cut(read(Path("image.fits")), (60, 64), (70, 64))
    >>> len(values), round(float(distance[-1]), 1)  # 10 pixels of 20 arcsec
    (11, 200.0)
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

    Examples
    --------
    >>> whole = read(Path("image.fits"))
    >>> part = Image(whole.values[28:], whole.wcs[28:], whole.unit, "its upper part", None)
    >>> np.array_equal(aligned(whole, part), part.values)
    True
    """
    if image.values.shape == like.values.shape and image.wcs.wcs.compare(like.wcs.wcs, tolerance=1e-9):
        return image.values
    x, y = np.meshgrid(*(np.arange(size) for size in like.values.shape[::-1]))
    column, row = image.wcs.world_to_pixel(like.wcs.pixel_to_world(x, y))
    coordinates = [np.where(np.isfinite(a), a, -1e9) for a in (row, column)]
    return map_coordinates(image.values, coordinates, order=0, cval=np.nan, mode="grid-constant")


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
