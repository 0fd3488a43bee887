"""What a person writes with a unit."""

import math
from typing import TYPE_CHECKING

import astropy.units as u

from lofarlake_nb.errors import UsageError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord


def quantity(name: str, value: str | u.Quantity, unit: u.UnitBase) -> u.Quantity:
    """Quantity that a person wrote, in a wanted unit.

    Parameters
    ----------
    name : str
        What it is called, for the error.
    value : str or Quantity
        As ``"20 arcsec"``.
    unit : Unit
        The unit that it must convert to.

    Returns
    -------
    Quantity
        In `unit`.

    Raises
    ------
    UsageError
        When it is no number with such a unit.

    Examples
    --------
    >>> quantity("field", "30 arcmin", u.deg)
    <Quantity 0.5 deg>
    """
    try:
        return u.Quantity(value).to(unit)
    except (TypeError, ValueError) as error:  # UnitConversionError is a TypeError
        raise UsageError(f"{name}: {value!r} is no quantity in units of {unit}", f'write it as "20 {unit}"') from error


def seconds(name: str, value: str) -> float:
    """Duration that a person wrote, in s.

    Parameters
    ----------
    name : str
        What it is called, for the error.
    value : str
        As ``"30 d"``.

    Raises
    ------
    UsageError
        When it is none, or not more than 0 s and finite.

    Examples
    --------
    >>> seconds("patience", "5 min")
    300.0
    """
    found = float(quantity(name, value, u.s).value)
    if not 0 < found < math.inf:
        raise UsageError(f"{name}: expected more than 0 s, got {value!r}", 'write it as "30 d"')
    return found


def place(name: str, value: str) -> "SkyCoord":
    """Direction on the sky that a person wrote.

    Parameters
    ----------
    name : str
        What it is called, for the error.
    value : str
        As ``"08h13m36s +48d13m03s"``.

    Returns
    -------
    SkyCoord

    Raises
    ------
    UsageError
        When it is no direction.

    Examples
    --------
    >>> place("cutout_centre", "08h13m36s +48d13m03s").to_string()
    '123.4 48.2175'
    """
    from astropy.coordinates import SkyCoord  # takes a third of a second, which who names no place does not wait for

    try:
        return SkyCoord(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {value!r} is no direction", 'write it as "08h13m36s +48d13m03s"') from error
