"""A Measurement Set is a folder and a lake stores files: it travels as one tar, made and taken apart as a stream."""

import errno
import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lofarlake_nb.errors import BadArchive, LofarlakeError, NoSpace, ObservationError
from lofarlake_nb.observation.partial import building

# Read, sent or written at a time, bytes: larger blocks are fresh memory each time, and cost twice the time of a copy.
CHUNK = 1 << 20
MAX_MEMBERS = 100_000  # a Measurement Set has some hundreds of files
_MAX_HEADER = 1 << 20  # bytes of a long name or of extended headers, which tarfile holds in memory
_BUFFER = 1 << 18  # bytes that tarfile asks for; it copies what is left of them at each small read


@dataclass(frozen=True)
class Member:
    """One file or folder of a packing."""

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
    """

    folder: Path
    members: tuple[Member, ...]
    size: int
    contents_hash: str

    def blocks(self) -> Iterator[bytes]:
        """Bytes of the tar, in blocks of about 4 MiB.

        Raises
        ------
        ObservationError
            When a file vanishes or changes while it is read.
        """
        pending = bytearray()
        for piece in self._pieces():
            if not pending and len(piece) >= CHUNK:
                yield piece
                continue
            pending += piece
            if len(pending) >= CHUNK:
                yield bytes(pending)
                pending.clear()
        if pending:
            yield bytes(pending)

    def _pieces(self) -> Iterator[bytes]:
        for member in self.members:
            yield _header(member)
            if not member.is_folder:
                yield from blocks_of(member.path, member.size)
                yield bytes(-member.size % tarfile.BLOCKSIZE)
        yield bytes(self.size - sum(map(_room, self.members)))


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


def blocks_of(path: Path, size: int | None = None) -> Iterator[bytes]:
    """Bytes of a file, in blocks of 4 MiB.

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
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            size = before.st_size if size is None else size
            left = size
            # One byte more than expected is asked for: a file that grew is noticed.
            while piece := file.read(min(CHUNK, left + 1)):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
            after = os.fstat(file.fileno())
    except OSError as error:
        raise ObservationError(f"{path} can't be read: {error.strerror}") from error
    if left or after.st_mtime_ns != before.st_mtime_ns or not stat.S_ISREG(after.st_mode):
        raise ObservationError(
            f"{path} changed while it was read: {size} bytes before, {after.st_size} now",
            "wait until nothing writes to it, and do it again",
        )


def unpack(blocks: Iterable[bytes], target: Path, *, name: str = "") -> Path:
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
    """What tarfile reads from: an iterable of bytes as a file that is read once, forwards."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = iter(blocks)
        self.block = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self.block:
            block = next(self.blocks, None)
            if block is None:
                return b""
            self.block = memoryview(block)
        piece, self.block = self.block[:size], self.block[size:]
        return bytes(piece)

    def drain(self) -> None:
        for _ in self.blocks:
            pass


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


def _extract(blocks: Iterable[bytes], folder: Path, name: str) -> None:
    reader = _Reader(blocks)
    seen: set[PurePosixPath] = set()
    with tarfile.open(fileobj=reader, mode="r|*", bufsize=_BUFFER, tarinfo=_StrictHeader) as tar:  # type: ignore[call-overload]
        for count, info in enumerate(tar):
            if count >= MAX_MEMBERS:
                raise BadArchive(f"{name}: more than {MAX_MEMBERS} members; {info.name!r} is one too many")
            inside = _checked(info, name)
            if info.isdir():
                if inside in seen:
                    raise BadArchive(f"{name}: member {info.name!r} is there twice")
                _made(folder / inside, name, info.name)
                continue
            if inside in seen or not inside.parts:
                raise BadArchive(f"{name}: member {info.name!r} is there twice")
            seen.add(inside)
            _made((folder / inside).parent, name, info.name)
            _write(tar, info, folder / inside, name)
    reader.drain()


def _checked(info: tarfile.TarInfo, name: str) -> PurePosixPath:
    """Path of a member inside the folder."""
    inside = PurePosixPath(info.name)
    if info.size < 0:
        raise BadArchive(f"{name}: member {info.name!r} has a size of {info.size} bytes", "don't trust this tar")
    if inside.is_absolute() or ".." in inside.parts or "\0" in info.name:
        raise BadArchive(f"{name}: member {info.name!r} would be written outside of its folder", "don't trust this tar")
    if not (info.isreg() or info.isdir()):
        kind = "a link" if info.issym() or info.islnk() else "no file and no folder"
        raise BadArchive(f"{name}: member {info.name!r} is {kind}", "make the tar of files and folders only")
    return inside


def _made(folder: Path, name: str, member: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadArchive(f"{name}: member {member!r} is both a file and a folder") from error


def _write(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path, name: str) -> None:
    if info.size > shutil.disk_usage(path.parent).free:
        raise NoSpace(f"{path.parent}: member {info.name!r} of {name} needs {info.size} bytes", "free some space")
    source = tar.extractfile(info)
    assert source is not None  # a regular file
    try:
        with open(path, "xb") as file:
            left = info.size
            while left and (piece := source.read(min(_BUFFER, left))):
                file.write(piece)
                left -= len(piece)
    except (FileExistsError, IsADirectoryError) as error:
        raise BadArchive(f"{name}: member {info.name!r} is both a file and a folder") from error
    if left:
        raise BadArchive(f"{name}: member {info.name!r} ends {left} bytes too early", "fetch or make it again")
