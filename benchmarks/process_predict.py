"""Predict a sky model with the station beams into a Measurement Set: on the workers, as the calibration does it."""

from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains.tasks import predictor
from lofarlake_nb.processing.sky import sky_model_file

# Slots of a task: of half an hour, two for each of two workers, so that what is finished is written meanwhile.
BLOCK = 90


def predict(path: Path, copy: Path, model: Path, interval: float, client: distributed.Client) -> None:
    """Write MODEL_DATA.

    Parameters
    ----------
    path : Path
        Measurement Set that the workers read.
    copy : Path
        Of it, that the column is written to: nobody else may read it while it changes.
    model : Path
        LOFAR sky model file.
    interval : float
        s, between beams.
    client : distributed.Client
        Its workers predict; what they find is written here.
    """
    layout = measurement_set.layout(path)
    blocks = [(start, min(start + BLOCK, len(layout.times))) for start in range(0, len(layout.times), BLOCK)]
    futures = {client.submit(block, path, model, interval, *ends, pure=False): ends[0] for ends in blocks}
    writer.add_column(copy, "MODEL_DATA")
    for future, found in distributed.as_completed(futures, with_results=True):
        writer.put(copy, layout, "MODEL_DATA", futures[future], found)


def block(path: Path, model: Path, interval: float, first: int, last: int) -> np.ndarray:
    """Visibilities (time, baseline, frequency, polarization) of some slots; a task."""
    engines.prepare()
    layout, times = measurement_set.layout(path), slice(first, last)
    parameters = CalibrationParameters(beam_interval=f"{interval} s")
    expected = predictor(path, layout, sky_model_file.read(model), parameters, True, times)
    return expected.visibilities(measurement_set.read(path, layout, ("UVW",), times)["UVW"], times)
