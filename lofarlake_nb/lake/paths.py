"""Addresses at a site: what they begin with, and the paths that Rucio's own algorithm makes from names."""

from collections.abc import Iterable, Mapping
from typing import Any

from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID

XROOTD = {"root", "roots", "xroot", "xroots"}


def folder(protocol: Mapping[str, Any]) -> str:
    """Path that a site's files are below, by one of its protocols; of XRootD with the slash that makes it absolute.

    Examples
    --------
    >>> [folder({"scheme": scheme, "prefix": "/lofar"}) for scheme in ("https", "root")]
    ['/lofar/', '//lofar/']
    >>> folder({"scheme": "https", "prefix": "/"})
    '/'
    """
    below = protocol["prefix"].strip("/")
    return f"{'/' if protocol['scheme'] in XROOTD else ''}/{below}{'/' if below else ''}"


def start(protocol: Mapping[str, Any]) -> str:
    """What addresses by a protocol of a site begin with.

    Examples
    --------
    >>> start({"scheme": "https", "hostname": "store", "port": 443, "prefix": "/lofar"})
    'https://store:443/lofar/'
    """
    return f"{protocol['scheme']}://{protocol['hostname']}:{protocol['port']}{folder(protocol)}"


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
