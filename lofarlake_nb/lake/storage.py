"""Bytes at a site: a mounted storage by its files, any other by https; both write whole files and know adler32."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

from lofarlake_nb.errors import LakeError, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake import paths
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.counted import Counted, adler32_of
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.https import WRONG, Https
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.observation.archive import CHUNK, Block
from lofarlake_nb.observation.partial import building, clear


class Storage(Protocol):
    """What ingest, retrieve and verify need of a storage. Addresses are Rucio's PFNs.

    Blocks of bytes, given or taken, are valid until the next one is taken.
    """

    is_ours: bool  # written by us, on this machine: that the system took and flushed all is word enough

    def write(self, address: str, blocks: Iterable[Block], size: int) -> str:
        """Write a file whole or not at all, durably; adler32 of what was sent."""

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""

    def adler32(self, address: str) -> str:
        """The storage's own word on the bytes that it holds."""

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""

    def clear(self, address: str) -> None:
        """Remove what a killed ingest left beside a file."""

    def set_aside(self, address: str) -> str:
        """Rename a file that is wrong, so that it is kept and in nobody's way; its new address."""

    def free(self, address: str) -> int | None:
        """Bytes that still fit; None when the storage does not say."""


class Mounted:
    """A storage whose folders are on this machine."""

    is_ours = True

    def write(self, address: str, blocks: Iterable[Block], size: int) -> str:
        """Write beside the final name, flush to the disk, rename."""
        path = path_of(address)
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

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""
        path = path_of(address)
        try:
            with open(path, "rb", buffering=0) as file:
                buffer = memoryview(bytearray(CHUNK))
                while count := file.readinto(buffer):
                    yield buffer[:count]
        except OSError as error:
            raise _disk_error(error, path) from error

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        try:
            return path_of(address).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _disk_error(error, path_of(address)) from error

    def adler32(self, address: str) -> str:
        """Of the file as it is read back."""
        return adler32_of(self.read(address))

    def clear(self, address: str) -> None:
        """Remove what a killed ingest left beside a file."""
        clear(path_of(address))

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        try:
            path_of(address).unlink(missing_ok=True)
        except OSError as error:
            raise _disk_error(error, path_of(address)) from error

    def set_aside(self, address: str) -> str:
        """Rename it."""
        aside = address + WRONG
        try:
            os.replace(path_of(address), path_of(aside))
        except OSError as error:
            raise _disk_error(error, path_of(address)) from error
        return aside

    def free(self, address: str) -> int | None:
        """Bytes free on its disk."""
        path = path_of(address)
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free


class Storages:
    """The storages of a lake as seen from this machine.

    Parameters
    ----------
    lake : Lake
        Whose sites; its configuration says which certificate to show.
    patience : Patience, optional
        With servers that fail.
    """

    def __init__(self, lake: Lake, patience: Patience | None = None) -> None:
        self.lake = lake
        self.mounted = Mounted()
        self.https = Https(*_credentials(lake), patience)

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
        return {did: start + path for did, path in paths.made(self.lake, rse, dids, best).items()}

    def best(self, rse: str, addresses: Iterable[str]) -> str | None:
        """Of the addresses of one replica, the one to use; None when there is none that we can."""
        known = list(addresses)
        ranked = [(r, a) for a in (*known, *self._as_files(rse, known)) if (r := self._reach(rse, a)) is not None]
        return min(ranked)[1] if ranked else None

    def folder(self, rse: str) -> Path | None:
        """Where a site's files are on this machine; None when it is not mounted here."""
        for protocol in self.lake.rse(rse)["protocols"]:
            folder = Path(_folder(protocol))
            if protocol["scheme"] == "file" and self._is_mounted(rse, folder) and folder.is_dir():
                return folder
        return None

    def _as_files(self, rse: str, addresses: Iterable[str]) -> Iterator[str]:
        """The same replicas as files: Rucio names no address of a protocol that only the site's own network has.

        All protocols of a site lead to the same path below their prefixes, as Rucio wants it.
        """
        protocols = self.lake.rse(rse)["protocols"]
        starts = {f"{p['scheme']}://{p['hostname']}:{p['port']}{_folder(p)}" for p in protocols}
        folders = [_folder(p) for p in protocols if p["scheme"] == "file"]
        for address in addresses:
            for start in starts:
                if address.startswith(start):
                    yield from (f"file://localhost:0{folder}{address.removeprefix(start)}" for folder in folders)

    def _reach(self, rse: str, address: str) -> int | None:
        """0 where an address is mounted here, 1 by https, None when out of reach."""
        scheme = urlparse(address).scheme
        if scheme == "file":
            return 0 if self._is_mounted(rse, path_of(address)) else None
        return 1 if scheme in ("https", "davs") else None

    def _is_mounted(self, rse: str, path: Path) -> bool:
        """Whether a path at a site is that path here: any machine may have a folder of the same name."""
        if self.lake.home is not None:
            return path.is_relative_to(Path(os.path.abspath(self.lake.home)) / "storage")
        here, site = self.lake.settings.get("site") or "", self.lake.rse(rse)
        if not here or here != site["attributes"].get("site"):
            return False
        folders = [Path(_folder(p)) for p in site["protocols"] if p["scheme"] == "file"]
        return any(path.is_relative_to(folder) and folder.is_dir() for folder in folders)


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


def path_of(address: str) -> Path:
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
