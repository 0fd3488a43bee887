"""What was made from a dataset: the way from an observation to its results, by the lineage that they carry."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lofarlake_nb.lake import search
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.narrowing import Clause


def made_from(lake: Lake, did: DID | str) -> list[DID]:
    """Datasets of which the lineage names this one as an input.

    Parameters
    ----------
    lake : Lake
        Where to look.
    did : DID or str
        ``scope:name`` of the input; results are looked for in its scope, where stage 2 puts them.

    Returns
    -------
    list of DID
        Newest first.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> DID("lofar", "example") in made_from(lake, "lofar:L990100")
    True
    """
    did = DID.parse(did)
    # Rucio compares the lineage as a text; what it would take for a value or a path is left to the comparison below.
    part = max(re.split("true|false|/", did.name, flags=re.IGNORECASE), key=len)
    names = search.narrowed(lake, did.scope, [Clause(({"lofarlake": f"*{part}*"},), numbers=False)])
    if names is None:
        names = lake.call("list_dids", did.scope, filters=[{"name": "*"}], did_type="dataset")
    created = _datasets(lake, did.scope, names)
    found = []
    for some in batches(list(created)):
        told = lake.call("get_metadata_bulk", [one.parts for one in some], plugin="JSON")
        found += [DID(about["scope"], about["name"]) for about in told if str(did) in inputs(about)]
    return sorted(found, key=lambda one: (created[one], one), reverse=True)


def inputs(about: Mapping[str, Any]) -> list[str]:
    """DIDs that something was made from, by its metadata; none where they don't say.

    Examples
    --------
    >>> from lofarlake_nb.lake import metadata
    >>> inputs(metadata.read(lake, "lofar:example")), inputs({"target": "3C196"})
    (['lofar:L990100'], [])
    """
    lineage = about.get("lofarlake")
    named = lineage.get("inputs") if isinstance(lineage, Mapping) else None
    return [str(one) for one in named] if isinstance(named, list) else []


def _datasets(lake: Lake, scope: str, names: Iterable[str]) -> dict[DID, Any]:
    """When each of those was made that are datasets; files of results carry their lineage too."""
    rows: list[dict[str, Any]] = []
    for some in batches(sorted(names)):
        rows += lake.call("get_metadata_bulk", [{"scope": scope, "name": name} for name in some])
    shown = (row for row in rows if row["did_type"] == "DATASET" and not row["suppressed"])
    return {DID(row["scope"], row["name"]): row["created_at"] for row in shown}
