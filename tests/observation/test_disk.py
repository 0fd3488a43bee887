import ctypes
import mmap
import os
from contextlib import closing

import numpy as np
import pytest

from lofarlake_nb.observation import disk
from lofarlake_nb.observation.disk import CHUNK, LARGE, Source, Written

SIZES = [0, 1, CHUNK, LARGE, LARGE + 1, LARGE + CHUNK + 4095]


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(max(SIZES))


@pytest.fixture(params=["on the disk", "in memory"])
def folder(request, tmp_path):
    """A file system that knows O_DIRECT, as a rule, and one that has nothing but the cache."""
    if request.param == "on the disk":
        yield tmp_path
        return
    place = f"/dev/shm/lofarlake-{os.getpid()}"
    os.mkdir(place)
    yield type(tmp_path)(place)
    for name in os.listdir(place):
        os.unlink(f"{place}/{name}")
    os.rmdir(place)


def cold(path) -> None:
    """Have the system forget what it has of a file."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_cached(path, at: int) -> bool:
    """Whether the system has a page of a file; asking has it read that page, so ask for another the next time."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        try:
            return os.preadv(file.fileno(), [bytearray(4096)], at, os.RWF_NOWAIT) > 0
        except BlockingIOError:
            return False


def cached(path) -> int:
    """Pages of a file that the system has (mincore(2)); asking changes nothing."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view, found = np.frombuffer(mapped, np.uint8), np.zeros(-(-len(mapped) // 4096), np.uint8)
        missing = ctypes.CDLL(None).mincore(
            ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(len(view)), ctypes.c_void_p(found.ctypes.data)
        )
        del view
    assert not missing
    return int((found & 1).sum())


def read(path, room: int = CHUNK, start: int = 0) -> bytes:
    """All of a file, into memory that begins `start` bytes after a page."""
    block, found = disk.buffer(start + room)[start:], []
    with closing(Source(path)) as source:
        while count := source.readinto(block):
            found.append(bytes(block[:count]))
    return b"".join(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pieces", [[CHUNK], [512, CHUNK - 512], [700_001], [3 * CHUNK + 7]], ids=str)
def test_what_is_written_is_there(folder, data, size, pieces):
    path, at = folder / "file", 0
    with Written(path, size) as file:
        while at < size:
            for piece in pieces:
                at += file.write(memoryview(data)[at : min(at + piece, size)])
    assert path.read_bytes() == data[:size]


def test_blocks_that_lie_right_are_written_as_they_lie(folder, data):
    block = disk.buffer()
    with Written(folder / "file", LARGE) as file:
        for at in range(0, LARGE, CHUNK):
            block[:] = data[at : at + CHUNK]
            file.write(block)
        file.write(b"and a rest")
    assert (folder / "file").read_bytes() == data[:LARGE] + b"and a rest"


@pytest.fixture
def local(tmp_path):
    """A folder on a disk that knows O_DIRECT."""
    with open(tmp_path / "probe", "wb") as probe:
        if not disk._is_local(probe.fileno()):
            pytest.skip("this folder is on no local disk that lofarlake knows")
    return tmp_path


def test_large_files_on_a_disk_leave_the_cache_alone(local, data):
    with Written(local / "file", LARGE + 5) as file:
        file.write(data[: LARGE + 5])
    assert not is_cached(local / "file", CHUNK)
    assert read(local / "file") == data[: LARGE + 5]
    assert cached(local / "file") <= 2 + 16  # what was asked for above, the last bytes, and what reading looked at


def test_a_look_at_the_cache_does_not_fill_it(local, data):
    """Where a disk reads megabytes ahead, each look brought in what the next ones found."""
    path = local / "file"
    path.write_bytes(data)
    cold(path)
    for looks in range(1, 21):
        with closing(Source(path)):
            pass
        assert cached(path) <= 16 * looks


def test_a_file_that_is_there_stays(folder):
    (folder / "file").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        Written(folder / "file", LARGE)
    assert (folder / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("start", [0, 512, 1])
@pytest.mark.parametrize("remembered", [True, False], ids=["cached", "cold"])
def test_what_is_there_is_read(folder, data, size, start, remembered):
    path = folder / "file"
    path.write_bytes(data[:size])
    if not remembered:
        cold(path)
    assert read(path, CHUNK, start) == data[:size]
    assert read(path, 700_001, start) == data[:size]


@pytest.mark.parametrize("part", [0.2, 0.8])
def test_a_file_of_which_a_part_is_cached_is_read(tmp_path, data, part):
    path = tmp_path / "file"
    path.write_bytes(data)
    cold(path)
    with open(path, "rb") as file:
        file.read(int(part * len(data)))
    assert read(path) == data
