"""A simulator of LOFAR HBA observations of the 3C196 field, with the truth kept beside them."""

from lofarlake_nb.processing.simulate.plan import disk_need, time_need
from lofarlake_nb.processing.simulate.simulator import Simulated, in_words, simulate
from lofarlake_nb.processing.simulate.truth import Truth, apparent_fluxes, peak_left
from lofarlake_nb.processing.simulate.truth import load as load_truth

__all__ = [
    "Simulated",
    "Truth",
    "apparent_fluxes",
    "disk_need",
    "in_words",
    "load_truth",
    "peak_left",
    "simulate",
    "time_need",
]
