import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from lofarlake_nb.errors import BadArchive, NoSpace, ObservationError
from lofarlake_nb.observation import archive, unpacking


def tree(folder: Path) -> dict[str, bytes | None]:
    """What a folder holds, by path inside it; None for a folder."""
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}


def joined(blocks) -> bytes:
    """All of it; a block is valid until the next is taken."""
    return b"".join(map(bytes, blocks))


def blocks(data: bytes, size: int = 10_000) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def tar_of(*members: tuple[str, bytes | str], **options) -> bytes:
    """A tar by Python: bytes make a file, a text names a type of member."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=options.pop("mode", "w"), **options) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type = getattr(tarfile, content)
                info.linkname = "/etc/passwd"
                tar.addfile(info)
    return made.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A folder with what Measurement Sets have, and what tars find hard: empty, long, large."""
    made = tmp_path / "L1_SAP000_SB000_uv.MS"
    (made / "ANTENNA").mkdir(parents=True)
    (made / "EMPTY").mkdir()
    (made / "table.dat").write_bytes(os.urandom(513))
    (made / "table.f0").write_bytes(os.urandom(archive.CHUNK * 2 + 7))
    (made / "table.lock").write_bytes(b"")
    (made / "ANTENNA" / ("long_" * 40)).write_bytes(b"x" * 512)
    (made / "ANTENNA" / "größe").write_bytes(b"y")
    return made


# making


def test_the_same_folder_gives_the_same_bytes_whoever_owns_it_and_whenever(folder, tmp_path):
    first = joined(archive.pack(folder).blocks())
    copy = tmp_path / "elsewhere" / folder.name
    copy.parent.mkdir()
    subprocess.run(["cp", "-r", folder, copy], check=True)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert joined(archive.pack(copy).blocks()) == first
    assert archive.pack(copy).contents_hash == archive.pack(folder).contents_hash


def test_the_size_is_known_beforehand_and_gnu_tar_reads_it(folder, tmp_path):
    packing = archive.pack(folder)
    data = joined(packing.blocks())
    assert len(data) == packing.size
    (tmp_path / "a.tar").write_bytes(data)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xf", tmp_path / "a.tar", "-C", tmp_path / "out"], check=True)
    assert tree(tmp_path / "out" / folder.name) == tree(folder)


def test_memory_is_a_block_whatever_the_size(folder):
    sizes = [len(block) for block in archive.pack(folder).blocks()]
    assert max(sizes) < 2 * archive.CHUNK


def test_the_hash_is_of_names_and_sizes(folder):
    before = archive.pack(folder).contents_hash
    (folder / "table.dat").write_bytes(b"z" * 513)
    assert archive.pack(folder).contents_hash == before
    (folder / "table.dat").write_bytes(b"z" * 514)
    assert archive.pack(folder).contents_hash != before


@pytest.mark.parametrize("change", ["grow", "shrink", "vanish", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_an_error(folder, change):
    stream = archive.pack(folder).blocks()
    next(stream)
    file = folder / "table.f0"
    if change == "grow":
        with file.open("ab") as opened:
            opened.write(b"more")
    elif change == "shrink":
        os.truncate(file, 5_000_000)
    elif change == "rewrite":
        with file.open("r+b") as opened:
            opened.write(b"other")
    else:
        stream = archive.pack(folder).blocks()
        file.unlink()
    with pytest.raises(ObservationError, match=r"table\.f0"):
        list(stream)


def test_links_and_special_files_are_refused(folder):
    (folder / "link").symlink_to("table.dat")
    with pytest.raises(ObservationError, match="link is a link"):
        archive.pack(folder)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ObservationError, match="pipe is no file"):
        archive.pack(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path has a small limit
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        with pytest.raises(ObservationError, match="socket is no file"):
            archive.pack(folder)


def test_a_file_is_no_folder(folder):
    with pytest.raises(ObservationError, match="is no folder"):
        archive.pack(folder / "table.dat")


# taking apart


def test_there_and_back(folder, tmp_path):
    back = unpacking.unpack(archive.pack(folder).blocks(), tmp_path / "new" / "back.MS")
    assert tree(back) == tree(folder)
    assert os.listdir(tmp_path / "new") == ["back.MS"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_by_others_are_read(tmp_path, mode, format):
    data = tar_of(
        ("./", "DIRTYPE"), ("./a.MS/table.dat", b"1"), ("./a.MS/ANTENNA/table.dat", b"2"), mode=mode, format=format
    )
    made = unpacking.unpack(blocks(data, 100), tmp_path / "b.MS")
    assert tree(made) == {"table.dat": b"1", "ANTENNA": None, "ANTENNA/table.dat": b"2"}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_blocks_that_share_their_memory_may_be_tiny(tmp_path, mode):
    data, buffer = tar_of(("a/b", b"content"), mode=mode), bytearray(3)

    def shared():
        for at in range(0, len(data), 3):
            count = len(data[at : at + 3])
            buffer[:count] = data[at : at + 3]
            yield memoryview(buffer)[:count]

    made = unpacking.unpack(shared(), tmp_path / "a")
    assert tree(made) == {"b": b"content"}


def test_a_sparse_member_is_refused(tmp_path):
    (tmp_path / "holes").write_bytes(b"")
    os.truncate(tmp_path / "holes", 1 << 20)
    subprocess.run(["tar", "-C", tmp_path, "-S", "-cf", tmp_path / "sparse.tar", "holes"], check=True)
    with pytest.raises(BadArchive, match="'holes' is sparse"):
        unpacking.unpack(archive.blocks_of(tmp_path / "sparse.tar"), tmp_path / "a")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_broken_compression_is_named_and_nothing_stays(tmp_path, mode):
    data = bytearray(tar_of(("a/b", os.urandom(100_000)), mode=mode))
    data[len(data) // 2] ^= 0xFF
    into = tmp_path / "into"
    with pytest.raises(BadArchive, match="not a whole tar"):
        unpacking.unpack([bytes(data)], into / "a")
    assert not list(into.iterdir())


def test_a_tar_without_a_top_folder_becomes_one(tmp_path):
    made = unpacking.unpack([tar_of(("table.dat", b"1"), ("ANTENNA/table.dat", b"2"))], tmp_path / "b.MS")
    assert tree(made) == {"table.dat": b"1", "ANTENNA": None, "ANTENNA/table.dat": b"2"}


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("../evil", b"x")], "'../evil' would be written outside"),
        ([("a/../../evil", b"x")], "outside"),
        ([("/tmp/evil", b"x")], "'/tmp/evil' would be written outside"),
        ([("a/link", "SYMTYPE")], "'a/link' is a link"),
        ([("a/link", "LNKTYPE")], "'a/link' is a link"),
        ([("a/device", "CHRTYPE")], "'a/device' is no file"),
        ([("a/pipe", "FIFOTYPE")], "'a/pipe' is no file"),
        ([("a", b"x"), ("a", b"y")], "'a' is there twice"),
        ([("a", b"x"), ("./a", b"y")], "'./a' is there twice"),
        ([("a", b"x"), ("a/b", b"y")], "'a/b' is both"),
        ([("a/b", b"x"), ("a", b"y")], "'a' is both"),
        ([("a", b"x"), ("a", "DIRTYPE")], "'a' is there twice"),
        ([], "empty"),
    ],
)
def test_what_does_not_belong_in_a_tar_is_named_and_nothing_stays(tmp_path, members, says):
    into = tmp_path / "into"
    with pytest.raises(BadArchive, match=f"bad.tar: .*{says}"):
        unpacking.unpack([tar_of(("first", b"1"), *members) if members else tar_of()], into / "target", name="bad.tar")
    assert list(into.iterdir()) == []
    assert not (tmp_path / "evil").exists()
    assert not Path("/tmp/evil").exists()


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    with pytest.raises(BadArchive, match="'3' is one too many"):
        unpacking.unpack([tar_of(*((str(n), b"") for n in range(4)))], tmp_path / "a")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_tar_is_found_wherever_it_ends(tmp_path, mode):
    data = tar_of(("a/1", b"x" * 600), ("a/2", os.urandom(600)), mode=mode)
    plain_end = 512 + 1024 + 512 + 1024  # where the end marker begins
    cuts = (
        [0, 100, 512, 600, 512 + 1024, 2000, 2048, plain_end - 1, plain_end]
        if mode == "w"
        else [0, 5, 30, len(data) // 2]
    )
    for cut in cuts:
        with pytest.raises(BadArchive, match=r"short\.tar"):
            unpacking.unpack(blocks(data[:cut]), tmp_path / "short", name="short.tar")
        assert list(tmp_path.iterdir()) == [], cut


def test_a_broken_header_is_no_end(tmp_path):
    data = bytearray(tar_of(("a/1", b"x" * 600), ("a/2", b"y" * 600)))
    data[512 + 1024 + 20] ^= 1
    with pytest.raises(BadArchive, match="bad checksum at byte 1536"):
        unpacking.unpack([bytes(data)], tmp_path / "a")


def test_a_header_does_not_fill_the_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 1 << 40
    with pytest.raises(BadArchive, match="1099511627776 bytes"):
        unpacking.unpack([info.tobuf(tarfile.GNU_FORMAT)], tmp_path / "a")


def test_a_member_larger_than_the_disk_is_refused_before_it_is_written(tmp_path):
    info = tarfile.TarInfo("a/huge")
    info.size = 1 << 60
    with pytest.raises(NoSpace, match=r"'a/huge' of a\.tar needs"):
        unpacking.unpack([info.tobuf(tarfile.GNU_FORMAT)], tmp_path / "a", name="a.tar")
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_never_overwritten(folder, tmp_path):
    with pytest.raises(ObservationError, match="exists"):
        unpacking.unpack(archive.pack(folder).blocks(), folder)


def test_an_error_of_the_source_comes_through_and_nothing_stays(folder, tmp_path):
    def breaks():
        yield next(archive.pack(folder).blocks())
        raise ObservationError("the line went down")

    with pytest.raises(ObservationError, match="the line went down"):
        unpacking.unpack(breaks(), tmp_path / "into" / "a")
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.real_data
def test_real_observations_travel_unharmed(real_data, tmp_path):
    for tar in sorted(real_data.glob("*.tar")):
        first = unpacking.unpack(archive.blocks_of(tar), tmp_path / tar.stem)
        second = unpacking.unpack(archive.pack(first).blocks(), tmp_path / f"{tar.stem}.again")
        assert (first / "table.dat").is_file()
        assert tree(first) == tree(second)
