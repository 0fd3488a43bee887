"""What the solutions of all Measurement Sets are worth: bad stations, the reference, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.gains import gain_checks, sensitivity, verdict
from lofarlake_nb.processing.gains.solving import Solved


@dataclass(frozen=True)
class Stations:
    """What is known of the stations of a Measurement Set before any solve.

    Parameters
    ----------
    nominal : (station,) float64
        SEFD towards the zenith, Jy, see `sensitivity.expected`; NaN where not known.
    power : float
        See `response.power`; NaN where not known.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> Stations(sensitivity.expected(LAYOUT, "HBA_DUAL_INNER"), 0.9).nominal[:2].round(-2).tolist()
    [2800.0, 2800.0]
    """

    nominal: np.ndarray
    power: float


@dataclass(frozen=True)
class Assessment:
    """What the solutions are worth.

    Parameters
    ----------
    bad : dict
        Name to BadStation.
    usable : list of (interval, block, station, 2 or 4) complex
        Gains of each Measurement Set; NaN where one may not be used.
    reference : int
        Index of the station that phases are to be referred to.
    held_out : (4, 2, baseline) float64
        Sums over all Measurement Sets, without bad stations.
    evidence : Evidence
    judged : Verdict

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import subbands
    >>> found = subbands.solve(averaged, model, chosen.calibrate, session.client).assessment
    >>> sorted(found.bad), found.judged.verdict, found.usable[0].shape
    (['CS024HBA0', 'CS030HBA1'], 'good', (30, 4, 20, 2))
    """

    bad: dict[str, BadStation]
    usable: list[np.ndarray]
    reference: int
    held_out: np.ndarray
    evidence: verdict.Evidence
    judged: verdict.Verdict


def assess(
    solved: Sequence[Solved],
    layouts: Sequence[Layout],
    stations: Sequence[Stations],
    known_bad: Mapping[str, BadStation],
    distance_deg: float | None,
) -> Assessment:
    """Judge solutions.

    Parameters
    ----------
    solved : sequence of Solved
        Of each Measurement Set.
    layouts : sequence of Layout
        Theirs, with the same stations and baselines.
    stations : sequence of Stations
        Theirs.
    known_bad : mapping
        Name to BadStation: those known beforehand.
    distance_deg : float or None
        Of the model from the phase centre; None where there is none.

    Returns
    -------
    Assessment

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import subbands
    >>> found = subbands.solve(averaged, model, chosen.calibrate, session.client)
    >>> unknown = [Stations(np.full(20, np.nan), np.nan)] * 2
    >>> assess(found.solved, found.layouts, unknown, {}, 3.0).judged.reasons[1]
    'the model lies 3.0° from the phase centre, outside of the main lobe'
    """
    first = layouts[0]
    bad = gain_checks.bad_stations(
        [s.gains for s in solved], [s.solvable for s in solved], [s.held_out for s in solved], first
    )
    bad |= known_bad
    indices = [i for i, name in enumerate(first.stations) if name in bad]
    usable = [gain_checks.usable(s.gains, indices) for s in solved]
    kept = ~np.isin(first.antenna1, indices) & ~np.isin(first.antenna2, indices)
    held_out = np.sum([s.held_out for s in solved], axis=0)[:, :, kept]
    good = np.setdiff1d(np.arange(len(first.stations)), indices)
    flux = [
        sensitivity.flux_scale(s.sefd[good], its.nominal[good], its.power)
        for s, its in zip(solved, stations, strict=True)
    ]
    gain = [
        sensitivity.gain_scale(gains[:, :, good], its.nominal[good], its.power, layout)
        for gains, its, layout in zip(usable, stations, layouts, strict=True)
    ]
    evidence = verdict.Evidence(
        n_good=len(good),
        n_bad=len(indices),
        failed_fraction=_failed_fraction(usable, solved, good),
        distance_deg=distance_deg,
        solved=any(np.isfinite(s.gains).any() for s in solved),
        flux_scale=_middle(flux),
        gain_scale=_middle(gain),
    )
    return Assessment(
        bad=bad,
        usable=usable,
        reference=gain_checks.reference_station(usable, first),
        held_out=held_out,
        evidence=evidence,
        judged=verdict.judge(held_out, evidence),
    )


def _middle(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.median(known)) if known else None


def _failed_fraction(usable: list[np.ndarray], solved: Sequence[Solved], good: np.ndarray) -> float:
    """Of the solutions of good stations, where there were data, those that may not be used."""
    there = sum(int(s.solvable.all(axis=2).sum()) for s in solved) * len(good)
    kept = sum(int(np.isfinite(g[:, :, good]).all(axis=3).sum()) for g in usable)
    return 1 - kept / there if there else 1.0
