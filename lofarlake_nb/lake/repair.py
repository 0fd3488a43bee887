"""Repair: a copy that is bad is made anew by the lake from one that is good; without a good one nothing is touched."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lofarlake_nb.errors import LakeError, LakeRefused
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.replicas import File, replicas_of
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.ticks import Sink, Tick
from lofarlake_nb.lake.verify import Row, Verified, row_of

_PAUSE = 1.0  # seconds between two questions
MENDED, GONE, REPORTED = "mended", "removed: no rule keeps a copy there", "declared suspicious"
OWNED = "nothing was done: it was registered in place, the file is its owner's; have the right one put back there"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one bad copy.

    Parameters
    ----------
    did, rse, problem : str
        As in verify's row.
    outcome : str
        ``mended``, or why it is not.
    mended : bool
        Whether every copy that the lake keeps of this file at this site is right now.

    Examples
    --------
    >>> outcome = Outcome("lofar:a.fits", "SARA", "7 bytes, expected 8", REPORTED, mended=False)
    >>> Repaired("lofar:a", (outcome,)).summary()["outcomes"][0]["outcome"]
    'declared suspicious'
    """

    did: str
    rse: str
    problem: str
    outcome: str
    mended: bool


@dataclass(frozen=True)
class Repaired:
    """All bad copies of a dataset.

    Examples
    --------
    >>> mended = Outcome("lofar:a.fits", "SARA", "not there", MENDED, mended=True)
    >>> left = Outcome("lofar:b.fits", "SARA", "not there", REPORTED, mended=False)
    >>> Repaired("lofar:a", (mended,)).ok, Repaired("lofar:a", (mended, left)).ok
    (True, False)
    """

    dataset: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether all are mended."""
        return all(outcome.mended for outcome in self.outcomes)

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def repair(
    lake: Lake, verified: Verified, *, deep: bool = True, timeout: float = 600.0, progress: Sink | None = None
) -> Repaired:
    """Declare bad what verify found bad where another copy is good, and wait until the lake has made it anew.

    A file whose only copies are bad is left as it is: Rucio would take it out of its datasets as lost.

    Parameters
    ----------
    lake : Lake
        Logged in as an account that may declare replicas bad; one that may not declares them suspicious.
    verified : Verified
        From `verify.verify`, deep.
    deep : bool
        Compare the checksum of what was made anew.
    timeout : float
        Seconds to wait.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Repaired
        What is not mended is in its outcomes, not raised.

    Raises
    ------
    LakeError
        When the lake does not answer.

    Examples
    --------
    >>> row = Row("lofar:a.fits", "SARA", 7, "059b016d", None, None, "not there", bad=True)
    >>> repaired = repair(lake, Verified("lofar:a", 1, (row,)))
    >>> repaired.ok, repaired.outcomes[0].outcome
    (False, 'no site has a good copy: ingest it again, or ask who made it')
    """
    bad = [row for row in verified.rows if row.bad]
    good = {row.did for row in verified.rows if not row.problem}
    outcomes = [_outcome(row, "no site has a good copy: ingest it again, or ask who made it") for row in bad]
    owned = [row for row in bad if row.rse and lake.is_in_place(row.rse)]
    mendable = [row for row in bad if row.did in good and row not in owned]
    if mendable:
        try:
            declare_bad(lake, [(DID.parse(row.did), row.rse) for row in mendable], "lofarlake verify: bad bytes")
            said = _wait(lake, mendable, deep, timeout, progress)
        except LakeRefused as error:
            log.info("%s", error.message)
            said = _report(lake, mendable)
        found = {(outcome.did, outcome.rse): outcome for outcome in said}
        outcomes = [found.get((outcome.did, outcome.rse), outcome) for outcome in outcomes]
    said_of = {(row.did, row.rse): _outcome(row, OWNED) for row in owned}
    outcomes = [said_of.get((outcome.did, outcome.rse), outcome) for outcome in outcomes]
    unknown = [row for row in verified.problems if not row.bad]
    outcomes += [_outcome(row, "nothing was done: it is not known to be bad") for row in unknown]
    return Repaired(verified.dataset, tuple(sorted(outcomes, key=lambda one: (one.did, one.rse))))


def declare_bad(lake: Lake, copies: Sequence[tuple[DID, str]], reason: str) -> None:
    """Tell the lake that copies, each a file at a site, are bad; those that it knows to be bad stay so.

    Raises
    ------
    LakeRefused
        When our account may not: see `declare_suspicious`.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> lake = Mock()
    >>> declare_bad(lake, [(DID("lofar", "a.fits"), "SARA")], "bad bytes")
    >>> lake.call.call_args.args
    ('declare_bad_file_replicas', [{'scope': 'lofar', 'name': 'a.fits', 'rse': 'SARA'}], 'bad bytes')
    """
    entries = [{**did.parts, "rse": rse} for did, rse in copies]
    for some in batches(entries):
        lake.call("declare_bad_file_replicas", list(some), reason, force=True)


def declare_suspicious(lake: Lake, copies: Sequence[tuple[DID, str]], reason: str) -> None:
    """Tell the lake's administrators that copies look bad, which any account may.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> copies = {"https://sara/a.fits": {"rse": "SARA"}, "https://juelich/a.fits": {"rse": "JUELICH"}}
    >>> lake = Mock(**{"stream.return_value": [{"scope": "lofar", "name": "a.fits", "pfns": copies}]})
    >>> declare_suspicious(lake, [(DID("lofar", "a.fits"), "SARA")], "bad bytes")
    >>> lake.call.call_args.args
    ('declare_suspicious_file_replicas', ['https://sara/a.fits'], 'bad bytes')
    """
    wanted = set(copies)
    files = replicas_of(lake, [did for did, _ in copies])
    pfns = [r.addresses[0] for did, held in files.items() for r in held if (did, r.rse) in wanted and r.addresses]
    for some in batches(sorted(pfns)):
        lake.call("declare_suspicious_file_replicas", list(some), reason)


def tell(lake: Lake, bad: Sequence[tuple[DID, str]], lost: Sequence[tuple[DID, str]]) -> None:
    """Tell the lake, as far as our account may, of copies that were found bad; no failure to do so is raised.

    Parameters
    ----------
    lake : Lake
        Where they are.
    bad : sequence of (DID, str)
        Files and sites; another copy of each file is good.
    lost : sequence of (DID, str)
        Those without a good copy: suspicious only, as Rucio would take them out of their datasets.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> lake = Mock(**{"is_in_place.return_value": False, "stream.return_value": []})
    >>> tell(lake, bad=[(DID("lofar", "a.fits"), "SARA")], lost=[(DID("lofar", "b.fits"), "SARA")])
    >>> [(call.args[0], call.args[1][0]["name"]) for call in lake.call.call_args_list]
    [('declare_bad_file_replicas', 'a.fits')]
    """
    reason = "lofarlake retrieve: bad bytes"
    try:
        # A file that was registered in place is never made anew: its owner is to be told.
        ours = [(did, rse) for did, rse in bad if not lake.is_in_place(rse)]
        suspicious = [*lost, *(one for one in bad if one not in ours)]
        if ours:
            try:
                declare_bad(lake, ours, reason)
            except LakeRefused:
                suspicious += ours
        if suspicious:
            declare_suspicious(lake, suspicious, reason)
    except LakeError as error:
        log.warning("bad copies could not be declared: %s", error.message)
        return
    if bad or lost:
        log.info("%d copies were declared bad, %d suspicious", len(bad) + len(lost) - len(suspicious), len(suspicious))


def _report(lake: Lake, rows: Sequence[Row]) -> list[Outcome]:
    declare_suspicious(lake, [(DID.parse(row.did), row.rse) for row in rows], "lofarlake verify: bad bytes")
    said = f"{REPORTED}: {lake.account} may not declare it bad; ask the lake's administrator to"
    return [_outcome(row, said) for row in rows]


def _wait(lake: Lake, rows: Sequence[Row], deep: bool, timeout: float, progress: Sink | None) -> list[Outcome]:
    storages, start = Storages(lake), time.monotonic()
    left = {(DID.parse(row.did), row.rse): row for row in rows}
    ended: dict[tuple[DID, str], Outcome] = {}
    states: dict[tuple[DID, str], str] = {}
    while left:
        held = replicas_of(lake, sorted({did for did, _ in left}))
        for (did, rse), row in list(left.items()):
            replica = next((r for r in held.get(did, ()) if r.rse == rse), None)
            states[did, rse] = replica.state if replica else ""
            if replica is not None and replica.state != "AVAILABLE":
                continue
            ended[did, rse] = _outcome(row, GONE, mended=True)
            if replica is not None:
                address = storages.best(rse, replica.addresses)
                now = row_of(storages, File(did, row.bytes, row.adler32, (replica,)), replica, address, deep)
                said = f"made anew, and not right again: {now.problem}" if now.problem else MENDED
                ended[did, rse] = _outcome(row, said, mended=not now.problem)
            del left[did, rse]
        if progress is not None:
            state, seconds = "running" if left else "done", time.monotonic() - start
            progress(Tick("repair", len(ended), len(rows), 0, 0.0, state, seconds=seconds))
        if time.monotonic() - start > timeout:
            break
        if left:
            time.sleep(_PAUSE)
    for key, row in left.items():
        ended[key] = _outcome(row, f"still {states[key]} after {timeout:.0f} s: see lofarlake rules {row.did}")
    return list(ended.values())


def _outcome(row: Row, said: str, *, mended: bool = False) -> Outcome:
    return Outcome(row.did, row.rse, row.problem, said, mended)
