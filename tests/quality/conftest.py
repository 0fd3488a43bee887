"""An image with sources of known flux."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

CELL, BEAM, SIZE = 5.0, (20.0, 16.0, 30.0), 400  # arcsec; arcsec, arcsec, deg; pixels


def header(ra=123.4, dec=48.2):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [SIZE / 2 + 1, SIZE / 2 + 1]
    wcs.wcs.cdelt = [-CELL / 3600, CELL / 3600]
    made = wcs.to_header()
    made["CDELT1"], made["CDELT2"] = -CELL / 3600, CELL / 3600
    made["BMAJ"], made["BMIN"], made["BPA"] = BEAM[0] / 3600, BEAM[1] / 3600, BEAM[2]
    return made, wcs


def beam_at(x, y, flux):
    """A point source in Jy/beam; position angle from north (up) through east (left)."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    angle = np.radians(BEAM[2])
    north, east = rows - y, -(columns - x)
    along = north * np.cos(angle) + east * np.sin(angle)
    across = -north * np.sin(angle) + east * np.cos(angle)
    radius2 = (along * CELL / BEAM[0]) ** 2 + (across * CELL / BEAM[1]) ** 2
    return flux * np.exp(-4 * np.log(2) * radius2)


@pytest.fixture
def image(tmp_path):
    """Two sources of 10 and 2 Jy on 1 mJy/beam of noise and an offset; the file, and where they are."""
    made, wcs = header()
    places = {"strong": (200.0, 200.0, 10.0), "weak": (120.3, 260.8, 2.0)}
    pixels = np.random.default_rng(1).normal(0.01, 0.001, (SIZE, SIZE))
    for x, y, flux in places.values():
        pixels += beam_at(x, y, flux)
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(pixels[None, None].astype(np.float32), made).writeto(path)
    return path, {name: (wcs.pixel_to_world(x, y), flux) for name, (x, y, flux) in places.items()}
