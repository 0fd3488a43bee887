"""Which sources an image is known to hold: those of a simulation's truth, or the calibrator."""

from pathlib import Path

import numpy as np

from lofarlake_nb.processing.simulate import truth as simulated
from lofarlake_nb.processing.sky.components import ARCSEC, SkyModel
from lofarlake_nb.quality.sources import KnownSource

# Apparent flux, Jy, from which a source of the truth is listed.
LISTED = 1.0

# Components closer than this to the brightest one are one source.
TOGETHER = 60 * ARCSEC


def of_truth(path: Path, weights: np.ndarray | None = None) -> list[KnownSource]:
    """Bright sources of a simulated observation, with their apparent fluxes.

    Parameters
    ----------
    path : Path
        Truth that the simulator left beside the observation.
    weights : (station, station) array, optional
        Sum of the imaging weights of each baseline, for the apparent fluxes: stations of different size have different
        beams.

    Returns
    -------
    list of KnownSource
        Brightest first; the one at the phase centre and all with an apparent flux above `LISTED`.

    Raises
    ------
    ObservationError
        When the file holds no truth.
    """
    truth = simulated.load(path)
    apparent = simulated.apparent_fluxes(truth, weights)
    listed = [i for i in np.argsort(-apparent) if apparent[i] >= LISTED]
    return [
        KnownSource(
            str(truth.source_names[i]),
            float(np.rad2deg(truth.ra[i])),
            float(np.rad2deg(truth.dec[i])),
            true_flux_jy=float(apparent[i]),
        )
        for i in listed
    ]


def of_model(model: SkyModel) -> list[KnownSource]:
    """The source that a sky model is brightest at; its true flux is not known.

    Parameters
    ----------
    model : SkyModel
        That the observation was calibrated on.

    Returns
    -------
    list of KnownSource
        One.
    """
    brightest = int(np.argmax(model.flux))
    east = (model.ra - model.ra[brightest]) * np.cos(model.dec[brightest])
    near = np.hypot(east, model.dec - model.dec[brightest]) < TOGETHER
    weight = np.abs(model.flux[near]) / np.abs(model.flux[near]).sum()
    ra, dec = float(model.ra[near] @ weight), float(model.dec[near] @ weight)
    away = np.hypot((model.ra[near] - ra) * np.cos(dec), model.dec[near] - dec) + model.major[near]
    return [KnownSource(model.name, float(np.rad2deg(ra)), float(np.rad2deg(dec)), float(np.max(away) / ARCSEC))]
