"""A file with copies at two sites, opened by fsspec: where the first storage fails, the second one's bytes come."""

import os

import pytest
from failing import failing, turned
from fsspec.callbacks import Callback

from lofarlake_nb.errors import LakeRefused
from lofarlake_nb.lake.filesystem import RucioFileSystem
from lofarlake_nb.lake.storage import path_of

CONTENT = os.urandom(300_000)


@pytest.fixture
def two_copies(twice, unique, tmp_path):
    """Path in the lake of a file that SARA and JUELICH have."""
    (tmp_path / f"{unique}.bin").write_bytes(CONTENT)
    return f"{twice([tmp_path / f'{unique}.bin'], f'lofar:{unique}').replace(':', '/')}/bin"


@pytest.fixture
def far(remote_lake, lake_home, two_copies, monkeypatch):
    """The lake as others see it, by https, and the server that its storages are asked through."""
    files = RucioFileSystem(lake=str(remote_lake.configuration), skip_instance_cache=True)
    files.ls("")
    [door] = [p for p in files._lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    with failing(f"https://127.0.0.1:{door['port']}", lake_home, tls=True) as server:
        turned(monkeypatch, files._lake, door["port"], server.server_port)
        server.only = ("GET",)
        yield files, server


@pytest.mark.parametrize("fault", [403, 404, "flip answer"])
def test_a_whole_file_comes_from_the_second_site(far, two_copies, tmp_path, fault):
    files, server = far
    server.failures = [fault]
    assert files.cat_file(two_copies) == CONTENT
    assert (server.failures, server.seen["GET"]) == ([], 2)
    server.failures = [fault]
    files.get(two_copies, str(tmp_path / "here"))
    assert (tmp_path / "here").read_bytes() == CONTENT
    assert (server.failures, server.seen["GET"]) == ([], 4)


def test_bytes_of_a_second_copy_are_not_counted_on_top_of_the_first_s(far, two_copies, tmp_path):
    files, server = far
    told = Callback()
    server.failures = ["flip answer"]
    files.get_file(two_copies, str(tmp_path / "here"), callback=told)
    assert (server.failures, server.seen["GET"]) == ([], 2)
    assert (told.size, told.value) == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("fault", [403, 404])
def test_an_open_file_goes_on_at_the_second_site(far, two_copies, fault):
    files, server = far
    with files.open(two_copies, block_size=100_000, cache_type="none") as file:
        begin = file.read(100_000)
        server.failures = [fault]
        assert begin + file.read() == CONTENT
    assert server.failures == []


def test_where_both_refuse_the_error_names_both(far, two_copies):
    files, server = far
    server.failures = [403, 403]
    with pytest.raises(LakeRefused, match="no copy is good: .*JUELICH.*; .*SARA"):
        files.cat_file(two_copies)


def test_a_copy_that_is_cut_off_is_not_taken_for_the_file(lake, two_copies):
    files = RucioFileSystem(lake=str(lake.home), skip_instance_cache=True)
    first = path_of(files.addresses(two_copies)[0])
    first.chmod(0o644)
    os.truncate(first, 1000)
    assert files.cat_file(two_copies) == CONTENT
    with files.open(two_copies) as file:
        assert file.read() == CONTENT
    assert first.stat().st_size == 1000
