"""What is looked for, and whether a DID's metadata fits: names, frequencies, a cone, times, an expression."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from astropy import units as u
from astropy.coordinates import Angle

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import expression
from lofarlake_nb.parameters import quantity

Test = Callable[[Mapping[str, Any]], bool]


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

    Examples
    --------
    >>> Query(target="3C*", min_frequency="120 MHz", since="2018-09-01").target
    '3C*'
    """

    target: str = ""
    project: str = ""
    min_frequency: str = ""
    max_frequency: str = ""
    cone: str = ""
    since: str = ""
    until: str = ""
    where: str = ""


def tests_of(query: Query) -> list[Test]:
    """What metadata must pass, each a function of one DID's metadata.

    Raises
    ------
    UsageError
        When the query can't be understood.

    Examples
    --------
    >>> about = {"target": "3C196", "max_frequency_hz": 134e6}
    >>> [bool(test(about)) for test in tests_of(Query(target="3C*", min_frequency="140 MHz"))]
    [True, False]
    """
    tests: list[Test] = []
    if query.target:
        tests.append(lambda about: fnmatchcase(str(about.get("target", "")), query.target))
    if query.project:
        tests.append(lambda about: fnmatchcase(str(about.get("project_name", "")), query.project))
    if query.min_frequency:
        low = quantity("min_frequency", query.min_frequency, u.Hz).value
        tests.append(lambda about: number(about, "max_frequency_hz") > low)
    if query.max_frequency:
        high = quantity("max_frequency", query.max_frequency, u.Hz).value
        tests.append(lambda about: number(about, "min_frequency_hz") < high)
    if query.cone:
        tests.append(_in_cone(query.cone))
    if query.since:
        since = time("since", query.since)
        tests.append(lambda about: (span := _span(about)) is not None and span[1] >= since)
    if query.until:
        until = time("until", query.until)
        tests.append(lambda about: (span := _span(about)) is not None and span[0] < until)
    if query.where:
        tree = expression.parsed(query.where)
        tests.append(lambda about: bool(expression.value(tree, about)))
    return tests


def number(about: Mapping[str, Any], key: str) -> float:
    """A number, or NaN, which fits nothing.

    Examples
    --------
    >>> number({"n_stations": 62}, "n_stations"), number({"n_stations": "62"}, "n_stations")
    (62.0, nan)
    """
    value = about.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def time(name: str, written: str) -> datetime:
    """A date or time, UTC where it does not say.

    Raises
    ------
    UsageError
        When it is none.

    Examples
    --------
    >>> time("since", "2018-09-01").isoformat()
    '2018-09-01T00:00:00+00:00'
    """
    try:
        read = datetime.fromisoformat(written)
    except ValueError as error:
        raise UsageError(f"{name}: {written!r} is no ISO date or time", 'write it as "2018-09-01T12:00"') from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _span(about: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """When it was observed; None when that is not known."""
    try:
        start = time("start", str(about["start"]))
        seconds = number(about, "duration_s")
        return start, start + timedelta(seconds=0.0 if math.isnan(seconds) else seconds)
    except (KeyError, UsageError, OverflowError):
        return None


def cone(written: str) -> tuple[float, float, float]:
    """Right ascension, declination and radius, rad.

    Raises
    ------
    UsageError
        When it can't be understood.

    Examples
    --------
    >>> [round(angle, 3) for angle in cone("123.4deg 48.2deg 2deg")]
    [2.154, 0.841, 0.035]
    """
    words = written.split()
    try:
        ra, dec, radius = (Angle(word, None if word[-1].isalpha() else u.deg) for word in words)
        if not (abs(dec.deg) <= 90 and radius.deg >= 0):
            raise ValueError("out of range")
    except (ValueError, TypeError, u.UnitsError) as error:
        raise UsageError(
            f"cone: {written!r} is not a right ascension, a declination and a radius",
            'write it as "123.4deg 48.2deg 2deg" or "8h13m36s 48d13m 1d"',
        ) from error
    return float(ra.rad), float(dec.rad), float(radius.rad)


def _in_cone(written: str) -> Test:
    ra0, dec0, limit = cone(written)

    def inside(about: Mapping[str, Any]) -> bool:
        ra1, dec1 = (math.radians(number(about, key)) for key in ("ra_deg", "dec_deg"))
        if math.isnan(ra1 + dec1):
            return False
        # Haversines: exact for small distances, where the cosine is not.
        across = math.cos(dec0) * math.cos(dec1) * math.sin((ra1 - ra0) / 2) ** 2
        return 2 * math.asin(min(1.0, math.sqrt(math.sin((dec1 - dec0) / 2) ** 2 + across))) <= limit

    return inside
