import json
import logging
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from lofarlake_nb.errors import DIDNotFound, LakeError, LakeNotRunning, LakeRefused, UsageError
from lofarlake_nb.lake import browse, client, configured, extension, storage
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.translating import translated


@pytest.fixture
def configuration(lake_home, tmp_path):
    """A copy of the lake's client configuration, with changes."""

    def make(**changes: str) -> Path:
        lines = (lake_home / "client" / "rucio.cfg").read_text().splitlines()
        changed = [f"{k} = {changes[k]}" if (k := line.partition(" =")[0]) in changes else line for line in lines]
        (tmp_path / "rucio.cfg").write_text("\n".join(changed))
        return tmp_path / "rucio.cfg"

    return make


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def test_a_lake_is_reached_by_its_home_and_by_its_configuration(lake_home, configuration):
    by_home, by_file = client.connect(lake_home), client.connect(configuration())
    assert by_home.call("whoami")["account"] == by_file.call("whoami")["account"] == "lofar"
    assert by_home.home == lake_home
    assert by_file.home is None


def test_the_process_is_left_as_it_was(lake_home, monkeypatch):
    monkeypatch.setenv("RUCIO_CONFIG", "/nowhere/rucio.cfg")
    monkeypatch.setattr(sys, "argv", ["/bin/größe", "日本"])  # Rucio sends them in a header
    assert client.connect(lake_home).call("ping")
    assert os.environ["RUCIO_CONFIG"] == "/nowhere/rucio.cfg"
    assert sys.argv == ["/bin/größe", "日本"]


def test_calls_are_counted(lake):
    before = lake.calls
    lake.call("ping")
    lake.call("list_scopes")
    assert lake.calls == before + 2


def test_where_there_is_no_lake(tmp_path, monkeypatch):
    with pytest.raises(LakeNotRunning, match="there is no lake in") as refused:
        client.connect(tmp_path / "home")
    assert refused.value.hint == f"start it: lofarlake lake start --home {tmp_path / 'home'}"
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LakeNotRunning, match=str(tmp_path / ".local/share/lofarlake")) as refused:
        client.connect()
    assert refused.value.hint == "start it: lofarlake lake start"


def test_a_lake_that_does_not_answer(configuration):
    address = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(LakeNotRunning, match=f"no lake answers at {address}"):
        client.connect(configuration(rucio_host=address, auth_host=address))


def test_a_lake_that_stops_answering(lake_home, monkeypatch, capfd):
    lake = client.connect(lake_home)
    monkeypatch.setattr(lake.rucio, "list_hosts", [f"http://127.0.0.1:{closed_port()}"])
    with pytest.raises(LakeNotRunning, match="no lake answers") as refused:
        lake.call("list_scopes")
    assert refused.value.hint == f"start it: lofarlake lake start --home {lake_home}"
    assert capfd.readouterr() == ("", "")  # Rucio's client would print its own


def test_no_password_is_logged(configuration, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    client.connect(configuration(auth_token_file_path=str(tmp_path / "token"))).call("whoami")
    assert "/auth/userpass" in caplog.text
    password = client.connect(configuration()).settings["password"]
    assert password not in caplog.text


def test_a_wrong_password(configuration, tmp_path):
    with pytest.raises(LakeRefused, match="refuses to log us in"):
        client.connect(configuration(password="wrong", auth_token_file_path=str(tmp_path / "token")))


@pytest.mark.parametrize("text", ["", "nothing", "[common]\na = b\n", "[client]\nno equals\n"])
def test_a_file_that_configures_nothing(tmp_path, text):
    (tmp_path / "rucio.cfg").write_text(text)
    with pytest.raises(UsageError, match="is no configuration of Rucio's client"):
        client.connect(tmp_path / "rucio.cfg")


@pytest.mark.parametrize("line", ["password = a%secret", "a secret", "[unended secret", "x = 1\nx = secret"])
def test_what_is_wrong_with_a_configuration_is_said_without_its_words(tmp_path, line):
    (tmp_path / "rucio.cfg").write_text(f"[client]\nrucio_host = http://x\n{line}\n")
    with pytest.raises(
        UsageError, match="is no configuration of Rucio's client: (line [34]|password has a %)"
    ) as refused:
        client.connect(tmp_path / "rucio.cfg")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_paths_in_a_configuration_are_those_that_rucio_s_client_reads(lake_home, configuration, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").write_bytes((lake_home / "tls" / "ca.pem").read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "proxy.pem"))
    path = configuration(ca_cert="~/ca.pem")
    more = "[client]\nclient_x509_proxy = $X509_USER_PROXY\nclient_cert ="
    path.write_text(path.read_text().replace("[client]", more, 1))
    lake = client.connect(path)
    assert storage.Storages(lake).https.session.cert == str(tmp_path / "proxy.pem")
    assert lake.settings["ca_cert"] == str(tmp_path / "ca.pem")


def test_an_answer_that_is_cut_off_is_a_lake_s_error():
    with pytest.raises(LakeError, match="the lake answered JSONDecodeError"), translated("http://x", ""):
        json.loads('{"scope": "lofar", "na')


def test_rucio_s_errors_are_ours(lake):
    with pytest.raises(DIDNotFound):
        lake.call("get_did", "lofar", "nothing")
    with pytest.raises(DIDNotFound, match=f"lofar:nothing is not in the lake at {lake.url}"):
        lake.get(DID("lofar", "nothing"))
    with pytest.raises(LakeError, match="no such site"):
        lake.rse("NOWHERE")
    with pytest.raises(LakeRefused, match="can not add data identifier to scope nobody"):
        lake.call("add_dataset", "nobody", "a")
    assert lake.find(DID("lofar", "nothing")) is None


def test_where_no_lake_is_named_it_is_that_of_rucio_config(lake_home, configuration, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # where no lake is
    monkeypatch.setenv("RUCIO_CONFIG", str(configuration()))
    lake = client.connect()
    assert (lake.configuration, lake.home, lake.account) == (configuration(), None, "lofar")
    assert extension.located("") == configuration()
    assert browse.connect().scopes() == browse.connect(lake_home).scopes()
    assert client.connect(lake_home).home == lake_home  # what is named goes before it
    with client.connect(lake_home).configured():
        asked = []
        thread = threading.Thread(target=lambda: asked.append(configured.chosen()))
        thread.start()
        thread.join(0.3)
    thread.join(20)
    assert asked == [configuration()]  # not the one that Rucio reads meanwhile


def test_an_embedded_lake_s_own_rucio_config_is_that_lake(lake_home, monkeypatch):
    monkeypatch.setenv("RUCIO_CONFIG", str(lake_home / "client" / "rucio.cfg"))
    assert client.connect().home == lake_home


def test_the_administrator_s_rucio_config_acts_as_the_administrator(lake_home, monkeypatch):
    told = lake_home / "client" / "root.cfg"
    monkeypatch.setenv("RUCIO_CONFIG", str(told))
    lake = client.connect()
    assert (lake.configuration, lake.home, lake.account) == (told, None, "root")
    assert lake.call("whoami")["account"] == "root"
    assert client.connect(lake_home).account == "lofar"


def test_a_rucio_config_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("RUCIO_CONFIG", "/no/such/rucio.cfg")
    with pytest.raises(LakeNotRunning, match=r"RUCIO_CONFIG names /no/such/rucio.cfg, which is not there"):
        client.connect()
