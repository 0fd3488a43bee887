"""A tar taken apart while it arrives: nothing is written outside of its folder, the target is whole or not there."""

import bz2
import errno
import gzip
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from lofarlake_nb.errors import BadArchive, LofarlakeError, NoSpace, ObservationError
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.disk import Written, buffer
from lofarlake_nb.observation.partial import building

MAX_MEMBERS = 100_000  # a Measurement Set has some hundreds of files
_MAX_HEADER = 1 << 20  # bytes of a long name or of extended headers, which tarfile holds in memory
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def unpack(blocks: Iterable[Block], target: Path, *, name: str = "") -> Path:
    """Take a tar apart while it arrives; the target appears whole, or not at all.

    Parameters
    ----------
    blocks : iterable of bytes
        The tar, plain or compressed (gzip, bzip2, xz). All of it is read, the padding after its end too.
    target : Path
        What it becomes: the tar's top folder where it has exactly one, else a folder with all that it holds.
    name : str
        What the tar is called in messages; the target's name when empty.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    BadArchive
        When it is truncated or no tar, or a member leaves the folder, is there twice, or is no file and no folder.
    ObservationError
        When the target exists, or can't be written.
    NoSpace
        When the disk is too small.

    Examples
    --------
    >>> from lofarlake_nb.observation.archive import pack
    >>> packing = pack("observation/L990100_SAP000_SB000_uv.MS")
    >>> there = unpack(packing.blocks(), Path("unpacked/L990100_SAP000_SB000_uv.MS"))
    >>> pack(there).contents_hash == packing.contents_hash
    True
    """
    name = name or target.name
    if os.path.lexists(target):
        raise ObservationError(f"{target} exists", "remove it, or choose another folder")
    try:
        with building(target) as part:
            content = part / "content"
            content.mkdir()
            _extract(blocks, content, name)
            top = list(content.iterdir())
            if not top:
                raise BadArchive(f"{name}: the tar is empty")
            os.rename(top[0] if len(top) == 1 and top[0].is_dir() else content, target)
    except LofarlakeError:
        raise
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BadArchive(f"{name}: not a whole tar: {error}", "fetch or make it again") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{target.parent}: no space left while {name} was unpacked", "free some space") from error
        raise ObservationError(f"{name} can't be unpacked to {target}: {error.strerror}") from error
    return target


class _Reader:
    """What tarfile reads headers from: blocks as a file that is read once, forwards."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = iter(blocks)
        self._block = memoryview(b"")
        self._at = 0

    def tell(self) -> int:
        """Bytes read until now."""
        return self._at

    def read(self, size: int) -> bytes:
        """At most so many bytes; fewer at the end only."""
        return b"".join(bytes(piece) for piece in self.pieces(size))

    def pieces(self, size: int) -> Iterator[Block]:
        """At most so many bytes, as they lie in the blocks; each is valid until the next is taken."""
        while size > 0 and (self._block or self._next()):
            piece, self._block = self._block[:size], self._block[size:]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def begins(self, magic: bytes) -> bool:
        """Whether the next bytes are these; nothing is read."""
        while len(self._block) < len(magic):
            self._block = memoryview(bytes(self._block))  # a copy: the next block may take its place
            more = next(self._blocks, None)
            if more is None:
                return False
            self._block = memoryview(bytes(self._block) + bytes(more))
        return self._block[: len(magic)] == magic

    def drain(self) -> None:
        """Read what is left."""
        self._block = memoryview(b"")
        for _ in self._blocks:
            pass

    def _next(self) -> bool:
        for block in self._blocks:
            if block:
                self._block = memoryview(block)
                return True
        return False


def _without_compression(reader: _Reader) -> _Reader:
    for magic, opened in _COMPRESSED.items():
        if reader.begins(magic):
            return _Reader(_through(opened(reader)))  # type: ignore[operator]
    return reader


def _through(file: Any) -> Iterator[Block]:
    block = buffer()
    try:
        while count := file.readinto(block):
            yield block[:count]
    except LofarlakeError:  # of the blocks that arrive
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise tarfile.ReadError(f"its compression is broken: {error}") from error


class _StrictHeader(tarfile.TarInfo):
    """A header that does not forgive: tarfile takes a missing end, or a broken header, for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_StrictHeader":
        try:
            return super().fromtarfile(tarfile_)  # type: ignore[return-value]
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tarfile_.offset}") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictHeader":
        info = super().frombuf(buf, encoding, errors)
        if info.size > _MAX_HEADER and info.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE):
            raise tarfile.ReadError(f"member {info.name!r} has a size of {info.size} bytes")
        return info  # type: ignore[return-value]


def _extract(blocks: Iterable[Block], folder: Path, name: str) -> None:
    arriving = _Reader(blocks)
    reader = _without_compression(arriving)
    seen: set[PurePosixPath] = set()
    for count, info in enumerate(_members(reader)):
        if count >= MAX_MEMBERS:
            raise BadArchive(f"{name}: more than {MAX_MEMBERS} members; {info.name!r} is one too many")
        inside = _checked(info, name)
        if inside in seen or not (inside.parts or info.isdir()):
            raise BadArchive(f"{name}: member {info.name!r} is there twice")
        if info.isdir():
            _made(folder / inside, name, info.name)
            continue
        seen.add(inside)
        _made((folder / inside).parent, name, info.name)
        _write(reader, info, folder / inside, name)
    reader.drain()
    arriving.drain()


def _members(reader: _Reader) -> Iterator[tarfile.TarInfo]:
    """Headers, one by one; who takes one may read its data, and need not."""
    try:
        # It reads the first header at once; the data of members it never sees.
        tar = tarfile.TarFile(fileobj=reader, tarinfo=_StrictHeader)  # type: ignore[arg-type]
        info = tar.firstmember  # type: ignore[attr-defined]
        while info is not None:
            yield info
            left = tar.offset - reader.tell()
            if sum(map(len, reader.pieces(left))) < left:
                raise tarfile.ReadError("unexpected end of data")
            info = _StrictHeader.fromtarfile(tar)
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return


def _checked(info: tarfile.TarInfo, name: str) -> PurePosixPath:
    """Path of a member inside the folder."""
    inside = PurePosixPath(info.name)
    if info.size < 0:
        raise BadArchive(f"{name}: member {info.name!r} has a size of {info.size} bytes", "don't trust this tar")
    if inside.is_absolute() or ".." in inside.parts or "\0" in info.name:
        raise BadArchive(f"{name}: member {info.name!r} would be written outside of its folder", "don't trust this tar")
    if not (info.isreg() or info.isdir()) or info.issparse():
        kind = "a link" if info.issym() or info.islnk() else "sparse" if info.issparse() else "no file and no folder"
        raise BadArchive(f"{name}: member {info.name!r} is {kind}", "make the tar of files and folders only")
    return inside


def _made(folder: Path, name: str, member: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadArchive(f"{name}: member {member!r} is both a file and a folder") from error


def _write(reader: _Reader, info: tarfile.TarInfo, path: Path, name: str) -> None:
    if info.size > shutil.disk_usage(path.parent).free:
        raise NoSpace(f"{path.parent}: member {info.name!r} of {name} needs {info.size} bytes", "free some space")
    left = info.size
    try:
        with Written(path, info.size) as file:
            for piece in reader.pieces(info.size):
                left -= file.write(piece)
    except (FileExistsError, IsADirectoryError) as error:
        raise BadArchive(f"{name}: member {info.name!r} is both a file and a folder") from error
    if left:
        raise BadArchive(f"{name}: member {info.name!r} ends {left} bytes too early", "fetch or make it again")
