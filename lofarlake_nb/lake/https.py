"""Bytes at a storage that speaks https, as the WebDAV doors of grid storages do."""

import ssl
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from requests.adapters import HTTPAdapter

from lofarlake_nb.errors import LakeRefused, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake import putting
from lofarlake_nb.lake.counted import Arrival, Counted, adler32_of
from lofarlake_nb.lake.patience import PASSING, Patience, PatientSession, retry_after
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.disk import CHUNK

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

    Examples
    --------
    >>> from lofarlake_nb.lake import replicas, storage
    >>> (file,) = replicas.files_of(lake, "lofar:example")
    >>> (address,) = [a for r in file.replicas if r.rse == "SARA" for a in r.addresses if a.startswith("https")]
    >>> https = storage.Storages(lake).https
    >>> https.size(address), https.read_range(address, 0, 6)
    (69120, b'SIMPLE')
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

    def write(self, address: str, blocks: Iterable[Block], size: int) -> Arrival:
        """PUT, which makes parents and shows no file before it is whole; a redirect to elsewhere is followed."""
        counted = Counted(blocks)
        if size <= CHUNK:
            response = self._ask("PUT", address, data=b"".join(map(bytes, _all(counted, size))))
            response.close()
            return Arrival(counted.adler32, _digest(response))
        answer = self._put(address, counted, size)
        return Arrival(counted.adler32, _digest(answer))

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""
        with self._ask("GET", address, stream=True, headers={"Accept-Encoding": "identity"}) as response:
            try:
                while block := response.raw.read(CHUNK):
                    yield block
            except (OSError, requests.RequestException, requests.packages.urllib3.exceptions.HTTPError) as error:
                raise TransferFailed(f"{address}: the connection broke: {error}", "do it again") from error

    def read_range(self, address: str, start: int, end: int) -> bytes:
        """Bytes of a file from `start` to before `end`, by a range (RFC 9110), or from the whole."""
        asked = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{end - 1}"}
        with self._ask("GET", address, stream=True, headers=asked) as response:
            try:
                skipped = start if response.status_code != 206 else 0
                while skipped and (block := response.raw.read(min(CHUNK, skipped))):
                    skipped -= len(block)
                return response.raw.read(end - start)
            except (OSError, requests.RequestException, requests.packages.urllib3.exceptions.HTTPError) as error:
                raise TransferFailed(f"{address}: the connection broke: {error}", "do it again") from error

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        response = self._ask("HEAD", address, missing=True)
        return None if response.status_code == 404 else int(response.headers.get("Content-Length", -1))

    def mark(self, address: str) -> str:
        """What changes when a file does, as far as the server says; empty when it says nothing of the kind."""
        told = self._ask("HEAD", address).headers
        return " ".join([*(told[name] for name in ("ETag", "Last-Modified") if name in told)])

    def adler32(self, address: str) -> str:
        """By ``Want-Digest`` (RFC 3230); from a storage that does not know it, of the file as it is read back."""
        response = self._ask("HEAD", address, headers={"Want-Digest": "adler32"})
        return _digest(response) or adler32_of(self.read(address))

    def json(self, method: str, address: str, body: Any = None, *, missing: bool = False) -> Any:
        """Answer of a service that speaks JSON; None when it is empty, or, where that may be, not there."""
        given = {} if body is None else {"json": body}
        response = self._ask(method, address, missing=missing, headers={"Accept": "application/json"}, **given)
        if response.status_code == 404 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise TransferFailed(f"{method} {address}: the answer is no JSON", "see what answers there") from error

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        self._ask("DELETE", address, missing=True).close()

    def clear(self, address: str) -> None:
        """Nothing: where a server keeps what arrives is its own matter."""

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

    def _put(self, address: str, counted: Counted, size: int) -> putting.Answer:
        """PUT of what is too large to be sent again after a redirect."""
        connect, silence = self._timeout
        try:
            answer = putting.put(
                _https(address), _all(counted, size), size, self._context(), connect=connect, silence=silence
            )
        except LofarlakeError:  # of the blocks that were being sent
            raise
        except OSError as error:
            raise self._broken("PUT", address, error) from error
        if not 200 <= answer.status < 300:
            raise _refusal("PUT", address, answer.status, answer)
        return answer

    def _context(self) -> ssl.SSLContext:
        authority, certificate = self.session.verify, self.session.cert
        place = Path(authority if isinstance(authority, str) else requests.certs.where())
        context = (
            ssl.create_default_context(capath=str(place))
            if place.is_dir()
            else ssl.create_default_context(cafile=str(place))
        )
        if certificate is not None:
            context.load_cert_chain(*([certificate] if isinstance(certificate, str) else certificate))
        return context

    def _ask(self, method: str, address: str, *, missing: bool = False, **options: Any) -> requests.Response:
        try:
            # What has a body is not asked for twice here: staging would begin twice.
            ask = self.session.once if {"data", "json"} & options.keys() else self.session.request
            response = ask(method, _https(address), timeout=self._timeout, allow_redirects=True, **options)
        except LofarlakeError:  # of the blocks that were being sent
            raise
        except (OSError, requests.RequestException) as error:
            raise self._broken(method, address, error) from error
        if response.ok or (missing and response.status_code == 404):
            return response
        response.close()
        raise _refusal(method, address, response.status_code, response)

    def _broken(self, method: str, address: str, error: Exception) -> TransferFailed:
        """It may pass, a certificate that has expired too: it is read again with each connection."""
        said, hint = f"{method} {address}: {_reason(error)}", "see whether the storage is up"
        certificate = self.session.cert
        if certificate is not None:
            path = Path(certificate if isinstance(certificate, str) else certificate[0])
            ends = _end_of(path)
            if ends is not None and ends <= datetime.now(UTC):
                said += f" (the certificate in {path} expired at {ends:%Y-%m-%d %H:%M:%S} UTC)"
                hint = "renew the certificate"
        failed = TransferFailed(said, hint)
        failed.passing = True
        return failed


def _end_of(path: Path) -> datetime | None:
    """When the first certificate of a file, or one that vouches for it, ends; None when it can't be read."""
    try:
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError):
        return None


def _digest(answer: requests.Response | putting.Answer) -> str | None:
    """adler32 that a storage tells of a file (RFC 3230), 8 hexadecimal digits; None when it tells none."""
    for digest in answer.headers.get("Digest", "").split(","):
        name, _, value = digest.strip().partition("=")
        if name.lower() == "adler32":
            return value.lower().rjust(8, "0")
    return None


def _all(blocks: Counted, size: int) -> Iterator[Block]:
    """The blocks; an error when they are fewer or more than was announced, or the server would wait for the rest."""
    yield from blocks
    if blocks.size != size:
        raise TransferFailed(f"{blocks.size} bytes came, expected {size}", "do it again")


def _refusal(method: str, address: str, status: int, answer: requests.Response | putting.Answer) -> LofarlakeError:
    """What an answer that is no success means."""
    said = f"{method} {address}: {status} {answer.reason}"
    if status in (401, 403):
        return LakeRefused(said, "check the certificate that the storage knows you by")
    if status in (413, 507):
        return NoSpace(said, "free some space at the site, or choose another")
    failed = TransferFailed(said, "see the storage's log")
    failed.passing, failed.retry_after = status in PASSING, retry_after(answer)
    return failed


def _https(address: str) -> str:
    return "https" + address.removeprefix("https").removeprefix("davs")


def _reason(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).split(">: ")[-1][:300]
