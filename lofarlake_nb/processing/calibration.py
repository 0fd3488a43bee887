"""Calibrate: station gains on a sky model, applied, and a verdict on them."""

import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import results
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.gains import gain_checks, solutions, verdict
from lofarlake_nb.processing.gains.applying import apply_one
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.solver import refer
from lofarlake_nb.processing.gains.solving import Solved, solve_window
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.windows import blocks, groups

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibrated:
    """Calibrated Measurement Sets, and what is known of the gains.

    Parameters
    ----------
    measurement_sets : tuple of Path
        With ``DATA`` (averaged), ``CORRECTED_DATA`` (Jy), ``FLAG`` (bad solutions flagged too) and
        ``WEIGHT_SPECTRUM`` (see `weights_are_noise`).
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
    bad_stations : tuple of BadStation
        All stations that are left out from here on, those found by flagging included.
    reference_station : str
        Whose phases are 0.
    iterations : float
        Median of the solver's iterations.
    flagged_fraction : float
        Of the calibrated samples.
    weights_are_noise : bool
        Whether weights are 1 / σ² with σ the measured noise of the real part, Jy; else relative only.
    key : str
        Of this result.
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
    bad_stations: tuple[BadStation, ...]
    reference_station: str
    iterations: float
    flagged_fraction: float
    weights_are_noise: bool
    key: str


def calibrate(
    averaged: Averaged, model: SkyModel, parameters: CalibrationParameters, *, work: Path, client: distributed.Client
) -> Calibrated:
    """Solve station gains and apply them.

    Parameters
    ----------
    averaged : Averaged
        From `averaging.average`; not written to.
    model : SkyModel
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
    """
    described = {name: np.asarray(value).tolist() for name, value in asdict(model).items()}
    step_key = steps.key("calibrate", parameters, averaged.key, str(described))
    folder = Path(work) / "calibrated"

    def run() -> dict:
        shutil.rmtree(folder, ignore_errors=True)
        return results.to_json(_calibrate(averaged, model, parameters, folder, client, step_key))

    kept = steps.once(
        folder / "calibrated.json",
        step_key,
        run,
        products=lambda r: map(Path, [*r["measurement_sets"], *r["solution_files"]]),
    )
    return results.from_json(Calibrated, kept)


def _calibrate(
    averaged: Averaged,
    model: SkyModel,
    parameters: CalibrationParameters,
    folder: Path,
    client: distributed.Client,
    step_key: str,
) -> Calibrated:
    layouts = _layouts(averaged.measurement_sets)
    first = layouts[0]
    solved = _solve(averaged.measurement_sets, layouts, model, parameters, client)
    bad = gain_checks.bad_stations(
        [s.gains for s in solved], [s.solvable for s in solved], [s.held_out for s in solved], first
    )
    bad |= {station.name: station for station in averaged.bad_stations}
    indices = [i for i, name in enumerate(first.stations) if name in bad]
    usable = [gain_checks.usable(s.gains, indices) for s in solved]
    reference = gain_checks.reference_station(usable, first)
    kept = ~np.isin(first.antenna1, indices) & ~np.isin(first.antenna2, indices)
    held_out = np.sum([s.held_out for s in solved], axis=0)[:, :, kept]
    judged = verdict.judge(
        held_out,
        n_good=len(first.stations) - len(indices),
        n_bad=len(indices),
        failed_fraction=_failed_fraction(usable, solved, indices),
        distance_deg=float(np.rad2deg(model.distance(first.phase_centre))),
    )
    outputs, files, flagged_fraction = _apply(
        averaged.measurement_sets, layouts, solved, usable, reference, parameters, folder, client
    )
    measured, thermal = verdict.phase_rms(held_out)
    logger.info("calibrated on %s: %s, %s", model.name, judged.verdict, "; ".join(judged.reasons))
    return Calibrated(
        measurement_sets=tuple(outputs),
        solution_files=tuple(files),
        direction_files=(),
        model=model.name,
        verdict=judged.verdict,
        reasons=judged.reasons,
        held_out_phase_rms_deg=judged.phase_rms_deg,
        held_out_phase_rms_xx_deg=measured[0],
        held_out_phase_rms_yy_deg=measured[1],
        thermal_phase_rms_deg=max((t for t in thermal if t is not None), default=None),
        bad_stations=tuple(bad[name] for name in sorted(bad)),
        reference_station=first.stations[reference],
        iterations=float(np.median(np.concatenate([s.iterations.ravel() for s in solved]))),
        flagged_fraction=flagged_fraction,
        weights_are_noise=all(np.isfinite(s.noise).any() for s in solved),
        key=step_key,
    )


def _apply(
    paths: tuple[Path, ...],
    layouts: list[Layout],
    solved: list[Solved],
    usable: list[np.ndarray],
    reference: int,
    parameters: CalibrationParameters,
    folder: Path,
    client: distributed.Client,
) -> tuple[list[Path], list[Path], float]:
    """Write solutions and calibrated Measurement Sets; their paths, and the fraction flagged."""
    referred = [
        Gains(np.stack([refer(gains[..., hand], reference) for hand in (0, 1)], axis=-1), *_axes(layout, parameters))
        for gains, layout in zip(usable, layouts, strict=True)
    ]
    outputs = [folder / path.name for path in paths]
    files = [
        solutions.write(folder / f"{path.stem}.h5", gains, layout)
        for path, gains, layout in zip(outputs, referred, layouts, strict=True)
    ]
    futures = [
        client.submit(apply_one, path, output, file, one.noise, pure=False)
        for path, output, file, one in zip(paths, outputs, files, solved, strict=True)
    ]
    counts = np.sum(client.gather(futures), axis=0)
    return outputs, files, float(counts[1] / counts[0])


def _layouts(paths: tuple[Path, ...]) -> list[Layout]:
    layouts = [measurement_set.layout(path) for path in paths]
    for path, layout in zip(paths, layouts, strict=True):
        if (layout.stations, *_baselines(layout)) != (layouts[0].stations, *_baselines(layouts[0])):
            raise ProcessingError(
                f"{path.name} has other stations or baselines than {paths[0].name}", "process them apart"
            )
    return layouts


def _baselines(layout: Layout) -> tuple[bytes, bytes]:
    return layout.antenna1.tobytes(), layout.antenna2.tobytes()


def _solve(
    paths: tuple[Path, ...],
    layouts: list[Layout],
    model: SkyModel,
    parameters: CalibrationParameters,
    client: distributed.Client,
) -> list[Solved]:
    """Solutions of each Measurement Set, over all its blocks of time."""
    tasks = []
    for path, layout in zip(paths, layouts, strict=True):
        ranges = blocks(layout, groups(layout.times, layout.interval, parameters.slots))
        tasks.append([client.submit(solve_window, path, r, model, parameters, pure=False) for r in ranges])
    return [_joined(parts) for parts in client.gather(tasks)]


def _joined(parts: list[Solved]) -> Solved:
    noise = np.stack([p.noise for p in parts])
    known = np.isfinite(noise).any(axis=1)
    return Solved(
        gains=np.concatenate([p.gains for p in parts]),
        iterations=np.concatenate([p.iterations for p in parts]),
        solvable=np.concatenate([p.solvable for p in parts]),
        noise=gain_checks.median(noise[known], axis=0) if known.any() else noise[0],
        held_out=np.sum([p.held_out for p in parts], axis=0),
    )


def _axes(layout: Layout, parameters: CalibrationParameters) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the solution intervals (MJD s) and of the blocks of channels (Hz)."""
    starts = groups(layout.times, layout.interval, parameters.slots)
    size = np.diff(np.append(starts, len(layout.times)))
    times = np.add.reduceat(layout.times - layout.times[0], starts) / size + layout.times[0]
    channels = np.arange(0, len(layout.frequencies), parameters.channels)
    size = np.diff(np.append(channels, len(layout.frequencies)))
    return times, np.add.reduceat(layout.frequencies, channels) / size


def _failed_fraction(usable: list[np.ndarray], solved: list[Solved], bad: list[int]) -> float:
    """Of the solutions of good stations, where there were data, those that may not be used."""
    good = np.setdiff1d(np.arange(usable[0].shape[2]), bad)
    there = sum(int(s.solvable.all(axis=2).sum()) for s in solved) * len(good)
    kept = sum(int(np.isfinite(g[:, :, good]).all(axis=3).sum()) for g in usable)
    return 1 - kept / there if there else 1.0
