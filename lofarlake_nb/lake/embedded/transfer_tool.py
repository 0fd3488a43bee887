"""What FTS is to a production lake: takes the transfers of Rucio's conveyor and has their bytes moved."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rucio.core import transfer
from rucio.core.request import DirectTransfer
from rucio.db.sqla.constants import RequestState
from rucio.transfertool.transfertool import TransferStatusReport, Transfertool, TransferToolBuilder

from lofarlake_nb.lake.embedded.mover import File, Mover, Outcome

NAME = "local"


class Report(TransferStatusReport):
    """One file's outcome, as Rucio's poller takes it."""

    protocol = "https"
    supported_db_fields = ("state", "external_id", "started_at", "transferred_at", "err_msg")

    def __init__(self, request_id: str, job: str, outcome: Outcome) -> None:
        super().__init__(request_id)
        self.external_id = job
        self.outcome = outcome
        self.started_at: datetime | None = None
        self.transferred_at: datetime | None = None
        self.err_msg: str | None = None

    def initialize(self, session: Any, logger: Any = None) -> None:
        """Fill in what goes into the database."""
        self.state = RequestState.FAILED if self.outcome.trouble else RequestState.DONE
        self.started_at, self.transferred_at = self.outcome.started, self.outcome.ended
        self.err_msg = self.outcome.trouble or None

    def get_monitor_msg_fields(self, session: Any, logger: Any = None) -> dict[str, Any]:
        """What a message about it adds."""
        return {"protocol": self.protocol, "duration": (self.outcome.ended - self.outcome.started).total_seconds()}


class LocalTransfertool(Transfertool):
    """Rucio's interface to the mover, which `install` gives it."""

    external_name = NAME
    required_rse_attrs = ()
    supported_schemes = {"https"}  # noqa: RUF012 - the interface's
    mover: Mover

    @classmethod
    def submission_builder_for_path(
        cls, transfer_path: list[DirectTransfer], logger: Any = None
    ) -> tuple[list[DirectTransfer], TransferToolBuilder]:
        """Take the first hop of a path; Rucio comes back with the next."""
        return [transfer_path[0]], TransferToolBuilder(cls, external_host=NAME)

    def group_into_submit_jobs(self, transfer_paths: Iterable[list[DirectTransfer]]) -> list[dict[str, Any]]:
        """One job a file, so that each is reported as soon as it is there."""
        return [{"transfers": path, "job_params": {}} for path in transfer_paths]

    def submit(
        self, transfers: Iterable[DirectTransfer], job_params: dict[str, str], timeout: int | None = None
    ) -> str:
        """Take files to move; the job's name."""
        return self.mover.submit(
            [
                File(
                    t.rws.request_id,
                    tuple(t.source_url(source) for source in t.sources),
                    t.dest_url,
                    t.rws.byte_count,
                    t.rws.adler32,
                )
                for t in transfers
            ]
        )

    def bulk_query(
        self, requests_by_eid: Mapping[str, Mapping[str, Any]], timeout: int | None = None
    ) -> dict[str, Any]:
        """Outcomes by job and file; a job that is unknown is lost, and Rucio submits it again."""
        jobs = {name: self.mover.job(name) for name in requests_by_eid}
        return {
            name: job and {r: Report(r, name, job.outcomes[r]) for r in requests_by_eid[name] if r in job.outcomes}
            for name, job in jobs.items()
        }

    def cancel(self, transfer_ids: Sequence[str], timeout: int | None = None) -> None:
        """Stop moving a job's files at the next block."""
        for name in transfer_ids:
            job = self.mover.job(name)
            if job is not None:
                job.cancelled.set()

    def update_priority(self, transfer_id: str, priority: int, timeout: int | None = None) -> bool:
        """Agree: all are moved as they come."""
        return True


def install(mover: Mover, protocol: str) -> Mover:
    """Make the tool known to Rucio's conveyor in this process.

    Parameters
    ----------
    mover : Mover
        Moves the bytes.
    protocol : str
        Scheme of the addresses that it takes.

    Returns
    -------
    Mover
        Close it at the end.
    """
    LocalTransfertool.mover = mover
    LocalTransfertool.supported_schemes = {protocol}
    Report.protocol = protocol
    transfer.TRANSFERTOOL_CLASSES_BY_NAME[NAME] = LocalTransfertool
    return LocalTransfertool.mover
