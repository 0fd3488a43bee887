"""The copies of a file that can be read from here: the best first, all bytes verified, another where one fails."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeVar

from lofarlake_nb.errors import ChecksumMismatch, LakeRefused, LofarlakeError, TransferFailed
from lofarlake_nb.lake import replicas
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.counted import Counted
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.storage import Ranged, Storages
from lofarlake_nb.observation.archive import Block

Answer = TypeVar("Answer")


def addresses(lake: Lake, storages: Storages, did: DID) -> list[str]:
    """Where the bytes of a file can be read from here: mounted copies, then others.

    Parameters
    ----------
    lake : Lake
        That has it.
    storages : Storages
        Of the lake, as seen from here.
    did : DID
        Of the file.

    Raises
    ------
    TransferFailed
        When that is nowhere: copies on tape must be brought first.

    Examples
    --------
    >>> first = addresses(lake, Storages(lake), DID("lofar", "example.image.fits"))[0]
    >>> first.partition(":")[0], first.rpartition("/")[2]
    ('file', 'example.image.fits')
    """
    usable, states = [], []
    for replica in replicas.replicas_of(lake, [did]).get(did, ()):
        settings = lake.rse(replica.rse)
        on_tape = settings.get("rse_type") == "TAPE" or settings["attributes"].get("QOS") == "TAPE"
        address = storages.best(replica.rse, replica.addresses)
        states.append(f"{replica.rse} {replica.state}{' on tape' if on_tape else ''}")
        if replica.state == "AVAILABLE" and address and (address.startswith("file:") or not on_tape):
            usable.append(address)
    if not usable:
        raise TransferFailed(
            f"{did}: no copy can be read from here (copies: {', '.join(states) or 'none'})",
            f"bring it here, from tape too: lofarlake retrieve {did} --to DIR",
        )
    return sorted(usable, key=lambda address: (not address.startswith("file:"), address))


def whole(
    storages: Storages, places: Sequence[str], info: Mapping[str, Any], use: Callable[[Iterator[Block]], Answer]
) -> Answer:
    """What becomes of all bytes of a file, from the first copy that is good.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    places : sequence of str
        From `addresses`.
    info : mapping
        Of the file: ``did``, ``size`` in bytes, ``adler32``.
    use : callable
        Takes the bytes in blocks, anew for each copy; what is wrong with them is raised in the place of their end.

    Raises
    ------
    ChecksumMismatch, TransferFailed, LakeRefused
        When no copy is good.

    Examples
    --------
    >>> storages, did = Storages(lake), DID("lofar", "example.image.fits")
    >>> info = {"did": did, "size": 69120, "adler32": lake.get(did)["adler32"]}
    >>> whole(storages, addresses(lake, storages, did), info, lambda blocks: sum(map(len, blocks)))
    69120
    """
    failures: list[LofarlakeError] = []
    for address in places:
        try:
            return use(_verified(storages.of(address).read(address), info, address))
        except (TransferFailed, ChecksumMismatch, LakeRefused) as error:
            failures.append(error)
    raise _none_good(info, failures)


class Parts:
    """Parts of a file, from the first copy that gives them; one that failed is not asked again.

    Parameters
    ----------
    info : mapping
        Of the file, see `whole`.
    storages : callable
        Gives those of the lake.
    places : callable
        Gives the `addresses` of the file.

    Examples
    --------
    >>> did = DID("lofar", "example.image.fits")
    >>> parts = Parts({"did": did}, lambda: Storages(lake), lambda: addresses(lake, Storages(lake), did))
    >>> parts.read(0, 6), parts.read(69119, 69120)
    (b'SIMPLE', b'\\x00')
    """

    def __init__(
        self, info: Mapping[str, Any], storages: Callable[[], Storages], places: Callable[[], Sequence[str]]
    ) -> None:
        self._info, self._storages, self._places = info, storages, places
        self._left = list(places())
        self._failures: list[LofarlakeError] = []
        self._spool: IO[bytes] | None = None

    def read(self, start: int, end: int) -> bytes:
        """Bytes from one place to another, neither of them beyond the end of the file.

        Raises
        ------
        ChecksumMismatch, TransferFailed, LakeRefused
            When no copy is good.
        """
        while self._left:
            address = self._left[0]
            storage = self._storages().of(address)
            try:
                if isinstance(storage, Ranged):
                    data = storage.read_range(address, start, end)
                else:
                    data = self._from_spool(start, end)
                if len(data) == end - start:
                    return data
                raise TransferFailed(f"{address}: {len(data)} bytes came of {end - start} from {start} on")
            except (TransferFailed, LakeRefused) as error:
                self._failures.append(error)
                del self._left[0]
        raise _none_good(self._info, self._failures)

    def close(self) -> None:
        """Forget what was read."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _from_spool(self, start: int, end: int) -> bytes:
        """From a copy here, of storages that give whole files only; it is verified."""
        if self._spool is None:
            spool = tempfile.TemporaryFile(prefix="lofarlake-")  # noqa: SIM115 - closed with this
            try:
                whole(self._storages(), self._places(), self._info, lambda blocks: _rewritten(spool, blocks))
            except BaseException:
                spool.close()
                raise
            self._spool = spool
        self._spool.seek(start)
        return self._spool.read(end - start)


def _verified(blocks: Iterator[Block], info: Mapping[str, Any], address: str) -> Iterator[Block]:
    """The same blocks; an error in the place of their end when they are not the file's."""
    counted = Counted(blocks)
    yield from counted
    if (counted.size, counted.adler32) != (info["size"], info["adler32"]):
        raise ChecksumMismatch(
            f"{address} has {counted.size} bytes with adler32 {counted.adler32}, "
            f"expected {info['size']} bytes with adler32 {info['adler32']}",
            f"mend it: lofarlake verify --deep --repair {info['did']}",
        )


def _none_good(info: Mapping[str, Any], failures: Sequence[LofarlakeError]) -> LofarlakeError:
    """The last failure, with what each copy failed with."""
    said = "; ".join(error.message for error in failures)
    return type(failures[-1])(f"{info['did']}: no copy is good: {said}", failures[-1].hint)


def _rewritten(file: IO[bytes], blocks: Iterator[Block]) -> None:
    file.seek(0)
    file.truncate()
    for block in blocks:
        file.write(block)
