"""Whether a calibration can be believed, judged on slots that were not solved on.

The flux at the centre is no evidence: solving forces the model's flux there even from garbage. A gain solved on one
slot that brings the next slot's phases to the model is. What is left over is held against what thermal noise alone
would leave. Phases that can be anything have an rms of 104° (π/√3).

What phases can't tell has other evidence. A wrong position: the model's distance from the phase centre. A wrong flux
scale: the noise in Jy against the stations' published sensitivity, and the scale of the gains where that is known. A
wrong structure: what the model leaves of the visibilities.
"""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.wording import counted

# Phase errors of 25° rms cost 9 % of a source's flux (exp(-σ²/2)): more is no good image.
GOOD_DEG = 25.0
# Beyond this a third of the flux is scattered about. On a real scan permuted baselines leave 72°, a good solve 8°.
FAILED_DEG = 50.0
# Where noise alone leaves this much, a wrong model leaves hardly more: nothing can be told.
NOISE_DEG = 45.0
# From best to worst.
RANKS = ("good", "doubtful", "failed")
# A solve with fewer stations has more free phases than closed triangles to test them by.
FEWEST_STATIONS = 5
# The remote stations' main lobe ends here (half of its power at 1.4°, van Haarlem et al. 2013, at 150 MHz).
FAR_DEG = 1.5
# Flux and gain scales are known to some tens of percent. The window is a factor 2 from end to end: a scale that lies in
# it does not when it is off by 2.
LEAST_SCALE, MOST_SCALE = 2**-0.5, 2**0.5
# Of the held-out visibilities, relative to the model: more is no model of these data.
ERROR = 0.5


@dataclass(frozen=True)
class Verdict:
    """What to think of a calibration.

    Parameters
    ----------
    verdict : str
        ``good``, ``doubtful`` or ``failed``.
    reasons : tuple of str
        In words, with the figures.
    phase_rms_deg : float or None
        On held-out slots, the worse of XX and YY; None where it can't be had.

    Examples
    --------
    >>> judge(np.ones((4, 2, 10)), Evidence(n_good=0, n_bad=9, failed_fraction=1.0, distance_deg=0.0))
    Verdict(verdict='failed', reasons=('0 stations have solutions',), phase_rms_deg=None)
    """

    verdict: str
    reasons: tuple[str, ...]
    phase_rms_deg: float | None


@dataclass(frozen=True)
class Evidence:
    """What is known of a calibration besides its phases on held-out slots.

    Parameters
    ----------
    n_good, n_bad : int
        Stations with solutions, and those left out by them.
    failed_fraction : float
        Of the solutions of good stations.
    distance_deg : float or None
        Of the model from the phase centre; None where there is no model to hold the data against.
    solved : bool
        Whether the solver found any solution, be it one that is left out.
    flux_scale, gain_scale : float or None
        In units of the usual ones, see `sensitivity`; None where not known.

    Examples
    --------
    >>> held_out = np.ones((4, 2, 10)) * np.array([0.04, 0.01, 1, 0.1])[:, None, None]
    >>> known = Evidence(n_good=20, n_bad=2, failed_fraction=0.1, distance_deg=0.0, flux_scale=2.0)
    >>> judge(held_out, known).reasons[1]
    'the noise is 2.00 of what the stations are known to have: a wrong flux scale?'
    """

    n_good: int
    n_bad: int
    failed_fraction: float
    distance_deg: float | None
    solved: bool = True
    flux_scale: float | None = None
    gain_scale: float | None = None


def phase_rms(held_out: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Held-out phase rms, and that of thermal noise alone.

    Parameters
    ----------
    held_out : (4, 2, ...) float64
        Sums as in `solving.Solved`.

    Returns
    -------
    tuple of list
        Degrees, each for XX and YY; None where there is nothing to tell from.

    Examples
    --------
    >>> held_out = np.ones((4, 2, 10)) * np.array([0.04, 0.01, 1, 0.1])[:, None, None]
    >>> measured, thermal = phase_rms(held_out)
    >>> round(measured[0], 1), round(thermal[0], 1)
    (11.5, 5.7)
    """
    sums = held_out.reshape(4, 2, -1).sum(axis=2)
    measured, thermal = (
        [
            float(np.rad2deg(np.sqrt(row[hand] / sums[2][hand])))
            if sums[2][hand] > 0 and np.isfinite(row[hand])
            else None
            for hand in (0, 1)
        ]
        for row in sums[:2]
    )
    return measured, thermal


def errors(held_out: np.ndarray) -> list[float | None]:
    """Error of held-out visibilities relative to the model, without what noise makes of it.

    Parameters
    ----------
    held_out : (4, 2, ...) float64
        Sums as in `solving.Solved`.

    Returns
    -------
    list
        Of XX and YY; None where there is nothing to tell from.

    Examples
    --------
    >>> held_out = np.ones((4, 2, 10)) * np.array([0.04, 0.01, 1, 0.11])[:, None, None]
    >>> [round(error, 3) for error in errors(held_out)]
    [0.3, 0.3]
    """
    _, thermal, weight, error = held_out.reshape(4, 2, -1).sum(axis=2)
    # Noise turns the phase with one of its two parts.
    return [
        float(np.sqrt(max(0.0, e - 2 * t) / w)) if w > 0 and np.isfinite(t) else None
        for e, t, w in zip(error, thermal, weight, strict=True)
    ]


def judge(held_out: np.ndarray, evidence: Evidence) -> Verdict:
    """Judge a calibration.

    Parameters
    ----------
    held_out : (4, 2, ...) float64
        Sums as in `solving.Solved`, without bad stations.
    evidence : Evidence

    Returns
    -------
    Verdict

    Examples
    --------
    >>> held_out = np.ones((4, 2, 10)) * np.array([0.04, 0.01, 1, 0.1])[:, None, None]
    >>> found = judge(held_out, Evidence(n_good=20, n_bad=2, failed_fraction=0.1, distance_deg=0.0))
    >>> found.verdict, found.reasons
    ('good', ('phase rms 11.5° on held-out slots (noise alone 5.7°)',))
    """
    if not evidence.solved:
        return Verdict("doubtful", ("no station has the data for a solution",), None)
    if evidence.n_good < 2:
        return Verdict("failed", (f"{counted(evidence.n_good, 'station has')} solutions",), None)
    if evidence.distance_deg is None:
        return Verdict("doubtful", ("there is no sky model to judge the data by",), None)
    measured, thermal = phase_rms(held_out)
    if any(value is None for value in measured):
        return Verdict("doubtful", ("no solutions with slots beside them to test them on",), None)
    verdict, reason, figure = _of_phases([m or 0.0 for m in measured], thermal)
    doubts = _doubts(held_out, evidence)
    if doubts and verdict == "good":
        verdict = "doubtful"
    return Verdict(verdict, (reason, *doubts), figure)


def _doubts(held_out: np.ndarray, evidence: Evidence) -> list[str]:
    doubts = []
    if evidence.n_good < FEWEST_STATIONS:
        doubts.append(f"{evidence.n_good} stations are too few to test their phases against each other")
    if evidence.n_bad > evidence.n_good:
        doubts.append(f"{evidence.n_bad} stations are bad, {evidence.n_good} good")
    if evidence.failed_fraction > 0.5:
        doubts.append(f"{100 * evidence.failed_fraction:.0f} % of the solutions failed")
    if evidence.distance_deg is not None and evidence.distance_deg > FAR_DEG:
        doubts.append(f"the model lies {evidence.distance_deg:.1f}° from the phase centre, outside of the main lobe")
    worst = max((e for e in errors(held_out) if e is not None), default=0.0)
    if worst > ERROR:
        doubts.append(f"held-out visibilities are off by {100 * worst:.0f} % of the model")
    if evidence.flux_scale is not None and not LEAST_SCALE <= evidence.flux_scale <= MOST_SCALE:
        doubts.append(
            f"the noise is {evidence.flux_scale:.2f} of what the stations are known to have: a wrong flux scale?"
        )
    if evidence.gain_scale is not None and not LEAST_SCALE <= evidence.gain_scale <= MOST_SCALE:
        doubts.append(f"the gains' power is {evidence.gain_scale:.2f} of the usual one: a wrong flux scale?")
    return doubts


def _of_phases(measured: list[float], thermal: list[float | None]) -> tuple[str, str, float | None]:
    """Verdict, reason and figure, from phase rms (degrees) of XX and YY."""
    worse = int(np.argmax(measured))
    rms = measured[worse]
    expected = thermal[worse]
    if expected is None:
        return "doubtful", f"phase rms {rms:.1f}° on held-out slots, and the noise is not known", rms
    if expected > NOISE_DEG:
        return "doubtful", f"noise alone leaves a phase rms of {expected:.0f}°: no signal to tell from", None
    excess = float(np.sqrt(max(0.0, rms**2 - expected**2)))
    verdict = "good" if excess <= GOOD_DEG else "doubtful" if excess <= FAILED_DEG else "failed"
    return verdict, f"phase rms {rms:.1f}° on held-out slots (noise alone {expected:.1f}°)", rms
