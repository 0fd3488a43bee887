"""What the later steps of stage 2 could not work with is refused before the first one starts."""

from collections.abc import Sequence
from pathlib import Path

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import sky_model
from lofarlake_nb.processing.gains import transfer
from lofarlake_nb.processing.settings import Settings
from lofarlake_nb.processing.sky.components import Model

# Parallel hands first and last: the order in which every part of lofarlake takes them.
LINEAR, CIRCULAR = ("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL")
CORRELATIONS = (LINEAR, CIRCULAR, ("XX", "YY"), ("RR", "LL"))


def model_for(paths: Sequence[Path], name: str, chosen: Settings) -> Model:
    """Sky model of Measurement Sets, once they and the solutions for them are known to be what calibration takes.

    Parameters
    ----------
    paths : sequence of Path
        Measurement Sets.
    name : str
        Of the model, as `sky_model.load` takes it.
    chosen : Settings

    Returns
    -------
    SkyModel, ModelColumn or NoModel

    Raises
    ------
    ProcessingError
        When a Measurement Set lacks correlations, or has them in another order.
    UsageError, BadSkyModel
        When the solutions or the model can't be read.

    Examples
    --------
    >>> from lofarlake_nb.processing import settings
    >>> model_for(paths, "", settings.of({"solve": "full"})).name
    '3C196'
    >>> model_for(paths, "", settings.of({"solutions": "sources.csv"}))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: solutions: sources.csv is no h5parm with amplitudes and phases: ...
    """
    solutions(chosen.calibrate.solutions)
    for path in paths:
        layout = measurement_set.layout(path, chosen.flag.chosen_window, chosen.flag.chosen_field)
        correlations(path, layout, chosen.calibrate.solve)
    return sky_model.load_for(paths, name, chosen.flag, needed=chosen.calibrate.solves)


def solutions(place: str) -> None:
    """Refuse solutions of another scan that can't be read.

    Parameters
    ----------
    place : str
        As `transfer.load` takes it; empty for none.

    Raises
    ------
    UsageError
        See `transfer.load`.

    Examples
    --------
    >>> solutions("gains.h5")
    """
    if place:
        transfer.load(place)


def correlations(path: Path, layout: Layout, solve: str = "diagonal") -> None:
    """Refuse a Measurement Set whose correlations can't be worked with.

    Parameters
    ----------
    path : Path
        For the error.
    layout : Layout
        Its own.
    solve : str
        What is to be solved, as `CalibrationParameters` has it.

    Raises
    ------
    ProcessingError
        When a parallel hand is missing, the order is another one, or Jones matrices are wanted of two hands.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> correlations(Path("a.MS"), replace(LAYOUT, correlations=("I",)))
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.ProcessingError: a.MS: correlations I, expected XX, XY, YX, YY or RR, RL, LR, LL,
    or both parallel hands alone, in this order; have DP3 or CASA write them so
    """
    hands = ", ".join(layout.correlations)
    if layout.correlations not in CORRELATIONS:
        raise ProcessingError(
            f"{path}: correlations {hands}, expected {', '.join(LINEAR)} or {', '.join(CIRCULAR)}, or both parallel "
            "hands alone, in this order",
            "have DP3 or CASA write them so",
        )
    if solve == "full" and len(layout.correlations) < 4:
        raise ProcessingError(f"{path.name} has {hands}: too little for Jones matrices", 'solve "diagonal"')
