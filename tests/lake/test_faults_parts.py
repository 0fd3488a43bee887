"""Parts of the lake, and of the way to it, that break: the machine, the movers, a certificate, a byte."""

import datetime
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import faults
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from failing import failing, turned

from lofarlake_nb.errors import ChecksumMismatch, TransferFailed
from lofarlake_nb.lake import client, ingest, plan, retrieve, rules, verify
from lofarlake_nb.lake.embedded import certificates, parts, ports, supervisor
from lofarlake_nb.lake.embedded.home import Home, Settings
from lofarlake_nb.parameters import IngestParameters


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return found


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def made(folder, name, count, size):
    files = [folder / f"{name}.{n:03d}" for n in range(count)]
    for file in files:
        file.write_bytes(os.urandom(size))
    return files


def parameters(number, patience="30 s"):
    return IngestParameters(dataset=f"lofar:L{number}", replicate_to="", patience=patience, streams=1)


def assert_whole(lake, files, number):
    verified = verify.verify(lake, f"lofar:L{number}", deep=True)
    assert verified.ok
    assert sorted(row.did for row in verified.rows) == [f"lofar:{file.name}" for file in files]
    rows = lake.call("list_replicas", [{"scope": "lofar", "name": file.name} for file in files], all_states=True)
    assert [row["states"] for row in rows] == [{"SARA": "AVAILABLE"}] * len(files)


# ---- the machine


def processes_of(home):
    """PIDs of all that works for a lake: by its command line, or by the folder that it works in."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(home) in words or os.readlink(entry / "cwd").startswith(f"{home}/"):
                    found.append(int(entry.name))
    return found


def test_a_machine_that_loses_its_power(lake, lake_home, tmp_path, unique, number):
    files = made(tmp_path, unique, 200, 10_000)
    site = lake_home / "storage" / "SARA" / "lofar"
    process = faults.running(lake_home, files, parameters(number))
    wait_for(lambda: len(list(site.glob(f"*/*/{unique}.*"))) >= 3)
    doomed = [process.pid, *processes_of(lake_home)]
    for pid in doomed:
        os.kill(pid, signal.SIGSTOP)  # one after the other they would have time to notice
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    wait_for(lambda: not processes_of(lake_home))
    for name in parts.NAMES:  # the processes that are written down are those of the boot before
        record = parts.record(Home(lake_home), name)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        record.write_text(record.read_text().replace(boot, "00000000-0000-0000-0000-000000000000"))
    program = Path(sys.executable).with_name("lofarlake")
    started = subprocess.run([program, "lake", "start", "--home", lake_home], capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    assert supervisor.status(lake_home).up
    done = ingest.ingest(client.connect(lake_home), files, parameters(number))
    assert [entry.state for entry in done.entries].count("new") < 200
    assert_whole(lake, files, number)
    assert sorted(path.name for path in site.glob(f"*/*/*{unique}*")) == [file.name for file in files]


# ---- the movers


@pytest.mark.parametrize("name", ["daemons", "server", "storage"])
def test_a_part_that_was_killed_a_moment_ago_is_started_anew(lake_home, name):
    """It answers until the kernel has taken it apart."""
    [pid] = [part.pid for part in supervisor.status(lake_home).parts if part.name == name]
    os.kill(pid, signal.SIGKILL)
    again = {part.name: part for part in supervisor.start(lake_home).parts}
    assert (again[name].up, again[name].pid != pid) == (True, True)


def test_movers_that_die_while_they_copy(lake, lake_home, tmp_path, unique, number):
    [file] = made(tmp_path, unique, 1, 100_000_000)
    ingest.ingest(lake, [file], parameters(number))
    [daemons] = [part.pid for part in supervisor.status(lake_home).parts if part.name == "daemons"]
    arriving = lake_home / "storage" / "JUELICH" / ".incoming"
    rule = rules.replicate(lake, f"lofar:L{number}", "JUELICH")

    def half_there():
        with suppress(FileNotFoundError):  # of a folder that is not made yet, of a file that has gone
            return any(0 < path.stat().st_size < 100_000_000 for path in arriving.iterdir())

    wait_for(half_there)
    os.kill(daemons, signal.SIGKILL)
    assert rules.state(lake, rule).state == "REPLICATING"
    assert supervisor.start(lake_home).up
    assert rules.wait(lake, rule, 60).state == "OK"
    [copy] = (lake_home / "storage" / "JUELICH").rglob(file.name)
    assert copy.read_bytes() == file.read_bytes()
    assert not list(arriving.iterdir())


# ---- a certificate


class Authority:
    """Gives certificates that last as long as a test wants."""

    def __init__(self, home):
        self.home, self.key = home, ec.generate_private_key(ec.SECP256R1())
        self.own = certificates._certificate("a test's", self.key, None, self.key)
        (home.certificates / "ca.pem").write_text(certificates._pem(self.own))

    def give(self, name, usage, seconds, monkeypatch):
        """When it ends."""
        key = ec.generate_private_key(ec.SECP256R1())
        with monkeypatch.context() as short:
            short.setattr(certificates, "LIFETIME", datetime.timedelta(seconds=seconds))
            given = certificates._certificate(name, key, self.own, self.key, usage)
        new = self.home.certificates / f"{name}.new"
        new.write_text(certificates._pem(given) + certificates._key_pem(key))
        new.replace(self.home.certificates / f"{name}.pem")
        return given.not_valid_after_utc


@pytest.fixture
def door(remote_lake, lake_home, tmp_path, monkeypatch):
    """The lake as seen by who has certificates of the test's own authority, and how to get a new one."""
    home = Home(tmp_path / "door")
    home.make()
    home.keep(Settings(storage_port=ports.free_port(set())))
    shutil.rmtree(home.storage)
    home.storage.symlink_to(lake_home / "storage")
    authority = Authority(home)
    authority.give("server", ExtendedKeyUsageOID.SERVER_AUTH, 3600, monkeypatch)
    told = remote_lake.configuration.read_text().replace(str(lake_home / "tls"), str(home.certificates))
    (tmp_path / "rucio.cfg").write_text(told)
    lake = client.connect(tmp_path / "rucio.cfg")
    [protocol] = [p for p in lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    protocol["port"] = home.settings().storage_port
    command = [sys.executable, "-m", "lofarlake_nb.lake.embedded.storage", home.path]
    with subprocess.Popen(command) as server:
        wait_for(lambda: answers(home.settings().storage_port))
        yield lake, lambda seconds: authority.give("client", ExtendedKeyUsageOID.CLIENT_AUTH, seconds, monkeypatch)
        server.kill()


def wait_until(moment):
    wait_for(lambda: datetime.datetime.now(datetime.UTC) > moment)


def test_a_certificate_that_has_expired_is_said(lake, door, tmp_path, unique, number):
    reached, renewed = door
    files = made(tmp_path, unique, 2, 3_000_000)
    renewed(-1)
    said = r"the certificate in \S+client.pem expired at .* UTC\).*0 of 2 files are at the site; missing: "
    with pytest.raises(TransferFailed, match=said) as refused:
        ingest.ingest(reached, files, parameters(number, "1 s"))
    assert "renew the certificate" in refused.value.hint
    renewed(3600)
    assert ingest.ingest(reached, files, parameters(number)).files == 2
    assert_whole(lake, files, number)


def test_a_certificate_that_expires_half_way_and_is_renewed(lake, door, tmp_path, unique, number, monkeypatch):
    reached, renewed = door
    files = made(tmp_path, unique, 3, 3_000_000)
    ends, reasons = renewed(5), []
    real = plan.Item.blocks

    def look(tick):
        if tick.failures and not reasons:
            reasons.append(tick.failures[0].reason)
            renewed(3600)  # as whoever looks after a proxy does

    def blocks(item):
        for n, block in enumerate(real(item)):
            yield block
            if item.source == files[0] and n == 2:
                wait_until(ends)

    monkeypatch.setattr(plan.Item, "blocks", blocks)
    assert ingest.ingest(reached, files, parameters(number), progress=look).files == 3
    assert "expired at" in reasons[0]
    assert_whole(lake, files, number)


# ---- a byte


def test_a_byte_that_flips_on_its_way_here(lake, remote_lake, lake_home, tmp_path, unique, number):
    files = made(tmp_path, unique, 2, 100_000)
    ingest.ingest(lake, files, parameters(number))
    reached = client.connect(remote_lake.configuration)
    [told] = [p for p in reached.rse("SARA")["protocols"] if p["scheme"] == "https"]
    with failing(f"https://127.0.0.1:{told['port']}", lake_home, tls=True) as server:
        server.only, server.failures = ("GET",), ["flip answer"]
        with pytest.MonkeyPatch.context() as patch:
            turned(patch, reached, told["port"], server.server_port)
            expected = zlib.adler32(files[0].read_bytes())
            with pytest.raises(ChecksumMismatch, match=f"expected 100000 bytes with adler32 {expected:08x}"):
                retrieve.retrieve(reached, f"lofar:L{number}", tmp_path / "back", streams=1)
            assert not (tmp_path / "back" / files[0].name).exists()
            assert retrieve.retrieve(reached, f"lofar:L{number}", tmp_path / "back").files == 2
    assert [(tmp_path / "back" / file.name).read_bytes() for file in files] == [file.read_bytes() for file in files]
    administrator = client.connect(lake_home, administrator=True)
    suspicious = [row["name"] for some in administrator.call("list_suspicious_replicas") for row in some]
    assert not {file.name for file in files} & set(suspicious)  # the copy was right all the time
    assert_whole(lake, files, number)


def test_a_byte_that_flips_on_a_disk(lake, lake_home, tmp_path, unique, number):
    files = made(tmp_path, unique, 2, 100_000)
    ingest.ingest(lake, files, parameters(number))
    [there] = (lake_home / "storage" / "SARA").rglob(files[1].name)
    with open(there, "r+b") as file:
        file.seek(50_000)
        file.write(bytes([files[1].read_bytes()[50_000] ^ 1]))
    assert verify.verify(lake, f"lofar:L{number}", deep=False).ok  # the size is right
    [row] = verify.verify(lake, f"lofar:L{number}", deep=True).problems
    assert (row.did, row.rse) == (f"lofar:{files[1].name}", "SARA")
    assert row.problem.endswith(f"expected {zlib.adler32(files[1].read_bytes()):08x}")
    there.write_bytes(files[1].read_bytes())
    assert_whole(lake, files, number)
