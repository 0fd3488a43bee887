"""Whether a calibration can be believed, judged on slots that were not solved on.

The flux at the centre is no evidence: solving forces the model's flux there even from garbage. A gain solved on one
slot that brings the next slot's phases to the model is. What is left over is held against what thermal noise alone
would leave. Phases that can be anything have an rms of 104° (π/√3).
"""

from dataclasses import dataclass

import numpy as np

# Phase errors of 25° rms cost 9 % of a source's flux (exp(-σ²/2)): more is no good image.
GOOD_DEG = 25.0
# Beyond this a third of the flux is scattered about. On a real scan permuted baselines leave 72°, a good solve 8°.
FAILED_DEG = 50.0
# Where noise alone leaves this much, a wrong model leaves hardly more: nothing can be told.
NOISE_DEG = 45.0
# A solve with fewer stations has more free phases than closed triangles to test them by.
FEWEST_STATIONS = 5
# HBA station fields have half their response 2° or more from the phase centre.
FAR_DEG = 2.5


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
    """

    verdict: str
    reasons: tuple[str, ...]
    phase_rms_deg: float | None


def phase_rms(held_out: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Held-out phase rms, and that of thermal noise alone.

    Parameters
    ----------
    held_out : (3, 2, ...) float64
        Sums as in `solving.Solved`.

    Returns
    -------
    tuple of list
        Degrees, each for XX and YY; None where there is nothing to tell from.
    """
    sums = held_out.reshape(3, 2, -1).sum(axis=2)
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


def judge(held_out: np.ndarray, *, n_good: int, n_bad: int, failed_fraction: float, distance_deg: float) -> Verdict:
    """Judge a calibration.

    Parameters
    ----------
    held_out : (3, 2, ...) float64
        Sums as in `solving.Solved`, without bad stations.
    n_good, n_bad : int
        Stations with solutions, and those left out by them.
    failed_fraction : float
        Of the solutions of good stations.
    distance_deg : float
        Of the model from the phase centre.

    Returns
    -------
    Verdict
    """
    if n_good < 2:
        return Verdict("failed", (f"{n_good} stations have solutions",), None)
    measured, thermal = phase_rms(held_out)
    if any(value is None for value in measured):
        return Verdict("doubtful", ("no solutions with slots beside them to test them on",), None)
    verdict, reason, figure = _of_phases([m or 0.0 for m in measured], thermal)
    reasons = [reason]
    doubts = []
    if n_good < FEWEST_STATIONS:
        doubts.append(f"{n_good} stations are too few to test their phases against each other")
    if n_bad > n_good:
        doubts.append(f"{n_bad} stations are bad, {n_good} good")
    if failed_fraction > 0.5:
        doubts.append(f"{100 * failed_fraction:.0f} % of the solutions failed")
    if distance_deg > FAR_DEG:
        doubts.append(f"the model lies {distance_deg:.1f}° from the phase centre, outside of the station beam")
    if doubts and verdict == "good":
        verdict = "doubtful"
    return Verdict(verdict, (*reasons, *doubts), figure)


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
