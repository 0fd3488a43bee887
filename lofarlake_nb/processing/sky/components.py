"""Points and Gaussians with their spectra: what a sky model is made of."""

from dataclasses import dataclass, fields, replace

import numpy as np

ARCSEC = np.deg2rad(1 / 3600)
# FWHM, rad, of the main lobe of a core field at 115 MHz, the widest of the Dutch ones in the HBA band.
MAIN_LOBE = np.deg2rad(5.0)


@dataclass(frozen=True)
class SkyModel:
    """Points and Gaussians; one entry of each array is one component.

    Parameters
    ----------
    name : str
        Of the calibrator, or of the file.
    source : str
        Where it comes from, in words.
    ra, dec : (component,) float64
        J2000, rad.
    flux : (component,) float64
        Stokes I at the reference frequency, Jy.
    reference : (component,) float64
        Reference frequency, Hz.
    index : (component, term) float64
        Spectral coefficients, padded with 0.
    logarithmic : (component,) bool
        Whether the coefficients are of log10 I over log10 frequency, else of I over frequency.
    major, minor : (component,) float64
        FWHM, rad; 0 for points.
    position_angle : (component,) float64
        Rad, north to east.
    absolute : (component,) bool
        Whether the shape is in the plane of the sky where it is, else in that of the phase centre, with its north.

    Examples
    --------
    >>> model.fluxes(np.array([150e6])).sum().round(2).tolist(), model.chosen(np.array([0])).flux.round(2).tolist()
    (83.08, [33.53])
    """

    name: str
    source: str
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    reference: np.ndarray
    index: np.ndarray
    logarithmic: np.ndarray
    major: np.ndarray
    minor: np.ndarray
    position_angle: np.ndarray
    absolute: np.ndarray

    def fluxes(self, frequencies: np.ndarray) -> np.ndarray:
        """Flux densities.

        Parameters
        ----------
        frequencies : (frequency,) float64, Hz

        Returns
        -------
        (component, frequency) float64, Jy
        """
        ratio = frequencies[None, :] / self.reference[:, None]
        power = np.arange(1, self.index.shape[1] + 1)
        as_log = (self.index[:, None, :] * np.log10(ratio)[..., None] ** power).sum(axis=2)
        as_line = (self.index[:, None, :] * (ratio - 1)[..., None] ** power).sum(axis=2)
        # 10^(log10 r (c0 + c1 log10 r + ...)): the same sum, as both count powers from 1.
        return np.where(self.logarithmic[:, None], self.flux[:, None] * 10.0**as_log, self.flux[:, None] + as_line)

    def chosen(self, components: np.ndarray) -> "SkyModel":
        """Model of some components only: indices, or (component,) bool."""
        arrays = {f.name: getattr(self, f.name)[components] for f in fields(self) if f.name not in ("name", "source")}
        return replace(self, **arrays)

    def distance(self, phase_centre: tuple[float, float]) -> float:
        """Angle from the phase centre to the model's centre of flux, rad.

        What lies in a main lobe around the phase centre counts, where anything does: the A-team is bright enough to
        be in a model, and says nothing of where it is meant for.

        Parameters
        ----------
        phase_centre : tuple of float
            Right ascension and declination, rad.
        """
        vectors = _unit(self.ra, self.dec)
        lobes = (_angles(vectors, phase_centre) / MAIN_LOBE) ** 2
        weight = np.abs(self.flux) * np.exp(-4 * np.log(2) * (lobes - lobes.min()))
        centre = (vectors * (weight / weight.sum())[:, None]).sum(axis=0)
        return float(_angles(centre[None], phase_centre)[0])

    def reach(self, phase_centre: tuple[float, float]) -> float:
        """Angle from a direction to the furthest component, rad.

        Parameters
        ----------
        phase_centre : tuple of float
            Right ascension and declination, rad.
        """
        return float(_angles(_unit(self.ra, self.dec), phase_centre).max())


@dataclass(frozen=True)
class ModelColumn:
    """A model that is kept with the visibilities, as another program predicted it.

    Parameters
    ----------
    name : str
        Of the column.
    source : str
        Where it comes from, in words.

    Examples
    --------
    >>> ModelColumn().name, ModelColumn().distance((0.0, 0.0))
    ('MODEL_DATA', 0.0)
    """

    name: str = "MODEL_DATA"
    source: str = "a column of the Measurement Sets"

    def distance(self, phase_centre: tuple[float, float]) -> float:
        """0: where its sources are isn't known."""
        return 0.0


@dataclass(frozen=True)
class NoModel:
    """No model at all: enough for data that are calibrated already, which then nothing can judge.

    Parameters
    ----------
    name, source : str
        In words.

    Examples
    --------
    >>> NoModel().name
    'none'
    """

    name: str = "none"
    source: str = "no model"


Model = SkyModel | ModelColumn | NoModel


def _unit(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _angles(vectors: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """Angles (vector,) between vectors (vector, 3) and a direction, rad."""
    towards = _unit(np.array([place[0]]), np.array([place[1]]))[0]
    return np.arctan2(np.linalg.norm(np.cross(vectors, towards), axis=1), vectors @ towards)
