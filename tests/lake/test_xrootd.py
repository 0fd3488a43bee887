"""A lake whose sites speak XRootD, with the servers and tools of the machine: skipped where they are not installed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import faults
import pytest

from lofarlake_nb.errors import LakeError, LakeRefused, TransferFailed, UsageError
from lofarlake_nb.lake import client, housekeeping, ingest, retrieve, rules, verify
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.embedded import certificates, supervisor, xrootd
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.patience import Patience
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.xrootd import HALF, XRootD, grid_environment
from lofarlake_nb.parameters import IngestParameters

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in xrootd.PROGRAMS),
    reason="XRootD is not installed (Debian: xrootd-server xrootd-client, conda-forge: xrootd)",
)


@pytest.fixture(scope="module")
def root_home(tmp_path_factory):
    """Home of a lake with XRootD; blanks and accents in its path must not matter."""
    home = tmp_path_factory.mktemp("root") / "größer lake"
    supervisor.start(home, protocol="root")
    yield home
    supervisor.reset(home)


@pytest.fixture(scope="module")
def root_lake(root_home):
    return client.connect(root_home)


@pytest.fixture
def server(root_home):
    """PID of the XRootD server; it is mended afterwards."""
    yield next(part.pid for part in supervisor.status(root_home).parts if part.name == "storage")
    supervisor.start(root_home)


@pytest.fixture
def file(tmp_path, unique):
    """A ready file whose name Rucio refuses, several blocks and a bit."""
    path = tmp_path / f"3C 196 ö {unique}.fits"
    path.write_bytes(os.urandom(3_000_001))
    return path


@pytest.fixture(scope="module")
def shared(root_lake, tmp_path_factory):
    """A file that is alone in the dataset ``lofar:shared``; tests leave its bytes as they were."""
    path = tmp_path_factory.mktemp("shared") / "shared file.fits"
    path.write_bytes(os.urandom(3_000_001))
    ingest.ingest(root_lake, [path], IngestParameters(dataset="lofar:shared", replicate_to=""))
    return path


@pytest.fixture(scope="module")
def address(root_lake, shared):
    """Of the shared file."""
    return next(iter(Storages(root_lake).addresses("SARA", [DID("lofar", "shared__20file.fits")]).values()))


def on_disk(home: Path, address: str) -> Path:
    return home / "storage" / address.split("//", 2)[2]


def flip(path: Path, at: int) -> None:
    before = path.stat().st_mtime
    with open(path, "r+b") as stored:
        stored.seek(at)
        byte = stored.read(1)[0]
        stored.seek(at)
        stored.write(bytes([byte ^ 1]))
    # XRootD keeps a checksum as long as the file has the second in which it changed.
    os.utime(path, (before + 2, before + 2))


def test_a_measurement_set_goes_there_and_elsewhere_and_comes_back(
    root_lake, root_home, measurement_set, number, file, tmp_path
):
    made = measurement_set(number)
    dataset = f"lofar:L{number}"
    done = ingest.ingest(root_lake, [made, file], IngestParameters(dataset=dataset, replicate_to="JUELICH"))
    assert done.files == 2
    rules.wait(root_lake, done.rules[1], 120)
    found = verify.verify(root_lake, dataset, deep=True)
    assert found.ok
    assert sorted(row.rse for row in found.rows) == ["JUELICH", "JUELICH", "SARA", "SARA"]
    schemes = {p["scheme"] for site in ("SARA", "JUELICH") for p in root_lake.rse(site)["protocols"]}
    assert schemes == {"root"}

    got = retrieve.retrieve(root_lake, dataset, tmp_path / "back")
    assert sorted(path.name for path in got.paths) == sorted([file.name, f"L{number}_SAP000_SB000_uv.MS"])
    assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()
    inside = next(path for path in got.paths if path.is_dir())
    whole = inside if (inside / "table.dat").exists() else inside / made.name
    for one in (path for path in made.rglob("*") if path.is_file()):
        assert (whole / one.relative_to(made)).read_bytes() == one.read_bytes()

    administrator = client.connect(root_home, administrator=True)
    dark = root_home / "storage" / "SARA" / "dark"
    dark.write_bytes(b"dark")
    audit = housekeeping.audit(administrator, older_than=0.0)
    assert list(audit.dark) == [("SARA", "dark", 4)]
    assert (audit.files >= 4, audit.lost, audit.unseen) == (True, (), ())
    dark.unlink()
    assert housekeeping.retire(root_lake, dataset, timeout=60).ok
    assert not list((root_home / "storage").rglob(f"*{number}*"))


def test_an_ingest_that_was_killed_half_way_is_ended_by_the_next(root_lake, root_home, file, unique):
    parameters = IngestParameters(dataset=f"lofar:{unique}", replicate_to="")
    process = faults.running(root_home, [file], parameters)
    deadline = time.monotonic() + 30
    while process.is_alive() and not list((root_home / "storage").rglob(f"*{unique}*{HALF}")):
        assert time.monotonic() < deadline
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    done = ingest.ingest(root_lake, [file], parameters)
    assert done.files == 1
    assert verify.verify(root_lake, parameters.dataset, deep=True).ok
    (stored,) = (root_home / "storage").rglob(f"*{unique}*")
    assert stored.read_bytes() == file.read_bytes()


def test_a_flipped_byte_is_found(root_lake, root_home, address):
    flip(on_disk(root_home, address), 1_000_000)
    try:
        (row,) = verify.verify(root_lake, "lofar:shared", deep=True).problems
    finally:
        flip(on_disk(root_home, address), 1_000_000)
    assert row.problem.startswith("adler32 ")
    assert row.bad
    assert verify.verify(root_lake, "lofar:shared", deep=True).ok


def test_rucio_s_own_client_takes_and_gives_files(root_home, address, shared, tmp_path, unique):
    programs = f"{Path(shutil.which('xrdcp')).parent}:{os.defpath}"
    name = address.rpartition("/")[2]
    mine = tmp_path / f"own_{unique}.dat"
    mine.write_bytes(os.urandom(200_000))
    environment = {**supervisor.environment(root_home), "PATH": programs, "HOME": str(tmp_path)}
    for words in (
        ["upload", "--rse", "SARA", "--scope", "lofar", mine],
        ["download", "--dir", tmp_path / "got", f"lofar:{name}", f"lofar:{mine.name}"],
    ):
        command = [Path(sys.executable).with_name("rucio"), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "got" / "lofar" / name).read_bytes() == shared.read_bytes()
    assert (tmp_path / "got" / "lofar" / mine.name).read_bytes() == mine.read_bytes()


def test_a_dead_server_is_an_error_within_bounded_time(root_lake, server, address):
    os.kill(server, signal.SIGKILL)
    start = time.monotonic()
    storage = Storages(root_lake).of(address)
    with pytest.raises(TransferFailed, match=r"Connection error|onnection (refused|reset)") as caught:
        storage.size(address)
    assert caught.value.passing
    with pytest.raises(TransferFailed):
        storage.write(address + ".new", [b"x" * 1000] * 10, 10_000)
    with pytest.raises(TransferFailed):
        b"".join(storage.read(address))
    assert time.monotonic() - start < 20


def test_a_server_that_hangs_is_given_up(root_home, server, address):
    storage = XRootD(grid_environment(Home(root_home).grid), Patience(2.0))
    os.kill(server, signal.SIGSTOP)
    try:
        start = time.monotonic()
        with pytest.raises(TransferFailed):
            b"".join(storage.read(address))
        assert time.monotonic() - start < 30
    finally:
        os.kill(server, signal.SIGCONT)


def test_what_breaks_half_way_leaves_nothing_under_its_name(root_lake, root_home, address):
    storage = Storages(root_lake).of(address)

    def blocks():
        yield bytes(1_000_000)
        raise TransferFailed("the source broke")

    with pytest.raises(TransferFailed, match="the source broke"):
        storage.write(address + ".new", blocks(), 2_000_000)
    with pytest.raises(TransferFailed, match="1000 bytes came, expected 2000"):
        storage.write(address + ".new", [bytes(1000)], 2000)
    assert storage.size(address + ".new") is None
    storage.clear(address + ".new")
    assert not list(on_disk(root_home, address).parent.glob("*.new*"))
    assert storage.write(address + ".new", [bytes(1000)] * 2, 2000).taken == f"{zlib.adler32(bytes(2000)):08x}"
    aside = storage.set_aside(address + ".new")
    assert storage.size(aside) == 2000
    storage.remove(aside)
    storage.remove(aside)  # it is gone, and that is all right
    assert storage.size(aside) is None


def test_strangers_are_kept_out(root_home, address, tmp_path):
    other = Home(tmp_path)
    other.certificates.mkdir()
    certificates.make_grid(other)
    authorities = {"X509_CERT_DIR": str(Home(root_home).grid / "ca")}  # it would trust the lake
    nobody = XRootD({"HOME": str(tmp_path), "X509_USER_PROXY": "/none"})
    for stranger in (XRootD({**grid_environment(other.grid), **authorities}), nobody):
        with pytest.raises(LakeRefused, match="certificate"):
            stranger.size(address)
        with pytest.raises(LakeRefused, match="certificate"):
            stranger.write(address + ".bad", [b"x"], 1)
        with pytest.raises(LakeRefused, match="certificate"):
            stranger.remove(address)
    assert on_disk(root_home, address).exists()


def test_an_address_can_t_carry_options_or_blanks(root_lake):
    storage = Storages(root_lake).xrootd
    for bad in ("root://127.0.0.1:1//SARA/a b", "root://127.0.0.1:1//SARA/a?x=1", "root://-x", "--help"):
        with pytest.raises(LakeError, match="no address of XRootD's"):
            storage.size(bad)


def test_the_protocol_is_chosen_once(root_home):
    before = {part.name: part.pid for part in supervisor.status(root_home).parts}
    assert {part.name: part.pid for part in supervisor.start(root_home).parts} == before
    assert json.loads((root_home / "lake.json").read_text())["protocol"] == "root"
    with pytest.raises(UsageError, match="was made with protocol root, not https"):
        supervisor.start(root_home, protocol="https")


def test_without_the_programs_the_error_says_which(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LakeError, match="xrootd, xrdcp, xrdfs") as caught:
        supervisor.start(tmp_path / "home", protocol="root")
    assert "xrootd-server" in caught.value.hint
    with pytest.raises(LakeError, match="xrdfs, by which root addresses are reached, is not installed"):
        XRootD({}).size("root://127.0.0.1:1//SARA/a")
