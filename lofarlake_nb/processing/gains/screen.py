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
# Of phases that other programs' files don't say it of, rad. Simulated phases whose true error is 0 to 0.3 rad are left
# with 0.06 to 0.27 rad by this; taken for exact, they would be left with as much noise as they have.
UNKNOWN_ERROR = 0.1


def towards(gains: Gains, ra: float, dec: float) -> np.ndarray:
    """Gains (interval, station) complex128 of amplitude 1 towards one direction; see `towards_all`.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains.solutions import Direction
    >>> places = Direction("centre", 0.0, 0.8), Direction("north", 0.0, 0.82, error=0.02)
    >>> phases = np.exp([[0j, 0j], [0j, 0.5j]])[:, None, None, :, None]  # of two stations
    >>> gains = Gains(phases, np.array([5e9]), np.array([150e6]), places)
    >>> [(first, second)] = towards(gains, 0.0, 0.81)
    >>> round(float(np.angle(second / first)), 2)
    0.25
    """
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
        At the first block of frequencies. The phase of all stations together is free.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains.solutions import Direction
    >>> places = Direction("centre", 0.0, 0.8), Direction("north", 0.0, 0.82, error=0.02)
    >>> phases = np.exp([[0j, 0j], [0j, 0.5j]])[:, None, None, :, None]  # of two stations
    >>> gains = Gains(phases, np.array([5e9]), np.array([150e6]), places)
    >>> first, second = np.moveaxis(towards_all(gains, np.zeros(3), np.array([0.8, 0.81, 0.82]))[:, 0], 1, 0)
    >>> np.angle(second / first).round(2).tolist()
    [0.0, 0.25, 0.5]
    """
    phases = gains.values[:, :, 0, :, 0]
    there = np.isfinite(phases)
    phases = np.where(there, _of_most(np.where(there, phases, 1)), 1)
    places = _offsets(gains, np.array([d.ra for d in gains.directions]), np.array([d.dec for d in gains.directions]))
    weight = _weights(places[1:], _offsets(gains, ra, dec), _errors(gains), phases[1:])
    # As phasors, not as angles: no turn has to be undone, and what weights do not give is given to the centre's 1.
    seen = (1 - weight.sum(axis=1))[:, None] + np.einsum("ods,dts->ots", weight, phases[1:])
    return seen / np.maximum(np.abs(seen), 1e-12)


def _weights(known: np.ndarray, wanted: np.ndarray, errors: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Weights of known directions in others, after Kolmogorov's law.

    Parameters
    ----------
    known : (direction, 2) float64
        Offsets from the direction in which there are no phases, rad.
    wanted : (other, 2) float64
    errors : (direction,) float64
        Of the phases, rad.
    phases : (direction, interval, station) complex128
        Of amplitude 1: they tell how strong the turbulence is that a station sees, which is more on long baselines.

    Returns
    -------
    (other, direction, station) float64
    """
    spread = (np.abs(phases - 1) ** 2).mean(axis=1)
    strength = np.maximum((spread - errors[:, None] ** 2).sum(axis=0), 0) / _law(known, np.zeros((1, 2))).sum()
    noise = np.maximum(errors, LEAST_ERROR)[:, None] ** 2 / np.maximum(strength, 1e-30)
    law, towards = _covariance(known, known), _covariance(wanted, known)
    return np.stack([towards @ np.linalg.inv(law + np.diag(its)) for its in noise.T], axis=2)


def _of_most(phases: np.ndarray) -> np.ndarray:
    """Phases (direction, interval, station) referred to what most stations have, without one reference's noise."""
    spread = (np.abs(phases - 1) ** 2).mean(axis=1, keepdims=True)
    most = (phases / (spread + np.median(spread, axis=2, keepdims=True) + LEAST_ERROR**2)).sum(axis=2, keepdims=True)
    return phases * np.exp(-1j * np.angle(most))


def _covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    none = np.zeros((1, 2))
    return (_law(one, none) + _law(other, none).T - _law(one, other)) / 2


def _law(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one[:, None] - other[None], axis=2) ** POWER


def _errors(gains: Gains) -> np.ndarray:
    return np.array([d.error or UNKNOWN_ERROR for d in gains.directions[1:]])


def _offsets(gains: Gains, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    centre = gains.directions[0]
    return np.stack(direction_cosines(ra, dec, (centre.ra, centre.dec))[:2], axis=-1)
