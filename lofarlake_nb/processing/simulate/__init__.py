"""A simulator of LOFAR HBA observations of the 3C196 field, with the truth kept beside them."""

from lofarlake_nb.processing.simulate.plan import disk_need
from lofarlake_nb.processing.simulate.simulator import Simulated, simulate
from lofarlake_nb.processing.simulate.truth import Truth, apparent_fluxes
from lofarlake_nb.processing.simulate.truth import load as load_truth

__all__ = ["Simulated", "Truth", "apparent_fluxes", "disk_need", "load_truth", "simulate"]
