"""Calibrate: station gains on a sky model, applied, and a verdict on them."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import cluster, results
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.gains import applying, subbands, transfer, verdict
from lofarlake_nb.processing.gains.assessment import Assessment
from lofarlake_nb.processing.gains.directions import Judged
from lofarlake_nb.processing.sky.components import Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibrated:
    """Calibrated Measurement Sets, and what is known of the gains.

    Parameters
    ----------
    measurement_sets : tuple of Path
        With ``CORRECTED_DATA`` (Jy), ``FLAG`` (bad solutions flagged too) and ``WEIGHT_SPECTRUM`` (see
        `weights_are_noise`).
    solution_files : tuple of Path
        h5parm, one for each.
    direction_files : tuple of Path
        h5parm of gains that differ between directions (see `gains.solutions`), one for each; none where they don't
        make held-out slots any better. They are not applied to ``CORRECTED_DATA``, as they hold for an image of their
        direction only.
    model : str
        Name of the sky model.
    verdict : str
        ``good``, ``doubtful`` or ``failed``, with its `reasons`.
    reasons : tuple of str
    held_out_phase_rms_deg : float or None
        The worse of XX and YY, on slots that were not solved on; None where it can't be had.
    held_out_phase_rms_xx_deg, held_out_phase_rms_yy_deg : float or None
    thermal_phase_rms_deg : float or None
        What noise alone would leave there, the worse of XX and YY.
    held_out_error : float or None
        Of visibilities that were not solved on, relative to the model, without noise; the worse of XX and YY.
    flux_scale, gain_scale : float or None
        In units of the usual ones, as the noise and the gains tell; None where they aren't known.
    beam_in_model : bool
        Whether station beams were in the model. Then ``CORRECTED_DATA`` are of the sky's polarizations, corrected for
        what the stations see towards the phase centre, and the gains in the files are those of the receivers alone.
    directions : tuple of Judged
        Groups of sources that were tried with gains of their own, and what that does on held-out slots.
    direction_notes : tuple of str
        Why none was tried, or which Measurement Sets they were solved without.
    bad_stations : tuple of BadStation
        All stations that are left out from here on, those found by flagging included.
    reference_station : str
        Whose phases of X are 0, and those of Y as far as cross hands don't tell them.
    cross_hand_phase_deg : float or None
        Phase of X against Y there, the median of the Measurement Sets; None where the cross hands are too weak to tell.
    iterations : float
        Median of the solver's iterations.
    flagged_fraction : float
        Of the calibrated samples.
    weights_are_noise : bool
        Whether weights are 1 / σ² with σ the measured noise of the real part, Jy; else relative only.
    notes : tuple of str
        What was assumed of another scan's gains.
    key : str
        Of this result.

    Examples
    --------
    >>> calibrated.model, round(calibrated.held_out_phase_rms_deg), len(calibrated.solution_files)
    ('3C196', 7, 2)
    """

    measurement_sets: tuple[Path, ...]
    solution_files: tuple[Path, ...]
    direction_files: tuple[Path, ...]
    model: str
    verdict: str
    reasons: tuple[str, ...]
    held_out_phase_rms_deg: float | None
    held_out_phase_rms_xx_deg: float | None
    held_out_phase_rms_yy_deg: float | None
    thermal_phase_rms_deg: float | None
    held_out_error: float | None
    flux_scale: float | None
    gain_scale: float | None
    beam_in_model: bool
    directions: tuple[Judged, ...]
    direction_notes: tuple[str, ...]
    bad_stations: tuple[BadStation, ...]
    reference_station: str
    cross_hand_phase_deg: float | None
    iterations: float
    flagged_fraction: float
    weights_are_noise: bool
    notes: tuple[str, ...]
    key: str


def calibrate(
    averaged: Averaged,
    model: Model,
    parameters: CalibrationParameters,
    *,
    work: Path,
    client: distributed.Client,
) -> Calibrated:
    """Solve station gains and apply them.

    Parameters
    ----------
    averaged : Averaged
        From `averaging.average`; not written to.
    model : SkyModel, ModelColumn or NoModel
        From `sky_model.load`.
    parameters : CalibrationParameters
    work : Path
        Folder for the calibrated Measurement Sets and solutions, below ``calibrated``.
    client : distributed.Client
        Solves blocks of time, then writes one Measurement Set a task.

    Returns
    -------
    Calibrated
        Also where it failed: see its `verdict`.

    Raises
    ------
    ProcessingError
        When the Measurement Sets are not of the same stations.

    Examples
    --------
    >>> calibrated = calibrate(averaged, model, chosen.calibrate, work=work, client=session.client)
    >>> calibrated.verdict
    'good'
    """
    step_key = _key(averaged, model, parameters)
    folder = Path(work) / "calibrated"

    @cluster.deaths_told()
    def run() -> Calibrated:
        steps.empty(folder)
        found = subbands.solve(averaged, model, parameters, client)
        return _finish(averaged, model, found, parameters, folder, client, step_key)

    return results.once(Calibrated, folder / "calibrated.json", step_key, run, products=_products)


def improve(
    before: Calibrated,
    averaged: Averaged,
    model: Model,
    parameters: CalibrationParameters,
    *,
    work: Path,
    client: distributed.Client,
) -> Calibrated:
    """Solve again on another model, as that of an image; a step of self-calibration.

    Parameters
    ----------
    before : Calibrated
        What is to be improved.
    averaged : Averaged
        That it was made from.
    model : SkyModel, ModelColumn or NoModel
        The other model.
    parameters : CalibrationParameters
    work : Path
        Folder for the new Measurement Sets and solutions, below ``improved``.
    client : distributed.Client

    Returns
    -------
    Calibrated
        The new one where its verdict is no worse and held-out visibilities are closer to its model; else `before`.

    Examples
    --------
    >>> improve(calibrated, averaged, model, chosen.calibrate, work=work, client=session.client) is calibrated
    True
    """
    step_key = steps.key("improve", before.key, _key(averaged, model, parameters))
    folder = Path(work) / "improved" / step_key

    @cluster.deaths_told()
    def run() -> _Tried:
        steps.empty(folder)
        found = subbands.solve(averaged, model, parameters, client)
        if not _better(found.assessment, before):
            return _Tried(None)
        return _Tried(_finish(averaged, model, found, parameters, folder, client, step_key))

    def products(tried: _Tried) -> list[Path]:
        return [] if tried.accepted is None else _products(tried.accepted)

    return results.once(_Tried, folder / "improved.json", step_key, run, products=products).accepted or before


@dataclass(frozen=True)
class _Tried:
    """What another model gave."""

    accepted: Calibrated | None  # None where it was no better


def _better(found: Assessment, before: Calibrated) -> bool:
    """Whether held-out visibilities are closer to the model, and the verdict is no worse."""
    error, earlier = _worst(verdict.errors(found.held_out)), before.held_out_error
    no_worse = verdict.RANKS.index(found.judged.verdict) <= verdict.RANKS.index(before.verdict)
    better = no_worse and error is not None and earlier is not None and error < earlier
    logger.info(
        "held-out error %s of the model, %s; before %s, %s: %s",
        error,
        found.judged.verdict,
        earlier,
        before.verdict,
        "accepted" if better else "not accepted",
    )
    return better


def _key(averaged: Averaged, model: Model, parameters: CalibrationParameters) -> str:
    described = {name: np.asarray(value).tolist() for name, value in asdict(model).items()}
    files = [Path(parameters.solutions)] if parameters.solutions else []
    return steps.key("calibrate", parameters, averaged.key, str(described), files)


def _products(made: Calibrated) -> list[Path]:
    return [*made.measurement_sets, *made.solution_files, *made.direction_files]


def _finish(
    averaged: Averaged,
    model: Model,
    found: subbands.Found,
    parameters: CalibrationParameters,
    folder: Path,
    client: distributed.Client,
    step_key: str,
) -> Calibrated:
    """Apply what was found, and say it."""
    paths = averaged.measurement_sets
    files = applying.write_solutions(paths, found, parameters, folder)
    apart = applying.apart(paths, model, found, files, parameters, folder, client)
    outputs, flagged_fraction = applying.apply(paths, model, found, files, apart.files, parameters, folder, client)
    for note in apart.notes:
        logger.info("phases of directions: %s", note)
    assessment = found.assessment
    judged, evidence = assessment.judged, assessment.evidence
    measured, thermal = verdict.phase_rms(assessment.held_out)
    logger.info("calibrated on %s: %s, %s", model.name, judged.verdict, "; ".join(judged.reasons))
    return Calibrated(
        measurement_sets=tuple(outputs),
        solution_files=tuple(files),
        direction_files=tuple(apart.files),
        model=model.name,
        verdict=judged.verdict,
        reasons=judged.reasons,
        held_out_phase_rms_deg=judged.phase_rms_deg,
        held_out_phase_rms_xx_deg=measured[0],
        held_out_phase_rms_yy_deg=measured[1],
        thermal_phase_rms_deg=_worst(thermal),
        held_out_error=_worst(verdict.errors(assessment.held_out)),
        flux_scale=evidence.flux_scale,
        gain_scale=evidence.gain_scale,
        beam_in_model=found.with_beam,
        directions=tuple(apart.judged),
        bad_stations=tuple(assessment.bad[name] for name in sorted(assessment.bad)),
        reference_station=found.layouts[0].stations[assessment.reference],
        cross_hand_phase_deg=_median_deg(found.cross_phases),
        iterations=float(np.median(np.concatenate([s.iterations.ravel() for s in found.solved]))),
        flagged_fraction=flagged_fraction,
        direction_notes=tuple(apart.notes),
        weights_are_noise=all(np.isfinite(s.noise).any() for s in found.solved),
        notes=transfer.notes(found.transferred[0]),
        key=step_key,
    )


def _median_deg(phases: list[float | None]) -> float | None:
    known = [phase for phase in phases if phase is not None]
    return float(np.rad2deg(np.median(known))) if known else None


def _worst(values: list[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)
