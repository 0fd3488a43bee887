"""JupyterLab on the landing notebook, with a lake in its Rucio panel: configured and logged in."""

from lofarlake_nb.lab.look import look
from lofarlake_nb.lab.server import Configured, configure, exports, start

__all__ = ["Configured", "configure", "exports", "look", "start"]
