"""Bytes at a storage that speaks https, as the WebDAV doors of grid storages do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from lofarlake_nb.errors import LakeRefused, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake.counted import Counted, adler32_of
from lofarlake_nb.lake.patience import PASSING, Patience, PatientSession, retry_after
from lofarlake_nb.observation.archive import CHUNK

WRONG = ".wrong"  # ending of what is kept apart
_CONNECT = 10.0  # seconds
_SILENCE = 600.0  # seconds between two signs of life: a checksum of a large file takes its time
_CONNECTIONS = 32


class Https:
    """A storage that speaks https, as WebDAV doors of grid storages do.

    Parameters
    ----------
    certificate : str or tuple or None
        Of the client: one file with certificate and key, or two.
    authority : str or bool
        What the server's certificate is checked with; True for the public authorities.
    patience : Patience, optional
        With a server that fails. Sending is not tried again here, for its bytes are gone: `TransferFailed.passing`.
    """

    def __init__(
        self,
        certificate: str | tuple[str, str] | None,
        authority: str | bool,
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        self.session = PatientSession(patience)
        self._timeout = (_CONNECT, min(_SILENCE, 2 * patience.seconds) if patience.seconds else _SILENCE)
        # Nothing from the environment: requests would prefer REQUESTS_CA_BUNDLE to the lake's own authority.
        self.session.trust_env = False
        self.session.cert = certificate
        self.session.verify = authority
        self.session.mount("https://", HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS))

    def write(self, address: str, blocks: Iterable[bytes], size: int) -> str:
        """PUT, which makes parents and shows no file before it is whole."""
        counted = Counted(blocks)
        body = _Body(counted, size) if size else b""
        self._ask("PUT", address, data=body).close()
        return counted.adler32

    def read(self, address: str) -> Iterator[bytes]:
        """Bytes of a file, in blocks."""
        with self._ask("GET", address, stream=True, headers={"Accept-Encoding": "identity"}) as response:
            try:
                while block := response.raw.read(CHUNK):
                    yield block
            except (OSError, requests.RequestException, requests.packages.urllib3.exceptions.HTTPError) as error:
                raise TransferFailed(f"{address}: the connection broke: {error}", "do it again") from error

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        response = self._ask("HEAD", address, missing=True)
        return None if response.status_code == 404 else int(response.headers.get("Content-Length", -1))

    def adler32(self, address: str) -> str:
        """By ``Want-Digest`` (RFC 3230); from a storage that does not know it, of the file as it is read back."""
        response = self._ask("HEAD", address, headers={"Want-Digest": "adler32"})
        for digest in response.headers.get("Digest", "").split(","):
            name, _, value = digest.strip().partition("=")
            if name.lower() == "adler32":
                return value.lower().rjust(8, "0")
        return adler32_of(self.read(address))

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        self._ask("DELETE", address, missing=True).close()

    def set_aside(self, address: str) -> str:
        """MOVE it; a storage that can't move is asked to delete it."""
        aside = address + WRONG
        try:
            self._ask("MOVE", address, headers={"Destination": _https(aside), "Overwrite": "T"}).close()
        except TransferFailed as error:
            if error.passing:
                raise
            self.remove(address)
            return "nowhere"
        return aside

    def free(self, address: str) -> int | None:
        """Not known: it refuses what does not fit."""
        return None

    def _ask(self, method: str, address: str, *, missing: bool = False, **options: Any) -> requests.Response:
        try:
            ask = self.session.once if "data" in options else self.session.request
            response = ask(method, _https(address), timeout=self._timeout, allow_redirects=True, **options)
        except LofarlakeError:  # of the blocks that were being sent
            raise
        except (OSError, requests.RequestException) as error:
            failed = TransferFailed(f"{method} {address}: {_reason(error)}", "see whether the storage is up")
            failed.passing = True
            raise failed from error
        if response.ok or (missing and response.status_code == 404):
            return response
        said = f"{method} {address}: {response.status_code} {response.reason}"
        response.close()
        if response.status_code in (401, 403):
            raise LakeRefused(said, "check the certificate that the storage knows you by")
        if response.status_code in (413, 507):
            raise NoSpace(said, "free some space at the site, or choose another")
        failed = TransferFailed(said, "see the storage's log")
        failed.passing, failed.retry_after = response.status_code in PASSING, retry_after(response)
        raise failed


@dataclass(frozen=True)
class _Body:
    """What requests sends with a Content-Length, block by block."""

    blocks: Counted
    size: int

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        yield from self.blocks
        if self.blocks.size != self.size:  # said here, or the server would wait for the rest
            raise TransferFailed(f"{self.blocks.size} bytes came, expected {self.size}", "do it again")


def _https(address: str) -> str:
    return "https" + address.removeprefix("https").removeprefix("davs")


def _reason(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).split(">: ")[-1][:300]
