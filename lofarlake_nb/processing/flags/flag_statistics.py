"""What the flags say of each station: fractions, noise, and which stations are no use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import FlagParameters

# Of the median station's, below this a station's noise is that of no working receiver.
DEAD = 0.01


@dataclass(frozen=True)
class BadStation:
    """A station left out, and why.

    Parameters
    ----------
    name : str
        Full name, as ``CS030HBA1``.
    reason : str
        In words.
    figure : float
        The number behind the reason.
    """

    name: str
    reason: str
    figure: float


@dataclass(frozen=True)
class Counts:
    """Samples by pair of stations, and noise by station, over all blocks of an observation."""

    samples: dict[tuple[str, str], np.ndarray]  # (samples, came flagged, flagged)
    noise: dict[str, list[float]]  # relative power in each block


@dataclass(frozen=True)
class Fractions:
    """Flagged fractions of the cross-correlations."""

    all: float
    known: float
    stations: dict[str, float]


def collect(layouts: Sequence[Layout], statistics: Sequence[dict[str, np.ndarray]]) -> Counts:
    """Sum of what the tasks counted.

    Parameters
    ----------
    layouts : sequence of Layout
        One for each task.
    statistics : sequence of dict
        From `flagging.flag_window`.

    Returns
    -------
    Counts

    Raises
    ------
    ProcessingError
        When there are no cross-correlations, or every one of them is flagged.
    """
    samples: dict[tuple[str, str], np.ndarray] = {}
    noise: dict[str, list[float]] = {}
    for layout, counted in zip(layouts, statistics, strict=True):
        triples = np.stack([counted["samples"], counted["known"], counted["flagged"]], axis=1)
        for i in np.flatnonzero(layout.cross):
            pair = (layout.stations[layout.antenna1[i]], layout.stations[layout.antenna2[i]])
            samples[pair] = samples.get(pair, np.zeros(3, dtype=np.int64)) + triples[i]
        for name, factor in zip(layout.stations, counted["noise"], strict=True):
            if np.isfinite(factor):
                noise.setdefault(name, []).append(float(factor))
    if not samples:
        raise ProcessingError("the data hold no cross-correlations", "give data with two stations or more")
    total = np.sum(list(samples.values()), axis=0)
    if total[2] == total[0]:
        raise ProcessingError("every visibility is flagged, or 0", "give data with some that are not")
    return Counts(samples, noise)


def bad_stations(counts: Counts, parameters: FlagParameters) -> tuple[BadStation, ...]:
    """Stations that are no use, found without calibration.

    Parameters
    ----------
    counts : Counts
    parameters : FlagParameters

    Returns
    -------
    tuple of BadStation
        Sorted by name.
    """
    bad = {}
    everywhere = {name for name in _stations(counts) if _fraction(counts, _pairs(counts, name), column=2) == 1}
    for name in _stations(counts):
        # A station is not to blame for partners that have no data at all.
        pairs = [p for p in _pairs(counts, name) if name in everywhere or not everywhere & set(p)]
        fraction = _fraction(counts, pairs, column=2) if pairs else 1.0
        factor = float(np.median(counts.noise[name])) if name in counts.noise else None
        if fraction > parameters.flagged:
            bad[name] = BadStation(name, f"{100 * fraction:.1f} % of its samples are flagged or 0", fraction)
        elif factor is not None and factor > parameters.noisy:
            bad[name] = BadStation(name, f"noise power {factor:.1f} times the median station's", factor)
        elif factor is not None and factor < DEAD:
            bad[name] = BadStation(name, f"noise power {factor:.2g} times the median station's", factor)
    return tuple(bad[name] for name in sorted(bad))


def fractions(counts: Counts, bad: Iterable[str]) -> Fractions:
    """Flagged fractions, with all samples of bad stations counted as flagged.

    Parameters
    ----------
    counts : Counts
    bad : iterable of str
        Names of bad stations.

    Returns
    -------
    Fractions
    """
    left_out = set(bad)
    pairs = {p: np.array([n[0], n[1], n[0] if left_out & set(p) else n[2]]) for p, n in counts.samples.items()}
    counted = Counts(pairs, counts.noise)
    stations = {name: _fraction(counted, _pairs(counted, name), column=2) for name in _stations(counts)}
    return Fractions(_fraction(counted, list(pairs), column=2), _fraction(counted, list(pairs), column=1), stations)


def _stations(counts: Counts) -> list[str]:
    return sorted({name for pair in counts.samples for name in pair})


def _pairs(counts: Counts, name: str) -> list[tuple[str, str]]:
    return [pair for pair in counts.samples if name in pair]


def _fraction(counts: Counts, pairs: list[tuple[str, str]], *, column: int) -> float:
    total = np.sum([counts.samples[p] for p in pairs], axis=0)
    return float(total[column] / total[0])
