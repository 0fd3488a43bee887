"""Bytes at a storage that speaks XRootD, by its own tools: ``xrdcp`` from and to a pipe, ``xrdfs`` for the rest.

Of protocols that only come as a tool this one needs no file on a scratch disk: ``xrdcp`` takes a stream.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from lofarlake_nb.errors import ChecksumMismatch, LakeError, LakeRefused, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake.counted import Arrival, Counted, adler32_of
from lofarlake_nb.lake.https import WRONG
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.tool import Ended, Tool, at_work
from lofarlake_nb.observation.archive import Block

HALF = ".rucio.upload"  # ending of what is not yet whole, the one that Rucio's own client uses
_SILENCE = 600.0  # seconds between two signs of life: a checksum of a large file takes its time
_CONNECT = 10  # seconds
_ADDRESS = re.compile(r"(x?roots?://[\w.:@\[\]-]+)/(/[^\s?#\x00-\x1f]+)")

# Statuses of the tools (XrdClStatus.hh), and the errors that servers answer by (XProtocol.hh).
_REFUSED = 52
_NO_SPACE, _FORBIDDEN, _NOT_FOUND, _OVER_QUOTA, _NOT_KNOWN = 3009, 3010, 3011, 3021, 3030
_LASTING = (3000, 3001, 3002, 3006, 3013, 3015, 3016, 3018)  # the same another time


def grid_environment(folder: Path) -> dict[str, str]:
    """What XRootD's tools need set where server and client know each other by certificates of their own (GSI).

    Parameters
    ----------
    folder : Path
        With ``client.pem`` (certificate and key), and the authorities in ``ca``.

    Returns
    -------
    dict
        Name to value.

    Examples
    --------
    >>> told = grid_environment(Path("/etc/grid"))
    >>> told["X509_USER_CERT"], told["X509_CERT_DIR"]
    ('/etc/grid/client.pem', '/etc/grid/ca')
    """
    return {
        "XrdSecPROTOCOL": "gsi",
        "X509_CERT_DIR": str(folder / "ca"),
        "X509_USER_CERT": str(folder / "client.pem"),
        "X509_USER_KEY": str(folder / "client.pem"),
        "X509_USER_PROXY": str(folder / "none"),  # not the one that this user may have for the grid
        "XrdSecGSICREATEPROXY": "0",  # the certificate itself will do
        "XrdSecGSISRVNAMES": "127.0.0.1",  # in the server's certificate
    }


class XRootD:
    """A storage that speaks XRootD.

    Parameters
    ----------
    environment : mapping
        What the tools need set besides what is: by which the storage knows us.
    patience : Patience, optional
        With a server that fails. Sending is not tried again here, for its bytes are gone: `TransferFailed.passing`.

    Examples
    --------
    >>> XRootD({}).size("root://site//data/a.tar?b")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.LakeError: 'root://site//data/a.tar?b' is no address of XRootD's; expected root://...
    """

    def __init__(self, environment: Mapping[str, str], patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._silence = min(_SILENCE, 2 * self.patience.seconds) if self.patience.seconds else _SILENCE
        self._environment = {
            **os.environ,
            # Without these a server that is gone is waited for for minutes, one that hangs for half an hour.
            "XRD_CONNECTIONWINDOW": str(_CONNECT),
            "XRD_CONNECTIONRETRY": "1",
            "XRD_STREAMERRORWINDOW": str(_CONNECT),
            "XRD_REQUESTTIMEOUT": str(max(1, round(self._silence))),
            "XRD_STREAMTIMEOUT": str(max(1, round(self._silence))),
            "XRD_TIMEOUTRESOLUTION": "1",
            **environment,
        }

    def write(self, address: str, blocks: Iterable[Block], size: int) -> Arrival:
        """Stream to another name, ask the server what it has, rename; parents are made by the server."""
        half = address + HALF
        counted = Counted(blocks)
        with self._tool("xrdcp", "-f", "-s", "-", _checked(half), stdin=subprocess.PIPE) as tool:
            for block in counted:
                if not tool.push(block):
                    break  # it ended: it says why
            else:
                if counted.size != size:
                    raise TransferFailed(f"{address}: {counted.size} bytes came, expected {size}", "do it again")
                tool.close()
            _finish(address, tool)
        self._arrived(half, address, counted.adler32)
        return Arrival(counted.adler32, counted.adler32)

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""
        with self._tool("xrdcp", "-s", _checked(address), "-", stdout=subprocess.PIPE) as tool:
            while block := tool.pull(address):
                yield block
            _finish(address, tool)

    def copy(
        self, source: str, address: str, size: int, adler32: str | None, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Have a storage take a file from another (third-party copy): whole and right, or not at all.

        Parameters
        ----------
        source, address : str
            root addresses.
        size : int
            Bytes that it must have.
        adler32 : str or None
            That it must have; without it the source's own word.
        cancelled : callable
            Asked now and then.

        Raises
        ------
        ChecksumMismatch, TransferFailed
            When it did not arrive, or something else did.
        """
        expected = (adler32 or self.adler32(source)).rjust(8, "0")
        half = address + HALF
        with self._tool("xrdcp", "-f", "-s", "--tpc", "only", _checked(source), _checked(half)) as tool:
            while tool.process.poll() is None:
                if cancelled():
                    raise TransferFailed("cancelled")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    tool.process.wait(0.2)
            _finish(address, tool)
        if (found := self.size(half)) != size:
            self.remove(half)
            raise ChecksumMismatch(
                f"{source} has {found} bytes, expected {size}", "verify the source: lofarlake verify"
            )
        self._arrived(half, address, expected)

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        said, ended = self._ask("stat", address, missing=True)
        if _code(ended) == _NOT_FOUND:
            return None
        found = re.search(r"^Size:\s*(\d+)", said, re.MULTILINE)
        return int(found[1]) if found else -1

    def adler32(self, address: str) -> str:
        """The server's word; from one that knows no adler32, of the file as it is read back."""
        try:
            kind, _, value = self._ask("query checksum", address)[0].strip().partition(" ")
        except TransferFailed as error:
            if error.passing or "[3013]" not in error.message:
                raise
            kind = ""
        return value.lower().rjust(8, "0") if kind == "adler32" else adler32_of(self.read(address))

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        self._ask("rm", address, missing=True)

    def clear(self, address: str) -> None:
        """Remove what a killed ingest left beside a file."""
        self.remove(address + HALF)

    def set_aside(self, address: str) -> str:
        """Rename it."""
        self._ask("mv", address, to=address + WRONG)
        return address + WRONG

    def free(self, address: str) -> int | None:
        """Bytes that the server says are free; None when it does not say, or there is nothing of this site yet."""
        path = _path(address)
        try:
            said, _ = self._ask("spaceinfo", f"{_door(address)}//{path.strip('/').partition('/')[0]}")
        except TransferFailed as error:
            if error.passing:
                raise
            return None
        found = re.search(r"^Free:\s*(\d+)", said, re.MULTILINE)
        return int(found[1]) if found else None

    def _arrived(self, half: str, address: str, adler32: str) -> None:
        """Give a file its name when the server says that its bytes are right; else it goes."""
        if (found := self.adler32(half)) != adler32:
            self.remove(half)
            raise ChecksumMismatch(
                f"{address}: adler32 {adler32} was sent, {found} arrived",
                "do it again; if it comes back, the site's disk or the way to it is broken",
            )
        self._ask("mv", half, to=address)

    def _ask(self, what: str, address: str, *, to: str = "", missing: bool = False) -> tuple[str, Ended]:
        """One question to a server by ``xrdfs``, tried again while that may help."""
        paths = [_path(address), *([_path(to)] if to else [])]
        tries = self.patience.tries()
        while True:
            try:
                with self._tool("xrdfs", _door(address), *what.split(), *paths, stdout=subprocess.PIPE) as tool:
                    out, ended = tool.output(address), tool.end(address)
                if ended.status == 0 or (missing and _code(ended) == _NOT_FOUND):
                    return out, ended
                raise _failure(f"{what} {address}", ended)
            except TransferFailed as error:
                if not error.passing or not tries.again():
                    raise

    def _tool(
        self, name: str, *words: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
    ) -> contextlib.AbstractContextManager[Tool]:
        """One of XRootD's tools at work."""
        program = shutil.which(name, path=self._environment.get("PATH"))
        if program is None:
            raise LakeError(
                f"{name}, by which root addresses are reached, is not installed",
                "install Debian's xrootd-client or conda-forge's xrootd",
            )
        words = (program, *words)
        return at_work(words, environment=self._environment, silence=self._silence, stdin=stdin, stdout=stdout)


def _finish(address: str, tool: Tool) -> None:
    """Wait for a tool's end; an error when it was not a good one."""
    ended = tool.end(address)
    if ended.status:
        raise _failure(address, ended)


def _code(ended: Ended) -> int:
    """Of the server's error; 0 when it was none."""
    found = re.search(r"\[(3\d{3})\]", ended.error)
    return int(found[1]) if found else 0


def _failure(what: str, ended: Ended) -> LofarlakeError:
    """What the end of a tool means."""
    told = f"{what}: {ended.error[:300] or f'status {ended.status}'}"
    code = _code(ended)
    # The client has one status for a refusal at the log-in and for a server that does not answer it.
    refused = ended.status == _REFUSED and not code and "Operation expired" not in ended.error
    if code in (_FORBIDDEN, _NOT_KNOWN) or refused:
        return LakeRefused(told, "check the certificate or token that the storage knows you by")
    if code in (_NO_SPACE, _OVER_QUOTA):
        return NoSpace(told, "free some space at the site, or choose another")
    failed = TransferFailed(told, "see whether the storage is up, and its log")
    failed.passing = code not in (*_LASTING, _NOT_FOUND)
    return failed


def _checked(address: str) -> str:
    """An address that is one, with nothing in it that the tools would take for something else."""
    if _ADDRESS.fullmatch(address) is None:
        raise LakeError(f"{address!r} is no address of XRootD's", "expected root://host:port//path without blanks or ?")
    return address


def _door(address: str) -> str:
    return _ADDRESS.fullmatch(_checked(address))[1]  # type: ignore[index]


def _path(address: str) -> str:
    return _ADDRESS.fullmatch(_checked(address))[2]  # type: ignore[index]
