"""Disks that are full: said plainly, nothing half-written is left, and with room again the same run finishes."""

import os
import shutil
import socket
import tarfile
import time

import disks
import pytest
from disks import small_disk

from lofarlake_nb.errors import NoSpace
from lofarlake_nb.lake import client, ingest, plan, verify
from lofarlake_nb.lake.embedded import ports
from lofarlake_nb.lake.embedded.home import Home, Settings
from lofarlake_nb.parameters import IngestParameters

SPARE = 70  # MB: so much stays free on a disk that an ingest or a retrieve begins on


@pytest.fixture
def files(tmp_path, unique):
    made = [tmp_path / f"{unique}.{n}" for n in range(3)]
    for file in made:
        file.write_bytes(os.urandom(3_000_000))
    return made


@pytest.fixture
def parameters(number):
    return IngestParameters(dataset=f"lofar:L{number}", replicate_to="", streams=1, patience="20 s")


def assert_whole(lake, files, parameters):
    verified = verify.verify(lake, parameters.dataset, deep=True)
    assert verified.ok
    assert sorted(row.did for row in verified.rows) == [f"lofar:{file.name}" for file in files]


def test_a_mounted_site_that_fills_up_under_a_file(lake, lake_home, files, parameters):
    site = lake_home / "storage" / "SARA"
    with small_disk(site, SPARE + 12) as disk:
        said = rf"no space left for {files[1].name} \(1 of 3 files are at the site; missing: {files[1].name} and 1 more"
        with pytest.raises(NoSpace, match=said) as full:
            disk.do(disks.ingested, lake_home, files, parameters, site)
        assert "free some space" in full.value.hint
        assert "run it again" in full.value.hint
        assert disk.files() == [files[0].name]
        with pytest.raises(NoSpace, match="2 files need 6 MB"):  # known beforehand now
            disk.do(disks.ingested, lake_home, files, parameters)
        disk.make_room()
        assert disk.do(disks.ingested, lake_home, files, parameters) == 3
        assert disk.files() == [file.name for file in files]
        disk.keep()
    assert_whole(lake, files, parameters)


@pytest.fixture
def door(remote_lake, lake_home, tmp_path):
    """A home for a storage server of the test's own, and the lake whose site SARA is there."""
    home = Home(tmp_path / "door")
    home.make()
    home.keep(Settings(storage_port=ports.free_port(set())))
    shutil.copytree(lake_home / "tls", home.certificates, dirs_exist_ok=True)
    lake = client.connect(remote_lake.configuration)
    [told] = [p for p in lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    told["port"] = home.settings().storage_port
    return home, lake


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_storage_server_whose_disk_fills_up_under_a_file(lake, lake_home, door, files, parameters, monkeypatch):
    home, reached = door
    real = plan.Item.blocks
    with small_disk(home.storage / "SARA", 12) as disk:
        disk.do(disks.served, home.path)
        wait_for(lambda: answers(home.settings().storage_port))

        def blocks(item):
            for n, block in enumerate(real(item)):
                if n == 1 and item.source == files[1]:
                    wait_for(lambda: any((disk.seen / ".incoming").iterdir()))  # what it announced did fit
                    disks.fill(disk.seen)
                yield block

        with monkeypatch.context() as filling:
            filling.setattr(plan.Item, "blocks", blocks)
            said = rf"507 .*\(1 of 3 files are at the site; missing: {files[1].name} and 1 more"
            with pytest.raises(NoSpace, match=said):
                ingest.ingest(reached, files, parameters)
        with pytest.raises(NoSpace, match=said):  # it says so before the first byte now
            ingest.ingest(reached, files, parameters)
        assert disk.files() == [files[0].name]
        disk.make_room()
        assert ingest.ingest(reached, files, parameters).files == 3
        assert disk.files() == [file.name for file in files]
        shutil.copytree(disk.seen, lake_home / "storage" / "SARA", dirs_exist_ok=True)
    assert_whole(lake, files, parameters)


@pytest.fixture
def dataset(lake, files, parameters, tmp_path):
    """Two files and a tar."""
    with tarfile.open(files[1].with_suffix(".tar"), "w") as tar:
        tar.add(files[1], arcname=f"{files[1].name}/table")
    files[1] = files[1].with_suffix(".tar")
    ingest.ingest(lake, files, parameters)
    return parameters.dataset


@pytest.mark.parametrize(("at", "kept"), [((1, 1), 0), ((1, 3), 1), ((2, 1), 1)])  # file and block; the second is a tar
def test_a_disk_that_fills_up_under_what_is_retrieved(lake_home, dataset, files, tmp_path, at, kept):
    to = tmp_path / "back"
    to.mkdir()
    with small_disk(to, SPARE + 12) as disk:
        with pytest.raises(NoSpace, match="no space left"):
            disk.do(disks.retrieved, lake_home, dataset, to, at)
        assert [name for name in disk.files() if ".json" not in name] == [f.name for f in files[:kept]]
        with pytest.raises(NoSpace, match="MB are free"):
            disk.do(disks.retrieved, lake_home, dataset, to)
        disk.make_room()
        assert disk.do(disks.retrieved, lake_home, dataset, to) == 3
        assert (disk.seen / files[0].name).read_bytes() == files[0].read_bytes()
        with tarfile.open(files[1]) as tar:
            assert (disk.seen / files[1].stem / "table").read_bytes() == tar.extractfile(tar.next()).read()
        assert (disk.seen / files[2].name).read_bytes() == files[2].read_bytes()


@pytest.mark.parametrize("when", ["at the start", "half way"])
def test_a_journal_whose_disk_is_full_costs_nothing_but_time(lake, lake_home, files, parameters, when):
    folder = lake_home / "journal"
    with small_disk(folder, 0.3) as disk:
        if when == "at the start":
            disk.do(disks.fill, folder)
        assert disk.do(disks.ingested, lake_home, files, parameters, folder) == 3
        assert disk.do(disks.ingested, lake_home, files, parameters) == 3
        disk.make_room()
        assert disk.do(disks.noted, folder) == 0
        assert disk.do(disks.ingested, lake_home, files, parameters) == 3
        assert disk.do(disks.noted, folder) == 3
    assert_whole(lake, files, parameters)
