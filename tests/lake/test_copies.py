"""Bytes from the copies of a file: another where one fails, and an error that says so of all."""

import zlib

import pytest

from lofarlake_nb.errors import ChecksumMismatch, TransferFailed
from lofarlake_nb.lake import copies
from lofarlake_nb.lake.copies import Parts

CONTENT = b"0123456789" * 100
INFO = {"did": "lofar:a", "size": len(CONTENT), "adler32": f"{zlib.adler32(CONTENT):08x}"}


class Whole:
    """A storage that gives whole files only."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content, self.asked = content, 0

    def read(self, address):
        self.asked += 1
        yield self.content


class Part(Whole):
    """A storage that gives parts, until it is gone."""

    gone = False

    def read_range(self, address, start, end):
        if self.gone:
            raise TransferFailed(f"{address} is gone")
        return self.content[start:end]


class Some:
    """Storages by address."""

    def __init__(self, **storages) -> None:
        self.storages = storages

    def of(self, address):
        return self.storages[address]


def parts(**storages) -> Parts:
    return Parts(INFO, lambda: Some(**storages), lambda: list(storages))


def test_a_part_comes_from_the_first_copy_that_gives_it():
    first, second = Part(), Part()
    found = parts(first=first, second=second)
    assert found.read(5, 15) == CONTENT[5:15]
    first.gone = True
    assert found.read(15, 25) == CONTENT[15:25]


def test_when_no_copy_is_left_each_read_says_why():
    first, second = Part(), Part()
    first.gone = second.gone = True
    found = parts(first=first, second=second)
    for _ in range(2):
        with pytest.raises(TransferFailed, match="lofar:a: no copy is good: first is gone; second is gone"):
            found.read(0, 10)


def test_whole_files_are_read_once_for_all_parts():
    storage = Whole()
    found = parts(only=storage)
    assert (found.read(0, 10), found.read(990, 1000), storage.asked) == (CONTENT[:10], CONTENT[990:], 1)
    found.close()


def test_a_whole_file_with_wrong_bytes_gives_no_part():
    with pytest.raises(ChecksumMismatch, match="no copy is good"):
        parts(only=Whole(CONTENT[:-1] + b"x")).read(0, 10)


def test_the_whole_comes_from_the_first_copy_that_is_right():
    storages = Some(wrong=Whole(b"other"), right=Whole())
    assert copies.whole(storages, ["wrong", "right"], INFO, b"".join) == CONTENT
