import os
import signal
import time

import pytest

from lofarlake_nb.errors import LakeError
from lofarlake_nb.lake.embedded import database, ports, postgres, processes
from lofarlake_nb.lake.embedded.home import Home, Settings


@pytest.fixture
def home(tmp_path):
    """Home of a lake of which only the database is made; its path longer than a socket's may be."""
    home = Home(tmp_path / ("deep" * 30))
    home.make()
    return home


@pytest.fixture
def settings():
    return Settings(database_port=ports.free_port(avoid=set()), database_password="secret")


def start(home, settings):
    """Start the server, and wait until it takes log-ins."""
    process = processes.start(
        postgres.command(home, settings.database_port),
        record=home.run / "database.json",
        log=home.log / "database.log",
        folder=home.run,
        environment={"PATH": os.defpath},
        recipe="",
    )
    while not postgres.is_ready(home):
        assert process.alive, (home.log / "database.log").read_text()
        time.sleep(0.05)
    return process


def stop(home, process):
    assert not processes.stop(process, signal.SIGINT, patience=20)
    postgres.clear_leftovers(home)


def test_what_is_written_is_there_after_a_crash(home, settings):
    postgres.initialise(home, settings.database_password)
    process = start(home, settings)
    database.wait(settings, make=True)
    with database.connect(settings) as connection:
        connection.execute("create table kept as select 42 as number")
        os.kill(process.pid, signal.SIGKILL)
    postgres.clear_leftovers(home)
    postgres.initialise(home, "another password")  # nothing to do: the data stay
    process = start(home, settings)
    with database.connect(settings) as connection:
        assert connection.execute("select number from kept").fetchone() == (42,)
    stop(home, process)


def test_a_half_made_one_is_made_anew(home, settings):
    (home.database / "data.part").mkdir()
    (home.database / "data.part" / "PG_VERSION").write_text("16")
    postgres.initialise(home, settings.database_password)
    assert (postgres.data_folder(home) / "global").is_dir()
    assert [p.name for p in home.database.iterdir()] == ["data"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_root_without_namespaces_becomes_nobody(home, settings, monkeypatch):
    postgres.initialise(home, settings.database_password)
    first = postgres.unprivileged()
    monkeypatch.setattr(postgres, "_namespace", lambda known: ["false"])
    assert postgres.unprivileged() != first
    for refused in (True, False):  # Docker forbids them; the next time the lake is started outside
        if not refused:
            monkeypatch.undo()
        postgres.adopt(home)
        assert postgres.data_folder(home).stat().st_uid == (postgres.NOBODY if refused else 0)
        process = start(home, settings)
        database.wait(settings, make=True)
        stop(home, process)


def test_it_says_so_when_it_can_be_nobody(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_namespace", lambda known: ["false"])
    monkeypatch.setattr(postgres, "_as_nobody", lambda: ["false"])
    with pytest.raises(LakeError, match=r"refuses to run as root.*; start the lake as an ordinary user"):
        postgres.unprivileged()
