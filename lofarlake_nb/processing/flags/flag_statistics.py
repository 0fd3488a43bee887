"""What the flags say of each station: fractions, noise, and which stations are no use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing.flags import swapped

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

    Examples
    --------
    >>> counts = Counts({("CS001HBA0", "CS002HBA0"): np.array([100, 0, 100])}, {}, {})
    >>> bad_stations(counts, FlagParameters())[0]
    BadStation(name='CS001HBA0', reason='100.0 % of its samples are flagged or 0', figure=1.0)
    """

    name: str
    reason: str
    figure: float


@dataclass(frozen=True)
class Counts:
    """Samples by pair of stations, and noise by station, over all blocks of an observation.

    Examples
    --------
    >>> pair = ("CS001HBA0", "CS002HBA0")
    >>> counts = Counts({pair: np.array([100, 3, 10])}, {"CS001HBA0": [1.0]}, {pair: np.zeros(4)})
    >>> fractions(counts, bad=[]).baselines
    {'CS001HBA0 & CS002HBA0': 0.1}
    """

    samples: dict[tuple[str, str], np.ndarray]  # (samples, came flagged, flagged)
    noise: dict[str, list[float]]  # relative power in each block
    seen: dict[tuple[str, str], np.ndarray]  # (4,) significance of the sky's power in each hand


@dataclass(frozen=True)
class Fractions:
    """Flagged fractions of the cross-correlations.

    Examples
    --------
    >>> counts = Counts({("CS001HBA0", "CS002HBA0"): np.array([100, 3, 10])}, {}, {})
    >>> fractions(counts, bad=[])
    Fractions(all=0.1, known=0.03, stations={'CS001HBA0': 0.1, 'CS002HBA0': 0.1},
              baselines={'CS001HBA0 & CS002HBA0': 0.1})
    """

    all: float
    known: float
    stations: dict[str, float]
    baselines: dict[str, float]  # by the names of two stations, with " & " between


def collect(layouts: Sequence[Layout], statistics: Sequence[dict[str, np.ndarray]]) -> Counts:
    """Sum of what the tasks counted.

    Parameters
    ----------
    layouts : sequence of Layout
        One for each task.
    statistics : sequence of dict
        From `searching.flag_window`.

    Returns
    -------
    Counts

    Raises
    ------
    ProcessingError
        When there are no cross-correlations, or every one of them is flagged.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout("observation/L990100_SAP000_SB000_uv.MS")
    >>> counted = {"samples": 16 * layout.cross, "known": 0 * layout.cross, "flagged": 4 * layout.cross}
    >>> counted |= {"noise": np.array([1, 1, np.nan]), "seen": np.zeros((6, 4))}
    >>> counts = collect([layout, layout], [counted, counted])
    >>> counts.samples["CS001HBA0", "CS002HBA0"].tolist(), counts.noise
    ([32, 0, 8], {'CS001HBA0': [1.0, 1.0], 'CS002HBA0': [1.0, 1.0]})
    """
    samples: dict[tuple[str, str], np.ndarray] = {}
    noise: dict[str, list[float]] = {}
    seen: dict[tuple[str, str], np.ndarray] = {}
    for layout, counted in zip(layouts, statistics, strict=True):
        triples = np.stack([counted["samples"], counted["known"], counted["flagged"]], axis=1)
        for i in np.flatnonzero(layout.cross):
            pair = (layout.stations[layout.antenna1[i]], layout.stations[layout.antenna2[i]])
            samples[pair] = samples.get(pair, np.zeros(3, dtype=np.int64)) + triples[i]
            seen[pair] = seen.get(pair, np.zeros(swapped.HANDS)) + counted["seen"][i]
        for name, factor in zip(layout.stations, counted["noise"], strict=True):
            if np.isfinite(factor):
                noise.setdefault(name, []).append(float(factor))
    if not samples:
        raise ProcessingError("the data hold no cross-correlations", "give data with two stations or more")
    total = np.sum(list(samples.values()), axis=0)
    if total[2] == total[0]:
        raise ProcessingError("every visibility is flagged, or 0", "give data with some that are not")
    # Each block's figures have an error of 1.
    return Counts(samples, noise, {pair: hands / np.sqrt(len(layouts)) for pair, hands in seen.items()})


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

    Examples
    --------
    >>> names = ("CS001HBA0", "CS002HBA0", "CS003HBA0")
    >>> samples = {pair: np.array([100, 0, 5]) for pair in (names[:2], names[1:], names[::2])}
    >>> bad_stations(Counts(samples, {names[0]: [1.0], names[1]: [40.0, 50.0]}, {}), FlagParameters())
    (BadStation(name='CS002HBA0', reason="noise power 45.0 times the median station's", figure=45.0),)
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


def together(*found: Sequence[BadStation]) -> tuple[BadStation, ...]:
    """Stations of several lists, sorted by name, each with the first of its reasons.

    Examples
    --------
    >>> noisy, dead = BadStation("CS002HBA0", "noisy", 9.0), BadStation("CS001HBA0", "dead", 0.0)
    >>> [station.name for station in together([noisy], [dead, BadStation("CS002HBA0", "turned", 0.5)])]
    ['CS001HBA0', 'CS002HBA0']
    """
    by_name: dict[str, BadStation] = {}
    for stations in found:
        for station in stations:
            by_name.setdefault(station.name, station)
    return tuple(by_name[name] for name in sorted(by_name))


def odd_dipoles(counts: Counts) -> tuple[tuple[BadStation, ...], tuple[BadStation, ...]]:
    """Stations whose dipoles are exchanged, and stations whose dipoles are turned.

    Parameters
    ----------
    counts : Counts

    Returns
    -------
    tuple of two tuples of BadStation
        Sorted by name; their figure is the part of the sky's power that is in the cross hands of their baselines.

    Examples
    --------
    >>> pairs = [(a, b) for a in "ABCDEF" for b in "ABCDEF" if a < b]
    >>> seen = {pair: np.array([0, 50, 50, 0] if "A" in pair else [50, 0, 0, 50]) for pair in pairs}
    >>> odd_dipoles(Counts(dict.fromkeys(seen, np.ones(3)), {}, seen))[0]
    (BadStation(name='A', reason="dipoles exchanged: 100 % of the sky's power on 5 baselines is in the cross hands",
                figure=1.0),)
    """
    names = _stations(counts)
    place = {name: i for i, name in enumerate(names)}
    seen = np.zeros((len(names), len(names), swapped.HANDS))
    for (first, second), hands in counts.seen.items():
        # Measurement Sets may name a pair in either order; `collect` scaled each part by the blocks of all.
        seen[place[first], place[second]] += hands
        seen[place[second], place[first]] += hands
    found: dict[bool, list[BadStation]] = {True: [], False: []}
    for one in swapped.find(seen):
        what = "exchanged" if one.exchanged else "turned"
        reason = (
            f"dipoles {what}: {100 * one.cross_fraction:.0f} % of the sky's power on {one.baselines} baselines is in "
            "the cross hands"
        )
        found[one.exchanged].append(BadStation(names[one.station], reason, one.cross_fraction))
    return tuple(found[True]), tuple(found[False])


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

    Examples
    --------
    >>> samples = {("RS106", "RS205"): np.array([100, 0, 10]), ("RS106", "RS208"): np.array([100, 0, 20])}
    >>> fractions(Counts(samples, {}, {}), bad=["RS208"]).stations
    {'RS106': 0.55, 'RS205': 0.1, 'RS208': 1.0}
    """
    left_out = set(bad)
    pairs = {p: np.array([n[0], n[1], n[0] if left_out & set(p) else n[2]]) for p, n in counts.samples.items()}
    counted = Counts(pairs, counts.noise, counts.seen)
    stations = {name: _fraction(counted, _pairs(counted, name), column=2) for name in _stations(counts)}
    baselines = {" & ".join(pair): _fraction(counted, [pair], column=2) for pair in pairs}
    return Fractions(
        _fraction(counted, list(pairs), column=2), _fraction(counted, list(pairs), column=1), stations, baselines
    )


def _stations(counts: Counts) -> list[str]:
    return sorted({name for pair in counts.samples for name in pair})


def _pairs(counts: Counts, name: str) -> list[tuple[str, str]]:
    return [pair for pair in counts.samples if name in pair]


def _fraction(counts: Counts, pairs: list[tuple[str, str]], *, column: int) -> float:
    total = np.sum([counts.samples[p] for p in pairs], axis=0)
    return float(total[column] / total[0])
