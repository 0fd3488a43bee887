"""The lake as files: what is opened by fsspec has the right bytes, or is an error that says what is wrong."""

import importlib.metadata
import io
import json
import os
import pickle

import fsspec
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lofarlake_nb.errors import ChecksumMismatch, LakeNotRunning, LakeRefused, NotInTheLake, TransferFailed, UsageError
from lofarlake_nb.lake import ingest
from lofarlake_nb.lake.filesystem import RucioFileSystem
from lofarlake_nb.lake.storage import Storages, path_of
from lofarlake_nb.parameters import IngestParameters

STEM = "files_result"
PIXELS = np.arange(400 * 500, dtype=np.float32).reshape(400, 500)


@pytest.fixture(scope="module")
def in_lake(lake, tmp_path_factory):
    """A dataset of products, in a container, and one file at a second site."""
    folder = tmp_path_factory.mktemp("products")
    fits.writeto(folder / "image.fits", PIXELS)
    (folder / "summary.json").write_text(json.dumps({"rms": 0.25}))
    (folder / "table.csv").write_text("name,flux\n3C196,89.4\n")
    ingest.ingest_products(lake, sorted(folder.iterdir()), f"lofar:{STEM}", {}, replicate_to="", close=True)
    lake.call("add_container", "lofar", f"{STEM}_all")
    lake.call("attach_dids", "lofar", f"{STEM}_all", [{"scope": "lofar", "name": STEM}])
    return folder


@pytest.fixture
def files(lake_home, in_lake):
    return RucioFileSystem(lake=str(lake_home), skip_instance_cache=True)


@pytest.fixture
def remote_files(remote_lake, in_lake):
    """The same lake as others see it: by https."""
    return RucioFileSystem(lake=str(remote_lake.configuration), skip_instance_cache=True)


def test_scopes_collections_and_files_are_listed(files):
    assert "lofar" in files.ls("", detail=False)
    assert f"lofar/{STEM}" in files.ls("rucio://lofar", detail=False)
    rows = files.ls(f"lofar/{STEM}")
    assert [row["name"] for row in rows] == [
        f"lofar/{STEM}/{name}" for name in ("image.fits", "summary.json", "table.csv")
    ]
    assert rows[1]["did"] == f"lofar:{STEM}.summary.json"
    assert rows[1]["size"] == len(json.dumps({"rms": 0.25}))
    assert files.ls(f"lofar/{STEM}_all", detail=False) == [f"lofar/{STEM}_all/{STEM}"]


def test_a_file_has_one_description_by_each_of_its_paths(files):
    short = files.info(f"rucio://lofar/{STEM}/image.fits")
    for path in (f"lofar/{STEM}/{STEM}.image.fits", f"lofar/{STEM}.image.fits", f"lofar/{STEM}_all/{STEM}/image.fits"):
        assert {**files.info(path), "name": ""} == {**short, "name": ""}
    assert (short["type"], len(short["adler32"])) == ("file", 8)
    assert files.checksum(f"lofar/{STEM}/image.fits") == int(short["adler32"], 16)


@pytest.mark.parametrize("path", ["lofar", "rucio://lofar", ""])
def test_of_a_scope_the_catalogue_does_not_say_when_it_was_made(files, path):
    assert files.created(f"lofar/{STEM}").year > 2000
    with pytest.raises(UsageError, match="is no file or collection: the catalogue does not say when"):
        files.created(path)


def test_patterns_find_files_across_datasets(files):
    assert files.glob(f"rucio://lofar/{STEM}/*.fits") == [f"lofar/{STEM}/image.fits"]
    assert files.glob("lofar/files_res*/s*.json") == [f"lofar/{STEM}/summary.json"]
    assert len(files.find(f"lofar/{STEM}_all")) == 3


@pytest.mark.parametrize("kind", ["files", "remote_files"])
def test_astropy_reads_an_image_that_is_in_the_lake(request, kind):
    opened = request.getfixturevalue(kind)
    with opened.open(f"lofar/{STEM}/image.fits") as file:
        assert np.array_equal(fits.getdata(io.BytesIO(file.read())), PIXELS)
    with opened.open(f"lofar/{STEM}/image.fits") as file, fits.open(file) as hdus:
        assert np.array_equal(hdus[0].data, PIXELS)


def test_fsspec_opens_what_the_url_names(lake_home, in_lake):
    with fsspec.open(f"rucio://lofar/{STEM}/table.csv", "rt", lake=str(lake_home)) as file:
        assert file.read() == (in_lake / "table.csv").read_text()


def test_an_open_file_can_be_sent_to_another_process(files):
    with files.open(f"lofar/{STEM}/table.csv") as opened:
        opened.seek(10)
        with pickle.loads(pickle.dumps(opened)) as sent:
            assert sent.read() == opened.read() == b"3C196,89.4\n"


@pytest.mark.parametrize("kind", ["files", "remote_files"])
def test_tables_are_read_by_those_who_take_open_files(request, kind):
    opened = request.getfixturevalue(kind)
    with opened.open(f"lofar/{STEM}/table.csv") as file:
        table = Table.read(file, format="ascii.csv")
    assert (table["name"][0], table["flux"][0]) == ("3C196", 89.4)
    with opened.open(f"lofar/{STEM}/table.csv", "rt") as file:
        assert np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding=None)["flux"] == 89.4


def test_it_is_known_to_fsspec_by_its_name():
    known = {point.name: point.value for point in importlib.metadata.entry_points(group="fsspec.specs")}
    assert known["rucio"] == "lofarlake_nb.lake.filesystem:RucioFileSystem"


@pytest.mark.parametrize("kind", ["files", "remote_files"])
def test_a_part_is_read_without_the_whole(request, kind, in_lake, monkeypatch):
    opened = request.getfixturevalue(kind)
    asked = []
    storage = type(opened.storages.of(opened.addresses(f"lofar/{STEM}/image.fits")[0]))
    original = storage.read_range

    def read_range(self, address, start, end):
        asked.append((start, end))
        return original(self, address, start, end)

    monkeypatch.setattr(storage, "read_range", read_range)
    bytes_here = (in_lake / "image.fits").read_bytes()
    with opened.open(f"lofar/{STEM}/image.fits", block_size=1000) as file:
        file.seek(400_000)
        assert file.read(100) == bytes_here[400_000:400_100]
    assert sum(end - start for start, end in asked) < 10_000
    assert opened.cat_file(f"lofar/{STEM}/image.fits", 10, 20) == bytes_here[10:20]
    assert opened.cat_file(f"lofar/{STEM}/image.fits", -10) == bytes_here[-10:]


def test_a_storage_without_ranges_gives_the_part_too(remote_files, in_lake, monkeypatch):
    """A server may answer a range with the whole file."""
    https = type(remote_files.storages.https)
    ask = https._ask

    def without_range(self, method, address, **options):
        options.get("headers", {}).pop("Range", None)
        return ask(self, method, address, **options)

    monkeypatch.setattr(https, "_ask", without_range)
    assert (
        remote_files.cat_file(f"lofar/{STEM}/image.fits", 1000, 1010)
        == (in_lake / "image.fits").read_bytes()[1000:1010]
    )


def test_a_file_is_cached_here_and_not_read_again(lake_home, in_lake, tmp_path):
    url, cache = f"filecache::rucio://lofar/{STEM}/summary.json", str(tmp_path / "cache")
    options = {"rucio": {"lake": str(lake_home)}, "filecache": {"cache_storage": cache}}
    for _ in range(2):
        with fsspec.open(url, **options) as file:
            assert json.load(file) == {"rms": 0.25}
    kept = [p for p in (tmp_path / "cache").iterdir() if p.name != "cache"]
    assert [p.read_bytes() for p in kept] == [(in_lake / "summary.json").read_bytes()]


def test_get_brings_a_dataset(files, in_lake, tmp_path):
    files.get(f"lofar/{STEM}", str(tmp_path / "here"), recursive=True)
    here = {p.name: p.read_bytes() for p in (tmp_path / "here").iterdir()}
    assert here == {p.name: p.read_bytes() for p in in_lake.iterdir()}


@pytest.fixture
def damaged(lake, unique, tmp_path):
    """A file of one copy whose last byte flipped at its site."""
    (tmp_path / f"{unique}.bin").write_bytes(os.urandom(3_000_000))
    ingest.ingest(lake, [tmp_path / f"{unique}.bin"], IngestParameters(dataset=f"lofar:{unique}", replicate_to=""))
    files = RucioFileSystem(lake=str(lake.home), skip_instance_cache=True)
    (name,) = files.ls(f"lofar/{unique}", detail=False)
    path = path_of(files.addresses(name)[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    yield files, name
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_whole_file_with_wrong_bytes_is_an_error(damaged, tmp_path):
    files, name = damaged
    with files.open(name, block_size=500_000) as file, pytest.raises(ChecksumMismatch, match="lofarlake verify"):
        list(iter(lambda: file.read(100_000), b""))
    with pytest.raises(ChecksumMismatch, match="no copy is good"):
        files.cat_file(name)
    with pytest.raises(ChecksumMismatch, match="no copy is good"):
        files.get(name, str(tmp_path / "got"))
    assert not (tmp_path / "got").exists()


def test_another_copy_is_taken_where_one_is_gone(lake, twice, unique, tmp_path):
    (tmp_path / f"{unique}.bin").write_bytes(b"twice there" * 1000)
    dataset = twice([tmp_path / f"{unique}.bin"], f"lofar:{unique}")
    files = RucioFileSystem(lake=str(lake.home), skip_instance_cache=True)
    (name,) = files.ls(dataset.replace(":", "/"), detail=False)
    first, _ = files.addresses(name)
    Storages(lake).of(first).remove(first)
    assert files.cat_file(name) == b"twice there" * 1000
    with files.open(name) as file:
        assert file.read(5) == b"twice"


def test_what_is_not_there_is_an_error_that_names_it(files):
    assert not files.exists(f"lofar/{STEM}/no_such.fits")
    for path in (f"lofar/{STEM}/no_such.fits", "lofar/no_such_dataset", "no_such_scope", "lofar/{STEM}/", "lofar/a b"):
        with pytest.raises(NotInTheLake, match="rucio://"):
            files.info(path)
    with pytest.raises(IsADirectoryError):
        files.cat_file(f"lofar/{STEM}")


def test_a_file_is_in_the_datasets_that_hold_it_only(files, lake, unique):
    lake.call("add_dataset", "lofar", unique)
    with pytest.raises(NotInTheLake):
        files.info(f"lofar/{unique}/{STEM}.image.fits")


def test_nothing_is_written(files):
    with pytest.raises(LakeRefused, match="never change"):
        files.open(f"lofar/{STEM}/new.fits", "wb")


def test_no_lake_is_an_error_that_says_how_to_start_one(tmp_path):
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        RucioFileSystem(lake=str(tmp_path), skip_instance_cache=True).ls("")


def test_an_open_dataset_shows_what_joins_it(files, lake, unique, tmp_path):
    for name in (f"{unique}.one", f"{unique}.two"):
        (tmp_path / name).write_text(name)
        ingest.ingest(lake, [tmp_path / name], IngestParameters(dataset=f"lofar:{unique}", replicate_to=""))
        shown = files.ls(f"lofar/{unique}", detail=False)
    assert [path.rpartition("/")[2] for path in shown] == ["one", "two"]


def test_a_copy_on_tape_only_is_refused_with_what_to_do(lake, unique, tmp_path):
    (tmp_path / f"{unique}.bin").write_bytes(b"on tape")
    parameters = IngestParameters(dataset=f"lofar:{unique}", rse="POZNAN", replicate_to="")
    ingest.ingest(lake, [tmp_path / f"{unique}.bin"], parameters)
    files = RucioFileSystem(lake=str(lake.home), skip_instance_cache=True)
    (name,) = files.ls(f"lofar/{unique}", detail=False)
    assert files.cat_file(name) == b"on tape"  # mounted here: the embedded lake's tape is a folder
    files._storages._is_mounted = lambda rse, path: False
    with pytest.raises(TransferFailed, match="lofarlake retrieve"):
        files.addresses(name)
