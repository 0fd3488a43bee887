import os
import time
import zlib

import pytest

from lofarlake_nb.errors import ChecksumMismatch, TransferFailed
from lofarlake_nb.lake.embedded.mover import File, Mover, by_https, copy

SIZE = 10_000_001  # several blocks and a bit


@pytest.fixture
def source(home):
    """A file at a site: its name, bytes and checksum."""
    data = os.urandom(SIZE)
    path = home.storage / "SARA" / "to_move"
    path.write_bytes(data)
    return "to_move", data, f"{zlib.adler32(data):08x}"


@pytest.fixture
def url(home):
    return lambda site, name: f"{home.settings().storage_url}/{site}/{name}"


def arrived(home, name):
    deadline = time.monotonic() + 10
    while any(home.storage.glob("*/.incoming/*")):  # the storage is still noticing
        assert time.monotonic() < deadline
        time.sleep(0.02)
    path = home.storage / "JUELICH" / name
    return path.read_bytes() if path.exists() else None


def test_the_bytes_arrive(home, context, source, url):
    name, data, adler32 = source
    copy(url("SARA", name), url("JUELICH", "a/moved"), SIZE, adler32, context=context)
    assert arrived(home, "a/moved") == data


def test_leading_zeros_of_a_checksum_do_not_matter(home, context, url):
    data = b"\0" * 3
    (home.storage / "SARA" / "zeros").write_bytes(data)
    assert zlib.adler32(data) < 1 << 28
    copy(url("SARA", "zeros"), url("JUELICH", "zeros"), 3, f"{zlib.adler32(data):x}", context=context)
    assert arrived(home, "zeros") == data


@pytest.mark.parametrize(
    ("size", "adler32", "error"),
    [(SIZE, "deadbeef", ChecksumMismatch), (SIZE - 1, None, ChecksumMismatch), (SIZE + 1, None, ChecksumMismatch)],
)
def test_what_differs_from_the_catalogue_does_not_arrive(home, context, source, url, size, adler32, error):
    with pytest.raises(error, match="catalogue says"):
        copy(url("SARA", source[0]), url("JUELICH", "differs"), size, adler32, context=context)
    assert arrived(home, "differs") is None


def test_a_missing_source_and_a_refusing_destination_are_told_apart(home, context, source, url):
    with pytest.raises(TransferFailed, match="source answers 404"):
        copy(url("SARA", "none"), url("JUELICH", "x"), 1, None, context=context)
    (home.storage / "JUELICH" / "folder").mkdir(exist_ok=True)
    with pytest.raises(TransferFailed, match="destination answers 409: a folder"):
        copy(url("SARA", source[0]), url("JUELICH", "folder"), SIZE, source[2], context=context)
    with pytest.raises(TransferFailed, match="only https"):
        copy("file:///etc/passwd", url("JUELICH", "x"), 1, None, context=context)


def test_a_cancelled_copy_leaves_nothing(home, context, source, url):
    asked = iter([False, True])
    with pytest.raises(TransferFailed, match="cancelled"):
        copy(
            url("SARA", source[0]),
            url("JUELICH", "cancelled"),
            SIZE,
            source[2],
            context=context,
            cancelled=lambda: next(asked),
        )
    assert arrived(home, "cancelled") is None


def test_the_next_source_is_taken_when_one_is_bad(home, source, url):
    name, data, adler32 = source
    mover = Mover(by_https(home.certificates))
    bad = url("POZNAN", "none")
    files = [
        File("good", (bad, url("SARA", name)), url("JUELICH", "second"), SIZE, adler32),
        File("bad", (bad,), url("JUELICH", "never"), SIZE, adler32),
    ]
    job = mover.job(mover.submit(files))
    mover.pool.shutdown(wait=True)
    assert job.outcomes["good"].trouble == ""
    assert "source answers 404" in job.outcomes["bad"].trouble
    assert not job.waiting
    assert arrived(home, "second") == data
    assert mover.job("of another life") is None
