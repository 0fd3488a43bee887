"""Parts of the lake that die while an ingest runs: it waits for them, or says what is missing; a re-run ends it."""

import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lofarlake_nb.errors import LakeNotRunning, LofarlakeError
from lofarlake_nb.lake import client, ingest, plan, verify
from lofarlake_nb.lake.embedded import database, supervisor
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.parameters import IngestParameters

CALLS = ("add_replicas", "attach_dids_to_dids", "add_replication_rule")


@pytest.fixture
def files(tmp_path, number):
    made = [tmp_path / f"L{number}.{n}" for n in range(3)]
    for file in made:
        file.write_bytes(os.urandom(4_000_000))
    return made


def parameters(number, patience="60 s"):
    return IngestParameters(dataset=f"lofar:L{number}", replicate_to="", patience=patience, streams=2)


def assert_whole(lake, files, number):
    verified = verify.verify(lake, f"lofar:L{number}", deep=True)
    assert verified.ok
    assert sorted(row.did for row in verified.rows) == [f"lofar:{file.name}" for file in files]
    names = [file.name for file in files]
    rows = lake.call("list_replicas", [{"scope": "lofar", "name": name} for name in names], all_states=True)
    assert [row["states"] for row in rows] == [{"SARA": "AVAILABLE"}] * len(files)


class Killing:
    """Kills a part of a lake, once; `back` starts it again, in a thread of its own."""

    def __init__(self, home, part):
        self.home, self.part, self.back = home, part, True
        self.thread = None
        self.once = threading.Lock()  # files are sent several at a time

    def __call__(self):
        with self.once:
            if self.thread is None:
                self.pid = self.find()
                os.killpg(self.pid, signal.SIGKILL)  # with its workers, which would go on answering for a moment
                self.thread = threading.Thread(target=self.start if self.back else int)
                self.thread.start()

    def find(self):
        [part] = [one for one in supervisor.status(self.home).parts if one.name == self.part]
        return part.pid

    def start(self):
        assert supervisor.start(self.home).up

    def join(self):
        assert self.thread is not None
        self.thread.join()
        self.start()
        assert self.find() != self.pid


@pytest.fixture
def killing(lake_home):
    """Make what kills a part; at the end all parts are up."""
    made = []

    def make(part):
        made.append(Killing(lake_home, part))
        return made[-1]

    yield make
    for one in made:
        one.join()


def before(monkeypatch, name, act):
    """Do something before each call of a method of Rucio's client."""
    real = getattr(client.CountingClient, name)

    def acted(*given, **options):
        act()
        return real(*given, **options)

    monkeypatch.setattr(client.CountingClient, name, acted)


@pytest.mark.parametrize(("part", "call"), [("server", CALLS[0]), ("database", CALLS[1]), ("database", CALLS[2])])
def test_a_catalogue_that_is_killed_and_back_is_waited_for(
    lake, lake_home, files, number, killing, monkeypatch, part, call
):
    before(monkeypatch, call, killing(part))
    assert ingest.ingest(client.connect(lake_home), files, parameters(number)).files == 3
    assert_whole(lake, files, number)


def test_a_catalogue_that_is_killed_and_stays_away(lake, lake_home, files, number, killing, monkeypatch):
    kill = killing("server")
    kill.back = False
    with monkeypatch.context() as broken:
        before(broken, "add_replicas", kill)
        with pytest.raises(LakeNotRunning, match=r"3 of 3 files are at the site\)"):
            ingest.ingest(client.connect(lake_home), files, parameters(number, "1 s"))
    kill.join()
    done = ingest.ingest(lake, files, parameters(number))
    assert {entry.state for entry in done.entries} == {"registered"}
    assert_whole(lake, files, number)


def half_way(monkeypatch, act):
    """Do something when the first half of a file is on its way."""
    real = plan.Item.blocks

    def acted(item):
        for n, block in enumerate(real(item)):
            if n == 3:
                act()
            yield block

    monkeypatch.setattr(plan.Item, "blocks", acted)


def test_a_storage_that_is_killed_and_back_is_waited_for(lake, remote_lake, files, number, killing, monkeypatch):
    half_way(monkeypatch, killing("storage"))
    assert ingest.ingest(remote_lake, files, parameters(number)).files == 3
    assert_whole(lake, files, number)


def test_a_storage_that_is_killed_and_stays_away(lake, remote_lake, files, number, killing, monkeypatch):
    kill = killing("storage")
    kill.back = False
    with monkeypatch.context() as broken:
        half_way(broken, kill)
        with pytest.raises(LofarlakeError, match=r"of 3 files are at the site; missing: ") as failed:
            ingest.ingest(remote_lake, files, parameters(number, "1 s"))
    assert "run it again" in failed.value.hint
    kill.join()
    assert ingest.ingest(remote_lake, files, parameters(number)).files == 3
    assert_whole(lake, files, number)


def test_credentials_that_expire_a_dozen_times(lake, lake_home, files, number, monkeypatch):
    """A day with tokens of two hours, each second of the test standing for some hours: tokens live 0.2 s."""
    renew, ask, logins = client.CountingClient._BaseClient__get_token, client.CountingClient._send_request, []

    def short(self):
        renew(self)
        logins.append(self.auth_token)
        with database.connect(Home(lake_home).settings()) as connection:
            end = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=0.2)
            connection.execute("UPDATE tokens SET expired_at = %s WHERE token = %s", (end, self.auth_token))

    def late(self, *given, **options):
        if logins:
            threading.Event().wait(0.3)
        return ask(self, *given, **options)

    monkeypatch.setattr(client.CountingClient, "_BaseClient__get_token", short)
    monkeypatch.setattr(client.CountingClient, "_send_request", late)
    reached = client.connect(lake_home)
    reached.rucio._BaseClient__get_token()
    within = replace(parameters(number), container=f"lofar:C{number}")
    assert ingest.ingest(reached, files, within, metadata={"project": "LC0_000"}).files == 3
    assert len(set(logins)) > 12
    monkeypatch.undo()
    assert_whole(lake, files, number)
