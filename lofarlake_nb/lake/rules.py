"""Replication rules: how many copies of a dataset the lake keeps, where, and what a rule waits for."""

import time
from dataclasses import dataclass
from typing import Any

from lofarlake_nb.errors import AlreadyThere, LakeError, TransferFailed
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.ticks import Failure, Sink, Site, Tick
from lofarlake_nb.wording import counted

_PAUSE = 1.0  # seconds between two questions
_PATIENCE = 60.0  # seconds that a rule may be stuck: the lake's own daemons repair it meanwhile
_NAMED = 5  # files that an error names


@dataclass(frozen=True)
class Rule:
    """State of a rule.

    Parameters
    ----------
    rule_id : str
        Rucio's own.
    did : DID
        What it holds.
    rse_expression : str
        Where.
    state : str
        ``OK``, ``REPLICATING``, ``STUCK``, ``SUSPENDED``, ``WAITING_APPROVAL`` or ``INJECT``.
    ok, replicating, stuck : int
        Files.
    error : str
        Why it is stuck, as Rucio says; else empty.
    account : str
        Whose it is.
    ends : str
        UTC, when it has a lifetime; else empty.

    Examples
    --------
    >>> Rule("an id", DID("lofar", "mine"), "JUELICH", "REPLICATING", ok=3, replicating=1, stuck=0).total
    4
    """

    rule_id: str
    did: DID
    rse_expression: str
    state: str
    ok: int
    replicating: int
    stuck: int
    error: str = ""
    account: str = ""
    ends: str = ""

    @property
    def total(self) -> int:
        """Files that it holds."""
        return self.ok + self.replicating + self.stuck


@dataclass(frozen=True)
class Pending:
    """One file that a rule waits for.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> lock = {"scope": "lofar", "name": "a.tar", "rse": "JUELICH", "state": "STUCK"}
    >>> pending(Mock(**{"stream.return_value": [lock], "call.return_value": {"err_msg": "no space left"}}), "an id")
    [Pending(did=DID(scope='lofar', name='a.tar'), rse='JUELICH', state='STUCK', reason='no space left')]
    """

    did: DID
    rse: str
    state: str  # of the lock
    reason: str  # of the last transfer, when there is one


@dataclass(frozen=True)
class Held:
    """A rule, and what it waits for.

    Examples
    --------
    >>> [(held.rule.ok, held.pending) for held in of(lake, "lofar:example") if held.rule.rse_expression == "SARA"]
    [(1, ())]
    """

    rule: Rule
    pending: tuple[Pending, ...]


def replicate(lake: Lake, dataset: DID | str, rse_expression: str, lifetime: int | None = None) -> str:
    """Ask for one copy of a dataset at the sites of an expression; a rule that asks so already is taken.

    Parameters
    ----------
    lake : Lake
        Where the dataset is.
    dataset : DID or str
        ``scope:name``.
    rse_expression : str
        A site, or by attributes: ``QOS=TAPE``.
    lifetime : int, optional
        Seconds until the rule ends; it stays when not given. A rule that stays is never made shorter.

    Returns
    -------
    str
        Id of the rule.

    Raises
    ------
    DIDNotFound
        When there is no such dataset.
    LakeError
        When no site fits the expression.

    Examples
    --------
    >>> state(lake, replicate(lake, "lofar:example", "SARA")).state
    'OK'
    """
    did = DID.parse(dataset)
    for rule in lake.call("list_did_rules", did.scope, did.name):
        if (rule["rse_expression"], rule["copies"], rule["account"]) == (rse_expression, 1, lake.account):
            if rule.get("expires_at") is not None:  # Rucio has one such rule only: it lives from now as asked
                lake.call("update_replication_rule", rule["id"], {"lifetime": lifetime})
            return str(rule["id"])
    try:
        ids = lake.call("add_replication_rule", [did.parts], copies=1, rse_expression=rse_expression, lifetime=lifetime)
    except AlreadyThere:  # made in the meantime, or by this call, whose answer was lost
        return replicate(lake, did, rse_expression, lifetime)
    return str(ids[0])


def state(lake: Lake, rule_id: str) -> Rule:
    """How a rule is.

    Raises
    ------
    LakeError
        When there is no such rule.

    Examples
    --------
    >>> rule = replicate(lake, "lofar:example", "SARA")
    >>> state(lake, rule).rse_expression
    'SARA'
    """
    return _rule(lake.call("get_replication_rule", rule_id))


def _rule(told: dict[str, Any]) -> Rule:
    ends = told.get("expires_at")
    return Rule(
        rule_id=str(told["id"]),
        did=DID(told["scope"], told["name"]),
        rse_expression=told["rse_expression"],
        state=told["state"],
        ok=told["locks_ok_cnt"],
        replicating=told["locks_replicating_cnt"],
        stuck=told["locks_stuck_cnt"],
        error=told.get("error") or "",
        account=str(told["account"]),
        ends=f"{ends:%Y-%m-%d %H:%M:%S}" if ends else "",
    )


def of(lake: Lake, did: DID | str, limit: int | None = None) -> list[Held]:
    """All rules that hold a DID, those on the datasets and containers that it is in too.

    Parameters
    ----------
    lake : Lake
        Where it is.
    did : DID or str
        ``scope:name`` of a file, a dataset or a container.
    limit : int, optional
        Files to look up for each rule: each costs a call or two.

    Returns
    -------
    list of Held
        By expression; of a file, only what they wait for about this file.

    Raises
    ------
    DIDNotFound
        When there is no such DID.

    Examples
    --------
    >>> [held.rule.rse_expression for held in of(lake, "lofar:L990100")]
    ['JUELICH', 'SARA']
    """
    did = DID.parse(did)
    is_file = lake.get(did)["type"] == "FILE"
    found: dict[str, Rule] = {}
    above, seen = [did], {did}
    while above:
        one = above.pop()
        for told in lake.call("list_did_rules", one.scope, one.name):
            found[str(told["id"])] = _rule(told)
        parents = {DID(p["scope"], p["name"]) for p in lake.call("list_parent_dids", one.scope, one.name)} - seen
        seen |= parents
        above += sorted(parents)
    ordered = sorted(found.values(), key=lambda rule: (rule.rse_expression, rule.rule_id))
    only = did if is_file else None
    return [
        Held(rule, () if rule.state == "OK" else tuple(pending(lake, rule.rule_id, limit, only))) for rule in ordered
    ]


def pending(lake: Lake, rule_id: str, limit: int | None = None, only: DID | None = None) -> list[Pending]:
    """Files that a rule waits for, and what became of the last transfer of each.

    Parameters
    ----------
    lake : Lake
        Where the rule is.
    rule_id : str
        From `replicate`.
    limit : int, optional
        Files to look up: each costs a call or two.
    only : DID, optional
        The one file to look up.

    Returns
    -------
    list of Pending
        By name.

    Examples
    --------
    >>> rule = replicate(lake, "lofar:example", "SARA")
    >>> pending(lake, rule)
    []
    """
    locks = [lock for lock in lake.stream("list_replica_locks", rule_id) if lock["state"] != "OK"]
    locks = [lock for lock in locks if only in (None, DID(lock["scope"], lock["name"]))]
    locks.sort(key=lambda lock: (lock["scope"], lock["name"]))
    return [
        Pending(DID(lock["scope"], lock["name"]), lock["rse"], lock["state"], _reason(lake, lock))
        for lock in locks[:limit]
    ]


def wait(lake: Lake, rule_id: str, timeout: float = 600.0, progress: Sink | None = None) -> Rule:
    """Wait until every file of a rule is where it shall be.

    Parameters
    ----------
    lake : Lake
        Where the rule is.
    rule_id : str
        From `replicate`.
    timeout : float
        Seconds.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Rule
        In state ``OK``.

    Raises
    ------
    TransferFailed
        When it is stuck for a minute, or not done in time: it names files and reasons.

    Examples
    --------
    >>> rule = replicate(lake, "lofar:example", "JUELICH")
    >>> wait(lake, rule).state
    'OK'
    """
    start = time.monotonic()
    stuck_since: float | None = None
    while True:
        rule = state(lake, rule_id)
        now = time.monotonic()
        if progress is not None:
            progress(_tick(rule, now - start))
        if rule.state == "OK":
            return rule
        stuck_since = (stuck_since or now) if rule.state in ("STUCK", "SUSPENDED") else None
        if now - start > timeout or (stuck_since is not None and now - stuck_since > _PATIENCE):
            raise _unfinished(lake, rule, now - start)
        time.sleep(min(_PAUSE, max(0.05, timeout / 10)))


def _tick(rule: Rule, seconds: float) -> Tick:
    """How far a rule is, for who looks on: Rucio counts files, not bytes."""
    site = Site(rule.rse_expression, rule.ok, rule.stuck, state="yellow" if rule.stuck else "green")
    failures = (Failure(str(rule.did), rule.rse_expression, rule.error),) if rule.error else ()
    ended = "done" if rule.state == "OK" else "running"
    return Tick("replicate", rule.ok, rule.total, 0, 0.0, ended, seconds=seconds, sites=(site,), failures=failures)


def _unfinished(lake: Lake, rule: Rule, seconds: float) -> TransferFailed:
    files = pending(lake, rule.rule_id, _NAMED)
    named = "; ".join(f"{p.did} to {p.rse} is {p.state}{': ' + p.reason if p.reason else ''}" for p in files)
    more = f" and {left} more" if (left := rule.total - rule.ok - len(files)) > 0 and files else ""
    why = f" ({rule.error})" if rule.error else ""
    return TransferFailed(
        f"the copy of {rule.did} to {rule.rse_expression} is {rule.state} after {seconds:.0f} s{why}, "
        f"{rule.ok} of {counted(rule.total, 'file is')} there{'; ' + named if named else ''}{more}",
        "see whether every part of the lake is up: lofarlake lake status; then wait again",
    )


def _reason(lake: Lake, lock: dict[str, Any]) -> str:
    """What the last request for a file says; the history knows requests that ended."""
    state = ""
    for method in ("list_request_history_by_did", "list_request_by_did"):
        try:
            request = lake.call(method, lock["name"], lock["rse"], lock["scope"])
        except (LakeError, StopIteration):  # there is none, or we may not see it
            continue
        if request.get("err_msg"):
            return str(request["err_msg"])
        state = str(request.get("state") or state)
    return f"its transfer is {state}" if state else ""
