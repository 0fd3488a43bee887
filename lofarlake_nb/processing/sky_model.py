"""What the sky looks like: the calibrators by name, or a file in LOFAR's sky model format."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing.sky import sky_model_file
from lofarlake_nb.processing.sky.calibrators import CALIBRATORS, REFERENCE_HZ, Component
from lofarlake_nb.processing.sky.components import ARCSEC, Model, ModelColumn, NoModel, SkyModel

__all__ = ["MODEL_DATA", "NONE", "ModelColumn", "NoModel", "SkyModel", "calibrator", "load", "load_for"]

MODEL_DATA = "MODEL_DATA"
NONE = "none"

# How far from the phase centre a calibrator may be that is taken without being named.
NEAR = np.deg2rad(1.0)


def load(name: str | Path, phase_centre: tuple[float, float], *, needed: bool = True) -> Model:
    """Sky model by name, from a file, from the data, or the calibrator at the phase centre.

    Parameters
    ----------
    name : str or Path
        One of the six calibrators, in any case; ``MODEL_DATA`` for the column of that name; else a file in LOFAR's sky
        model format; empty for the calibrator within 1° of the phase centre; ``none`` for no model.
    phase_centre : tuple of float
        Right ascension and declination, J2000, rad.
    needed : bool
        Whether gains are to be solved on it: else there may be none.

    Returns
    -------
    SkyModel, ModelColumn or NoModel

    Raises
    ------
    UsageError
        When there is no such calibrator or file, or one is needed and there is none near the phase centre.
    BadSkyModel
        When the file can't be read; the message names the line.

    Examples
    --------
    >>> load("3c295", (0.0, 0.0)).name
    '3C295'
    >>> near = calibrator("3C48")
    >>> load("", (near.ra[0], near.dec[0])).name
    '3C48'
    """
    names = ", ".join(CALIBRATORS)
    text = str(name).strip()
    if not text:
        near = [m for m in map(calibrator, CALIBRATORS) if m.distance(phase_centre) <= NEAR]
        if near:
            return near[0]
        if not needed:
            return NoModel()
        ra, dec = np.rad2deg(phase_centre[0]) % 360, np.rad2deg(phase_centre[1])
        raise UsageError(
            f"no calibrator within 1° of the phase centre, RA {ra:.3f}° Dec {dec:+.3f}°",
            f"name a sky model: one of {names}, or a file in LOFAR's sky model format",
        )
    if text.upper() in CALIBRATORS:
        return calibrator(text.upper())
    if text == MODEL_DATA:
        return ModelColumn()
    if text == NONE:
        if needed:
            raise UsageError(
                "sky model none: gains are solved on a model",
                f"use one of {names}, or a file in LOFAR's sky model format; or --calibrate none, where the data are "
                "calibrated already",
            )
        return NoModel()
    if os.path.isfile(file := os.path.expanduser(text)):  # False too for what can be no path
        return sky_model_file.read(Path(file))
    raise UsageError(
        f"sky model {text!r} is neither a calibrator nor a file",
        f"use one of {names}, or a file in LOFAR's sky model format",
    )


def load_for(paths: Sequence[Path], name: str, parameters: FlagParameters, *, needed: bool = True) -> Model:
    """Sky model for Measurement Sets: as `load`, with the phase centre of the first.

    Parameters
    ----------
    paths : sequence of Path
        Measurement Sets.
    name : str
        As `load` takes it.
    parameters : FlagParameters
        Which spectral window and field are worked on, where there are several.
    needed : bool
        As `load` takes it.

    Returns
    -------
    SkyModel, ModelColumn or NoModel

    Raises
    ------
    UsageError, BadSkyModel
        See `load`.

    Examples
    --------
    >>> load_for(paths, "", chosen.flag).name
    '3C196'
    """
    layout = measurement_set.layout(paths[0], parameters.chosen_window, parameters.chosen_field)
    return load(name, layout.phase_centre, needed=needed)


def calibrator(name: str) -> SkyModel:
    """One of the six calibrators.

    Parameters
    ----------
    name : str
        Key of `CALIBRATORS`.

    Returns
    -------
    SkyModel

    Examples
    --------
    >>> calibrator("3C196").source
    'Scaife & Heald (2012)'
    """
    components = CALIBRATORS[name]
    terms = max(len(c.index) for c in components)
    return SkyModel(
        name=name,
        source="Scaife & Heald (2012)",
        ra=np.array([_sexagesimal(c.ra) * np.deg2rad(15) for c in components]),
        dec=np.array([_sexagesimal(c.dec) * np.deg2rad(1) for c in components]),
        flux=np.array([c.flux for c in components]),
        reference=np.full(len(components), REFERENCE_HZ),
        index=np.array([_padded(c, terms) for c in components]),
        logarithmic=np.ones(len(components), bool),
        major=np.array([c.major for c in components]) * ARCSEC,
        minor=np.array([c.minor for c in components]) * ARCSEC,
        position_angle=np.deg2rad([c.position_angle for c in components]),
        absolute=np.ones(len(components), bool),
    )


def _padded(component: Component, terms: int) -> list[float]:
    return [*component.index, *[0.0] * (terms - len(component.index))]


def _sexagesimal(text: str) -> float:
    first, minutes, seconds = text.lstrip("+-").split(":")
    value = float(first) + float(minutes) / 60 + float(seconds) / 3600
    return -value if text.startswith("-") else value
