"""Search: datasets and files by what their Measurement Sets say, over all scopes, with ranges, a cone and booleans.

Rucio's own filters of JSON metadata narrow the search down and no more (see `narrowing`). Whatever fits is compared
here, on metadata that come in calls of up to 1000.
"""

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lofarlake_nb.errors import LakeError, LakeNotRunning, UsageError
from lofarlake_nb.lake import narrowing
from lofarlake_nb.lake.client import BULK, Lake, batches
from lofarlake_nb.lake.narrowing import Clause
from lofarlake_nb.lake.query import Query, number, tests_of
from lofarlake_nb.lake.rows import Rows

KINDS = ("dataset", "container", "file")
NONE = "nothing in the lake is like that"
_FIRST = 100  # that are looked at before others, for somebody who waits

Columns = dict[str, tuple[int | None, int | None]]  # files and bytes, by name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A data identifier that fits; what is not known of it is None or empty.

    Examples
    --------
    >>> (found,) = [one for one in find(lake, Query(target="3C*"), scope="lofar") if one.did == "lofar:L990100"]
    >>> found.type, found.target, round(found.max_frequency_mhz - found.min_frequency_mhz, 2)
    ('dataset', '3C196', 0.2)
    """

    did: str
    type: str
    target: str
    project: str
    start: str
    min_frequency_mhz: float | None
    max_frequency_mhz: float | None
    files: int | None
    bytes: int | None


def find(lake: Lake, query: Query, *, kind: str = "dataset", scope: str = "") -> Rows[Found]:
    """Everything in the lake that fits.

    Parameters
    ----------
    lake : Lake
        Where to look.
    query : Query
        What is looked for.
    kind : str
        ``dataset``, ``container`` or ``file``.
    scope : str
        Where to look; empty for all scopes.

    Returns
    -------
    Rows of Found
        By start and name.

    Raises
    ------
    UsageError
        When the query can't be understood.
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> from lofarlake_nb.lake.query import Query
    >>> found = find(lake, Query(target="3C196", cone="123.4deg 48.2deg 1deg"))
    >>> "lofar:L990100" in [one.did for one in found]
    True
    """
    found = sorted(each(lake, query, kind=kind, scope=scope), key=lambda one: (one.start, one.did))
    return Rows(found, "" if found else NONE)


def each(lake: Lake, query: Query, *, kind: str = "dataset", scope: str = "") -> Iterator[Found]:
    """The same, one by one as they are found, in no order: the first of many thousand are there within a second.

    Examples
    --------
    >>> from lofarlake_nb.lake.query import Query
    >>> next(each(lake, Query(target="3C196"), scope="lofar")).type
    'dataset'
    """
    if kind not in KINDS:
        raise UsageError(f"kind: expected {', '.join(KINDS)}, got {kind!r}")
    tests, clauses = tests_of(query), narrowing.clauses(query)
    for one in [scope] if scope else sorted(lake.call("list_scopes")):
        names = narrowed(lake, one, clauses)
        # Of collections all are listed sooner than many narrowed names, which are mostly files', are looked up.
        listed = _columns(lake, one, kind) if names is None or (len(names) > BULK and kind != "file") else None
        left = sorted(names or ()) if listed is None else [n for n in listed if names is None or n in names]
        for some in (left[:_FIRST], *batches(left[_FIRST:])):
            fits = [about for about in _metadata(lake, one, some) if all(test(about) for test in tests)]
            columns = _columns_of(lake, one, [about["name"] for about in fits], kind) if listed is None else listed
            yield from (_found(about, kind, *columns[about["name"]]) for about in fits if about["name"] in columns)


def narrowed(lake: Lake, scope: str, clauses: Sequence[Clause]) -> set[str] | None:
    """All of a scope that may fit, of any kind; None where Rucio's filters can't tell.

    Examples
    --------
    >>> "L990100" in narrowed(lake, "lofar", [Clause(({"target": "3C196*"},), numbers=False)])
    True
    """
    without_numbers = [clause for clause in clauses if not clause.numbers]
    for some in (clauses, without_numbers):
        filters = narrowing.filters(some)
        if not filters:
            continue
        try:
            return set(lake.call("list_dids", scope, filters=filters, did_type="all"))
        except LakeNotRunning:
            raise
        except LakeError as error:  # of one text among the numbers, or of a key that is none of the metadata
            log.debug("the lake can't compare: %s", error.message)
    return None


def _columns(lake: Lake, scope: str, kind: str) -> Columns:
    """Of all of a scope."""
    rows = lake.stream("list_dids", scope, filters=[{"name": "*"}], did_type=kind, long=True)
    return {row["name"]: (row["length"], row["bytes"]) for row in rows}


def _columns_of(lake: Lake, scope: str, names: Collection[str], kind: str) -> Columns:
    """Of some: listing 100,000 to find a few of them takes seconds."""
    if not names:
        return {}
    rows = lake.call("get_metadata_bulk", [{"scope": scope, "name": name} for name in sorted(names)])
    shown = (row for row in rows if row["did_type"] == kind.upper() and not row["suppressed"])
    return {row["name"]: (row["length"], row["bytes"]) for row in shown}


def _metadata(lake: Lake, scope: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for some in batches(names):
        entries = [{"scope": scope, "name": name} for name in some]
        yield from lake.call("get_metadata_bulk", entries, plugin="JSON")


def _found(about: Mapping[str, Any], kind: str, files: int | None, size: int | None) -> Found:
    low, high = (number(about, key) / 1e6 for key in ("min_frequency_hz", "max_frequency_hz"))
    return Found(
        did=f"{about['scope']}:{about['name']}",
        type=kind,
        target=str(about.get("target", "")),
        project=str(about.get("project_name", "")),
        start=str(about.get("start", "")),
        min_frequency_mhz=None if math.isnan(low) else low,
        max_frequency_mhz=None if math.isnan(high) else high,
        files=files,
        bytes=size,
    )
