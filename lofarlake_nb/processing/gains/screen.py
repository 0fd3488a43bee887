"""Phases of the ionosphere between the directions that they were solved in.

Turbulence of Kolmogorov's kind differs between two directions by a mean square that grows as their distance to the
power 5/3. Given phases towards some directions, and none towards the one whose gains are those of all, the best linear
estimate towards another is theirs with weights that follow from that law and from their errors (kriging; Intema et al.
2009, A&A 501, 1185, fit the same law). How strong the turbulence is, the phases themselves tell.
"""

import numpy as np

from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.sky.predict import direction_cosines

POWER = 5 / 3
# Least error of a solved phase, rad: keeps directions that are next to each other apart.
LEAST_ERROR = 0.01


def towards(gains: Gains, ra: float, dec: float) -> np.ndarray:
    """Gains (interval, station) complex128 of amplitude 1 towards one direction; see `towards_all`."""
    return towards_all(gains, np.array([ra]), np.array([dec]))[0]


def towards_all(gains: Gains, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Gains of amplitude 1 towards any directions.

    Parameters
    ----------
    gains : Gains
        With directions, of which the first is the one that all gains were solved for: 1.
    ra, dec : (other,) float64
        J2000, rad.

    Returns
    -------
    (other, interval, station) complex128
        At the first block of frequencies.
    """
    phases = gains.values[:, :, 0, :, 0]
    phases = np.where(np.isfinite(phases), phases, 1)
    places = _offsets(gains, np.array([d.ra for d in gains.directions]), np.array([d.dec for d in gains.directions]))
    weight = weights(places[1:], _offsets(gains, ra, dec), _errors(gains), phases[1:])
    # As phasors, not as angles: no turn has to be undone, and what weights do not give is given to the centre's 1.
    seen = (1 - weight.sum(axis=1))[:, None, None] + np.tensordot(weight, phases[1:], axes=1)
    return seen / np.maximum(np.abs(seen), 1e-12)


def weights(known: np.ndarray, wanted: np.ndarray, errors: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Weights of known directions in others, after Kolmogorov's law.

    Parameters
    ----------
    known : (direction, 2) float64
        Offsets from the direction in which there are no phases, rad.
    wanted : (other, 2) float64
    errors : (direction,) float64
        Of the phases, rad.
    phases : (direction, ...) complex128
        Of amplitude 1: they tell how strong the turbulence is.

    Returns
    -------
    (other, direction) float64
    """
    spread = (np.abs(phases - 1) ** 2).reshape(len(phases), -1).mean(axis=1)
    none = np.zeros((1, 2))
    strength = max(0.0, float((spread - errors**2).sum())) / _law(known, none).sum()
    if strength == 0:
        return np.zeros((len(wanted), len(known)))
    errors = np.maximum(errors, LEAST_ERROR) / np.sqrt(strength)
    return _covariance(wanted, known) @ np.linalg.inv(_covariance(known, known) + np.diag(errors**2))


def _covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    none = np.zeros((1, 2))
    return (_law(one, none) + _law(other, none).T - _law(one, other)) / 2


def _law(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one[:, None] - other[None], axis=2) ** POWER


def _errors(gains: Gains) -> np.ndarray:
    return np.array([d.error for d in gains.directions[1:]])


def _offsets(gains: Gains, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    centre = gains.directions[0]
    return np.stack(direction_cosines(ra, dec, (centre.ra, centre.dec))[:2], axis=-1)
