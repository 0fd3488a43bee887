"""Pictures of a run: each is written as a PNG file, and shown by the cell that asks for it."""

from lofarlake_nb.quality.figures.coverage import coverage
from lofarlake_nb.quality.figures.flags import flags
from lofarlake_nb.quality.figures.fluxes import fluxes
from lofarlake_nb.quality.figures.gains import gains
from lofarlake_nb.quality.figures.sky import field, residual
from lofarlake_nb.quality.figures.spectra import spectra

__all__ = ["coverage", "field", "flags", "fluxes", "gains", "residual", "spectra"]
