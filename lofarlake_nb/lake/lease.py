"""A lease on a dataset, in its metadata: two machines that share a lake but no journal see each other's ingests.

Rucio has no lock that a client can take: metadata are read, then written, and two that do so in the same moment both
go on, until one of them looks again, sees the other's and ends. That is safe (every call may be repeated), and rare.
"""

import hashlib
import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from lofarlake_nb.errors import LakeBusy, LakeError
from lofarlake_nb.lake import metadata
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID

KEY = "lofarlake_ingest"  # of the dataset's metadata, while one goes on
_LASTS = 300.0  # s after its owner was last heard of; clocks of machines may differ by a part of it
_FIRST = 5.0  # s until the second look, which finds who began in the same moment

log = logging.getLogger(__name__)


class Lease:
    """The right to ingest into a dataset, renewed until the end; for an embedded lake, whose journal is one, nothing.

    Parameters
    ----------
    lake : Lake
        Where the dataset is.
    dataset : DID
        It must be there when the lease is taken.
    folder : Path
        Of the journal, which is locked: a lease that it holds already is of a process that was killed.
    lasts : float
        Seconds after which a lease that is not renewed ends.
    first : float
        Seconds until it is looked at again.

    Examples
    --------
    >>> from lofarlake_nb.lake import client
    >>> away = client.connect(Path(home) / "client" / "rucio.cfg")  # a journal of its own, as on another machine
    >>> with Lease(away, DID("lofar", "L990100"), Path("book")) as lease:
    ...     lease.take()
    ...     away.call("get_metadata", "lofar", "L990100", plugin="JSON")[KEY]["process"] == os.getpid()
    True
    """

    def __init__(self, lake: Lake, dataset: DID, folder: Path, *, lasts: float = _LASTS, first: float = _FIRST) -> None:
        self._lake, self._dataset, self._lasts, self._first = lake, dataset, lasts, first
        self._owner = hashlib.sha256(f"{os.uname().nodename} {folder.resolve()}".encode()).hexdigest()[:16]
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost: LakeBusy | None = None

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join(self._lasts / 10)  # it may be waiting for a server that is down
        if self._lost is None and not self._thread.is_alive():
            try:
                self._lake.call("delete_metadata", *self._place, KEY)
            except LakeError as refused:  # it ends by itself
                log.info("the lease on %s was not given back: %s", self._dataset, refused.message)

    @property
    def _place(self) -> tuple[str, str]:
        return self._dataset.scope, self._dataset.name

    def take(self) -> None:
        """Take it, and renew it from now on.

        Raises
        ------
        LakeBusy
            When another machine, or another journal, has it: the message says which and until when.
        """
        if self._lake.home is not None:
            return
        self._renew()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Go on only while it is ours.

        Raises
        ------
        LakeBusy
            When it was lost to another.
        """
        if self._lost is not None:
            raise self._lost

    def _keep(self) -> None:
        pause = self._first
        while not self._ended.wait(pause):
            pause = self._lasts / 4
            try:
                self._renew()
            except LakeBusy as busy:
                self._lost = busy
                return
            except LakeError as error:  # the ingest itself says so, when it lasts
                log.info("the lease on %s was not renewed: %s", self._dataset, error.message)

    def _renew(self) -> None:
        now = datetime.now(UTC)
        told = self._lake.call("get_metadata", *self._place, plugin="JSON").get(KEY)
        if _is_of_another(told, self._owner, now):
            raise LakeBusy(
                f"{self._dataset} is being ingested by process {told['process']} on {told['machine']}",
                f"wait until it ends, at most until {told['until']} UTC if it was killed; then run it again",
            )
        about = {
            "owner": self._owner,
            "machine": os.uname().nodename,
            "process": os.getpid(),
            "until": f"{now + timedelta(seconds=self._lasts):%Y-%m-%d %H:%M:%S}",
        }
        if not self._ended.is_set():
            metadata.write(self._lake, {self._dataset: {KEY: about}})


def _is_of_another(told: Any, owner: str, now: datetime) -> bool:
    """Whether what stands there is a lease of somebody else that has not ended."""
    try:
        until = datetime.fromisoformat(told["until"]).replace(tzinfo=UTC)
        return bool(told["machine"] and told["process"]) and told["owner"] != owner and until > now
    except (TypeError, KeyError, ValueError):  # nothing, or nothing of ours
        return False
