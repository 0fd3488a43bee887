"""What an account may still have at sites, asked before the first byte: Rucio itself refuses the rule, at the end."""

import math
from collections.abc import Iterable, Sequence

from lofarlake_nb.errors import LakeRefused, NoSpace
from lofarlake_nb.lake.client import Lake

_NO_LIMIT = -1  # Rucio's word for it


def left(lake: Lake, rses: Iterable[str]) -> dict[str, float]:
    """Bytes that this account's rules may still hold at sites, as Rucio last counted (it does so each few minutes).

    Both kinds of Rucio's limits count: of a site, without which an account has nothing there, and of an expression,
    which all sites that fit share.

    Parameters
    ----------
    lake : Lake
        Whose account.
    rses : iterable of str
        Sites.

    Returns
    -------
    dict
        Site to bytes; infinite where there is no limit, or none that this account may read.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> told = [{"SARA": 10**9}, [{"rse": "SARA", "bytes": 4 * 10**8}], []]  # limits, what is used, shared limits
    >>> left(Mock(**{"call.side_effect": told}), ["SARA", "JUELICH"])
    {'JUELICH': 0, 'SARA': 600000000}
    """
    wanted = sorted(set(rses))
    try:
        limits = lake.call("get_local_account_limits", lake.account)
        used = {row["rse"]: row["bytes"] for row in lake.call("get_local_account_usage", lake.account)}
        shared = lake.call("get_global_account_usage", lake.account)
    except LakeRefused:  # a policy that keeps limits to administrators: the rule will tell
        return dict.fromkeys(wanted, math.inf)
    found = {rse: _left(limits.get(rse, 0), used.get(rse, 0)) for rse in wanted}
    for row in shared:
        for rse in {told["rse"] for told in lake.call("list_rses", row["rse_expression"])} & found.keys():
            found[rse] = min(found[rse], _left(row["bytes_limit"], row["bytes"]))
    return found


def check(lake: Lake, places: Sequence[Sequence[str]], needed: int) -> None:
    """See that there is room for new bytes, in each place at one of its sites.

    Parameters
    ----------
    lake : Lake
        Whose account.
    places : sequence of sequences of str
        Sites, of which one will have the bytes.
    needed : int
        Bytes.

    Raises
    ------
    NoSpace
        When a place has no site with room; it names the one that has most.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> told = [{"SARA": 10**9}, [{"rse": "SARA", "bytes": 4 * 10**8}], [], []]
    >>> check(Mock(account="me", **{"call.side_effect": told}), [["SARA"]], 7 * 10**8)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.NoSpace: the quota of me leaves 600 MB at SARA; the new files need 700 MB; ask ...
    """
    if not needed:
        return
    room = left(lake, (rse for sites in places for rse in sites))
    for sites in places:
        best = max(sites, key=lambda rse: room[rse])
        if room[best] <= needed and not _is_administrator(lake):  # Rucio wants something left
            where = best if len(sites) == 1 else f"{best}, which has most room of {', '.join(sorted(sites))}"
            raise NoSpace(
                f"the quota of {lake.account} leaves {max(room[best], 0) / 1e6:.0f} MB at {where}; "
                f"the new files need {needed / 1e6:.0f} MB",
                "ask the lake's administrator for more, retire what is no longer needed, or choose another site",
            )


def _is_administrator(lake: Lake) -> bool:
    """Whether Rucio does not limit this account's rules."""
    rows = [row for some in lake.call("list_account_attributes", lake.account) for row in some]
    return any(row["key"] == "admin" and row["value"] for row in rows)


def _left(limit: float | None, used: int) -> float:
    return math.inf if limit in (_NO_LIMIT, math.inf) else (limit or 0) - used
