"""The restoring beam: the Gaussian that the psf's main lobe is, and the model seen through it."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage

from lofarlake_nb.errors import ProcessingError

# Pixels of the main lobe above this part of the peak are fitted: below, it is no Gaussian.
LOBE = 0.4
REACH = 40
# Rows of a transform that are multiplied at once.
ROWS = 256


@dataclass(frozen=True)
class Beam:
    """An elliptical Gaussian.

    Parameters
    ----------
    major, minor : float
        FWHM, rad.
    position_angle : float
        Of the major axis, rad, north to east, from -pi/2 to pi/2.

    Examples
    --------
    >>> round(Beam(1e-4, 1e-4, 0.0).area * 1e8, 3)
    1.133
    """

    major: float
    minor: float
    position_angle: float

    @property
    def area(self) -> float:
        """Solid angle, sr."""
        return float(np.pi / (4 * np.log(2)) * self.major * self.minor)


def fit_beam(psf: np.ndarray, cell: float) -> Beam:
    """Gaussian that fits the main lobe of a point spread function.

    Parameters
    ----------
    psf : (npix, npix) float32
        North up, east left, its peak 1 in pixel npix / 2.
    cell : float
        Rad.

    Returns
    -------
    Beam

    Raises
    ------
    ProcessingError
        When the main lobe is no peak.

    Examples
    --------
    >>> point = np.zeros((64, 64))
    >>> point[32, 32] = 1
    >>> beam = fit_beam(convolve(point, Beam(8e-4, 5e-4, 0.5), 1e-4), 1e-4)
    >>> round(beam.major, 5), round(beam.minor, 5), round(beam.position_angle, 2)
    (0.0008, 0.0005, 0.5)
    """
    centre = psf.shape[0] // 2
    reach = min(REACH, centre - 1)
    cut = psf[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1].astype(np.float64)
    labels, _ = scipy.ndimage.label(cut > LOBE)
    if not labels[reach, reach]:  # else all that is no peak would be fitted, or NaN
        raise ProcessingError("the point spread function has no peak in its middle", "are there enough baselines?")
    lobe = labels == labels[reach, reach]
    north, east = np.nonzero(lobe)
    north, east = (north - reach).astype(float), -(east - reach).astype(float)
    value = cut[lobe]
    # -4 ln 2 times a quadratic form is the logarithm of a Gaussian; weights make it the fit of the Gaussian itself.
    terms = np.stack([east**2, 2 * east * north, north**2], axis=1) * (-4 * np.log(2))
    fitted = np.linalg.lstsq(terms * value[:, None], np.log(value) * value, rcond=None)[0]
    form = np.array([[fitted[0], fitted[1]], [fitted[1], fitted[2]]])
    strength, axes = np.linalg.eigh(form)
    if len(value) < 5 or not (strength > 0).all():
        raise ProcessingError("the point spread function has no main lobe to fit", "are there enough baselines?")
    major, minor = cell / np.sqrt(strength)
    angle = np.arctan2(axes[0, 0], axes[1, 0])
    return Beam(float(major), float(minor), float((angle + np.pi / 2) % np.pi - np.pi / 2))


def convolve(model: np.ndarray, beam: Beam, cell: float) -> np.ndarray:
    """Model through the beam.

    Parameters
    ----------
    model : (npix, npix) float32, Jy / pixel
    beam : Beam
    cell : float

    Returns
    -------
    (npix, npix) float32, Jy / beam

    Examples
    --------
    >>> point = np.zeros((64, 64))
    >>> point[32, 32] = 3
    >>> convolve(point, Beam(6e-4, 6e-4, 0.0), 1e-4)[32, 32:36].round(2).tolist()  # half of it 3 pixels away
    [3.0, 2.78, 2.2, 1.5]
    """
    if not model.any():
        return np.zeros_like(model)
    transform = scipy.fft.rfft2(model)
    north = scipy.fft.fftfreq(model.shape[0])[:, None] / cell
    east = -scipy.fft.rfftfreq(model.shape[1])[None, :] / cell
    sin, cos = np.sin(beam.position_angle), np.cos(beam.position_angle)
    for start in range(0, len(north), ROWS):  # in double precision, and images are large
        rows = slice(start, start + ROWS)
        along, across = east * sin + north[rows] * cos, east * cos - north[rows] * sin
        fall = np.pi**2 / (4 * np.log(2)) * ((along * beam.major) ** 2 + (across * beam.minor) ** 2)
        transform[rows] *= (np.exp(-fall) * (beam.area / cell**2)).astype(np.float32)
    return scipy.fft.irfft2(transform, s=model.shape, overwrite_x=True)
