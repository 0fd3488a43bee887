"""A sky as one subband sees it: points apart from what has a size, flux densities at its channels."""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.processing.simulate.sky import Sky


@dataclass(frozen=True)
class Scene:
    """A sky as one subband sees it, ready for the sums.

    Examples
    --------
    >>> from lofarlake_nb.processing.simulate.sky import field_of_3c196
    >>> seen = scene_of(field_of_3c196(3, np.random.default_rng(1)), np.array([150e6]))
    >>> seen.points.shape, seen.extended.shape, round(float(seen.extended_flux[:4].sum()), 2)
    ((3, 3), (8, 3), 83.08)
    """

    frequencies: np.ndarray  # (frequency,) Hz, evenly spaced
    points: np.ndarray  # (point, 3) l, m, n - 1
    point_source: np.ndarray  # (point,) int, index of the beam
    point_root: np.ndarray  # (point, frequency) float32, root of the flux density in Jy
    extended: np.ndarray  # (component, 3) l, m, n - 1
    extended_source: np.ndarray  # (component,) int
    extended_flux: np.ndarray  # (component, frequency) Jy
    shape: np.ndarray  # (component, 3) major and minor FWHM, position angle, rad


def scene_of(sky: Sky, frequencies: np.ndarray) -> Scene:
    """Sky at the channels of a subband.

    Parameters
    ----------
    sky : Sky
    frequencies : (frequency,) Hz, evenly spaced

    Returns
    -------
    Scene

    Examples
    --------
    >>> from lofarlake_nb.processing.simulate.sky import outskirts
    >>> sky = outskirts(1, np.random.default_rng(1))
    >>> seen = scene_of(sky, np.array([150e6]))
    >>> bool(np.isclose(seen.point_root[0, 0] ** 2, sky.flux[0])), len(seen.extended)
    (True, 0)
    """
    lmn, flux = sky.lmn(), sky.fluxes(frequencies)
    large = sky.major > 0
    return Scene(
        frequencies=np.asarray(frequencies, dtype=np.float64),
        points=lmn[~large],
        point_source=sky.source[~large],
        point_root=np.sqrt(flux[~large]).astype(np.float32),
        extended=lmn[large],
        extended_source=sky.source[large],
        extended_flux=flux[large],
        shape=np.stack([sky.major, sky.minor, sky.angle], axis=-1)[large],
    )
