"""Both ways to a site, on the real storage of the real lake."""

import os
import subprocess
import sys
import zlib

import pytest

from lofarlake_nb.errors import LakeError, LakeRefused, TransferFailed
from lofarlake_nb.lake import client
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.storage import Https, Mounted, Storages
from lofarlake_nb.lake.xrootd import XRootD


@pytest.fixture(params=["lake", "remote_lake"])
def reached(request):
    """A lake whose storage is mounted, and the same by https."""
    lake = request.getfixturevalue(request.param)
    return Storages(lake), "file:" if request.param == "lake" else "https:"


@pytest.fixture
def place(reached, unique):
    """A storage, and the address of a file that is not there yet."""
    storages, scheme = reached
    did = DID("lofar", unique)
    address = storages.addresses("JUELICH", [did])[did]
    assert address.startswith(scheme)
    return storages.of(address), address


def on_disk(lake_home, address):
    found = list((lake_home / "storage" / "JUELICH").rglob(address.rpartition("/")[2]))
    return found[0] if found else None


@pytest.mark.parametrize("size", [0, 1, 9_000_000])
def test_there_and_back(place, lake_home, size):
    storage, address = place
    data = os.urandom(size)
    assert storage.size(address) is None
    arrival = storage.write(address, (data[at : at + 4_000_000] for at in range(0, size, 4_000_000)), size)
    assert arrival.sent == arrival.taken == storage.adler32(address) == f"{zlib.adler32(data):08x}"
    assert storage.size(address) == size
    assert b"".join(map(bytes, storage.read(address))) == on_disk(lake_home, address).read_bytes() == data
    storage.remove(address)
    storage.remove(address)
    assert storage.size(address) is None


def test_what_breaks_half_way_leaves_nothing(place, lake_home):
    storage, address = place

    def breaks():
        yield b"x" * 1000
        raise TransferFailed("broken")

    with pytest.raises(TransferFailed, match="broken"):
        storage.write(address, breaks(), 2000)
    with pytest.raises(TransferFailed):
        storage.write(address, iter([b"x" * 1000]), 2000)
    assert storage.size(address) is None
    folder = lake_home / "storage" / "JUELICH"
    assert [p for p in folder.rglob("*.part") if address.rpartition("/")[2] in p.name] == []


def test_what_is_not_there_can_t_be_read(place):
    storage, address = place
    with pytest.raises(TransferFailed, match=address.rpartition("/")[2]):
        list(storage.read(address))


def test_both_ways_lead_to_the_same_file(lake, remote_lake, unique):
    did = DID("lofar", unique)
    mounted, remote = Storages(lake), Storages(remote_lake)
    one, other = mounted.addresses("SARA", [did])[did], remote.addresses("SARA", [did])[did]
    mounted.of(one).write(one, iter([b"the same"]), 8)
    assert b"".join(remote.of(other).read(other)) == b"the same"
    assert mounted.best("SARA", [other, one]) == one
    assert remote.best("SARA", [one, other]) == other
    assert remote.best("SARA", [one, "gsiftp://x:2811//a"]) is None


def test_a_mounted_copy_is_read_from_its_disk_though_rucio_names_only_the_server(lake, remote_lake, unique):
    did = DID("lofar", unique)
    remote = Storages(remote_lake).addresses("SARA", [did])[did]
    assert Storages(lake).best("SARA", [remote]) == Storages(lake).addresses("SARA", [did])[did]
    assert Storages(remote_lake).best("SARA", [remote]) == remote


def test_the_storage_knows_us_by_the_certificate_and_we_know_it(remote_lake, unique):
    did = DID("lofar", unique)
    address = Storages(remote_lake).addresses("SARA", [did])[did]
    with pytest.raises((TransferFailed, LakeRefused)):
        Https(None, remote_lake.settings["ca_cert"]).size(address)
    with pytest.raises(TransferFailed, match="certificate"):
        Https(remote_lake.settings["client_x509_proxy"], True).size(address)


def test_a_site_that_is_not_there(lake):
    with pytest.raises(LakeError, match="no such site"):
        Storages(lake).addresses("NOWHERE", [])


def test_all_folders_that_are_made_for_a_file_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    (tmp_path / "site").mkdir()
    Mounted().write((tmp_path / "site" / "scope" / "ab" / "cd" / "file").as_uri(), [b"1234"], 4)
    made = [tmp_path / "site" / "scope" / "ab" / "cd", *(tmp_path / "site" / "scope" / "ab" / "cd").parents]
    assert flushed[-4:] == [str(folder) for folder in made[:4]]


def test_a_tool_that_has_answered_and_does_not_end_is_a_failure_that_may_pass(tmp_path):
    (tmp_path / "xrdfs").write_text("#!/bin/sh\nexec >&-\nexec sleep 60\n")
    (tmp_path / "xrdfs").chmod(0o700)
    storage = XRootD({"PATH": f"{tmp_path}:{os.environ['PATH']}"}, Patience(0.2))
    with pytest.raises(TransferFailed, match="xrdfs does not end") as failed:
        storage.size("root://site//a")
    assert failed.value.passing


FULL = """
import sys
from pathlib import Path
from lofarlake_nb.errors import NoSpace, UsageError
from lofarlake_nb.lake import client, ingest
from lofarlake_nb.lake.storage import Mounted
from lofarlake_nb.parameters import IngestParameters

home, source, dataset = sys.argv[1:]
site = Path(home) / "storage" / "SARA"
for act in (
    lambda: Mounted().write(f"file://localhost:0{site}/a/b/c", iter([b"x" * 1_000_000] * 9), 9_000_000),
    lambda: ingest.ingest(client.connect(home), [source], IngestParameters(dataset=dataset, replicate_to="")),
):
    try:
        act()
    except NoSpace as error:
        print(error)
print(sorted(p.name for p in site.rglob("*") if p.is_file()))
"""


def test_a_full_disk(lake_home, measurement_set, number, unique):
    inside = f'mount -t tmpfs -o size=2m none {lake_home}/storage/SARA && exec $0 -c "$1" $2 $3 $4'
    names = [sys.executable, FULL, lake_home, measurement_set(number), f"lofar:{unique}"]
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("no namespaces here")
    ran = subprocess.run(["unshare", "-Urm", "sh", "-c", inside, *names], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    written, ingested, left = ran.stdout.splitlines()
    assert "no space left for c; free some space" in written
    assert "2 MB free, 1 file needs" in ingested
    assert left == "[]"


def test_a_site_whose_folder_is_not_here_is_no_mounted_one(remote_lake, tmp_path):
    told = remote_lake.configuration.read_text().replace("[client]", "[client]\nsite = SARA", 1)
    (tmp_path / "rucio.cfg").write_text(told)
    (tmp_path / "rucio.cfg").chmod(0o600)
    lake, did = client.connect(tmp_path / "rucio.cfg"), DID("lofar", "somewhere")
    lake.rse("SARA")["attributes"]["site"] = "SARA"
    assert Storages(lake).addresses("SARA", [did])[did].startswith("file:")
    [mounted] = [protocol for protocol in lake.rse("SARA")["protocols"] if protocol["scheme"] == "file"]
    mounted["prefix"] = str(tmp_path / "not mounted")
    assert Storages(lake).addresses("SARA", [did])[did].startswith("https:")
