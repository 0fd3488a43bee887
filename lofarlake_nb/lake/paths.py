"""Paths of files at sites whose paths are made from names, by Rucio's own algorithm."""

from collections.abc import Iterable, Mapping
from typing import Any

from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID


def made(lake: Lake, rse: str, dids: Iterable[DID], protocol: Mapping[str, Any] | None = None) -> dict[DID, str]:
    """Path of each file below the prefix of a deterministic site's protocols.

    Parameters
    ----------
    lake : Lake
        Whose configuration names the algorithm.
    rse : str
        Site.
    dids : iterable of DID
        Files.
    protocol : mapping, optional
        One of the site's, for an algorithm that looks at it.

    Examples
    --------
    >>> list(made(lake, "SARA", [DID("lofar", "a.fits"), DID("lofar", "b.fits")]).values())
    ['lofar/bd/ec/a.fits', 'lofar/2d/e2/b.fits']
    """
    settings = lake.rse(rse)
    with lake.configured():
        # Imported here because it reads the lake's naming algorithm when it is.
        from rucio.rse.translation import RSEDeterministicTranslation

        translation = RSEDeterministicTranslation(rse, {**settings, **settings["attributes"]}, dict(protocol or {}))
        return {did: translation.path(did.scope, did.name) for did in dids}
