"""Parameters of what is seen of an image."""

import math

import astropy.units as u

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters.quantities import quantity

# Of a colour scale: how colours are spread over the values, and which values it spans.
STRETCHES = ("asinh", "linear", "log", "sqrt")
INTERVALS = ("99.9 %", "99 %", "zscale", "minmax")


def check_scale(stretch: str, interval: str) -> None:
    """Refuse a colour scale that there is not.

    Raises
    ------
    UsageError
        When `stretch` is none of `STRETCHES`, or `interval` none of `INTERVALS`.

    Examples
    --------
    >>> check_scale("cubic", "minmax")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: stretch: 'cubic' is none; it is one of asinh, linear, log, sqrt
    """
    if stretch not in STRETCHES:
        raise UsageError(f"stretch: {stretch!r} is none", f"it is one of {', '.join(STRETCHES)}")
    if interval not in INTERVALS:
        raise UsageError(f"interval: {interval!r} is none", f"it is one of {', '.join(INTERVALS)}")


def width_deg(width: str) -> float:
    """Side of what is seen, in degrees, as a person wrote it.

    Parameters
    ----------
    width : str
        As ``"10 arcmin"``.

    Raises
    ------
    UsageError
        When it is no angle, or not more than 0 and finite.

    Examples
    --------
    >>> width_deg("30 arcmin")
    0.5
    """
    found = float(quantity("width", width, u.deg).value)
    if not 0 < found < math.inf:
        raise UsageError(f"width: expected more than 0, got {width!r}", 'write it as "10 arcmin"')
    return found
