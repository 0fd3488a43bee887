"""Groups of a model's sources that one set of gains is to hold for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.processing.gains.solutions import Direction
from lofarlake_nb.processing.sky.components import SkyModel

# Groups whose seeds are closer than this share their ionosphere: turbulence of 10 km at a height of 300 km.
APART = np.deg2rad(0.7)


@dataclass(frozen=True)
class Group:
    """Components of a model that are seen through the same gains.

    Parameters
    ----------
    direction : Direction
        Of their centre, weighted by flux squared.
    components : (member,) int
        Their places in the model.
    flux : float
        Apparent, Jy.

    Examples
    --------
    >>> [one] = group(model, np.ones(4), 20)  # 3C196 is smaller than what parts groups
    >>> one.direction.name, one.components.tolist(), round(one.flux, 1)
    ('J0813+4813', [0, 1, 2, 3], 83.1)
    """

    direction: Direction
    components: np.ndarray
    flux: float


def group(model: SkyModel, power: np.ndarray, most: int, passed_over: np.ndarray | Sequence[int] = ()) -> list[Group]:
    """Groups around the brightest sources.

    Parameters
    ----------
    model : SkyModel
    power : (component,) float64
        What the beam leaves of each component's flux.
    most : int
        Groups, besides the one that is brightest.
    passed_over : sequence of int
        Components that no group forms around.

    Returns
    -------
    list of Group
        Brightest first; every component is in one.

    Examples
    --------
    >>> from dataclasses import replace
    >>> apart = replace(model, dec=model.dec + np.deg2rad([0, 0.1, 2, 3]), flux=np.array([80, 1, 5, 2]))
    >>> [(one.flux, one.components.tolist()) for one in group(apart, np.ones(4), 1)]
    [(81.0, [0, 1]), (7.0, [2, 3])]
    """
    apparent = np.abs(model.flux) * power
    vectors = np.stack(
        [np.cos(model.dec) * np.cos(model.ra), np.cos(model.dec) * np.sin(model.ra), np.sin(model.dec)], axis=-1
    )
    seeds: list[int] = []
    for component in np.argsort(-apparent):
        if len(seeds) > most:
            break
        if component not in passed_over and all(
            np.linalg.norm(vectors[component] - vectors[seed]) > APART for seed in seeds
        ):
            seeds.append(int(component))
    nearest = np.argmax(vectors @ vectors[seeds].T, axis=1)
    groups = []
    for i, seed in enumerate(seeds):
        its = np.flatnonzero(nearest == i)
        # Phases are solved on powers: they are those of the group's brightest, and belong where that is.
        x, y, z = (vectors[its] * apparent[its, None] ** 2).sum(axis=0)
        ra, dec = float(np.arctan2(y, x)), float(np.arctan2(z, np.hypot(x, y)))
        place = Direction(_name(model.ra[seed], model.dec[seed]), ra, dec)
        groups.append(Group(place, its, float(apparent[its].sum())))
    groups.sort(key=lambda g: -g.flux)
    return groups


def _name(ra: float, dec: float) -> str:
    """Name of a place (rad) as J0821+4702."""
    minutes = int(np.rad2deg(ra % (2 * np.pi)) / 15 * 60)
    arcminutes = int(np.rad2deg(abs(dec)) * 60)
    sign = "-" if dec < 0 else "+"
    return f"J{minutes // 60:02d}{minutes % 60:02d}{sign}{arcminutes // 60:02d}{arcminutes % 60:02d}"
