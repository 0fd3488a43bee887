"""Where casacore (EveryBeam's copy too) finds its measures data: Earth orientation, leap seconds, ephemerides."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import casacore

from lofarlake_nb.errors import ObservationError

# What casacore says, once a process, where its leap seconds are of half a year before today: in the executed notebook
# of an observation of years ago it is a false alarm.
ALARM = (
    b"Leap second table TAI_UTC seems out-of-date",
    b"Until the table is updated",
    b"times and coordinates derived from UTC could be wrong",
)
_one_at_a_time = threading.RLock()


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


@contextmanager
def without_alarm() -> Iterator[None]:
    """Let casacore read its tables inside; what it and others say on standard error comes after, less its `ALARM`.

    Examples
    --------
    >>> with without_alarm():
    ...     os.write(2, b"SEVERE Leap second table TAI_UTC seems out-of-date.\\n") > 0  # is not shown
    True
    """
    with _one_at_a_time, tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        shown = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not any(part in line for part in ALARM)))
