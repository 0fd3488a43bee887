"""A Measurement Set is a folder and a lake stores files: it travels as one tar, made as a stream."""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.observation.disk import CHUNK, Source, buffer

Block = bytes | memoryview


@dataclass(frozen=True)
class Member:
    """One file or folder of a packing.

    Examples
    --------
    >>> top = pack("observation/L990100_SAP000_SB000_uv.MS").members[0]
    >>> top.name, top.is_folder, top.size
    ('L990100_SAP000_SB000_uv.MS', True, 0)
    """

    path: Path
    name: str  # in the tar, from the top folder on
    size: int  # bytes; 0 for a folder
    is_folder: bool


@dataclass(frozen=True)
class Packing:
    """The tar of a folder, before its first byte is made: the same folder always gives the same bytes.

    Parameters
    ----------
    folder : Path
        What is packed.
    members : tuple of Member
        Sorted by name, the folder itself first.
    size : int
        Bytes of the whole tar.
    contents_hash : str
        8 hexadecimal digits made from names and sizes.

    Examples
    --------
    >>> packing = pack("observation/L990100_SAP000_SB000_uv.MS")
    >>> sum(len(block) for block in packing.blocks()) == packing.size
    True
    """

    folder: Path
    members: tuple[Member, ...]
    size: int
    contents_hash: str

    def blocks(self) -> Iterator[Block]:
        """Bytes of the tar, in blocks of `CHUNK`; each is valid until the next is taken.

        Raises
        ------
        ObservationError
            When a file vanishes or changes while it is read.
        """
        block, used = buffer(), 0
        for source in self._sources():
            with source:
                while count := source.readinto(block[used:]):
                    used += count
                    if used == CHUNK:
                        yield block
                        used = 0
        if used:
            yield block[:used]

    def _sources(self) -> "Iterator[_Steady | io.BytesIO]":
        for member in self.members:
            yield io.BytesIO(_header(member))
            if not member.is_folder:
                yield _Steady(member.path, member.size)
                yield io.BytesIO(bytes(-member.size % tarfile.BLOCKSIZE))
        yield io.BytesIO(bytes(self.size - sum(map(_room, self.members))))


def pack(folder: str | Path) -> Packing:
    """Plan the tar of a folder: names, sizes and hash, nothing is read yet.

    Parameters
    ----------
    folder : path
        A Measurement Set, or any folder of files and folders.

    Returns
    -------
    Packing
        Its `blocks` are the tar.

    Raises
    ------
    ObservationError
        When it is no folder, or holds links, devices or sockets.

    Examples
    --------
    >>> packing = pack("observation/L990100_SAP000_SB000_uv.MS")
    >>> packing.size > 0
    True
    """
    folder = Path(os.path.abspath(folder))
    if not folder.is_dir():
        raise ObservationError(f"{folder} is no folder")
    try:
        members = tuple(sorted(_walk(folder.resolve(), folder.name), key=lambda member: member.name.split("/")))
    except OSError as error:
        raise ObservationError(f"{folder} can't be read: {error.strerror}: {error.filename}") from error
    contents = "".join(f"{m.name}{'/' if m.is_folder else ''}\0{m.size}\n" for m in members)
    digest = hashlib.sha256(contents.encode("utf-8", "surrogateescape")).hexdigest()
    end = 2 * tarfile.BLOCKSIZE
    used = sum(map(_room, members)) + end
    return Packing(folder, members, used + -used % tarfile.RECORDSIZE, digest[:8])


def _walk(folder: Path, name: str) -> Iterator[Member]:
    yield Member(folder, name, 0, True)
    with os.scandir(folder) as entries:
        for entry in entries:
            inside = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), inside)
            elif entry.is_file(follow_symlinks=False):
                yield Member(Path(entry.path), inside, entry.stat(follow_symlinks=False).st_size, False)
            else:
                kind = "a link" if entry.is_symlink() else "no file and no folder"
                raise ObservationError(f"{entry.path} is {kind}, which can't be archived", "put the file itself there")


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)  # owner 0, time 0 by itself
    info.size = member.size
    info.type = tarfile.DIRTYPE if member.is_folder else tarfile.REGTYPE
    info.mode = 0o755 if member.is_folder else 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _room(member: Member) -> int:
    """Bytes that a member takes in the tar."""
    return len(_header(member)) + member.size + -member.size % tarfile.BLOCKSIZE


def blocks_of(path: Path, size: int | None = None) -> Iterator[Block]:
    """Bytes of a file, in blocks of `CHUNK`; each is valid until the next is taken.

    Parameters
    ----------
    path : Path
        A regular file.
    size : int, optional
        Bytes that it must have; those that it has now when not given.

    Raises
    ------
    ObservationError
        When it can't be read, or changes while it is read.

    Examples
    --------
    >>> sum(len(block) for block in blocks_of(Path("image.fits")))
    69120
    """
    block = buffer()
    with _Steady(path, size) as file:
        while count := file.readinto(block):
            yield block[:count]


class _Steady:
    """A regular file that has `size` bytes, and must not change while it is read."""

    def __init__(self, path: Path, size: int | None = None) -> None:
        self.path = path
        try:
            self._file = Source(path)
            self._before = os.fstat(self._file.fileno())
        except OSError as error:
            raise self._unreadable(error) from error
        self.size = self._left = self._before.st_size if size is None else size

    def __enter__(self) -> "_Steady":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def readinto(self, room: memoryview) -> int:
        """Fill what there is room for; 0 at the end, which must be where it was expected."""
        try:
            count = self._file.readinto(room[: self._left]) if self._left else 0
            if not count:
                self._check()
        except OSError as error:
            raise self._unreadable(error) from error
        self._left -= count
        return count

    def _check(self) -> None:
        after = os.fstat(self._file.fileno())
        grew = after.st_size != self.size
        if grew or self._left or after.st_mtime_ns != self._before.st_mtime_ns or not stat.S_ISREG(after.st_mode):
            raise ObservationError(
                f"{self.path} changed while it was read: {self.size} bytes before, {after.st_size} now",
                "wait until nothing writes to it, and do it again",
            )

    def _unreadable(self, error: OSError) -> ObservationError:
        return ObservationError(f"{self.path} can't be read: {error.strerror}")
