"""Catalogue and storage that fail: what passes is waited for, what does not is said in time, a re-run finishes."""

import os
import time

import pytest
from failing import failing

from lofarlake_nb.errors import ChecksumMismatch, LakeNotRunning, TransferFailed
from lofarlake_nb.lake import client, ingest, patience, verify
from lofarlake_nb.lake.patience import Patience, PatientSession, Unanswered
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def files(tmp_path, unique):
    made = [tmp_path / f"{unique}.{n}" for n in range(4)]
    for file in made:
        file.write_bytes(os.urandom(50_000))
    return made


@pytest.fixture
def catalogue(lake, lake_home, tmp_path):
    """A lake whose catalogue fails as it is told to, and its server."""
    with failing(lake.url, lake_home, tls=False) as server:
        told = (lake_home / "client" / "rucio.cfg").read_text()
        told = told.replace(lake.url, f"http://127.0.0.1:{server.server_port}")
        told = told.replace("[client]", f"[client]\nclient_x509_proxy = {lake_home / 'tls' / 'client.pem'}", 1)
        (tmp_path / "rucio.cfg").write_text(told)
        yield client.connect(tmp_path / "rucio.cfg"), server


@pytest.fixture
def storage(remote_lake, lake_home):
    """A lake whose storage at SARA fails as it is told to, and its server."""
    lake = client.connect(remote_lake.configuration)
    [door] = [p for p in lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    with failing(f"https://127.0.0.1:{door['port']}", lake_home, tls=True) as server:
        door["port"] = server.server_port
        yield lake, server


def parameters(number, patience="20 s"):
    return IngestParameters(dataset=f"lofar:L{number}", replicate_to="", patience=patience)


def assert_whole(lake, files, number):
    verified = verify.verify(lake, f"lofar:L{number}", deep=True)
    assert verified.ok
    assert sorted(row.did for row in verified.rows) == [f"lofar:{file.name}" for file in files]


def test_a_catalogue_that_fails_for_a_while(lake, catalogue, files, number):
    reached, server = catalogue
    server.failures = [503, 500, 502, "pass", 429]
    assert ingest.ingest(reached, files, parameters(number)).files == 4
    assert not server.failures
    assert_whole(lake, files, number)


def test_a_catalogue_that_does_what_it_is_asked_and_loses_each_first_answer(lake, catalogue, files, number):
    reached, server = catalogue
    server.only = ("POST", "PUT")
    server.failures = ["drop", "pass"] * 20
    assert ingest.ingest(reached, files, parameters(number)).files == 4
    assert server.seen["POST"] >= 10
    assert_whole(lake, files, number)


@pytest.mark.parametrize("failure", [503, "hang"])
def test_a_catalogue_that_stays_away_is_said_in_the_stated_time(lake, catalogue, files, number, failure):
    reached, server = catalogue
    server.failures = [failure] * 1000
    start = time.monotonic()
    with pytest.raises(LakeNotRunning, match=r"tries in 2 s"):
        ingest.ingest(reached, files, parameters(number, "2 s"))
    assert time.monotonic() - start < 10
    server.failures = []
    assert ingest.ingest(reached, files, parameters(number)).files == 4
    assert_whole(lake, files, number)


@pytest.mark.parametrize("failures", [[503, 500, 503], ["drop", "drop"]])
def test_a_storage_that_fails_for_a_while(lake, storage, files, number, failures):
    reached, server = storage
    server.failures = list(failures)
    server.only = ("PUT", "HEAD")
    assert ingest.ingest(reached, files, parameters(number)).files == 4
    assert not server.failures
    assert_whole(lake, files, number)


@pytest.mark.parametrize("failure", [503, "hang"])
def test_a_storage_that_stays_away_is_said_in_the_stated_time(lake, storage, files, number, failure):
    reached, server = storage
    server.only = ("PUT",)
    server.failures = [failure] * 1000
    start = time.monotonic()
    with pytest.raises(TransferFailed, match=r"0 of 4 files are at the site; missing"):
        ingest.ingest(reached, files, parameters(number, "1 s"))
    assert time.monotonic() - start < 10
    server.failures = []
    assert ingest.ingest(reached, files, parameters(number)).files == 4
    assert_whole(lake, files, number)


def test_a_byte_that_flips_on_its_way_is_found_kept_apart_and_sent_again(lake, storage, lake_home, tmp_path, number):
    reached, server = storage
    files = [tmp_path / f"L{number}.{n}" for n in range(3)]
    for file in files:
        file.write_bytes(os.urandom(100))
    alone = IngestParameters(dataset=f"lofar:L{number}", replicate_to="", streams=1)
    server.only, server.failures = ("PUT",), ["pass", "flip"]
    said = rf"kept apart at .*2 of 3 files are at the site; missing: L{number}\.1\)"
    with pytest.raises(ChecksumMismatch, match=said):
        ingest.ingest(reached, files, alone)
    at_site = {path.name: path for path in (lake_home / "storage" / "SARA").rglob(f"L{number}.*")}
    assert set(at_site) == {f"L{number}.0", f"L{number}.1.wrong", f"L{number}.2"}
    right = files[1].read_bytes()
    assert at_site[f"L{number}.1.wrong"].read_bytes() == bytes([right[0] ^ 1]) + right[1:]
    done = ingest.ingest(reached, files, alone)
    assert [entry.state for entry in done.entries] == ["already there", "new", "already there"]
    assert_whole(lake, files, number)


def test_patience_begins_with_the_first_failure(monkeypatch):
    clock, waited = [0.0], []
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    tries = Patience(10.0).tries(pause=waited.append)
    clock[0] = 3600.0  # a large file was sent for an hour before the connection broke
    assert tries.again()
    assert tries.again(asked=5.0)
    assert not tries.again(asked=20.0)
    assert len(waited) == 2


@pytest.mark.parametrize("told", ["1", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"])
def test_a_server_that_says_when(lake, lake_home, told):
    with failing(lake.url, lake_home, tls=False) as server, PatientSession(Patience(20, first=0.01)) as session:
        session.trust_env = False
        server.failures, server.retry_after = [503], told
        start = time.monotonic()
        assert session.get(f"http://127.0.0.1:{server.server_port}/ping").ok
        assert (time.monotonic() - start >= 1) == (told == "1")
        server.failures, server.retry_after = [503], "3600"
        with pytest.raises(Unanswered, match="503"):
            session.get(f"http://127.0.0.1:{server.server_port}/ping")
