"""Frozen parameters of each stage: they check themselves, and say what was expected."""

from dataclasses import dataclass

import astropy.units as u

from lofarlake_nb.errors import UsageError


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
    """
    try:
        return u.Quantity(value).to(unit)
    except (TypeError, ValueError) as error:  # UnitConversionError is a TypeError
        raise UsageError(f"{name}: {value!r} is no quantity in units of {unit}", f'write it as "20 {unit}"') from error


@dataclass(frozen=True, kw_only=True)
class IngestParameters:
    """Where an observation goes in the lake.

    Parameters
    ----------
    dataset : str
        DID of the dataset, ``scope:name``.
    container : str
        DID of the container that the dataset joins; empty for none.
    rse : str
        Site that receives the files first.
    replicate_to : str
        RSE expression for one more copy (``SARA``, ``QOS=TAPE``); empty for none.
    streams : int
        Files sent at the same time.
    """

    dataset: str
    container: str = ""
    rse: str = "SARA"
    replicate_to: str = "JUELICH"
    streams: int = 2

    def __post_init__(self) -> None:
        if self.streams < 1:
            raise UsageError(f"streams: expected 1 or more, got {self.streams}")
