"""Gains of all Measurement Sets of an observation written, told apart by direction, and applied to the data."""

from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.processing.gains import directions, gain_checks, outside, solutions, transfer
from lofarlake_nb.processing.gains.block import solution_of
from lofarlake_nb.processing.gains.direction_tasks import Source
from lofarlake_nb.processing.gains.directions import Apart
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.gains.subbands import Found
from lofarlake_nb.processing.gains.tasks import apply_one
from lofarlake_nb.processing.sky.components import Model, SkyModel
from lofarlake_nb.processing.windows import groups


def write_solutions(
    paths: tuple[Path, ...], found: Found, parameters: CalibrationParameters, folder: Path
) -> list[Path]:
    """Write the gains of all directions: h5parm files, one for each Measurement Set.

    Parameters
    ----------
    paths : tuple of Path
        Averaged Measurement Sets.
    found : Found
    parameters : CalibrationParameters
    folder : Path

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import subbands
    >>> found = subbands.solve(averaged, model, chosen.calibrate, session.client)
    >>> files = write_solutions(averaged.measurement_sets, found, chosen.calibrate, Path("written"))
    >>> [file.name for file in files], solutions.read(files[0]).values.shape
    (['000_L667520_SAP000_SB000_uv.h5', '001_L667520_SAP000_SB001_uv.h5'], (30, 4, 20, 2))
    """
    assessment = found.assessment
    files = []
    for i, (path, gains, layout) in enumerate(zip(paths, assessment.usable, found.layouts, strict=True)):
        times, frequencies = _axes(layout, parameters)
        if (before := found.transferred[i]) is not None:
            _, block = solution_of(layout, parameters)
            gains, frequencies = transfer.together(before, gains, layout, block, times), layout.frequencies
        values = gain_checks.referred(gains, assessment.reference)
        if (phase := found.cross_phases[i]) is not None:
            values[..., 1] *= np.exp(-1j * phase)
        whole = Gains(values, times, frequencies, response=found.responses[i])
        files.append(solutions.write(folder / f"{path.stem}.h5", whole, layout))
    return files


def apart(
    paths: tuple[Path, ...],
    model: Model,
    found: Found,
    files: list[Path],
    parameters: CalibrationParameters,
    folder: Path,
    client: distributed.Client,
) -> Apart:
    """Gains that differ between directions, where any are asked for and can be had.

    Parameters
    ----------
    paths : tuple of Path
        Averaged Measurement Sets.
    model : SkyModel, ModelColumn or NoModel
    found : Found
    files : list of Path
        From `write_solutions`.
    parameters : CalibrationParameters
    folder : Path
    client : distributed.Client

    Returns
    -------
    Apart
        See `directions.solve`.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import subbands
    >>> found = subbands.solve(averaged, model, chosen.calibrate, session.client)
    >>> files = write_solutions(averaged.measurement_sets, found, chosen.calibrate, Path("written"))
    >>> given = chosen.calibrate, Path("directions"), session.client
    >>> apart(averaged.measurement_sets, model, found, files, *given)  # 3C196
    Apart(files=[], judged=[], notes=['the sources of the model are one group'])
    """
    if not parameters.solves:
        return Apart(notes=["the data are calibrated already: nothing is solved"])
    if not parameters.directions or found.assessment.judged.verdict == "failed":
        return Apart()
    if not isinstance(model, SkyModel):
        return Apart(notes=["the model is a column of the data: its sources can't be told apart"])
    sources = [Source(p, f, one.noise) for p, f, one in zip(paths, files, found.solved, strict=True)]
    reference = found.assessment.reference
    return directions.solve(sources, found.layouts, reference, model, parameters, found.with_beam, folder, client)


def apply(
    paths: tuple[Path, ...],
    model: Model,
    found: Found,
    files: list[Path],
    direction_files: list[Path],
    parameters: CalibrationParameters,
    folder: Path,
    client: distributed.Client,
) -> tuple[list[Path], float]:
    """Write calibrated Measurement Sets, without the model's sources outside of the field.

    Parameters
    ----------
    paths : tuple of Path
        Averaged Measurement Sets.
    model : SkyModel, ModelColumn or NoModel
    found : Found
    files, direction_files : list of Path
        From `write_solutions` and `apart`.
    parameters : CalibrationParameters
    folder : Path
    client : distributed.Client

    Returns
    -------
    tuple
        Calibrated Measurement Sets, and the fraction of the samples that is flagged.

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import subbands
    >>> found = subbands.solve(averaged, model, chosen.calibrate, session.client)
    >>> files = write_solutions(averaged.measurement_sets, found, chosen.calibrate, work / "by_hand")
    >>> given = chosen.calibrate, work / "applied", session.client
    >>> outputs, flagged_fraction = apply(averaged.measurement_sets, model, found, files, [], *given)
    >>> len(outputs), round(flagged_fraction, 2)
    (2, 0.22)
    """
    outputs = [folder / path.name for path in paths]
    beam_interval = seconds("beam_interval", parameters.beam_interval) if found.with_beam else None
    futures = []
    for i, (path, output) in enumerate(zip(paths, outputs, strict=True)):
        file = direction_files[i] if direction_files else None
        away = outside.chosen(model, found.layouts[i].phase_centre, file, parameters, found.with_beam)
        futures.append(
            client.submit(
                apply_one,
                path,
                output,
                files[i],
                found.solved[i].noise,
                parameters,
                beam_interval,
                away,
                found.layouts[i],
                pure=False,
            )
        )
    counts = np.sum(client.gather(futures), axis=0)
    return outputs, float(counts[1] / counts[0])


def _axes(layout: Layout, parameters: CalibrationParameters) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the solution intervals (MJD s) and of the blocks of channels (Hz)."""
    starts = groups(layout.times, layout.interval, parameters.slots)
    size = np.diff(np.append(starts, len(layout.times)))
    times = np.add.reduceat(layout.times - layout.times[0], starts) / size + layout.times[0]
    channels = np.arange(0, len(layout.frequencies), parameters.channels)
    size = np.diff(np.append(channels, len(layout.frequencies)))
    return times, np.add.reduceat(layout.frequencies, channels) / size
