"""Filters of Rucio's that let through at least all that fits a query, so that fewer metadata are fetched and compared.

Rucio compares where the metadata are, at 10 µs each instead of the 0.7 ms that fetching them takes. But it guesses
types, replaces true and false wherever they stand, compares texts as its database's language does, and one entry with
a text where others have a number makes each comparison with numbers fail. So only what can't lose anything is asked
for: numbers, the beginning of a text, a part of a text or of a list, and days, as ISO dates sort like texts.
"""

import ast
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from astropy import units as u

from lofarlake_nb.lake import expression
from lofarlake_nb.lake.query import Query, cone, time
from lofarlake_nb.parameters import quantity

# What Rucio takes as it is.
_TEXT = re.compile(r"(?!.*(?:true|false))[A-Za-z0-9 +.\-_]+", re.IGNORECASE)
_LISTED = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE | re.ASCII)
_COLUMNS = {"scope", "name", "did_type", "meta", "created_at", "updated_at"}  # of the table, not of the metadata
_MOST = 20  # alternatives: of a cone between two dates
_LONG = timedelta(days=30)  # of an observation: what is longer is let through
_ZONES = timedelta(days=2)  # a time may be written in any time zone
_ROUNDED = 1e-6  # deg
_EXACT = 2**53  # up to here a whole number is the same as a float

Filters = dict[str, Any]  # all must fit


@dataclass(frozen=True)
class Clause:
    """Alternatives of which one must fit, and whether Rucio compares numbers in them, which may fail.

    Examples
    --------
    >>> clauses(Query(min_frequency="120 MHz"))
    [Clause(alternatives=({'max_frequency_hz.gte': 120000000.0},), numbers=True)]
    """

    alternatives: tuple[Filters, ...]
    numbers: bool


def filters(clauses: Iterable[Clause]) -> list[Filters]:
    """All clauses as Rucio takes them: alternatives; empty when nothing narrows.

    Examples
    --------
    >>> filters(clauses(Query(target="3C*", min_frequency="120 MHz")))
    [{'max_frequency_hz.gte': 120000000.0, 'target': '3C*'}]
    """
    found: list[Filters] = [{}]
    for clause in sorted(clauses, key=lambda clause: len(clause.alternatives)):
        if len(found) * len(clause.alternatives) <= _MOST:
            # Of two values for one key one is kept: that lets through more, not less.
            found = [{**other, **one} for one, other in itertools.product(found, clause.alternatives)]
    return found if all(found) else []


def clauses(query: Query) -> list[Clause]:
    """What narrows the search for a query.

    Examples
    --------
    >>> [clause.alternatives for clause in clauses(Query(where="n_stations > 50 or 100 in subbands"))]
    [({'n_stations.gte': 50}, {'subbands': '*100*'})]
    """
    found = []
    for key, pattern in (("target", query.target), ("project_name", query.project)):
        start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        if _TEXT.fullmatch(start):
            found.append(Clause(({key: f"{start}*"},), False))
    if query.min_frequency:
        low = float(quantity("min_frequency", query.min_frequency, u.Hz).value)  # numpy's own is no number to Rucio
        found.append(Clause(({"max_frequency_hz.gte": low},), True))
    if query.max_frequency:
        high = float(quantity("max_frequency", query.max_frequency, u.Hz).value)
        found.append(Clause(({"min_frequency_hz.lte": high},), True))
    if query.cone:
        found.append(_around(*map(math.degrees, cone(query.cone))))
    found += _times(query)
    if query.where:
        found += _of(expression.parsed(query.where))
    return found


def _around(ra: float, dec: float, radius: float) -> Clause:
    """Of a cone, in degrees: its declinations, and its right ascensions, however many turns they are written with."""
    band: Filters = {"dec_deg.gte": dec - radius - _ROUNDED, "dec_deg.lte": dec + radius + _ROUNDED}
    if abs(dec) + radius > 89:  # or nearly all of them
        return Clause((band,), True)
    half = math.degrees(math.asin(math.sin(math.radians(radius)) / math.cos(math.radians(dec)))) + _ROUNDED
    middles = (ra % 360 + turn for turn in (-360, 0, 360))
    written = [{"ra_deg.gte": middle - half, "ra_deg.lte": middle + half} for middle in middles]
    written += [{"ra_deg.lt": -180.0}, {"ra_deg.gt": 360.0}]
    return Clause(tuple({**band, **one} for one in written), True)


def _times(query: Query) -> list[Clause]:
    found = []
    if query.since and (since := time("since", query.since)).year > 1:
        day = f"{since - _LONG - _ZONES:%Y-%m-%d}".zfill(10)
        # Dates without hyphens and weeks sort after all days of their year, and the more so after this one.
        found.append(Clause(({"start.gte": day}, {"duration_s.gte": _LONG.total_seconds()}), True))
    if query.until and (until := time("until", query.until)).year < 9998:
        day = f"{until + _ZONES + timedelta(days=1):%Y-%m-%d}".zfill(10)
        # Dates without hyphens and weeks sort after "-W"; a language that does not see hyphens sorts dates as days.
        late = {"start.gte": f"{day[:4]}-W", "start.lt": f"{int(day[:4]) + 1:04d}-"}
        found.append(Clause(({"start.lt": day}, late), False))
    return found


def _of(tree: ast.AST) -> list[Clause]:
    """What narrows the search for an expression."""
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        return [clause for one in tree.values for clause in _of(one)]
    if isinstance(tree, ast.BoolOp):
        ways = [_of(one) for one in tree.values]
        alternatives = [one for way in ways for one in filters(way)]
        if all(filters(way) for way in ways) and len(alternatives) <= _MOST:
            return [Clause(tuple(alternatives), any(clause.numbers for way in ways for clause in way))]
    if isinstance(tree, ast.Compare):
        sides = (tree.left, *tree.comparators)
        pairs = zip(sides, tree.ops, sides[1:], strict=False)
        return [clause for left, op, right in pairs for clause in _compared(left, op, right)]
    return []


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_BOUND: dict[type[ast.cmpop], Sequence[str]] = {
    ast.Lt: ["lte"], ast.LtE: ["lte"], ast.Gt: ["gte"], ast.GtE: ["gte"], ast.Eq: ["gte", "lte"],
}  # fmt: skip


def _compared(left: ast.AST, op: ast.cmpop, right: ast.AST) -> list[Clause]:
    """Of one comparison of a key with a value."""
    kind = type(op)
    if kind is ast.In:
        return _inside(left, right)
    if isinstance(right, ast.Name):
        left, right, kind = right, left, _TURNED.get(kind, kind)
    if not (isinstance(left, ast.Name) and _known(left.id)):
        return []
    value = _number(right)
    if value is not None and kind in _BOUND:
        return [Clause(({f"{left.id}.{bound}": value for bound in _BOUND[kind]},), True)]
    text = right.value if isinstance(right, ast.Constant) else None
    if kind is ast.Eq and isinstance(text, str) and _TEXT.fullmatch(text):
        return [Clause(({left.id: f"{text}*"},), False)]
    return []


def _inside(part: ast.AST, whole: ast.AST) -> list[Clause]:
    """Of a part of a text, or one of a list: the database has a list as a text."""
    if not (isinstance(whole, ast.Name) and _known(whole.id) and isinstance(part, ast.Constant)):
        return []
    value = part.value
    if type(value) is int and 1 < value < 10**15:  # 0 and 1 are in a list with false and true as well
        return [Clause(({whole.id: f"*{value}*"},), False)]
    if isinstance(value, str) and _TEXT.fullmatch(value):
        return [Clause(({whole.id: f"*{value}*"},), False)]
    return []


def _known(key: str) -> bool:
    return _LISTED.fullmatch(key) is not None and key not in _COLUMNS


def _number(node: ast.AST) -> float | int | None:
    """A number that Rucio compares as we do."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    value = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    number = value.value if isinstance(value, ast.Constant) else None
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < _EXACT:
        return None
    return -number if negative else number
