"""Where on the sky, at which frequencies and when a lake's datasets were observed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.query import number, time
from lofarlake_nb.lake.rows import Rows

_NONE = "no dataset of the lake says where it was observed: notebook 1_ingest brings one that does"


@dataclass(frozen=True, slots=True)
class Observation:
    """A dataset that says where it was observed.

    Parameters
    ----------
    did : str
        ``scope:name``.
    target : str
        Empty where it is not said.
    ra_deg, dec_deg : float
        Phase centre, J2000.
    start : str
        UTC, ISO 8601; empty where it is not said.
    duration_s : float
        First to last slot; 0 where it is not said.
    min_frequency_mhz, max_frequency_mhz : float
        NaN where they are not said.

    Examples
    --------
    >>> (one,) = [one for one in observations(lake, "lofar") if one.did == "lofar:L990100"]
    >>> begin, end = one.span
    >>> one.target, round(one.dec_deg, 3), (end - begin).total_seconds()
    ('3C196', 48.2, 8.0)
    """

    did: str
    target: str
    ra_deg: float
    dec_deg: float
    start: str
    duration_s: float
    min_frequency_mhz: float
    max_frequency_mhz: float

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """Start and end, UTC; None where they are not known."""
        try:
            begin = time("start", self.start)
            return begin, begin + timedelta(seconds=self.duration_s)
        except (UsageError, OverflowError):
            return None


def observations(lake: Lake, scope: str = "") -> Rows[Observation]:
    """Datasets of a lake that say where they were observed; what was made from them says so too, and is left out.

    Parameters
    ----------
    lake : Lake
        Where to look.
    scope : str
        Empty for all scopes.

    Returns
    -------
    Rows of Observation
        By start and name.

    Raises
    ------
    LakeError
        When the lake refuses.

    Examples
    --------
    >>> "3C196" in {one.target for one in observations(lake)}
    True
    """
    found = []
    for one in [scope] if scope else sorted(lake.call("list_scopes")):
        found += [_observation(about) for about in _metadata(lake, one) if _is_placed(about)]
    found.sort(key=lambda o: (o.start, o.did))
    return Rows(found, "" if found else _NONE)


def _metadata(lake: Lake, scope: str) -> Iterator[dict[str, Any]]:
    names = lake.call("list_dids", scope, filters=[{"name": "*"}], did_type="dataset")
    for some in batches(names):
        entries = [{"scope": scope, "name": name} for name in some]
        yield from lake.call("get_metadata_bulk", entries, plugin="JSON")


def _is_placed(about: dict[str, Any]) -> bool:
    if "lofarlake" in about:  # the lineage of a result, which lies where its observation does
        return False
    return number(about, "dec_deg") == number(about, "dec_deg") and number(about, "ra_deg") == number(about, "ra_deg")


def _observation(about: dict[str, Any]) -> Observation:
    duration = number(about, "duration_s")
    return Observation(
        did=f"{about['scope']}:{about['name']}",
        target=str(about.get("target", "")),
        ra_deg=number(about, "ra_deg") % 360,
        dec_deg=max(-90.0, min(90.0, number(about, "dec_deg"))),
        start=str(about.get("start", "")),
        duration_s=duration if duration == duration and duration > 0 else 0.0,
        min_frequency_mhz=number(about, "min_frequency_hz") / 1e6,
        max_frequency_mhz=number(about, "max_frequency_hz") / 1e6,
    )
