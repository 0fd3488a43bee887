"""Where casacore (EveryBeam's copy too) finds its measures data: Earth orientation, leap seconds, ephemerides."""

import os
from pathlib import Path

import casacore

from lofarlake_nb.errors import ObservationError


def use_packaged_data() -> Path:
    """Point casacore at the measures data that travel with the python-casacore package.

    The package's own ``.aipsrc`` names its data folder by two variables, which every casacore in this process, and in
    the processes that it starts, reads at first use. May be called any number of times, from any process.

    Returns
    -------
    Path
        The data folder.

    Raises
    ------
    ObservationError
        When the installed python-casacore carries no data.

    Examples
    --------
    >>> data = use_packaged_data()
    >>> (data / "geodetic").is_dir(), os.environ["CASACORE_DATADIR"] == str(data)
    (True, True)
    """
    root = Path(casacore.__file__).parent
    data = root / "data"
    if not (data / "geodetic").is_dir() or not (root / ".aipsrc").is_file():
        raise ObservationError(f"python-casacore in {root} carries no measures data", "install it from PyPI's wheel")
    os.environ["AIPSPATH"] = str(root)
    os.environ["CASACORE_DATADIR"] = str(data)
    return data
