"""What an image says in numbers: noise, peak, and where."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.restoring import Beam

# Noise is measured this far from what is bright.
BEAMS_AWAY = 10
BRIGHT_JY = 1.0
# Rows of an image whose distances are computed at once.
ROWS = 256


@dataclass(frozen=True)
class Peak:
    """The brightest point: Jy / beam, and ICRS degrees.

    Examples
    --------
    >>> image = np.zeros((64, 64))
    >>> image[42, 32] = 3
    >>> found = peak(image, Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (np.pi, 0.0)))
    >>> found.flux, round(found.ra_deg, 3), round(found.dec_deg, 3)
    (3.0, 180.0, 0.1)
    """

    flux: float
    ra_deg: float
    dec_deg: float


def residual_rms(residual: np.ndarray, smooth: np.ndarray, beam: Beam, cell: float) -> float:
    """Noise of the residual, at least ten beams from anything brighter than 1 Jy.

    Parameters
    ----------
    residual : (npix, npix) float32, Jy / beam
    smooth : (npix, npix) float32, Jy / beam
        Model through the beam.
    beam : Beam
    cell : float
        Rad.

    Returns
    -------
    float
        Jy / beam. Of the whole image where there is no such place.

    Examples
    --------
    >>> residual, smooth = np.full((64, 64), 0.1), np.zeros((64, 64))
    >>> residual[32, 32], smooth[32, 32] = 3, 90
    >>> round(residual_rms(residual, smooth, Beam(3e-4, 3e-4, 0.0), 1e-4), 3)  # what is left of the source is no noise
    0.1
    """
    bright = smooth > BRIGHT_JY
    away = _farther(bright, BEAMS_AWAY * beam.major / cell) if bright.any() else np.ones(residual.shape, bool)
    used = residual[away] if away.any() else residual
    return float(np.sqrt(np.mean(np.square(used, dtype=np.float64))))


def _farther(places: np.ndarray, reach: float) -> np.ndarray:
    """Pixels (npix, npix) bool that are farther than some pixels from the nearest of some places (npix, npix) bool."""
    nearest = scipy.ndimage.distance_transform_edt(~places, return_distances=False, return_indices=True)
    columns = np.arange(places.shape[1])
    found = np.empty(places.shape, bool)
    for start in range(0, len(places), ROWS):  # distances are in double precision, and images are large
        rows = np.arange(start, min(start + ROWS, len(places)))
        north, east = nearest[0, rows] - rows[:, None], nearest[1, rows] - columns
        found[rows] = np.sqrt(north**2 + east**2) > reach
    return found


def peak(image: np.ndarray, geometry: Geometry) -> Peak:
    """Brightest point, between the pixels: the top of a parabola through its neighbours.

    Parameters
    ----------
    image : (npix, npix) float32, Jy / beam
        North up, east left.
    geometry : Geometry

    Returns
    -------
    Peak
        With the brightest pixel's flux.

    Examples
    --------
    >>> image = np.zeros((64, 64))
    >>> image[32, 21:24] = 1, 3, 2  # east of the middle, and between two pixels
    >>> found = peak(image, Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (0.0, 0.0)))
    >>> found.flux, round(found.ra_deg, 5)
    (3.0, 0.09833)
    """
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(image)), image.shape))
    east = geometry.centre[0] - (x + _top(image[y], x) - geometry.npix // 2) * geometry.cell
    north = geometry.centre[1] + (y + _top(image[:, x], y) - geometry.npix // 2) * geometry.cell
    ra, dec = direction(east, north, geometry.phase_centre)
    return Peak(float(image[y, x]), ra, dec)


def direction(l: float, m: float, phase_centre: tuple[float, float]) -> tuple[float, float]:  # noqa: E741
    """Right ascension and declination (degrees) of direction cosines l (east) and m (north).

    Examples
    --------
    >>> [round(degrees, 3) for degrees in direction(np.sin(np.deg2rad(1)), 0.0, (0.0, np.deg2rad(60)))]
    [1.999, 59.985]
    """
    ra0, dec0 = phase_centre
    n = np.sqrt(1 - l * l - m * m)
    dec = np.arcsin(m * np.cos(dec0) + n * np.sin(dec0))
    ra = ra0 + np.arctan2(l, n * np.cos(dec0) - m * np.sin(dec0))
    return float(np.rad2deg(ra) % 360), float(np.rad2deg(dec))


def _top(values: np.ndarray, i: int) -> float:
    """Offset in pixels of the top of the parabola through three neighbours."""
    if not 0 < i < len(values) - 1:
        return 0.0
    before, at, after = (float(v) for v in values[i - 1 : i + 2])
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
