"""Stations whose dipoles are exchanged or turned: their sky is in the cross hands, on an all but unpolarised sky.

A visibility of stations p and q is J_p B J_q^H. Exchanging the dipoles of p exchanges its rows: XX with YX, XY with YY;
of q its columns: XX with XY, YX with YY. A baseline of one such station has its signal where the others have none, a
baseline of two has it where it belongs, so that only pairs tell.
"""

from dataclasses import dataclass

import numpy as np

# A baseline says something where the sky's power is this many times its error.
SEEN_SIGMA = 5.0
# A station is judged by at least so many of them; the power in its cross hands must exceed the usual part of it by
# this many times the error.
FEWEST_BASELINES = 3
SURE_SIGMA = 5.0
# Part of the sky's power in the cross hands: of exchanged dipoles nearly all, of dipoles turned by 45° half of it (as
# CS013's once were). Every station has some, for the dipoles look at the sky aslant; a part LEAKAGE times the usual one
# is more than that.
EXCHANGED, TURNED, LEAKAGE = 0.75, 0.3, 3.0
HANDS = 4


@dataclass(frozen=True)
class Dipoles:
    """A station whose dipoles are not where the others have theirs.

    Examples
    --------
    >>> seen = 50 * (1 - np.eye(6))[..., None] * [1, 0, 0, 1]
    >>> seen[2, 3:] = seen[3:, 2] = seen[2, :2] = seen[:2, 2] = [30, 20, 20, 30]
    >>> find(seen)  # 40 % in the cross hands: turned
    (Dipoles(station=2, cross_fraction=0.4, baselines=5, exchanged=False),)
    """

    station: int
    cross_fraction: float  # of the sky's power on the middle one of its baselines to ordinary stations, 0 to 1
    baselines: int  # that say so
    exchanged: bool  # else they are turned: part of the power is in each hand


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

    Examples
    --------
    >>> significance(np.array([[100.0, 0, 0, 50]] * 2), np.array([50, 50]), np.array([2, np.nan])).tolist()
    [[10.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0]]
    """
    error = noise * np.sqrt(pairs / 2)
    good = np.isfinite(error) & (error > 0)
    return np.divide(power, error[:, None], out=np.zeros_like(power), where=good[:, None])


def find(seen: np.ndarray) -> tuple[Dipoles, ...]:
    """Stations that differ from the majority.

    Parameters
    ----------
    seen : (station, station, 4) float64
        Significance of each hand on each pair, symmetrical, 0 where there is none.

    Returns
    -------
    tuple of Dipoles
        By station. Empty where nothing is seen, or where there are as many of one kind as of the other.

    Examples
    --------
    >>> seen = 50 * (1 - np.eye(6))[..., None] * [1, 0, 0, 1]
    >>> seen[0, 1:] = seen[1:, 0] = [0, 50, 50, 0]
    >>> find(seen)
    (Dipoles(station=0, cross_fraction=1.0, baselines=5, exchanged=True),)
    """
    cross, total = seen[..., 1:3].sum(axis=2), seen.sum(axis=2)
    # Errors of the four hands add up.
    valid = total > SEEN_SIGMA * np.sqrt(HANDS)
    agreement = np.where(valid, 1 - 2 * np.clip(cross / np.where(valid, total, 1.0), 0, 1), 0.0)
    judged = np.flatnonzero(valid.sum(axis=1) >= FEWEST_BASELINES)
    if not judged.size:
        return ()
    _, vectors = np.linalg.eigh(agreement)
    side = np.sign(vectors[:, -1])
    balance = side[judged].sum()
    if balance == 0:
        return ()
    usual = side * np.sign(balance) > 0
    # Medians, for the two fields of one core station talk to each other louder than the sky does.
    parts = {i: (cross[i] / np.where(valid[i], total[i], 1.0))[valid[i] & usual] for i in judged}
    fractions = {i: float(np.median(part)) for i, part in parts.items() if len(part) >= FEWEST_BASELINES}
    ordinary = max(0.0, float(np.median(list(fractions.values()))) if fractions else 0.0)
    found = []
    for station, fraction in fractions.items():
        others = valid[station] & usual
        excess = (cross - ordinary * total)[station, others].sum()
        sure = excess > SURE_SIGMA * np.sqrt(HANDS * others.sum())
        if sure and fraction > max(TURNED, LEAKAGE * ordinary):
            found.append(Dipoles(int(station), fraction, int(others.sum()), fraction > EXCHANGED))
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

    Examples
    --------
    >>> hands = np.array(["XX", "XY", "YX", "YY"]).reshape(1, 1, 1, 4)
    >>> exchanged(hands, np.array([True]), np.array([False])).ravel().tolist()
    ['YX', 'YY', 'XX', 'XY']
    """
    if not (first.any() or second.any()):
        return values
    order = np.arange(HANDS)[None] ^ (2 * first + 1 * second)[:, None]
    return np.take_along_axis(values, order[None, :, None, :], axis=3)
