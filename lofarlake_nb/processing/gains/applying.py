"""Apply gains: write calibrated Measurement Sets."""

from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.solving import corrected
from lofarlake_nb.processing.windows import blocks


def apply_one(path: Path, output: Path, solution_file: Path, noise: np.ndarray) -> tuple[int, int]:
    """Write a calibrated Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Averaged Measurement Set.
    output : Path
        The new one.
    solution_file : Path
        From `solutions.write`; samples without a solution are flagged.
    noise : (station,) float64
        Factors of the noise power of calibrated visibilities of weight 1, Jy²; NaN where not known.

    Returns
    -------
    tuple of int
        Samples, and those flagged.
    """
    engines.prepare()
    layout = measurement_set.layout(path)
    gains = solutions.read(solution_file)
    slot_of = np.argmin(np.abs(layout.times[:, None] - gains.times), axis=1)
    channel_of = np.argmin(np.abs(layout.frequencies[:, None] - gains.frequencies), axis=1)
    variance = noise[layout.antenna1] * noise[layout.antenna2]
    # σ² of the real part is half of E|n|². Stations whose noise isn't known keep their relative weights.
    scale = np.where(np.isfinite(variance), 2 / variance, 0 if np.isfinite(noise).any() else 1)
    samples = flagged = 0
    with writer.create(output, layout, like=path, columns=("DATA", "CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM")) as new:
        for first, last in blocks(layout, np.arange(len(layout.times))):
            times = slice(first, last)
            block = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], times)
            data = corrected(
                block["DATA"], gains.values[slot_of[times]][:, channel_of], layout.antenna1, layout.antenna2
            )
            weight = (block["WEIGHT_SPECTRUM"] * scale[None, :, None, None]).astype(np.float32)
            flag = block["FLAG"] | ((data == 0) | (weight <= 0)).any(axis=3, keepdims=True)
            weight[flag] = 0
            new.write(first, block["UVW"], DATA=block["DATA"], CORRECTED_DATA=data, FLAG=flag, WEIGHT_SPECTRUM=weight)
            samples, flagged = samples + flag[..., 0].size, flagged + int(flag[..., 0].sum())
    return samples, flagged
