"""Stations whose two dipoles were exchanged: their sky is in the cross hands, on an all but unpolarised sky.

A visibility of stations p and q is J_p B J_q^H. Exchanging the dipoles of p exchanges its rows: XX with YX, XY with YY;
of q its columns: XX with XY, YX with YY. A baseline of one such station has its signal where the others have none, a
baseline of two has it where it belongs, so that only pairs tell.
"""

from dataclasses import dataclass

import numpy as np

# A baseline says something where the sky's power is this many times its error.
SEEN_SIGMA = 5.0
# A station is judged by at least so many of them; the power in its cross hands must exceed that in the parallel ones
# by this many times the error.
FEWEST_BASELINES = 3
SURE_SIGMA = 5.0
HANDS = 4


@dataclass(frozen=True)
class Swapped:
    """A station whose dipoles are exchanged."""

    station: int
    cross_fraction: float  # of the sky's power on its baselines to other stations, 0 to 1
    baselines: int  # that say so


def significance(power: np.ndarray, pairs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Power of the sky in units of its error.

    Parameters
    ----------
    power : (baseline, 4) float64
        From `samples.coherent_power`.
    pairs : (baseline,) int
    noise : (baseline,) float64
        Noise power of one sample; NaN where unknown.

    Returns
    -------
    (baseline, 4) float64
        The product of two samples of noise σ² has a real part of variance σ⁴ / 2. 0 where nothing can be said.
    """
    error = noise * np.sqrt(pairs / 2)
    good = np.isfinite(error) & (error > 0)
    return np.divide(power, error[:, None], out=np.zeros_like(power), where=good[:, None])


def find(seen: np.ndarray) -> tuple[Swapped, ...]:
    """Stations that differ from the majority.

    Parameters
    ----------
    seen : (station, station, 4) float64
        Significance of each hand on each pair, symmetrical, 0 where there is none.

    Returns
    -------
    tuple of Swapped
        By station. Empty where nothing is seen, or where there are as many of one kind as of the other.
    """
    cross, total = seen[..., 1:3].sum(axis=2), seen.sum(axis=2)
    # Errors of the four hands add up.
    valid = total > SEEN_SIGMA * np.sqrt(HANDS)
    agreement = np.where(valid, 1 - 2 * np.clip(cross / np.where(valid, total, 1.0), 0, 1), 0.0)
    judged = valid.sum(axis=1) >= FEWEST_BASELINES
    if not judged.any():
        return ()
    _, vectors = np.linalg.eigh(agreement)
    side = np.sign(vectors[:, -1])
    balance = side[judged].sum()
    if balance == 0:
        return ()
    usual = side * np.sign(balance) > 0
    found = []
    for station in np.flatnonzero(judged & ~usual):
        others = valid[station] & usual
        excess = (2 * cross - total)[station, others]
        if len(excess) >= FEWEST_BASELINES and excess.sum() > SURE_SIGMA * np.sqrt(HANDS * len(excess)):
            fraction = cross[station, others].sum() / total[station, others].sum()
            found.append(Swapped(int(station), float(fraction), len(excess)))
    return tuple(found)


def exchanged(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Visibilities, or weights, with the dipoles of stations exchanged back.

    Parameters
    ----------
    values : (time, baseline, frequency, 4)
    first, second : (baseline,) bool
        Whether the first and the second station of each baseline is exchanged.

    Returns
    -------
    same shape
        `values` itself where there is nothing to do.
    """
    if not (first.any() or second.any()):
        return values
    order = np.arange(HANDS)[None] ^ (2 * first + 1 * second)[:, None]
    return np.take_along_axis(values, order[None, :, None, :], axis=3)
