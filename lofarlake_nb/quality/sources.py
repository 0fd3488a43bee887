"""Fluxes of known sources, measured in an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from lofarlake_nb.errors import ProcessingError

# A Gaussian holds all but 0.2 % of its flux within 1.5 FWHM of its centre.
APERTURE_BEAMS = 1.5


@dataclass(frozen=True)
class KnownSource:
    """Where a source is expected.

    Parameters
    ----------
    name : str
        Name.
    ra_deg, dec_deg : float
        Position, ICRS.
    extent_arcsec : float
        Radius that holds all of its components.
    true_flux_jy : float, optional
        Flux, where the truth or a catalogue is known: corrected for the primary beam, or not, as the image is.

    Examples
    --------
    >>> measure(read_picture(place / "image.fits"), [KnownSource("far from the field", 10.0, -80.0)])
    []
    """

    name: str
    ra_deg: float
    dec_deg: float
    extent_arcsec: float = 0.0
    true_flux_jy: float | None = None


@dataclass(frozen=True)
class MeasuredSource:
    """A source as the image has it: centroid (ICRS), integrated flux and its error from the image noise.

    Examples
    --------
    >>> measured = measure(read_picture(place / "image.fits"), [KnownSource("3C196", 123.4, 48.2175)])
    >>> [(source.name, round(source.ra_deg, 1), round(source.dec_deg, 1)) for source in measured]
    [('3C196', 123.4, 48.2)]
    """

    name: str
    ra_deg: float
    dec_deg: float
    flux_jy: float
    flux_error_jy: float
    true_flux_jy: float | None


@dataclass(frozen=True)
class Picture:
    """An image on the sky: pixels (dec, ra) in Jy/beam, its coordinates, its beam.

    Examples
    --------
    >>> header = fits.Header({"CDELT2": 4 / 3600})
    >>> picture = Picture(np.zeros((64, 64)), WCS(naxis=2), 20.0, 16.0, 30.0, header)
    >>> picture.cell_arcsec, round(picture.beam_pixels, 2)
    (4.0, 22.66)
    """

    pixels: np.ndarray
    wcs: WCS
    beam_major_arcsec: float
    beam_minor_arcsec: float
    beam_angle_deg: float
    header: fits.Header

    @property
    def cell_arcsec(self) -> float:
        """Angular size of a pixel."""
        return float(abs(self.header["CDELT2"]) * 3600)

    @property
    def beam_pixels(self) -> float:
        """Solid angle of the beam, in pixels."""
        area = np.pi * self.beam_major_arcsec * self.beam_minor_arcsec / (4 * np.log(2))
        return float(area / self.cell_arcsec**2)


def read_picture(path: Path) -> Picture:
    """Read a FITS image with a restoring beam.

    Parameters
    ----------
    path : Path
        FITS file whose primary HDU is an image with degenerate frequency and Stokes axes, or none.

    Raises
    ------
    ProcessingError
        When it is no such image.

    Examples
    --------
    >>> picture = read_picture(place / "image.fits")
    >>> picture.pixels.shape == (imaged.npix, imaged.npix), round(picture.beam_major_arcsec / imaged.beam_arcsec[0], 3)
    (True, 1.0)
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            header = hdus[0].header.copy()
            pixels = np.squeeze(np.asarray(hdus[0].data, dtype=np.float32))
        beam = [float(header[name]) for name in ("BMAJ", "BMIN", "BPA")]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ProcessingError(f"{path}: no FITS image with a beam ({error})", "give an image.fits") from error
    if pixels.ndim != 2:
        raise ProcessingError(f"{path}: expected one image plane, got shape {pixels.shape}", "give an image.fits")
    return Picture(pixels, WCS(header).celestial, beam[0] * 3600, beam[1] * 3600, beam[2], header)


def measure(picture: Picture, known: Sequence[KnownSource]) -> list[MeasuredSource]:
    """Integrated fluxes by aperture photometry, where an image has the sources.

    The aperture reaches 1.5 beams beyond the source; the median of the ring around it, twice to three times as far
    out, is taken for the background.

    Parameters
    ----------
    picture : Picture
        The image.
    known : sequence of KnownSource
        Where to look.

    Returns
    -------
    list of MeasuredSource
        Those whose ring lies within the image and has no blank pixels, and that stand out of it, in the given order.

    Examples
    --------
    >>> [found] = measure(read_picture(place / "image.fits"), [KnownSource("3C196", 123.4, 48.2175)])
    >>> round(found.flux_jy, -1), found.flux_error_jy < 1
    (90.0, True)
    """
    found = [_measure_one(picture, source) for source in known]
    return [source for source in found if source is not None]


def _measure_one(picture: Picture, source: KnownSource) -> MeasuredSource | None:
    position = SkyCoord(source.ra_deg * u.deg, source.dec_deg * u.deg)
    x, y = (float(v) for v in picture.wcs.world_to_pixel(position))
    radius = (APERTURE_BEAMS * picture.beam_major_arcsec + source.extent_arcsec) / picture.cell_arcsec
    reach = int(np.ceil(3 * radius))
    ny, nx = picture.pixels.shape
    if not (reach <= x < nx - reach - 1 and reach <= y < ny - reach - 1):
        return None
    left, bottom = round(x) - reach, round(y) - reach
    cut = picture.pixels[bottom : bottom + 2 * reach + 1, left : left + 2 * reach + 1].astype(float)
    rows, columns = np.mgrid[bottom : bottom + cut.shape[0], left : left + cut.shape[1]]
    distance = np.hypot(columns - x, rows - y)
    inside, ring = distance <= radius, (distance > 2 * radius) & (distance <= 3 * radius)
    if not np.isfinite(cut[inside | ring]).all():
        return None
    background = float(np.median(cut[ring]))
    noise = 1.4826 * float(np.median(np.abs(cut[ring] - background)))
    signal = np.where(inside, cut - background, 0)
    if not signal.max() > 0:
        return None
    flux = float(signal.sum() / picture.beam_pixels)
    bright = np.where(inside & (signal > 0.5 * signal[inside].max()), signal, 0)
    centre = picture.wcs.pixel_to_world(
        float((columns * bright).sum() / bright.sum()), float((rows * bright).sum() / bright.sum())
    ).icrs
    error = noise * float(np.sqrt(inside.sum() / picture.beam_pixels))
    return MeasuredSource(
        source.name, float(centre.ra.deg), float(centre.dec.deg), flux, error, source.true_flux_jy
    )  # fmt: skip
