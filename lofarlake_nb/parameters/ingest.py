"""Parameters of stage 1."""

import math
from dataclasses import dataclass

import astropy.units as u

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters.quantities import quantity, seconds


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
    patience : str
        How long a server that fails or does not answer is tried again before the ingest ends.
    in_place : bool
        The files lie at the site already, which takes them under whatever path they have: they are read for their
        checksums and registered, not copied.
    lifetime : str
        How long the rules hold the files, ``"30 d"``; empty for as long as nobody ends them.

    Examples
    --------
    >>> IngestParameters(dataset="lofar:L667520", replicate_to="QOS=TAPE").rse
    'SARA'
    """

    dataset: str
    container: str = ""
    rse: str = "SARA"
    replicate_to: str = "JUELICH"
    streams: int = 4
    patience: str = "5 min"
    in_place: bool = False
    lifetime: str = ""

    @property
    def lifetime_s(self) -> int | None:
        """Lifetime of the rules in s; None when they have none."""
        return math.ceil(seconds("lifetime", self.lifetime)) if self.lifetime else None

    @property
    def patience_s(self) -> float:
        """Patience with a server in s."""
        return float(quantity("patience", self.patience, u.s).value)

    def __post_init__(self) -> None:
        if self.lifetime:
            seconds("lifetime", self.lifetime)
        if self.streams < 1:
            raise UsageError(f"streams: expected 1 or more, got {self.streams}")
        if not self.patience_s >= 0:
            raise UsageError(f"patience: expected 0 s or more, got {self.patience!r}")
