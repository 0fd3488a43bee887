"""Predict a sky model with the station beams into a Measurement Set, as the calibration does it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.sky import beam, sky_model_file
from lofarlake_nb.processing.sky.predict import Predictor, direction_cosines

BLOCK = 60


def predict(path: Path, model: Path, interval: float) -> None:
    """Write MODEL_DATA.

    Parameters
    ----------
    path : Path
        Measurement Set.
    model : Path
        LOFAR sky model file.
    interval : float
        s, between beams.
    """
    layout = measurement_set.layout(path)
    sky = sky_model_file.read(model)
    lm = np.stack(direction_cosines(sky.ra, sky.dec, layout.phase_centre)[:2], axis=-1)
    places = np.stack([sky.ra, sky.dec], axis=-1)
    uvw = measurement_set.read(path, layout, ("UVW",), slice(0, len(layout.times)))["UVW"]
    writer.add_column(path, "MODEL_DATA")

    def block(start: int) -> np.ndarray:
        times = slice(start, min(start + BLOCK, len(layout.times)))
        predictor = Predictor(sky, layout, beam.evaluate(path, layout, lm, places, interval, times))
        return predictor.visibilities(uvw[times], times)

    starts = range(0, len(layout.times), BLOCK)
    with ThreadPoolExecutor(engines.cores()) as pool:
        for start, found in zip(starts, pool.map(block, starts), strict=True):
            writer.put(path, layout, "MODEL_DATA", start, found)
