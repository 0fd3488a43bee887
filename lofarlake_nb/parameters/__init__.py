"""Frozen parameters of each stage: they check themselves, and say what was expected."""

from lofarlake_nb.parameters.ingest import IngestParameters
from lofarlake_nb.parameters.processing import (
    AverageParameters,
    CalibrationParameters,
    FlagParameters,
    ImageParameters,
    check_workers,
)
from lofarlake_nb.parameters.quantities import place, quantity, seconds
from lofarlake_nb.parameters.simulation import PRESETS, SimulationParameters

__all__ = [
    "PRESETS",
    "AverageParameters",
    "CalibrationParameters",
    "FlagParameters",
    "ImageParameters",
    "IngestParameters",
    "SimulationParameters",
    "check_workers",
    "place",
    "quantity",
    "seconds",
]
