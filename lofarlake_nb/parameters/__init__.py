"""Frozen parameters of each stage: they check themselves, and say what was expected."""

from lofarlake_nb.parameters.ingest import IngestParameters
from lofarlake_nb.parameters.processing import (
    AverageParameters,
    CalibrationParameters,
    FlagParameters,
    ImageParameters,
)
from lofarlake_nb.parameters.quantities import place, quantity, seconds
from lofarlake_nb.parameters.simulation import PRESETS, SimulationParameters
from lofarlake_nb.parameters.view import check_scale, width_deg
from lofarlake_nb.parameters.workers import check_workers

__all__ = [
    "PRESETS",
    "AverageParameters",
    "CalibrationParameters",
    "FlagParameters",
    "ImageParameters",
    "IngestParameters",
    "SimulationParameters",
    "check_scale",
    "check_workers",
    "place",
    "quantity",
    "seconds",
    "width_deg",
]
