"""Visibilities of a sky model: the analytic Fourier transform of its points and Gaussians."""

import numpy as np

from lofarlake_nb.processing.sky.components import SkyModel

LIGHT_M_S = 299_792_458.0


def direction_cosines(
    ra: np.ndarray, dec: np.ndarray, phase_centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction cosines l (east), m (north) and n - 1 of directions.

    Parameters
    ----------
    ra, dec : (component,) float64, rad
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    tuple of (component,) float64
    """
    ra0, dec0 = phase_centre
    l = np.cos(dec) * np.sin(ra - ra0)  # noqa: E741 - the field's name
    m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    n = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    return l, m, n - 1.0


def visibilities(
    model: SkyModel, uvw: np.ndarray, frequencies: np.ndarray, phase_centre: tuple[float, float]
) -> np.ndarray:
    """Stokes I visibilities that a perfect instrument would measure.

    Parameters
    ----------
    model : SkyModel
    uvw : (..., 3) float64, m
        As LOFAR's Measurement Sets have them: a source at l, m has the phase
        ``+2 pi (u l + v m + w (n - 1)) / lambda``.
    frequencies : (frequency,) float64, Hz
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    (..., frequency) complex64, Jy
    """
    l, m, n1 = direction_cosines(model.ra, model.dec, phase_centre)  # noqa: E741
    fluxes = model.fluxes(frequencies)
    waves = frequencies / LIGHT_M_S
    total = np.zeros((*uvw.shape[:-1], len(frequencies)), np.complex128)
    for i in range(len(l)):
        path = uvw @ np.array([l[i], m[i], n1[i]])
        term = fluxes[i] * np.exp(2j * np.pi * path[..., None] * waves)
        if model.major[i] > 0 or model.minor[i] > 0:
            term *= np.exp(-_extent(model, i, uvw)[..., None] * waves**2)
        total += term
    return total.astype(np.complex64)


def _extent(model: SkyModel, i: int, uvw: np.ndarray) -> np.ndarray:
    """Exponent, for a wave number of 1 / m, by which a Gaussian of this FWHM falls off along the baseline."""
    sin, cos = np.sin(model.position_angle[i]), np.cos(model.position_angle[i])
    along = uvw[..., 0] * sin + uvw[..., 1] * cos  # the major axis points from north towards east
    across = uvw[..., 0] * cos - uvw[..., 1] * sin
    return np.pi**2 / (4 * np.log(2)) * ((along * model.major[i]) ** 2 + (across * model.minor[i]) ** 2)
