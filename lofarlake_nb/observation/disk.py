"""Bytes to and from files of a local disk, past the system's cache where that is faster.

A copy through the cache needs a page of memory for each page of the file, though nobody reads it again soon; for large
files on a disk that keeps up, that memory costs more than the copy. What is in the cache already is read from there.
"""

import errno
import fcntl
import mmap
import os
import random
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

# Memory, offsets and lengths are multiples of it: enough for every disk with O_DIRECT (open(2)).
ALIGNMENT = 4096
# Bytes moved at a time, in memory that is used again.
CHUNK = 1 << 20
# Smaller files are left to the cache.
LARGE = 8 << 20
# Pages that tell whether a file is in the cache.
_PROBES = 16
# Where O_DIRECT is no slower. On network file systems each write would wait for the server's answer.
_LOCAL = {"ext4", "xfs", "overlay"}


def buffer(size: int = CHUNK) -> memoryview:
    """Memory (size,) that begins at a page.

    Examples
    --------
    >>> len(buffer(ALIGNMENT)), len(buffer())
    (4096, 1048576)
    """
    return memoryview(mmap.mmap(-1, size))


class Written:
    """A new file, written from its beginning to its end.

    Parameters
    ----------
    path : Path
        Must not exist.
    size : int
        Bytes that are expected: large files go past the cache.

    Raises
    ------
    OSError
        When it can't be made; of its methods, when it can't be written.

    Examples
    --------
    >>> with Written(Path("written"), size=5) as file:
    ...     count = file.write(b"three")
    >>> Path("written").read_bytes()
    b'three'
    """

    def __init__(self, path: Path, size: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._direct = size >= LARGE and _is_local(self._file) and _direct(self._file, True)
        self._buffer = buffer() if self._direct else memoryview(b"")
        self._used = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            os.close(self._file)

    def write(self, block: bytes | memoryview) -> int:
        """Append a block; its length."""
        left = memoryview(block)
        while self._direct and left:
            if not self._used and len(left) >= CHUNK and self._as_it_lies(left[:CHUNK]):
                left = left[CHUNK:]
                continue
            count = min(len(left), CHUNK - self._used)
            self._buffer[self._used : self._used + count] = left[:count]
            self._used, left = self._used + count, left[count:]
            if self._used == CHUNK:
                self._flush(CHUNK)
        _write(self._file, left)
        return len(block)

    def _as_it_lies(self, block: memoryview) -> bool:
        """Whether a block could be written without a copy: not from memory that is no multiple of what it must be."""
        try:
            count = os.write(self._file, block)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        if count < len(block):  # a disk that fills up: what is left says so itself
            self._through_the_cache()
            _write(self._file, block[count:])
        return True

    def _flush(self, size: int) -> None:
        view, self._used = self._buffer[:size], 0
        if not self._as_it_lies(view):
            self._through_the_cache()
            _write(self._file, view)

    def _through_the_cache(self) -> None:
        _direct(self._file, False)
        self._direct = False

    def _finish(self) -> None:
        if self._direct:
            rest = bytes(self._buffer[: self._used])
            self._through_the_cache()
            _write(self._file, memoryview(rest))
        os.fsync(self._file)


class Source:
    """A file that is read from its beginning to its end: from the cache where most of it is there, else past it.

    Parameters
    ----------
    path : Path
        A file.

    Raises
    ------
    OSError
        When it can't be opened; of its methods, when it can't be read.

    Examples
    --------
    >>> source, room = Source(Path("image.fits")), buffer(6)
    >>> source.readinto(room), bytes(room)
    (6, b'SIMPLE')
    >>> source.close()
    """

    def __init__(self, path: Path) -> None:
        # A pipe without a writer must not hang us.
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._at = 0
        size = os.fstat(self._file).st_size
        self._direct = (
            size >= LARGE and _is_local(self._file) and not _is_cached(self._file, size) and _direct(self._file, True)
        )

    def fileno(self) -> int:
        """Its descriptor."""
        return self._file

    def close(self) -> None:
        """Give it back."""
        os.close(self._file)

    def readinto(self, room: memoryview) -> int:
        """Fill what there is room for; bytes that were read, 0 at the end."""
        count = self._read(room)
        self._at += count
        return count

    def _read(self, room: memoryview) -> int:
        try:
            return os.preadv(self._file, [room], self._at)
        except OSError as error:
            if error.errno != errno.EINVAL or not self._direct:
                raise
        # Neither the end of a file, nor memory that the disk can't take, goes past the cache.
        _direct(self._file, False)
        try:
            return os.preadv(self._file, [room], self._at)
        finally:
            _direct(self._file, True)


def _is_cached(file: int, size: int) -> bool:
    """Whether most of a file is in the cache, by a look at some of its pages.

    A page that is missing is read on being asked for: so nothing around it may be, and others are asked for each time.
    """
    page, there = bytearray(ALIGNMENT), 0
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for at in random.sample(range(size // ALIGNMENT), _PROBES):
            there += _is_page_cached(file, at * ALIGNMENT, page)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_NORMAL)
    except OSError:  # a file system that can't say
        return True
    return there > _PROBES // 2


def _is_page_cached(file: int, at: int, page: bytearray) -> bool:
    try:
        return os.preadv(file, [page], at, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False


def _write(file: int, block: memoryview) -> None:
    while block:
        block = block[os.write(file, block) :]


def _direct(file: int, wanted: bool) -> bool:
    """Have a file read and written past the cache, or not; False where the file system does not know that."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT)
    except OSError:
        return False
    return True


def _is_local(file: int) -> bool:
    return _file_system(os.fstat(file).st_dev) in _LOCAL


@lru_cache
def _file_system(device: int) -> str:
    """Kind of the file system of a device (proc(5)); empty when it is not known."""
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        about, _, kind = line.partition(" - ")
        if about.split()[2] == name:
            return kind.split()[0]
    return ""
