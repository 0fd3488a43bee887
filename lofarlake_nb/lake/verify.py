"""Verify: what the catalogue says of a dataset against what each site really holds."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from lofarlake_nb.errors import ChecksumMismatch, LofarlakeError
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.replicas import File, Replica, files_of
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.wording import counted


@dataclass(frozen=True, slots=True)
class Row:
    """One file at one site.

    Parameters
    ----------
    did : str
        Of the file.
    rse : str
        Site; empty for a file without any copy.
    bytes, adler32
        As the catalogue has them.
    found_bytes, found_adler32
        As the storage has them; None where it did not say.
    problem : str
        What is wrong; empty when all agrees.
    bad : bool
        The storage itself said that its bytes are missing or others; not so when it could not be asked.

    Examples
    --------
    >>> [(row.bytes, row.found_bytes) for row in verify(lake, "lofar:example").rows if row.rse == "SARA"]
    [(69120, 69120)]
    """

    did: str
    rse: str
    bytes: int
    adler32: str
    found_bytes: int | None
    found_adler32: str | None
    problem: str = ""
    bad: bool = False


@dataclass(frozen=True)
class Verified:
    """All files of a dataset at all their sites.

    Examples
    --------
    >>> verified = verify(lake, "lofar:example")
    >>> verified.ok, verified.files, verified.problems
    (True, 1, ())
    """

    dataset: str
    files: int
    rows: tuple[Row, ...]  # by file and site

    @property
    def problems(self) -> tuple[Row, ...]:
        """Rows that are not right."""
        return tuple(row for row in self.rows if row.problem)

    @property
    def ok(self) -> bool:
        """Whether every copy of every file is right."""
        return not self.problems

    def require(self) -> "Verified":
        """Itself, when every copy is right.

        Raises
        ------
        ChecksumMismatch
            When one is not: the message names the first and counts the others.
        """
        if wrong := self.problems:
            first = f"{wrong[0].did}{f' at {wrong[0].rse}' if wrong[0].rse else ''}: {wrong[0].problem}"
            more = f", and {len(wrong) - 1} more" if wrong[1:] else ""
            raise ChecksumMismatch(
                f"{self.dataset}: {len(wrong)} of {counted(len(self.rows), 'copy is')} not right: {first}{more}",
                "wait for copies that are on their way, and mend the others: lofarlake verify --repair",
            )
        return self

    def summary(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {**asdict(self), "ok": self.ok}


def verify(
    lake: Lake, dataset: DID | str, *, deep: bool = True, streams: int = 4, progress: Sink | None = None
) -> Verified:
    """Compare catalogue and storage, file by file and site by site.

    Parameters
    ----------
    lake : Lake
        Where it is.
    dataset : DID or str
        ``scope:name`` of a dataset, a container or a file.
    deep : bool
        Compare checksums: a mounted storage is read, another is asked for its digest. Else sizes only.
    streams : int
        Files looked at at the same time.
    progress : callable, optional
        Takes each `Tick`.

    Returns
    -------
    Verified
        What is wrong is in its rows, not raised.

    Raises
    ------
    DIDNotFound
        When there is no such dataset, or it is empty.
    LakeNotRunning
        When the catalogue does not answer.

    Examples
    --------
    >>> verify(lake, "lofar:example").ok
    True
    """
    did = DID.parse(dataset)
    files = files_of(lake, did)
    storages = Storages(lake)
    pairs: Sequence[tuple[File, Replica | None]] = [(f, r) for f in files for r in (f.replicas or (None,))]
    for rse in {replica.rse for _, replica in pairs if replica is not None}:
        lake.rse(rse)  # asked here: it is one client for all streams
    told = Progress("verify", len(pairs), progress)

    def look(pair: tuple[File, Replica | None]) -> Row:
        file, replica = pair
        address = storages.best(replica.rse, replica.addresses) if replica else None
        row = row_of(storages, file, replica, address, deep)
        told.finished(row.rse)
        if row.problem:
            told.failed(row.did, row.problem, row.rse, lost=True)
        return row

    rows: list[Row] = []
    with told, ThreadPoolExecutor(streams, thread_name_prefix="verify") as pool:
        for some in batches(pairs):  # not all at once: what waits for a thread takes more memory than a row
            rows += pool.map(look, some)
    return Verified(str(did), len(files), tuple(rows))


def row_of(storages: Storages, file: File, replica: Replica | None, address: str | None, deep: bool) -> Row:
    """Compare one copy of a file, by the address that it is reached at, with what the catalogue says.

    Examples
    --------
    >>> from pathlib import Path
    >>> file, replica = File(DID("lofar", "image.fits"), 7, "059b016d", ()), Replica("SARA", "AVAILABLE", ())
    >>> row_of(Storages(lake), file, replica, Path("image.fits").absolute().as_uri(), deep=False).problem
    '69120 bytes, expected 7'
    """
    expected = (str(file.did), replica.rse if replica else "", file.size, file.adler32)
    if replica is None:
        return Row(*expected, None, None, "no site has it")
    if replica.state != "AVAILABLE":
        return Row(*expected, None, None, f"the catalogue says {replica.state}")
    if address is None:
        return Row(*expected, None, None, "out of reach: no protocol of this site that we speak")
    try:
        storage = storages.of(address)
        size = storage.size(address)
        adler32 = storage.adler32(address) if deep and size is not None else None
    except LofarlakeError as error:
        return Row(*expected, None, None, error.message)
    if size is None:
        return Row(*expected, None, None, "not there", bad=True)
    if size < 0:
        if adler32 is None:
            return Row(*expected, None, None, "the storage does not say how many bytes it has")
        size = None  # the checksum tells
    elif size != file.size:
        return Row(*expected, size, adler32, f"{size} bytes, expected {file.size}", bad=True)
    if adler32 is not None and adler32 != file.adler32:
        return Row(*expected, size, adler32, f"adler32 {adler32}, expected {file.adler32}", bad=True)
    return Row(*expected, size, adler32)
