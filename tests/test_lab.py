"""JupyterLab on a lake: configured and logged in, nothing in HOME, working copies that stay a person's own."""

import re
import socket
import subprocess
import time
from pathlib import Path
from unittest.mock import Mock

import nbformat
import pytest
import requests
from running_lab import Running

from lofarlake_nb import cli, inspecting, lab, run
from lofarlake_nb.errors import LakeNotRunning, LakeRefused, PortTaken, UsageError
from lofarlake_nb.lab.notebooks import working_copies
from lofarlake_nb.lake import browse, client, extension, ingest, keeping
from lofarlake_nb.lake.embedded import supervisor


@pytest.fixture(scope="module")
def running(lake_home, tmp_path_factory):
    started = Running(lake_home, tmp_path_factory.mktemp("lab"), arguments=["--LabApp.expose_app_in_browser=True"])
    yield started
    started.stop()


def test_the_panel_shows_this_lake_logged_in(running, lake_home):
    known = running.get("rucio-jupyterlab/instances").json()
    assert known["active_instance"] == extension.name(lake_home)
    assert known["auth_type"] == "userpass"
    assert [i["display_name"] for i in known["instances"]] == [f"LOFAR data lake ({lake_home})"]
    scopes = running.get("rucio-jupyterlab/list-scopes", namespace=extension.name(lake_home)).json()
    assert scopes["success"]
    assert "lofar" in scopes["scopes"]


@pytest.mark.parametrize("path", ["rucio-jupyterlab/instances", "api/contents"])
def test_nobody_comes_in_without_the_token(running, path):
    assert running.get(path, token="").status_code == 403
    assert len(running.server["token"]) > 20


def test_logins_are_in_the_lakes_home_and_for_its_owner_only(running, lake_home):
    assert [p for p in running.user.rglob("*.db") if "rucio" in str(p)] == []
    secret = extension.login(lake_home).parameters["password"].encode()
    holders = [p for p in (lake_home / "jupyter").rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert holders == [lake_home / "jupyter" / "rucio" / "cache.db"]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    assert (lake_home / "jupyter").stat().st_mode & 0o777 == 0o700
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert secret not in words.read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue


def test_python_browses_by_the_running_jupyterlab(running, lake_home):
    browser = browse.connect(lake_home)
    assert browser.via == f"the Rucio extension of the JupyterLab at {running.server['url']}"
    assert "lofar" in browser.scopes()
    assert browser.search("lofar:no_such_*") == ()
    assert running.server["token"] not in repr(browser)


def test_icons_come_from_here(running):
    css = running.get("custom/custom.css").text
    assert "material-icons.woff2" in css
    assert running.get("custom/material-icons.woff2").content[:4] == b"wOF2"
    assert (lab_assets() / "material-icons.LICENSE").read_text().split()[:2] == ["Apache", "License"]
    assert "style-src 'self'" in running.get("lab").headers["Content-Security-Policy"]


def lab_assets() -> Path:
    return Path(lab.__file__).parent / "assets"


@pytest.fixture(scope="module")
def empty_lake(tmp_path_factory):
    home = tmp_path_factory.mktemp("empty") / "home"
    supervisor.start(home)
    yield home
    supervisor.reset(home)


def test_two_lakes_have_two_labs_side_by_side(running, lake_home, empty_lake, tmp_path):
    second = Running(empty_lake, tmp_path / "lab")
    try:
        names = [each.get("rucio-jupyterlab/instances").json()["active_instance"] for each in (running, second)]
        assert names == [extension.name(lake_home), extension.name(empty_lake)]
        assert second.get("rucio-jupyterlab/list-scopes", namespace=names[1]).json()["success"]
        assert second.get("rucio-jupyterlab/list-scopes", namespace=names[0]).status_code >= 400
        assert running.server["url"] in browse.connect(lake_home).via
        assert second.server["url"] in browse.connect(empty_lake).via
    finally:
        assert second.stop() == 0
    assert browse.connect(empty_lake).via == "the Rucio extension, in this process"


def test_it_lives_below_a_hubs_prefix(empty_lake, tmp_path):
    hub = Running(empty_lake, tmp_path / "lab", arguments=["--ServerApp.base_url=/user/ann/"])
    try:
        assert hub.server["url"].endswith("/user/ann/")
        landing = hub.get("")
        assert landing.ok
        assert re.search(r"/user/ann/lab/tree/[^/]+/0_start_here\.ipynb$", landing.url)
        assert hub.get("rucio-jupyterlab/instances").json()["active_instance"] == extension.name(empty_lake)
        assert hub.server["url"] in browse.connect(empty_lake).via
        assert hub.get("custom/custom.css").ok
        dashboard = hub.get("lab/api/settings/dask-labextension:plugin").json()["schema"]["properties"]["defaultURL"]
        assert dashboard["default"].startswith("proxy/")  # of this server, wherever it lives
    finally:
        assert hub.stop() == 0


def test_a_lake_that_runs_elsewhere_has_a_lab_by_its_rucio_config(remote_lake, lake_home, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_bytes(b"a note")  # no image: the newest is what a page to look at shows
    files = [tmp_path / "notes.txt"]
    ingest.ingest_products(client.connect(lake_home), files, "lofar:lab_elsewhere", {}, replicate_to="", close=True)
    configuration = remote_lake.configuration
    away = Running(configuration, tmp_path / "lab")
    try:
        known = away.get("rucio-jupyterlab/instances").json()
        assert (known["active_instance"], known["auth_type"]) == (extension.name(configuration), "userpass")
        assert [one["mode"] for one in known["instances"]] == ["download"]
        assert "lofar" in away.get("rucio-jupyterlab/list-scopes", namespace=known["active_instance"]).json()["scopes"]
        monkeypatch.setenv("HOME", str(away.user))
        browser = browse.connect(configuration)
        assert away.server["url"] in browser.via
        assert [file.did for file in browser.files("lofar:lab_elsewhere")] == ["lofar:lab_elsewhere.notes.txt"]
        assert made_available(away, "lofar:lab_elsewhere.notes.txt").read_bytes() == b"a note"
        (landing,) = away.root.rglob("0_start_here.ipynb")
        assert f'lake: str = "{configuration}"' in "\n".join(sources(landing))
        secret = remote_lake.settings["password"].encode()
        holders = [p for p in away.user.rglob("*") if p.is_file() and secret in p.read_bytes()]
        assert holders == [away.jupyter / "rucio" / "cache.db"]
        assert [p.stat().st_mode & 0o777 for p in (away.jupyter, *holders)] == [0o700, 0o600]
        with pytest.raises(UsageError, match="where the lake keeps its logins"):
            keeping.keep(holders[0], lake=configuration)
        assert [p.name for p in configuration.parent.iterdir()] == ["rucio.cfg"]
    finally:
        assert away.stop() == 0


def made_available(running: Running, did: str) -> Path:
    """Where the panel downloads a file to, when it is there."""
    asked = {"namespace": running.get("rucio-jupyterlab/instances").json()["active_instance"]}
    header = {"Authorization": f"token {running.server['token']}"}
    address = f"{running.server['url']}rucio-jupyterlab/did/make-available"
    requests.post(address, params=asked, json={"did": did}, headers=header, timeout=30).raise_for_status()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (file,) = running.get("rucio-jupyterlab/did", did=did, poll="1", **asked).json()
        if file["status"] == "OK":
            return Path(file["path"])
        time.sleep(0.2)
    raise AssertionError(running.log.read_text()[-3000:])


@pytest.mark.parametrize("opened", [lab.configure, lab.look])
def test_a_rucio_config_that_the_panel_can_not_log_in_by_is_told_before_anything_is_written(tmp_path, opened):
    told = tmp_path / "rucio.cfg"
    told.write_text("[client]\nrucio_host = https://x\nauth_host = https://x\nauth_type = gss\n")
    with pytest.raises(LakeRefused, match="can't log in by gss"):
        opened(told, root_dir=tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["rucio.cfg"]


@pytest.mark.parametrize("command", ["lab", "look"])
def test_no_lake_is_started_where_a_rucio_config_is_opened(remote_lake, monkeypatch, command):
    opened, started = Mock(return_value=0), Mock()
    monkeypatch.setattr(lab, "look" if command == "look" else "start", opened)
    monkeypatch.setattr(supervisor, "start", started)
    assert cli.main([command, "--lake", str(remote_lake.configuration), "--no-browser"]) == 0
    assert opened.call_args.args == (remote_lake.configuration,)
    assert not started.called


@pytest.mark.parametrize("command", ["lab", "look"])
def test_an_embedded_lake_is_started_before_it_is_opened(lake_home, tmp_path, monkeypatch, capsys, command):
    opened, started = Mock(return_value=0), Mock()
    monkeypatch.setattr(lab, "look" if command == "look" else "start", opened)
    monkeypatch.setattr(supervisor, "start", started)
    for option in ("--lake", "--home"):
        assert cli.main([command, option, str(lake_home)]) == 0
        assert opened.call_args.args == started.call_args.args == (lake_home,)
    started.reset_mock()
    assert cli.main([command, "--lake", str(tmp_path / "rucio.cfg")]) == 1
    assert f"there is no lake in {tmp_path / 'rucio.cfg'}" in capsys.readouterr().err
    assert cli.main([command, "--lake", str(lake_home), "--home", str(lake_home)]) == 2
    assert not started.called


@pytest.mark.parametrize("name", ["0_start_here", "3_explore"])
def test_notebooks_run_without_a_browser_on_an_empty_lake(empty_lake, tmp_path, name):
    run.run(inspecting.find_notebook(name), {"lake": str(empty_lake)}, tmp_path / "executed.ipynb")
    text = (tmp_path / "executed.ipynb").read_text()
    assert "1_ingest" in text or "2_process" in text  # what to do about it


def test_an_observation_without_an_image_is_explored_to_the_end(lake_home, tmp_path):
    client.connect(lake_home).call("add_dataset", "lofar", "explored_without_image")
    given = {"lake": str(lake_home), "dataset": "lofar:explored_without_image", "folder": str(tmp_path / "explore")}
    run.run(inspecting.find_notebook("3_explore"), given, tmp_path / "executed.ipynb")
    assert "of lofar:explored_without_image yet; stage 2" in (tmp_path / "executed.ipynb").read_text()


@pytest.mark.parametrize("name", ["0_start_here", "3_explore"])
def test_notebooks_are_thin_and_clean(name):
    code = [
        cell for cell in nbformat.read(inspecting.find_notebook(name), as_version=4).cells if cell.cell_type == "code"
    ]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert sum(len(cell.source.splitlines()) for cell in code) <= 60
    assert [cell.metadata.get("tags") for cell in code].count(["parameters"]) == 1
    assert "lake" in inspecting.parameters_of(inspecting.find_notebook(name))


def test_no_lake_no_lab(tmp_path):
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        lab.configure(tmp_path)


def test_a_taken_port_is_named(lake_home, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            lab.start(lake_home, root_dir=tmp_path, port=port, open_browser=False)


def test_an_unknown_notebook_is_named(lake_home, tmp_path):
    with pytest.raises(UsageError, match="0_start_here"):
        lab.configure(lake_home, notebook="9_none.ipynb", root_dir=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(lake_home, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        lab.configure(lake_home, root_dir=tmp_path / "file")


def test_exports_survive_a_shell(lake_home, tmp_path):
    configured = lab.configure(lake_home, root_dir=tmp_path)
    told = subprocess.run(
        ["bash", "-c", f"RUCIO_CONFIG=x; {lab.exports(configured)}\necho $JUPYTER_CONFIG_DIR:$RUCIO_CONFIG"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{lake_home}/jupyter/config:\n"


# ---- working copies


def shipped(folder: Path, text: str = "1 + 1") -> Path:
    folder.mkdir(exist_ok=True)
    v4 = nbformat.v4
    first = v4.new_code_cell('lake: str = ""  # the lake', metadata={"tags": ["parameters"]})
    nbformat.write(v4.new_notebook(cells=[first, v4.new_code_cell(text)]), folder / "one.ipynb")
    return folder


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def change(path: Path, **new) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].update(new)
    nbformat.write(notebook, path)


def test_a_copy_knows_its_lake(tmp_path):
    (copy,) = working_copies(shipped(tmp_path / "from"), tmp_path / "to", '/a "lake"')
    assert sources(copy)[0] == 'lake: str = "/a \\"lake\\""  # the lake'


def test_every_shipped_notebook_takes_its_lake(tmp_path):
    for copy in working_copies(inspecting.notebooks_folder(), tmp_path, "/some/lake"):
        assert 'lake: str = "/some/lake"' in "\n".join(sources(copy)), copy.name


def test_a_copy_that_was_changed_is_kept(tmp_path):
    (copy,) = working_copies(shipped(tmp_path / "from"), tmp_path / "to", "")
    change(copy, source="my own")
    working_copies(shipped(tmp_path / "from", "newer"), tmp_path / "to", "")
    assert sources(copy)[1] == "my own"


def test_a_copy_that_was_only_run_is_kept_until_a_newer_one_comes(tmp_path):
    (copy,) = working_copies(shipped(tmp_path / "from"), tmp_path / "to", "")
    change(copy, outputs=[nbformat.v4.new_output("stream", text="2")], execution_count=1)
    working_copies(shipped(tmp_path / "from"), tmp_path / "to", "")
    assert nbformat.read(copy, as_version=4).cells[1].outputs
    working_copies(shipped(tmp_path / "from", "newer"), tmp_path / "to", "")
    assert sources(copy)[1] == "newer"


@pytest.mark.parametrize("broken", ["", "no notebook", "[]", '{"cells": 3}'])
def test_a_broken_copy_is_a_persons_own(tmp_path, broken):
    (copy,) = working_copies(shipped(tmp_path / "from"), tmp_path / "to", "")
    copy.write_text(broken)
    working_copies(shipped(tmp_path / "from", "newer"), tmp_path / "to", "")
    assert copy.read_text() == broken


def test_without_a_record_all_copies_are_a_persons_own(tmp_path):
    (copy,) = working_copies(shipped(tmp_path / "from"), tmp_path / "to", "")
    (tmp_path / "to" / ".lofarlake.json").write_text("broken")
    working_copies(shipped(tmp_path / "from", "newer"), tmp_path / "to", "")
    assert sources(copy)[1] == "1 + 1"
