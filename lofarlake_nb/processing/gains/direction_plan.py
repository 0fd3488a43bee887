"""What phases towards directions are solved for: which groups of sources, for how long, over which bands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import direction_solver, grouping
from lofarlake_nb.processing.gains.grouping import Group
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import direction_cosines

# Thermal error of the median station's phases, rad, that a solution is made long enough for; and the error beyond which
# a direction is left as it is.
WANTED_ERROR = 0.2
NOISIEST = np.deg2rad(25.0)
# Of the frequency: over less than this, phases are taken for the same while they are solved.
NARROW = 0.1


@dataclass(frozen=True)
class Plan:
    """What is solved for.

    Parameters
    ----------
    its : list of Group
        Brightest first.
    lengths : list of int
        Slots of a solution of each.
    errors : list of float
        Thermal error of one solution of the median station, rad.

    Examples
    --------
    >>> made = plan(grouping.group(model, np.ones(4), 3), np.full(20, 1e-3), 15, model, np.ones(4))
    >>> [group.direction.name for group in made.its]
    ['J0813+4813']
    """

    its: list[Group]
    lengths: list[int]
    errors: list[float]


def chosen(
    found: list[Group], weight: np.ndarray, most: int, model: SkyModel, power: np.ndarray
) -> tuple[Plan, list[Group]]:
    """Groups that phases are solved for, and those that are too faint for it.

    Parameters
    ----------
    found : list of Group
        Brightest first; the first one's gains are those of all directions, however noisy.
    weight, most, model, power
        As `plan` takes them.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from lofarlake_nb.processing.gains import direction_plan
    >>> apart = replace(model, dec=model.dec + np.deg2rad([0, 1, 2, 3]), flux=np.array([80, 5, 0.3, 2]))
    >>> found = grouping.group(apart, np.ones(4), 3)
    >>> kept, faint = direction_plan.chosen(found, np.full(20, 0.5), 15, apart, np.ones(4))
    >>> kept.lengths, [group.flux for group in faint]
    ([1, 1, 7], [0.3])
    """
    errors = plan(found, weight, most, model, power).errors
    faint = [one for one, error in zip(found[1:], errors[1:], strict=True) if error > NOISIEST]
    # Sources of what is too faint for phases of its own go to its neighbours.
    without = np.concatenate([one.components for one in faint]) if faint else ()
    its = grouping.group(model, power, len(found) - 1 - len(faint), without)
    return plan(its, weight, most, model, power), faint


def plan(its: list[Group], weight: np.ndarray, most: int, model: SkyModel, power: np.ndarray) -> Plan:
    """How long each group's solutions are.

    Parameters
    ----------
    its : list of Group
    weight : (station,) float64
        Σ 1 / E|n|² of a slot, 1 / Jy².
    most : int
        Slots of the longest.
    model : SkyModel
    power : (component,) float64
        What the beam leaves of each component's flux.

    Returns
    -------
    Plan

    Examples
    --------
    >>> made = plan(grouping.group(model, np.ones(4), 3), np.full(20, 1e-3), 15, model, np.ones(4))
    >>> made.lengths, round(made.errors[0], 2)
    ([7], 0.19)
    """
    # A group's sources beat against each other: they tell as much as their squares together.
    flux = np.array([np.sqrt(((model.flux * power)[g.components] ** 2).sum()) for g in its])
    error = 1 / (np.sqrt(2 * np.median(weight[weight > 0])) * np.maximum(flux, 1e-12))
    lengths = direction_solver.slots_needed(error, WANTED_ERROR, most)
    return Plan(its, lengths, [float(e / np.sqrt(n)) for e, n in zip(error, lengths, strict=True)])


def close_together(frequencies: np.ndarray) -> list[list[int]]:
    """Which frequencies (n,), Hz, are within `NARROW` of each other, in bands as wide as each other.

    Examples
    --------
    >>> close_together(np.array([120e6, 160e6, 121e6]))
    [[0, 2], [1]]
    """
    lowest, highest = float(frequencies.min()), float(frequencies.max())
    count = 1 + int((highest - lowest) / (NARROW * lowest))
    place = np.minimum((frequencies - lowest) * count // max(highest - lowest, 1.0), count - 1)
    order = np.argsort(frequencies, kind="stable")
    return [its.tolist() for its in (order[place[order] == band] for band in range(count)) if len(its)]


def power(path: Path, layout: Layout, model: SkyModel, with_beam: bool) -> np.ndarray:
    """(component,) what the first station's beam leaves of each component in mid-observation, relative to the centre.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout(averaged.measurement_sets[0])
    >>> apart = replace(model, dec=model.dec + np.deg2rad([0, 1, 2, 3]))
    >>> power(averaged.measurement_sets[0], layout, apart, True).astype(float).round(2).tolist()
    [1.0, 0.88, 0.59, 0.28]
    """
    if not with_beam:
        return np.ones(len(model.flux))
    lm = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre)[:2], axis=-1)
    places = np.stack([model.ra, model.dec], axis=-1)
    middle = len(layout.times) // 2
    slot, time = slice(middle, middle + 1), float(layout.times[middle])
    seen = beam.evaluate(path, layout, lm, places, layout.interval, slot).at(time)[0]
    centre = beam.towards_centre(path, layout, layout.interval, slot).at(time)[0, 0]
    return (np.abs(seen) ** 2).sum(axis=(1, 2)) / (np.abs(centre) ** 2).sum()
