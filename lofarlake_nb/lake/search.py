"""Search: datasets and files by what their Measurement Sets say, over all scopes, with ranges, a cone and booleans.

Rucio's own filters of JSON metadata narrow the search down and no more: one entry somewhere with a text where others
have a number makes each comparison with numbers fail, types are guessed, keys of different plug-ins can't be mixed, and
the kind of a DID is not looked at. Whatever fits is compared here, on metadata that come in calls of up to 1000.
"""

import ast
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from astropy import units as u
from astropy.coordinates import Angle

from lofarlake_nb.errors import LakeError, UsageError
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.rows import Rows
from lofarlake_nb.parameters import quantity

KINDS = ("dataset", "container", "file")
# What Rucio takes as it is: it guesses types, and replaces true and false wherever they stand.
_TEXT = re.compile(r"(?!.*(?:true|false))[A-Za-z0-9 +.\-_]+", re.IGNORECASE)
_NONE = "nothing in the lake is like that"

log = logging.getLogger(__name__)

Test = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Found:
    """A data identifier that fits; what is not known of it is None or empty."""

    did: str
    type: str
    target: str
    project: str
    start: str
    min_frequency_mhz: float | None
    max_frequency_mhz: float | None
    files: int | None
    bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for; all that is given must fit, and what lacks the metadata for it does not.

    Parameters
    ----------
    target, project : str
        Names, with wildcards ``*`` and ``?``; large and small letters differ.
    min_frequency, max_frequency : str
        With a unit: what has channels above the one and below the other.
    cone : str
        Right ascension, declination and radius, between spaces: ``"123.4deg 48.2deg 2deg"``, ``"8h13m36s 48d13m 1d"``.
    since, until : str
        ISO dates or times, UTC: what was observed at some time between.
    where : str
        An expression of metadata keys: ``n_stations >= 50 and (subband < 10 or "CS001HBA0" in stations)``.
    """

    target: str = ""
    project: str = ""
    min_frequency: str = ""
    max_frequency: str = ""
    cone: str = ""
    since: str = ""
    until: str = ""
    where: str = ""


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
    """
    if kind not in KINDS:
        raise UsageError(f"kind: expected {', '.join(KINDS)}, got {kind!r}")
    tests = tests_of(query)
    fitting: dict[DID, Mapping[str, Any]] = {}
    for one in [scope] if scope else sorted(lake.call("list_scopes")):
        for about in _metadata(lake, _candidates(lake, one, kind, query), "JSON"):
            if all(test(about) for test in tests):
                fitting[DID(about["scope"], about["name"])] = about
    found = [
        _found({**column, **fitting[DID(column["scope"], column["name"])]})
        for column in _metadata(lake, list(fitting), "DID_COLUMN")
    ]
    found.sort(key=lambda one: (one.start, one.did))
    return Rows(found, "" if found else _NONE)


def tests_of(query: Query) -> list[Test]:
    """What metadata must pass, each a function of one DID's metadata.

    Raises
    ------
    UsageError
        When the query can't be understood.
    """
    tests: list[Test] = []
    if query.target:
        tests.append(lambda about: fnmatchcase(str(about.get("target", "")), query.target))
    if query.project:
        tests.append(lambda about: fnmatchcase(str(about.get("project_name", "")), query.project))
    if query.min_frequency:
        low = quantity("min_frequency", query.min_frequency, u.Hz).value
        tests.append(lambda about: _number(about, "max_frequency_hz") > low)
    if query.max_frequency:
        high = quantity("max_frequency", query.max_frequency, u.Hz).value
        tests.append(lambda about: _number(about, "min_frequency_hz") < high)
    if query.cone:
        tests.append(_in_cone(query.cone))
    if query.since:
        since = _time("since", query.since)
        tests.append(lambda about: (span := _span(about)) is not None and span[1] >= since)
    if query.until:
        until = _time("until", query.until)
        tests.append(lambda about: (span := _span(about)) is not None and span[0] < until)
    if query.where:
        tests.append(_expression(query.where))
    return tests


def _candidates(lake: Lake, scope: str, kind: str, query: Query) -> list[DID]:
    """All of a scope that may fit: fewer, where Rucio's filters can be trusted."""
    names = lake.call("list_dids", scope, filters=[{"name": "*"}], did_type=kind)
    texts, numbers = _narrowed(query)
    for filters in ({**texts, **numbers}, texts):
        if not (names and filters):
            continue
        try:
            fitting = set(lake.call("list_dids", scope, filters=[filters], did_type="all"))
        except LakeError as error:  # of one text among the numbers; a lake that is down says so at the next call
            if filters == texts:
                raise
            log.debug("the lake can't compare numbers: %s", error.message)
            continue
        return [DID(scope, name) for name in names if name in fitting]
    return [DID(scope, name) for name in names]


def _metadata(lake: Lake, dids: Sequence[DID], plugin: str) -> Iterator[dict[str, Any]]:
    for some in batches(dids):
        yield from lake.call("get_metadata_bulk", [did.parts for did in some], plugin=plugin)


def _narrowed(query: Query) -> tuple[dict[str, Any], dict[str, Any]]:
    """Filters of Rucio's that let through at least all that fits: texts that begin alike, numbers."""
    texts, numbers = {}, {}
    for key, pattern in (("target", query.target), ("project_name", query.project)):
        start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        if start and _TEXT.fullmatch(start):
            texts[key] = f"{start}*"
    if query.min_frequency:
        numbers["max_frequency_hz.gte"] = quantity("min_frequency", query.min_frequency, u.Hz).value
    if query.max_frequency:
        numbers["min_frequency_hz.lte"] = quantity("max_frequency", query.max_frequency, u.Hz).value
    return texts, numbers


def _number(about: Mapping[str, Any], key: str) -> float:
    """A number, or NaN, which fits nothing."""
    value = about.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _time(name: str, written: str) -> datetime:
    try:
        read = datetime.fromisoformat(written)
    except ValueError as error:
        raise UsageError(f"{name}: {written!r} is no ISO date or time", 'write it as "2018-09-01T12:00"') from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _span(about: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """When it was observed; None when that is not known."""
    try:
        start = _time("start", str(about["start"]))
        seconds = _number(about, "duration_s")
        return start, start + timedelta(seconds=0.0 if math.isnan(seconds) else seconds)
    except (KeyError, UsageError, OverflowError):
        return None


def _in_cone(written: str) -> Test:
    words = written.split()
    try:
        ra, dec, radius = (Angle(word, None if word[-1].isalpha() else u.deg) for word in words)
    except (ValueError, TypeError, u.UnitsError) as error:
        raise UsageError(
            f"cone: {written!r} is not a right ascension, a declination and a radius",
            'write it as "123.4deg 48.2deg 2deg" or "8h13m36s 48d13m 1d"',
        ) from error
    ra0, dec0, limit = ra.rad, dec.rad, radius.rad

    def inside(about: Mapping[str, Any]) -> bool:
        ra1, dec1 = (math.radians(_number(about, key)) for key in ("ra_deg", "dec_deg"))
        if math.isnan(ra1 + dec1):
            return False
        # Haversines: exact for small distances, where the cosine is not.
        across = math.cos(dec0) * math.cos(dec1) * math.sin((ra1 - ra0) / 2) ** 2
        return 2 * math.asin(min(1.0, math.sqrt(math.sin((dec1 - dec0) / 2) ** 2 + across))) <= limit

    return inside


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def _expression(written: str) -> Test:
    """Comparisons of keys and values, joined by and, or, not; nothing else is evaluated."""
    try:
        tree = ast.parse(written, mode="eval").body
        _check(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"where: {written!r} can't be understood: {error}",
            "compare metadata with values: 'target == \"3C196\" and (n_stations >= 50 or not 100 in subbands)'",
        ) from error
    return lambda about: bool(_value(tree, about))


def _check(node: ast.AST) -> None:
    known = isinstance(node, (ast.BoolOp, ast.Compare, ast.Name, ast.Constant)) or (
        isinstance(node, ast.UnaryOp) and (isinstance(node.op, ast.Not) or _is_negative(node))
    )
    if not known:
        raise ValueError("only keys, values, comparisons, and, or, not are known")
    inner: Iterable[ast.AST] = ()
    if isinstance(node, ast.BoolOp):
        inner = node.values
    elif isinstance(node, ast.UnaryOp):
        inner = (node.operand,)
    elif isinstance(node, ast.Compare):
        if unknown := [op for op in node.ops if type(op) not in _COMPARE]:
            raise ValueError(f"{type(unknown[0]).__name__} is no comparison of values")
        inner = (node.left, *node.comparators)
    for one in inner:
        _check(one)


def _is_negative(node: ast.UnaryOp) -> bool:
    inner = node.operand
    return isinstance(node.op, ast.USub) and isinstance(inner, ast.Constant) and isinstance(inner.value, (int, float))


def _value(node: ast.AST, about: Mapping[str, Any]) -> Any:
    """Of a checked expression; a comparison with what is not there, or of another type, does not fit."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return about.get(node.id)
    if isinstance(node, ast.BoolOp):
        return (all if isinstance(node.op, ast.And) else any)(_value(one, about) for one in node.values)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, about)
        return not inner if isinstance(node.op, ast.Not) else -inner
    assert isinstance(node, ast.Compare)
    values = [_value(one, about) for one in (node.left, *node.comparators)]
    if None in values:
        return False
    try:
        return all(_COMPARE[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
    except TypeError:
        return False


def _found(about: Mapping[str, Any]) -> Found:
    low, high = (_number(about, key) / 1e6 for key in ("min_frequency_hz", "max_frequency_hz"))
    return Found(
        did=f"{about['scope']}:{about['name']}",
        type=str(about["did_type"]).lower(),
        target=str(about.get("target", "")),
        project=str(about.get("project_name", "")),
        start=str(about.get("start", "")),
        min_frequency_mhz=None if math.isnan(low) else low,
        max_frequency_mhz=None if math.isnan(high) else high,
        files=about.get("length"),
        bytes=about.get("bytes"),
    )
