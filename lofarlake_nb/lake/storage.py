"""Bytes at a site: a mounted storage by its files, others by https or XRootD; all write whole files, know adler32."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlparse

from lofarlake_nb.errors import LakeError, LofarlakeError, NoSpace, TransferFailed
from lofarlake_nb.lake import paths
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.counted import Arrival, Counted, adler32_of
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.https import WRONG, Https
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.xrootd import XRootD, grid_environment
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.disk import Source, Written, buffer
from lofarlake_nb.observation.partial import building, clear


class Storage(Protocol):
    """What ingest, retrieve and verify need of a storage. Addresses are Rucio's PFNs.

    Blocks of bytes, given or taken, are valid until the next one is taken.

    Examples
    --------
    >>> storage, address = Storages(lake).mounted, Path("stored.bin").absolute().as_uri()
    >>> storage.write(address, [b"1234", b"567"], 7).sent, storage.size(address), storage.adler32(address)
    ('059b016d', 7, '059b016d')
    >>> storage.remove(address), storage.size(address)
    (None, None)
    """

    def write(self, address: str, blocks: Iterable[Block], size: int) -> Arrival:
        """Write a file whole or not at all, durably."""

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""

    def size(self, address: str) -> int | None:
        """Bytes of a file; None when it is not there, -1 when the storage does not say."""

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


@runtime_checkable
class Ranged(Protocol):
    """A storage that gives parts of files.

    Examples
    --------
    >>> [isinstance(one, Ranged) for one in (Mounted(), Storages(lake).https, Storages(lake).xrootd)]
    [True, True, False]
    """

    def read_range(self, address: str, start: int, end: int) -> bytes:
        """Bytes of a file from `start` to before `end`; fewer where the file is shorter."""


class Mounted:
    """A storage whose folders are on this machine.

    Examples
    --------
    >>> address = Path("half.bin").absolute().as_uri()
    >>> Mounted().write(address, [b"1234"], 7)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.TransferFailed: /.../half.bin: 4 bytes were written, expected 7; do it again
    >>> Mounted().size(address) is None
    True
    """

    def write(self, address: str, blocks: Iterable[Block], size: int) -> Arrival:
        """Write beside the final name, flush to the disk, rename."""
        path = path_of(address)
        counted = Counted(blocks)
        try:
            known = next(place for place in path.parents if place.exists())  # what is below it is made for this file
            with building(path) as part:
                with Written(part / "content", size) as file:
                    for block in counted:
                        file.write(block)
                if counted.size != size:
                    raise TransferFailed(f"{path}: {counted.size} bytes were written, expected {size}", "do it again")
                os.replace(part / "content", path)
            _flush_folders(path.parent, known)
        except LofarlakeError:
            raise
        except OSError as error:
            raise _disk_error(error, path) from error
        return Arrival(counted.adler32, counted.adler32)  # the system took and flushed all: that is word enough

    def read(self, address: str) -> Iterator[Block]:
        """Bytes of a file, in blocks."""
        path = path_of(address)
        try:
            with closing(Source(path)) as file:
                block = buffer()
                while count := file.readinto(block):
                    yield block[:count]
        except OSError as error:
            raise _disk_error(error, path) from error

    def read_range(self, address: str, start: int, end: int) -> bytes:
        """Bytes of a file from `start` to before `end`; fewer where the file is shorter."""
        path = path_of(address)
        try:
            with open(path, "rb") as file:
                file.seek(start)
                return file.read(end - start)
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

    Examples
    --------
    >>> storages = Storages(lake)
    >>> (address,) = storages.addresses("SARA", [DID("lofar", "a.fits")]).values()
    >>> address.startswith("file:"), storages.of(address).size(address) is None
    (True, True)
    """

    def __init__(self, lake: Lake, patience: Patience | None = None) -> None:
        self.lake = lake
        self.mounted = Mounted()
        self.https = Https(*_credentials(lake), patience)
        self.xrootd = XRootD(_grid_credentials(lake), patience)

    def of(self, address: str) -> Storage:
        """The storage that takes an address."""
        if address.startswith("file:"):
            return self.mounted
        return self.xrootd if urlparse(address).scheme in paths.XROOTD else self.https

    def addresses(self, rse: str, dids: Iterable[DID]) -> dict[DID, str]:
        """Where files are written at a site: mounted where it can be, else by https, else by XRootD.

        Raises
        ------
        LakeError
            When the site has no protocol that we speak, or takes no names of Rucio's making.
        """
        settings = self.lake.rse(rse)
        if not settings["deterministic"]:
            raise LakeError(
                f"{rse} takes no files: it knows those that lie there already",
                "choose another site, or register what lies there: lofarlake ingest --in-place",
            )
        usable = [
            p for p in settings["protocols"] if self._reach(rse, f"{p['scheme']}://x{paths.folder(p)}") is not None
        ]
        if not usable:
            schemes = ", ".join(p["scheme"] for p in settings["protocols"]) or "none"
            raise LakeError(
                f"{rse} can't be reached from here: it speaks {schemes}", "choose a site with https or root"
            )
        best = min(usable, key=lambda p: self._reach(rse, f"{p['scheme']}://x{paths.folder(p)}") or 0)
        start = paths.start(best)
        return {did: start + path for did, path in paths.made(self.lake, rse, dids, best).items()}

    def best(self, rse: str, addresses: Iterable[str]) -> str | None:
        """Of the addresses of one replica, the one to use; None when there is none that we can."""
        known = list(addresses)
        ranked = [(r, a) for a in (*known, *self._as_files(rse, known)) if (r := self._reach(rse, a)) is not None]
        return min(ranked)[1] if ranked else None

    def folder(self, rse: str) -> Path | None:
        """Where a site's files are on this machine; None when it is not mounted here."""
        for protocol in self.lake.rse(rse)["protocols"]:
            folder = Path(paths.folder(protocol))
            if protocol["scheme"] == "file" and self._is_mounted(rse, folder) and folder.is_dir():
                return folder
        speaks = {protocol["scheme"] for protocol in self.lake.rse(rse)["protocols"]}
        if self.lake.home is not None and speaks <= paths.XROOTD:  # not to go by, but to look after
            folder = Path(os.path.abspath(self.lake.home)) / "storage" / rse
            return folder if folder.is_dir() else None
        return None

    def own(self, rse: str, address: str) -> Path | None:
        """Where a replica of an embedded lake lies, whatever it is reached by; None of another lake."""
        if address.startswith("file:"):
            return path_of(address)
        if self.lake.home is None or urlparse(address).scheme not in paths.XROOTD:
            return None
        inside = address.split("://", 1)[1].partition("/")[2].strip("/").removeprefix(f"{rse}/")
        return Path(os.path.abspath(self.lake.home)) / "storage" / rse / inside

    def _as_files(self, rse: str, addresses: Iterable[str]) -> Iterator[str]:
        """The same replicas as files: Rucio names no address of a protocol that only the site's own network has.

        All protocols of a site lead to the same path below their prefixes, as Rucio wants it.
        """
        protocols = self.lake.rse(rse)["protocols"]
        starts = {paths.start(p) for p in protocols}
        folders = [paths.folder(p) for p in protocols if p["scheme"] == "file"]
        for address in addresses:
            for start in starts:
                if address.startswith(start):
                    yield from (f"file://localhost:0{folder}{address.removeprefix(start)}" for folder in folders)

    def _reach(self, rse: str, address: str) -> int | None:
        """0 where an address is mounted here, 1 by https, 2 by XRootD, None when out of reach."""
        scheme = urlparse(address).scheme
        if scheme == "file":
            return 0 if self._is_mounted(rse, path_of(address)) else None
        return 1 if scheme in ("https", "davs") else 2 if scheme in paths.XROOTD else None

    def _is_mounted(self, rse: str, path: Path) -> bool:
        """Whether a path at a site is that path here: any machine may have a folder of the same name."""
        site, here = self.lake.rse(rse), self.lake.settings.get("site") or ""
        if self.lake.home is not None and path.is_relative_to(Path(os.path.abspath(self.lake.home)) / "storage"):
            return True
        # Of an embedded lake, what is registered in place lies in a folder of this machine's.
        at_site = (
            self.lake.is_in_place(rse)
            if self.lake.home is not None
            else here and here == site["attributes"].get("site")
        )
        folders = [Path(paths.folder(p)) for p in site["protocols"] if p["scheme"] == "file"]
        return bool(at_site) and any(path.is_relative_to(folder) and folder.is_dir() for folder in folders)


def _credentials(lake: Lake) -> tuple[str | tuple[str, str] | None, str | bool]:
    settings = lake.settings
    authority: str | bool = settings.get("ca_cert") or True
    if lake.home is not None:
        return str(Path(os.path.abspath(lake.home)) / "tls" / "client.pem"), authority
    if "client_cert" in settings:
        return (settings["client_cert"], settings.get("client_key", settings["client_cert"])), authority
    return settings.get("client_x509_proxy"), authority


def _grid_credentials(lake: Lake) -> dict[str, str]:
    """What XRootD's tools need set; without it they find the user's own (proxy, token, ticket) as they always do."""
    if lake.home is not None:
        return grid_environment(Path(os.path.abspath(lake.home)) / "tls" / "grid")
    settings = lake.settings
    if "client_cert" in settings:
        key = settings.get("client_key", settings["client_cert"])
        return {"X509_USER_CERT": settings["client_cert"], "X509_USER_KEY": key, "XrdSecGSICREATEPROXY": "0"}
    return {"X509_USER_PROXY": settings["client_x509_proxy"]} if "client_x509_proxy" in settings else {}


def path_of(address: str) -> Path:
    """Path of a file's PFN: ``file://host:port/path``.

    Examples
    --------
    >>> path_of("file://localhost:0/lake/lofar/a%20b.fits")
    PosixPath('/lake/lofar/a b.fits')
    """
    return Path(os.path.normpath(unquote(address.split("://", 1)[1].partition("/")[2].join(["/", ""]))))


def _flush_folders(folder: Path, known: Path) -> None:
    """A new name is durable when its folder is, and the names of the new folders above it; another may make two too."""
    above = [folder, *folder.parents]
    for place in above[: max(3, above.index(known) + 1)]:
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _disk_error(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{path.parent}: no space left for {path.name}", "free some space, or choose another site")
    return TransferFailed(f"{path}: {error.strerror or error}", "see whether the storage is mounted, and writable")
