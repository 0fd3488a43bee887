"""lofarlake: radio astronomy on a data lake, from Jupyter notebooks."""

from importlib.metadata import version

__version__ = version("lofarlake")
