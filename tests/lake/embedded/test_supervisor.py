import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lofarlake_nb.errors import LakeError, NotALake, PortTaken, UsageError
from lofarlake_nb.lake.embedded import parts, postgres, processes, supervisor
from lofarlake_nb.lake.embedded.home import Home


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Home of a lake that a test may break; it mends or stops what it broke."""
    home = tmp_path_factory.mktemp("own") / "home"
    supervisor.start(home)
    yield home
    supervisor.reset(home)


@pytest.fixture
def running(own):
    supervisor.start(own)
    return own


def pids(status):
    return {part.name: part.pid for part in status.parts}


def processes_of(home):
    """PIDs of everything that works for a lake: by its command line, or by the folder that it works in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and (str(home).encode() in words or os.readlink(entry / "cwd").startswith(str(home))):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_every_part_is_up(lake_home):
    status = supervisor.status(lake_home)
    assert status.up
    assert [part.name for part in status.parts] == list(parts.NAMES)
    assert all(part.address.split("//")[-1].startswith("127.0.0.1:") for part in status.parts[:3])
    assert set(status.urls) == {"rucio", "SARA", "JUELICH", "POZNAN"}


def test_starting_twice_is_one_lake(lake_home):
    before = pids(supervisor.status(lake_home))
    assert pids(supervisor.start(lake_home)) == before


def test_one_lake_by_whatever_link(lake_home, tmp_path):
    (tmp_path / "link").symlink_to(lake_home)
    assert pids(supervisor.start(tmp_path / "link")) == pids(supervisor.status(lake_home))


def test_it_listens_on_the_loopback_only(lake_home):
    settings = Home(lake_home).settings()
    for port in (settings.database_port, settings.server_port, settings.storage_port):
        listening = [
            line.split()[1]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
            if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
        ]
        assert listening == [f"0100007F:{port:04X}"]


def test_secrets_are_the_owners_alone(lake_home):
    settings = Home(lake_home).settings()
    secrets = [settings.database_password, settings.root_password, settings.user_password]
    assert all(len(secret) >= 32 for secret in secrets)
    assert stat.S_IMODE(lake_home.stat().st_mode) == 0o700
    for path in lake_home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if any(secret.encode() in data for secret in secrets) or b"PRIVATE KEY" in data:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
                assert path.parent.name != "log"
    for pid in processes_of(lake_home):
        shown = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not any(secret.encode() in shown for secret in secrets)


def test_the_database_is_durable(lake_home):
    import psycopg

    from lofarlake_nb.lake.embedded import database

    with database.connect(Home(lake_home).settings()) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute(f"show {name}").fetchone() == ("on",)
        assert connection.execute("show unix_socket_directories").fetchone() == ("",)
    address = f"host=127.0.0.1 port={Home(lake_home).settings().database_port} user=rucio dbname=rucio"
    for password in ("password=wrong", ""):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"{address} {password}")


@pytest.mark.parametrize("name", parts.NAMES)
def test_a_killed_part_is_seen_and_mended_alone(running, rucio, name):
    before = pids(supervisor.status(running))
    os.kill(before[name], signal.SIGKILL)
    time.sleep(0.5)
    status = supervisor.status(running)
    assert [part.name for part in status.parts if not part.up] == [name]
    assert not status.up
    after = supervisor.start(running)
    assert after.up
    assert after.urls == status.urls
    assert {n for n in parts.NAMES if pids(after)[n] != before[n]} == {name}
    assert rucio(running, "whoami").returncode == 0  # a new database too: the server finds it again


def test_a_crash_of_everything_loses_nothing(running, rucio):
    assert rucio(running, "did", "add", "--type", "dataset", "lofar:survives").returncode == 0
    for pid in processes_of(running):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    assert not any(part.up for part in supervisor.status(running).parts)
    assert supervisor.start(running).up
    assert "lofar:survives" in rucio(running, "did", "list", "lofar:*").stdout


def test_stop_leaves_no_process_even_when_parents_were_killed(running):
    before = pids(supervisor.status(running))
    for name in ("server", "database"):
        os.kill(before[name], signal.SIGKILL)
    assert len(processes_of(running)) > 2
    status = supervisor.stop(running)
    assert not any(part.up for part in status.parts)
    assert processes_of(running) == []
    assert not supervisor.stop(running).up  # once more does no harm


def test_a_reused_pid_is_another_program(own):
    supervisor.stop(own)
    home = Home(own)
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            stolen = processes.Process(other.pid, 1, Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "")
            for name in parts.NAMES:
                processes.write_private(parts.record(home, name), processes.as_json(stolen))
            (postgres.data_folder(home) / "postmaster.pid").write_text(f"{other.pid}\n{postgres.data_folder(home)}\n")
            assert not any(part.up for part in supervisor.status(own).parts)
            supervisor.stop(own)
            assert other.poll() is None
            assert supervisor.start(own).up
            assert other.poll() is None
        finally:
            other.kill()


def test_two_starts_at_once_make_one_lake(own):
    supervisor.stop(own)
    found = []
    threads = [threading.Thread(target=lambda: found.append(supervisor.start(own))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0].up
    assert pids(found[0]) == pids(found[1])


def test_a_taken_port_is_an_error_when_asked_for_and_avoided_when_not(own, rucio):
    supervisor.stop(own)
    old = Home(own).settings()
    with socket.socket() as other:
        other.bind(("127.0.0.1", old.server_port))
        other.listen()
        with pytest.raises(PortTaken, match=f"port {old.server_port} is taken"):
            supervisor.start(own, port=old.server_port)
        assert processes_of(own) == []
        status = supervisor.start(own)
        new = Home(own).settings()
        assert status.up
        assert new.server_port != old.server_port
        assert (new.storage_port, new.database_port) == (old.storage_port, old.database_port)
        assert rucio(own, "whoami").returncode == 0
    assert supervisor.start(own, port=old.server_port).urls["rucio"].endswith(f":{old.server_port}")
    with pytest.raises(UsageError, match="70000"):
        supervisor.start(own, port=70000)


def test_two_lakes_side_by_side(lake_home, running, rucio):
    assert supervisor.status(lake_home).up
    assert supervisor.status(running).up
    rucio(running, "did", "add", "--type", "dataset", "lofar:only_here")
    assert "lofar:only_here" in rucio(running, "did", "list", "lofar:*").stdout
    assert "lofar:only_here" not in rucio(lake_home, "did", "list", "lofar:*").stdout


def test_folders_that_are_no_lake_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for attempt in (supervisor.start, supervisor.reset):
        with pytest.raises(NotALake, match="other files"):
            attempt(tmp_path)
        with pytest.raises(NotALake, match="is a file"):
            attempt(tmp_path / "thesis.tex")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    status = supervisor.status(tmp_path)
    assert not status.up
    assert "no lake" in status.parts[0].detail
    with pytest.raises(UsageError, match="character"):
        supervisor.start(tmp_path / "100%")
    with pytest.raises(LakeError, match="can't be used"):
        supervisor.start(Path("/proc/lake"))


def test_a_full_disk_is_said_plainly(tmp_path):
    program = (
        "from pathlib import Path\n"
        "from lofarlake_nb.lake.embedded import supervisor\n"
        f"supervisor.start(Path('{tmp_path}/x'))"
    )
    inside = f'mount -t tmpfs -o size=20m tmpfs {tmp_path} && exec {sys.executable} -c "{program}"'
    command = ["unshare", "-Urm", "bash", "-c", inside]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("a small disk needs a user namespace, which this machine refuses")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "NoSpace" in done.stderr
    assert "MB are free" in done.stderr
    assert processes_of(tmp_path) == []
