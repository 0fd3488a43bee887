"""Bytes at a site: a mounted storage by its files, any other by https; both write whole files and know adler32."""

import errno
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import requests
from requests.adapters import HTTPAdapter

from lofarlake_nb.errors import LakeError, LakeRefused, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation.archive import CHUNK
from lofarlake_nb.observation.partial import building

_TIMEOUT = (10, 600)  # seconds to connect, and between two signs of life
_CONNECTIONS = 32


class Storage(Protocol):
    """What ingest, retrieve and verify need of a storage. Addresses are Rucio's PFNs."""

    def write(self, address: str, blocks: Iterable[bytes], size: int) -> str:
        """Write a file whole or not at all, durably; adler32 of what was sent."""

    def read(self, address: str) -> Iterator[bytes]:
        """Bytes of a file, in blocks."""

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""

    def adler32(self, address: str) -> str:
        """The storage's own word on the bytes that it holds."""

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""

    def free(self, address: str) -> int | None:
        """Bytes that still fit; None when the storage does not say."""


class Counted:
    """Blocks that count themselves while they pass: ``size`` and ``adler32`` are of what was taken so far."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self._sum = 1
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._sum = zlib.adler32(block, self._sum)
            self.size += len(block)
            yield block

    @property
    def adler32(self) -> str:
        """8 hexadecimal digits."""
        return f"{self._sum:08x}"


def adler32_of(blocks: Iterable[bytes]) -> str:
    """Checksum of all blocks, 8 hexadecimal digits."""
    counted = Counted(blocks)
    for _ in counted:
        pass
    return counted.adler32


class Mounted:
    """A storage whose folders are on this machine."""

    def write(self, address: str, blocks: Iterable[bytes], size: int) -> str:
        """Write beside the final name, flush to the disk, rename."""
        path = _path(address)
        counted = Counted(blocks)
        try:
            with building(path) as part:
                with open(part / "content", "wb") as file:
                    for block in counted:
                        file.write(block)
                    file.flush()
                    os.fsync(file.fileno())
                if counted.size != size:
                    raise TransferFailed(f"{path}: {counted.size} bytes were written, expected {size}", "do it again")
                os.replace(part / "content", path)
            _flush_folders(path.parent)
        except LofarlakeError:
            raise
        except OSError as error:
            raise _disk_error(error, path) from error
        return counted.adler32

    def read(self, address: str) -> Iterator[bytes]:
        """Bytes of a file, in blocks."""
        path = _path(address)
        try:
            with open(path, "rb", buffering=0) as file:
                while block := file.read(CHUNK):
                    yield block
        except OSError as error:
            raise _disk_error(error, path) from error

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        try:
            return _path(address).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _disk_error(error, _path(address)) from error

    def adler32(self, address: str) -> str:
        """Of the file as it is read back."""
        return adler32_of(self.read(address))

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        try:
            _path(address).unlink(missing_ok=True)
        except OSError as error:
            raise _disk_error(error, _path(address)) from error

    def free(self, address: str) -> int | None:
        """Bytes free on its disk."""
        path = _path(address)
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free


class Https:
    """A storage that speaks https, as WebDAV doors of grid storages do.

    Parameters
    ----------
    certificate : str or tuple or None
        Of the client: one file with certificate and key, or two.
    authority : str or bool
        What the server's certificate is checked with; True for the public authorities.
    """

    def __init__(self, certificate: str | tuple[str, str] | None, authority: str | bool) -> None:
        self.session = requests.Session()
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

    def free(self, address: str) -> int | None:
        """Not known: it refuses what does not fit."""
        return None

    def _ask(self, method: str, address: str, *, missing: bool = False, **options: Any) -> requests.Response:
        try:
            url = "https" + address.removeprefix("https").removeprefix("davs")
            response = self.session.request(method, url, timeout=_TIMEOUT, allow_redirects=True, **options)
        except LofarlakeError:  # of the blocks that were being sent
            raise
        except (OSError, requests.RequestException) as error:
            raise TransferFailed(f"{method} {address}: {_reason(error)}", "see whether the storage is up") from error
        if response.ok or (missing and response.status_code == 404):
            return response
        said = f"{method} {address}: {response.status_code} {response.reason}"
        response.close()
        if response.status_code in (401, 403):
            raise LakeRefused(said, "check the certificate that the storage knows you by")
        if response.status_code in (413, 507):
            raise NoSpace(said, "free some space at the site, or choose another")
        raise TransferFailed(said, "see the storage's log")


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


class Storages:
    """The storages of a lake as seen from this machine.

    Parameters
    ----------
    lake : Lake
        Whose sites; its configuration says which certificate to show.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.mounted = Mounted()
        self.https = Https(*_credentials(lake))

    def of(self, address: str) -> Storage:
        """The storage that takes an address."""
        return self.mounted if address.startswith("file:") else self.https

    def addresses(self, rse: str, dids: Iterable[DID]) -> dict[DID, str]:
        """Where files are written at a site: mounted where it can be, else by https.

        Raises
        ------
        LakeError
            When the site has no protocol that we speak, or takes no names of Rucio's making.
        """
        settings = self.lake.rse(rse)
        if not settings["deterministic"]:
            raise LakeError(f"{rse} expects files where they already are", "choose a deterministic site")
        usable = [p for p in settings["protocols"] if self._reach(rse, f"{p['scheme']}://x{_folder(p)}") is not None]
        if not usable:
            schemes = ", ".join(p["scheme"] for p in settings["protocols"]) or "none"
            raise LakeError(f"{rse} can't be reached from here: it speaks {schemes}", "choose a site with https")
        best = min(usable, key=lambda p: p["scheme"] != "file")
        start = f"{best['scheme']}://{best['hostname']}:{best['port']}{_folder(best)}"
        with self.lake.configured():
            # Imported here because it reads the lake's naming algorithm when it is.
            from rucio.rse.translation import RSEDeterministicTranslation

            translation = RSEDeterministicTranslation(rse, {**settings, **settings["attributes"]}, best)
            return {did: start + translation.path(did.scope, did.name) for did in dids}

    def best(self, rse: str, addresses: Iterable[str]) -> str | None:
        """Of the addresses of one replica, the one to use; None when there is none that we can."""
        ranked = [(rank, a) for a in addresses if (rank := self._reach(rse, a)) is not None]
        return min(ranked)[1] if ranked else None

    def _reach(self, rse: str, address: str) -> int | None:
        """0 where an address is mounted here, 1 by https, None when out of reach."""
        scheme = urlparse(address).scheme
        if scheme == "file":
            return 0 if self._is_mounted(rse, _path(address)) else None
        return 1 if scheme in ("https", "davs") else None

    def _is_mounted(self, rse: str, path: Path) -> bool:
        """Whether a path at a site is that path here: any machine may have a folder of the same name."""
        if self.lake.home is not None:
            return path.is_relative_to(Path(os.path.abspath(self.lake.home)) / "storage")
        here = self.lake.settings.get("site") or ""
        return bool(here) and here == self.lake.rse(rse)["attributes"].get("site") and os.path.isdir(path.anchor)


def _credentials(lake: Lake) -> tuple[str | tuple[str, str] | None, str | bool]:
    settings = lake.settings
    authority: str | bool = settings.get("ca_cert") or True
    if lake.home is not None:
        return str(Path(os.path.abspath(lake.home)) / "tls" / "client.pem"), authority
    if "client_cert" in settings:
        return (settings["client_cert"], settings.get("client_key", settings["client_cert"])), authority
    return settings.get("client_x509_proxy"), authority


def _folder(protocol: dict[str, Any]) -> str:
    return f"/{protocol['prefix'].strip('/')}/"


def _path(address: str) -> Path:
    """Path of a file's PFN: ``file://host:port/path``."""
    return Path(os.path.normpath(unquote(address.split("://", 1)[1].partition("/")[2].join(["/", ""]))))


def _flush_folders(folder: Path) -> None:
    """A new name is durable when its folder is, and that folder's own name too."""
    for place in (folder, folder.parent, folder.parent.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _disk_error(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{path.parent}: no space left for {path.name}", "free some space, or choose another site")
    return TransferFailed(f"{path}: {error.strerror or error}", "see whether the storage is mounted, and writable")


def _reason(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).split(">: ")[-1][:300]
