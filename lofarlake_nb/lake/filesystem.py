"""The lake as files, for whatever opens files by fsspec: ``rucio://scope/dataset/file``.

How paths are written: `urls`. Files of a lake never change, so nothing is written here.
"""

import os
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from fsspec.utils import isfilelike

from lofarlake_nb.errors import ChecksumMismatch, LakeNotRunning, LakeRefused, NotInTheLake, UsageError
from lofarlake_nb.lake import client, copies, tree, urls
from lofarlake_nb.lake.copies import Parts
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.partial import building

Answer = TypeVar("Answer")


class RucioFileSystem(AbstractFileSystem):
    """Files of a lake, to read, list and search with patterns.

    Bytes come from the best copy: a mounted one, else by ranges of https; another is taken where one fails. What
    is read from beginning to end, or brought here (``get``, ``simplecache::``, ``filecache::``), is verified by its
    adler32. Of a part only the storage's word is had.

    Parameters
    ----------
    lake : str
        Home of an embedded lake, or a rucio.cfg; empty for the default lake. fsspec's own configuration may give it:
        ``FSSPEC_RUCIO_LAKE``.
    **options
        Of fsspec.

    Examples
    --------
    >>> import fsspec
    >>> from astropy.io import fits
    >>> with fsspec.open("rucio://lofar/example/image.fits", lake=home) as file:
    ...     fits.getheader(file)["BUNIT"]
    'JY/BEAM'
    """

    protocol = "rucio"
    root_marker = ""

    def __init__(self, lake: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.lake = str(lake)
        self._lake: client.Lake | None = None
        self._storages: Storages | None = None
        self._asking = threading.RLock()  # one client of the catalogue for all threads; bytes don't wait for it

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped.lstrip("/") if isinstance(stripped, str) else stripped

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What is in the lake, a scope, a container or a dataset: names, or what `info` says of each, by name.

        Parameters
        ----------
        path : str
            Of a folder, or of a file.
        detail : bool
            More than names.

        Raises
        ------
        NotInTheLake
            When there is no such thing.
        """
        path = self._strip_protocol(path)
        refresh = options.get("refresh", False)
        known = None if refresh else self._ls_from_cache(path)
        rows = known if known is not None else self._ask(lambda lake: self._listed(lake, path))
        return rows if detail else [row["name"] for row in rows]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What the catalogue says of a path: name, size (bytes), type (file or directory), did, adler32.

        Raises
        ------
        NotInTheLake
            When there is no such thing.
        """
        path = self._strip_protocol(path)
        return self._ask(lambda lake: self._info(lake, path))

    def checksum(self, path: str) -> int:
        """A file's adler32."""
        return int(self.info(path)["adler32"] or "0", 16)

    def created(self, path: str) -> datetime:
        """When a file or collection came into the catalogue.

        Raises
        ------
        UsageError
            Of a scope: the catalogue does not say.
        """
        info = self.info(path)
        if not info["did"]:
            raise UsageError(
                f"rucio://{info['name']} is no file or collection: the catalogue does not say when it was made",
                f"ask of what is in it: fs.ls({info['name']!r})",
            )
        did = DID.parse(info["did"])
        told = self._ask(lambda lake: lake.call("get_metadata", did.scope, did.name))
        return told["created_at"].replace(tzinfo=UTC)

    modified = created  # what is in a lake never changes

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """Bytes of a file; the whole is verified.

        Raises
        ------
        ChecksumMismatch, TransferFailed
            When no copy is good.
        """
        if start is not None or end is not None:
            return super().cat_file(path, start, end, **options)
        info = self._file(path)
        return self._whole(info, lambda blocks: b"".join(map(bytes, blocks)))

    def get_file(
        self, rpath: str, lpath: Any = None, callback: Callback = DEFAULT_CALLBACK, outfile: Any = None, **options: Any
    ) -> None:
        """Bring a file here, whole and verified, or not at all.

        Raises
        ------
        ChecksumMismatch, TransferFailed
            When no copy is good.
        """
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        elif outfile is None and self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        info = self._file(rpath)
        callback.set_size(info["size"])
        if outfile is not None:
            outfile.write(self.cat_file(rpath))
            callback.relative_update(info["size"])
            return
        target = Path(lpath)
        target.parent.mkdir(parents=True, exist_ok=True)

        def write(blocks: Iterator[Block]) -> None:
            with building(target) as part:
                with open(part / "content", "wb") as file:
                    for block in blocks:
                        file.write(block)
                        callback.absolute_update(file.tell())  # from the start again where another copy is taken
                os.replace(part / "content", target)

        self._whole(info, write)

    def addresses(self, path: str) -> list[str]:
        """Where the bytes of a file can be read from here, the best first.

        Raises
        ------
        TransferFailed
            When that is nowhere: copies on tape must be brought first.
        """
        did = DID.parse(self._file(path)["did"])
        return self._ask(lambda lake: copies.addresses(lake, self.storages, did))

    def _open(
        self, path: str, mode: str = "rb", block_size: Any = None, cache_options: Any = None, **options: Any
    ) -> "RucioFile":
        if mode != "rb":
            raise LakeRefused(
                f"rucio://{path} can't be written: files of a lake never change",
                "keep a new file in the lake: lofarlake_nb.lake.keeping.keep(...)",
            )
        size = block_size if isinstance(block_size, int) else "default"
        return RucioFile(self, path, mode, block_size=size, cache_options=cache_options, **options)

    # ---- the catalogue

    def _ask(self, ask: Callable[[client.Lake], Answer]) -> Answer:
        with self._asking:
            try:
                if self._lake is None:
                    self._lake = client.connect(self.lake)
                    self._storages = Storages(self._lake)
                return ask(self._lake)
            except LakeNotRunning:
                self._lake = self._storages = None  # it may come back elsewhere
                raise

    @property
    def storages(self) -> Storages:
        """The lake's, as seen from here."""
        self._ask(lambda lake: None)
        assert self._storages is not None
        return self._storages

    def _listed(self, lake: client.Lake, path: str) -> list[dict[str, Any]]:
        if not path:
            return [_folder(scope) for scope in tree.scopes(lake)]
        scope, _, rest = path.partition("/")
        if not rest:
            self._info(lake, path)
            return _rows(path, None, tree.collections(lake, scope))
        found = urls.entry(lake, path)
        if found.is_file:
            return [_described(path, found)]
        rows = _rows(path, found.did, tree.contents(lake, found))
        if found.type == "dataset" and not found.open:
            self.dircache[path] = rows
        return rows

    def _info(self, lake: client.Lake, path: str) -> dict[str, Any]:
        if "/" not in path:
            if path and path not in tree.scopes(lake):
                raise NotInTheLake(f"rucio://{path}: the lake has no scope {path}", "see which there are: fs.ls('')")
            return _folder(path)
        return _described(path, urls.entry(lake, path))

    def _file(self, path: str) -> dict[str, Any]:
        info = self.info(path)
        if info["type"] != "file":
            raise IsADirectoryError(f"rucio://{info['name']} is a collection: list it, or name a file in it")
        return info

    def _whole(self, info: dict[str, Any], use: Callable[[Iterator[Block]], Answer]) -> Answer:
        """What becomes of all bytes of a file, from the first copy that is good."""
        return copies.whole(self.storages, self.addresses(info["name"]), info, use)


class RucioFile(AbstractBufferedFile):
    """A file of a lake, opened to be read; see `RucioFileSystem`.

    Examples
    --------
    >>> with RucioFileSystem(home).open("lofar/example/image.fits") as file:
    ...     file.seek(69114), file.read()
    (69114, b'\\x00\\x00\\x00\\x00\\x00\\x00')
    """

    fs: RucioFileSystem

    def __init__(self, fs: RucioFileSystem, path: str, mode: str = "rb", **options: Any) -> None:
        self._info = fs._file(path)
        self._parts = Parts(self._info, lambda: fs.storages, lambda: fs.addresses(path))
        self._summed, self._adler32 = 0, 1
        options["size"] = self._info["size"]  # fsspec gives it where a file that was open is opened in another process
        super().__init__(fs, path, mode, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        end = min(end, self.size)
        if start >= end:
            return b""
        data = self._parts.read(start, end)
        self._sum(start, data)
        return data

    def close(self) -> None:
        """Forget what was read."""
        self._parts.close()
        super().close()

    def _sum(self, start: int, data: bytes) -> None:
        """Go on with the checksum where what came goes on; at the end of the file it must be right."""
        if not start <= self._summed < start + len(data):
            return
        self._adler32 = zlib.adler32(data[self._summed - start :], self._adler32)
        self._summed = start + len(data)
        if self._summed == self.size and f"{self._adler32:08x}" != self._info["adler32"]:
            raise ChecksumMismatch(
                f"{self._info['did']}: adler32 {self._adler32:08x} was read, expected {self._info['adler32']}",
                f"see which copy is bad: lofarlake verify --deep {self._info['did']}",
            )


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory", "did": "", "adler32": ""}


def _described(path: str, entry: Entry) -> dict[str, Any]:
    size = (entry.bytes or 0) if entry.is_file else 0
    kind = "file" if entry.is_file else "directory"
    return {"name": path, "size": size, "type": kind, "did": str(entry.did), "adler32": entry.adler32}


def _rows(path: str, parent: DID | None, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """What is in a collection, or in a scope, by name."""
    known = list(entries)
    names = urls.names([entry.did for entry in known], parent)
    rows = [_described(f"{path}/{name}", entry) for name, entry in zip(names, known, strict=True)]
    return sorted(rows, key=lambda row: row["name"])
