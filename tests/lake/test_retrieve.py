import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from lofarlake_nb.errors import (
    BadArchive,
    ChecksumMismatch,
    DIDNotFound,
    LakeNotRunning,
    NotAMeasurementSet,
    ObservationError,
    TransferFailed,
    UsageError,
)
from lofarlake_nb.lake import client, ingest, registration, retrieve, verify
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import archive, naming
from lofarlake_nb.parameters import IngestParameters


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}


def flip_a_byte(lake_home, site: str, name: str, where: int = -1) -> None:
    path = next((lake_home / "storage" / site).rglob(name))
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)


@pytest.fixture
def folders(tmp_path, number) -> Path:
    """A folder with two folders like Measurement Sets."""
    for subband in (0, 1):
        made = tmp_path / "folders" / f"L{number}_SAP000_SB00{subband}_uv.MS"
        (made / "ANTENNA").mkdir(parents=True)
        for name in ("table.dat", "table.lock", "ANTENNA/table.dat"):
            (made / name).write_bytes(os.urandom(2000))
    return tmp_path / "folders"


@pytest.fixture
def dataset(twice, folders, tmp_path, number) -> str:
    """Their tars at SARA and JUELICH."""
    tars = []
    for folder in sorted(folders.iterdir()):
        packing = archive.pack(folder)
        tars.append(tmp_path / naming.tar_name(folder.name, packing.contents_hash))
        tars[-1].write_bytes(b"".join(map(bytes, packing.blocks())))
    return twice(tars, f"lofar:L{number}")


@pytest.mark.parametrize("by", ["lake", "remote_lake"])
def test_what_comes_back_is_what_was_sent(by, request, dataset, folders, tmp_path):
    ticks = []
    back = retrieve.retrieve(request.getfixturevalue(by), dataset, tmp_path / "back", progress=ticks.append)
    assert [path.name for path in back.paths] == sorted(path.name for path in folders.iterdir())
    for path in back.paths:
        assert tree(path) == tree(folders / path.name)
    assert back.files == 2
    assert back.problems == ()
    assert (ticks[-1].state, ticks[-1].done, ticks[-1].bytes) == ("done", 2, back.bytes)
    assert sorted(os.listdir(tmp_path / "back")) == [".lofarlake", *(path.name for path in back.paths)]


def test_what_is_here_is_not_moved_again(lake, dataset, tmp_path):
    first = retrieve.retrieve(lake, dataset, tmp_path / "back")
    shutil.rmtree(first.paths[0])
    (first.paths[1] / "table.lock").touch()  # casacore may
    second = retrieve.retrieve(lake, dataset, tmp_path / "back")
    assert 0 < second.bytes < first.bytes
    assert retrieve.retrieve(lake, dataset, tmp_path / "back").bytes == 0


def test_what_was_changed_or_is_of_others_is_never_overwritten(lake, dataset, tmp_path):
    back = retrieve.retrieve(lake, dataset, tmp_path / "back")
    (back.paths[0] / "table.dat").write_bytes(b"mine")
    with pytest.raises(ObservationError, match=f"{back.paths[0]} was changed since it came from lofar:L"):
        retrieve.retrieve(lake, dataset, tmp_path / "back")
    (tmp_path / "other" / back.paths[0].name).mkdir(parents=True)
    with pytest.raises(ObservationError, match="is there already and is not lofar:L"):
        retrieve.retrieve(lake, dataset, tmp_path / "other")
    assert (back.paths[0] / "table.dat").read_bytes() == b"mine"


def test_what_a_crash_left_is_brought_again(lake, dataset, tmp_path):
    back = retrieve.retrieve(lake, dataset, tmp_path / "back")
    record = tmp_path / "back" / ".lofarlake" / f"{back.paths[0].name}.json"
    record.write_text(record.read_text().replace('"contents": "', '"contents": "", "before": "'))
    (back.paths[0] / "table.dat").unlink()  # not on the disk yet when the power went
    again = retrieve.retrieve(lake, dataset, tmp_path / "back")
    assert again.bytes > 0
    assert (again.paths[0] / "table.dat").is_file()


@pytest.mark.parametrize("where", [700, -1, 100])  # in data, in the padding, in a header
def test_a_bad_replica_is_named_and_another_is_taken(lake, lake_home, dataset, folders, tmp_path, where):
    names = [row["name"] for row in lake.call("list_content", *dataset.split(":"))]
    for name in names:
        flip_a_byte(lake_home, "JUELICH", name, where)  # the first that is tried
    back = retrieve.retrieve(lake, dataset, tmp_path / "back")
    assert [tree(path) for path in back.paths] == [tree(folders / path.name) for path in back.paths]
    assert len(back.problems) == 2
    assert all("at JUELICH: " in told and "expected" in told for told in back.problems)


def test_the_lake_is_told_and_makes_a_bad_replica_anew(lake, lake_home, dataset, tmp_path):
    administrator = client.connect(lake_home, administrator=True)
    name = lake.call("list_content", *dataset.split(":"))[0]["name"]
    flip_a_byte(lake_home, "JUELICH", name)
    assert retrieve.retrieve(lake, dataset, tmp_path / "back").problems  # the astronomer may only say so
    suspicious = [s for some in administrator.call("list_suspicious_replicas") for s in some]
    assert [s["rse"] for s in suspicious if s["name"] == name] == ["JUELICH"]
    assert retrieve.retrieve(administrator, dataset, tmp_path / "again").problems
    for _ in range(60):
        if verify.verify(lake, dataset).ok:
            break
        time.sleep(0.5)
    assert verify.verify(lake, dataset).ok


def test_a_lost_replica_too(lake, lake_home, dataset, tmp_path):
    name = lake.call("list_content", *dataset.split(":"))[0]["name"]
    next((lake_home / "storage" / "JUELICH").rglob(name)).unlink()
    assert f"{name} at JUELICH" in retrieve.retrieve(lake, dataset, tmp_path / "back").problems[0]


def test_without_a_good_replica_nothing_is_left(lake, lake_home, dataset, tmp_path):
    name = lake.call("list_content", *dataset.split(":"))[0]["name"]
    for site in ("SARA", "JUELICH"):
        flip_a_byte(lake_home, site, name)
    with pytest.raises(ChecksumMismatch, match=rf"{name}: no copy is good: .*JUELICH.*SARA") as refused:
        retrieve.retrieve(lake, f"lofar:{name}", tmp_path / "back")
    assert refused.value.hint == "see what is wrong with each copy: lofarlake verify"
    assert os.listdir(tmp_path / "back") == [".lofarlake"]


def test_a_tar_that_is_bad_in_the_lake_itself(lake, tmp_path, unique):
    (tmp_path / f"{unique}.tar").write_bytes(b"no tar" * 1000)
    ingest.ingest(lake, [tmp_path / f"{unique}.tar"], IngestParameters(dataset=f"lofar:{unique}", replicate_to=""))
    with pytest.raises(BadArchive, match=rf"lofar:{unique}\.tar: not a whole tar"):
        retrieve.retrieve(lake, f"lofar:{unique}", tmp_path / "back")
    kept = retrieve.retrieve(lake, f"lofar:{unique}", tmp_path / "kept", unpack=False)
    assert kept.paths[0].read_bytes() == b"no tar" * 1000


def test_products_come_as_files(lake, tmp_path, unique):
    (tmp_path / "image.fits").write_bytes(b"an image")
    ingest.ingest_products(lake, [tmp_path / "image.fits"], f"lofar:{unique}", {})
    back = retrieve.retrieve(lake, f"lofar:{unique}", tmp_path / "back")
    assert [(path.name, path.read_bytes()) for path in back.paths] == [(f"{unique}.image.fits", b"an image")]


def test_a_file_whose_only_replica_is_on_its_way(lake, tmp_path, unique):
    file = {"scope": "lofar", "name": unique, "bytes": 5, "adler32": "01020304", "state": "C"}
    lake.call("add_replicas", "SARA", [file])
    with pytest.raises(TransferFailed, match=r"no copy can be read from here \(copies: SARA COPYING\)"):
        retrieve.retrieve(lake, f"lofar:{unique}", tmp_path / "back")


def test_files_of_one_name_from_two_scopes_do_not_overwrite_each_other(lake_home, tmp_path, unique):
    administrator, scope = client.connect(lake_home, administrator=True), f"other{unique[-8:]}"
    administrator.call("add_scope", "root", scope)
    (tmp_path / unique).write_bytes(b"1")
    both = [DID(owner, f"{unique}.data") for owner in ("lofar", scope)]
    for dataset in both:
        ingest.ingest(administrator, [tmp_path / unique], IngestParameters(dataset=str(dataset), replicate_to=""))
    administrator.call("add_container", "lofar", f"{unique}.both")
    registration.attach(administrator, DID("lofar", f"{unique}.both"), both)
    for unpack in (True, False):
        with pytest.raises(UsageError, match=f"lofar:{unique} and {scope}:{unique} would both be"):
            retrieve.retrieve(administrator, f"lofar:{unique}.both", tmp_path / "back", unpack=unpack)
    assert not (tmp_path / "back").exists()


def test_what_is_not_in_the_lake(lake, tmp_path, unique):
    with pytest.raises(DIDNotFound, match="lofar:nothing is not in the lake"):
        retrieve.retrieve(lake, "lofar:nothing", tmp_path / "back")
    registration.prepare(lake, DID("lofar", unique), None, [])
    with pytest.raises(DIDNotFound, match="is an empty dataset"):
        retrieve.retrieve(lake, f"lofar:{unique}", tmp_path / "back")
    assert not (tmp_path / "back").exists()


# inputs


def test_inputs_of_a_dataset(lake, lake_home, measurement_set, number, tmp_path):
    source = measurement_set(number, 2)
    ingest.ingest(lake, [source], IngestParameters(dataset=f"lofar:L{number}", replicate_to=""))
    found = retrieve.inputs(lake_home, f"lofar:L{number}", [], tmp_path / "work")
    assert found.paths == (tmp_path / "work" / source.name,)
    assert tree(found.paths[0]) == tree(source)


def test_inputs_from_this_disk(measurement_set, number, tmp_path):
    folder = measurement_set(number, 0)
    other = measurement_set(number, 1, tmp_path / "other")
    before = tree(folder)
    with tarfile.open(tmp_path / "somebody.tar.gz", "w:gz") as tar:
        tar.add(other, arcname="./whatever")
    found = retrieve.inputs("", "", [folder.parent, tmp_path / "somebody.tar.gz"], tmp_path / "work")
    assert found.paths == (folder, tmp_path / "work" / "somebody")
    assert tree(tmp_path / "work" / "somebody") == tree(other)
    assert tree(folder) == before
    assert retrieve.inputs("", "", [tmp_path / "somebody.tar.gz"], tmp_path / "work").bytes == 0


def test_inputs_that_can_t_be(measurement_set, number, tmp_path):
    work = tmp_path / "work"
    for dataset, paths in (("", []), ("lofar:a", ["b"])):
        with pytest.raises(UsageError, match="expected a dataset or paths"):
            retrieve.inputs("", dataset, paths, work)
    with pytest.raises(NotAMeasurementSet, match="no such file or folder"):
        retrieve.inputs("", "", [tmp_path / "nothing"], work)
    with pytest.raises(NotAMeasurementSet, match="holds no Measurement Set"):
        retrieve.inputs("", "", [tmp_path], work)
    with pytest.raises(LakeNotRunning, match="there is no lake in"):
        retrieve.inputs(tmp_path / "home", "lofar:a", [], work)
    with tarfile.open(tmp_path / "none.tar", "w") as tar:
        tar.add(__file__, arcname="a/b")
    with pytest.raises(NotAMeasurementSet, match=r"none\.tar: no Measurement Set in this tar"):
        retrieve.inputs("", "", [tmp_path / "none.tar"], work)
    folder = measurement_set(number)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with tarfile.open(tmp_path / name / "x.tar", "w") as tar:
            tar.add(folder, arcname="x")
    with pytest.raises(UsageError, match="would both be unpacked into"):
        retrieve.inputs("", "", [tmp_path / "a" / "x.tar", tmp_path / "b" / "x.tar"], work)
    whole = (tmp_path / "a" / "x.tar").read_bytes()
    (tmp_path / "a" / "short.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive, match=r"a/short\.tar"):
        retrieve.inputs("", "", [tmp_path / "a" / "short.tar"], work)
    assert sorted(os.listdir(work)) == [".lofarlake", "x"]


def test_local_inputs_need_no_rucio():
    code = "import sys, lofarlake_nb.lake.retrieve; sys.exit('rucio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.real_data
def test_real_scans_are_taken_whatever_the_name_inside(real_data, tmp_path):
    tars = sorted(real_data.glob("*.tar"))
    found = retrieve.inputs("", "", tars, tmp_path)
    assert [path.name for path in found.paths] == [tar.stem for tar in tars]


def test_a_name_that_is_as_long_as_names_may_be(lake, tmp_path, number):
    file = tmp_path / ("x" * 220 + ".fits")
    file.write_bytes(b"x" * 1000)
    ingest.ingest(lake, [file], IngestParameters(dataset=f"lofar:L{number}", replicate_to=""))
    assert retrieve.retrieve(lake, f"lofar:L{number}", tmp_path / "back").files == 1
    assert retrieve.retrieve(lake, f"lofar:L{number}", tmp_path / "back").bytes == 0
    assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()


def test_a_target_below_a_file_is_refused(lake, dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ObservationError, match="can't be written: Not a directory"):
        retrieve.retrieve(lake, dataset, tmp_path / "file" / "back")
