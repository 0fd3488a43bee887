"""Rucio's own daemons, in one process: ``python -m lofarlake_nb.lake.embedded.daemons HOME``.

Each runs when there is work for it, which one query tells, so that a rule is met within seconds and an idle lake rests.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from lofarlake_nb.lake.embedded import database, in_place
from lofarlake_nb.lake.embedded.home import Home

PAUSE_SECONDS = 0.5
RETRY_SECONDS = 30.0  # how often a stuck rule is tried again
LOG_BYTES = 20_000_000  # of each part's log, while it runs
_BULK = 1000

log = logging.getLogger("lofarlake.daemons")

# State letters are those of rucio.db.sqla.constants.RequestState; an obsolete replica's tombstone lies in 1970.
WORK = {
    "evaluator": "select 1 from rucio.updated_dids",
    "submitter": "select 1 from rucio.requests where state = 'Q'",
    "poller": "select 1 from rucio.requests where state = 'S'",
    "finisher": "select 1 from rucio.requests where state in ('D', 'F', 'L', 'N', 'O', 'A', 'M')",
    "cleaner": "select 1 from rucio.rules where expires_at < now() at time zone 'utc' and not locked",
    "repairer": "select 1 from rucio.rules where state = 'S'",
    "undertaker": "select 1 from rucio.dids where expired_at < now() at time zone 'utc'",
    "forgetting": in_place.FORGETTING,
    "reaper": "select 1 from rucio.replicas where tombstone < now() at time zone 'utc' and lock_cnt = 0",
    "necromancer": "select 1 from rucio.bad_replicas where state = 'B'",
    "sites' counters": "select 1 from rucio.updated_rse_counters",
    "accounts' counters": "select 1 from rucio.updated_account_counters",
    "datasets' counters": "select 1 from rucio.updated_col_rep",
}


@dataclass
class Daemon:
    """One of Rucio's daemons, run a turn at a time.

    Parameters
    ----------
    name : str
        In `WORK`.
    turn : callable
        Does what there is to do, and returns.
    every : float
        Seconds from one turn to the next at least.
    """

    name: str
    turn: Callable[[], object]
    every: float = 0.0
    last: float = field(default=-1e9)

    def run(self) -> None:
        """Take a turn, and survive it."""
        self.last = time.monotonic()
        try:
            self.turn()
        except Exception:  # one daemon's trouble is not the others'; it is tried again, as in production
            log.exception("%s failed", self.name)
            self.every = max(self.every, 5.0)


def daemons() -> list[Daemon]:
    """Rucio's daemons in the order in which a file passes them."""
    import rucio.daemons.common
    from rucio.daemons.abacus import account, collection_replica, rse
    from rucio.daemons.badreplicas import necromancer
    from rucio.daemons.common import HeartbeatHandler
    from rucio.daemons.conveyor import finisher, poller, submitter
    from rucio.daemons.judge import cleaner, evaluator, repairer
    from rucio.daemons.reaper import reaper
    from rucio.daemons.undertaker import undertaker

    from lofarlake_nb.lake.embedded import transfer_tool

    # Each turn's heartbeat would ask the resolver for our full name, which takes long where there is no network.
    rucio.daemons.common.socket.getfqdn = lambda name="": socket.gethostname()

    def judge(name: str, module: object, **arguments: object) -> Callable[[], object]:
        # The module's own loop sleeps a second a turn to share work with others of its kind; here there is none.
        handler = HeartbeatHandler(name, renewal_interval=60)
        return lambda: module.run_once(heartbeat_handler=handler, **arguments)  # type: ignore[attr-defined]

    one = {"once": True, "partition_wait_time": 0}
    tool = transfer_tool.NAME
    reaping: dict[str, object] = {
        "rses": [],
        "include_rses": None,
        "exclude_rses": None,
        "vos": None,
        "chunk_size": 100,
        "greedy": True,
    }
    reaping |= {"scheme": None, "delay_seconds": 60, "auto_exclude_threshold": 100, "auto_exclude_timeout": 60}
    return [
        Daemon("evaluator", judge("judge-evaluator", evaluator, did_limit=_BULK, paused_dids={})),
        Daemon(
            "submitter",
            lambda: submitter.submitter(bulk=_BULK, transfertools=[tool], filter_transfertool=None, **one),
        ),
        Daemon("poller", lambda: poller.poller(older_than=0, transfertool=tool, filter_transfertool=None, **one)),
        Daemon("finisher", lambda: finisher.finisher(**one)),
        Daemon("cleaner", judge("judge-cleaner", cleaner, paused_rules={})),
        Daemon("repairer", judge("judge-repairer", repairer, paused_rules={}, delta=-1), every=RETRY_SECONDS),
        Daemon("undertaker", judge("undertaker", undertaker, paused_dids={}, chunk_size=100), every=2),
        Daemon("forgetting", in_place.forget),
        Daemon("reaper", judge("reaper", reaper, **reaping), every=5),
        Daemon("necromancer", judge("necromancer", necromancer, bulk=_BULK), every=2),
        Daemon("sites' counters", judge("abacus-rse", rse), every=2),
        Daemon("accounts' counters", judge("abacus-account", account), every=2),
        Daemon("datasets' counters", judge("abacus-collection-replica", collection_replica, limit=_BULK), every=2),
    ]


def resume(connection: psycopg.Connection, jobs: Collection[str]) -> None:
    """Undo what daemons that were killed left behind.

    Their heartbeats would make ours share the work with the dead for ten minutes, a file that was being submitted
    would wait two hours, and one that was being moved would wait for a mover that has gone.

    Parameters
    ----------
    connection : Connection
        To Rucio's database.
    jobs : collection of str
        Names of those that our own mover knows: after the database restarted they go on.
    """
    connection.execute("delete from rucio.heartbeats")
    connection.execute("update rucio.requests set state = 'Q' where state = 'G'")
    connection.execute(
        "update rucio.requests set state = 'Q', external_id = null where state = 'S' "
        "and (external_id is null or external_id <> all(%s))",
        [list(jobs)],
    )


def waiting(connection: psycopg.Connection) -> set[str]:
    """Names of the daemons for which there is work.

    Parameters
    ----------
    connection : Connection
        To Rucio's database.

    Returns
    -------
    set of str
        Keys of `WORK`.
    """
    query = " union all ".join(f"select {i} where exists ({sql})" for i, sql in enumerate(WORK.values()))
    names = list(WORK)
    return {names[row[0]] for row in connection.execute(query)}


def run(home: Home, stopped: threading.Event) -> None:
    """Run the daemons until told to stop.

    Parameters
    ----------
    home : Home
        Of the lake.
    stopped : Event
        Set from elsewhere.
    """
    from lofarlake_nb.lake.embedded import catalogue, transfer_tool, xrootd
    from lofarlake_nb.lake.embedded.mover import Mover, by_https
    from lofarlake_nb.lake.xrootd import XRootD

    settings = home.settings()
    catalogue.survive_restarts()
    copy = XRootD(xrootd.client_environment(home)).copy if settings.protocol == "root" else by_https(home.certificates)
    mover = transfer_tool.install(Mover(copy), settings.protocol)
    team = daemons()
    connection: psycopg.Connection | None = None
    while not stopped.is_set():
        try:
            if connection is None:
                connection = database.connect(settings)
                resume(connection, mover.names())
            work = waiting(connection)
        except psycopg.Error as error:  # the database restarts, or the server has not made the tables yet
            log.info("waiting for the database: %s", error)
            connection = None
            stopped.wait(PAUSE_SECONDS)
            continue
        _pulse(home)
        now = time.monotonic()
        for daemon in team:
            if daemon.name in work and now - daemon.last >= daemon.every and not stopped.is_set():
                daemon.run()
        stopped.wait(PAUSE_SECONDS)
    mover.close()


def _pulse(home: Home) -> None:
    """Show that we live; now and then see to it that no log fills the disk."""
    pulse = home.run / "daemons.pulse"
    pulse.touch()
    for path in home.log.glob("*.log"):
        if path.stat().st_size > LOG_BYTES:
            path.with_name(path.name + ".1").write_bytes(path.read_bytes()[-LOG_BYTES // 4 :])
            with open(path, "r+b") as file:  # its writer appends, and goes on at the new end
                file.truncate(0)


def main(home: Home) -> None:
    """Wait for the database, then run until a signal comes."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    database.wait(home.settings(), make=False)
    run(home, stopped)
    logging.shutdown()
    os._exit(0)  # nothing is left to do, and the interpreter takes seconds to take all of Rucio apart


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])))
