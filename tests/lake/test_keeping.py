"""Files that are kept in the lake from a notebook: with their lineage, and a line by which someone else opens them."""

import json
import shutil
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from lofarlake_nb.errors import DIDNotFound, OnlyLooking, UsageError
from lofarlake_nb.lake import extension, ingest, keeping, logins, looking, metadata, registrar
from lofarlake_nb.lake.configured import settings_in
from lofarlake_nb.lake.did import DID
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def files(tmp_path, unique):
    notebook = tmp_path / f"{unique[-12:]}.ipynb"
    notebook.write_text(json.dumps({"cells": [], "nbformat": 4}))
    (tmp_path / "plot.png").write_bytes(b"\x89PNG" + unique.encode())
    return [notebook, tmp_path / "plot.png"]


def test_what_is_kept_is_opened_by_the_line_that_is_shared(lake, files):
    kept = keeping.keep(files, lake=lake.home, note="looked at")
    assert kept.dataset.startswith(f"lofar:kept_{files[0].stem}_")
    namespace = {}
    exec(kept.line.replace("'rucio.cfg'", repr(str(lake.home))), namespace)
    with namespace["file"] as opened:
        assert opened.read() == files[0].read_bytes()
    assert len(kept.urls) == 2
    assert kept.line in kept._repr_mimebundle_()["text/plain"]


def test_it_says_where_it_comes_from(lake, files):
    first = keeping.keep(files[1], lake=lake.home)
    kept = keeping.keep(files[0], lake=lake.home, inputs=[first.dataset], note="of a plot")
    lineage = metadata.read(lake, kept.dataset)["lofarlake"]
    assert (lineage["inputs"], lineage["note"], lineage["by"]) == ([first.dataset], "of a plot", "lofar")


def test_the_same_files_are_the_same_dataset(lake, files):
    assert keeping.keep(files, lake=lake.home) == keeping.keep(files, lake=lake.home)


def test_what_is_kept_again_keeps_its_first_lineage(lake, files, unique):
    for name in (f"{unique}a", f"{unique}b"):
        lake.call("add_dataset", "lofar", name)
    a, b = f"lofar:{unique}a", f"lofar:{unique}b"
    first = keeping.keep(files, lake=lake.home, inputs=[a], note="looked at")
    before = metadata.read(lake, first.dataset)
    assert first.already == ""
    again = keeping.keep(files, lake=lake.home)
    assert metadata.read(lake, again.dataset) == before
    assert again.already == f"it was there already, made from {a}"
    assert again.already in again._repr_mimebundle_()["text/plain"]
    more = keeping.keep(files, lake=lake.home, inputs=[b, a], note="of both")
    assert more.already == f"it was there already, made from {a}; added: input {b}, the note"
    wanted = {**before["lofarlake"], "inputs": [a, b], "note": "looked at\nof both"}
    assert metadata.read(lake, more.dataset)["lofarlake"] == wanted
    assert metadata.read(lake, f"{more.dataset}.plot.png")["lofarlake"] == wanted
    assert keeping.keep(files, lake=lake.home, inputs=[b], note="of both").already.endswith(f"made from {a}, {b}")


def test_a_result_of_stage_2_that_is_kept_by_hand_keeps_its_parameters(lake, files, unique):
    lineage = {"inputs": [], "notebook": "lofar:x", "parameters": {"cell": "4 arcsec"}, "versions": {"ducc0": "1"}}
    ingest.ingest_products(lake, files, f"lofar:{unique}", lineage, replicate_to="", close=True)
    keeping.keep(files[1], lake=lake.home, dataset=f"lofar:{unique}", note="a good one")
    kept = metadata.read(lake, f"lofar:{unique}")["lofarlake"]
    assert {key: kept[key] for key in lineage} == lineage
    assert kept["note"] == "a good one"


def test_what_can_not_be_kept_is_named(lake, files, tmp_path):
    with pytest.raises(UsageError, match="no_such"):
        keeping.keep(tmp_path / "no_such.txt", lake=lake.home)
    with pytest.raises(DIDNotFound, match="no_such_input"):
        keeping.keep(files, lake=lake.home, inputs=["lofar:no_such_input"])
    files[0].write_text('{"cells": [')
    with pytest.raises(UsageError, match="save it again"):
        keeping.keep(files, lake=lake.home)


def test_nothing_is_nothing_to_share(lake):
    assert keeping.shared(lake, "").line == ""
    assert "nothing to share" in keeping.shared(lake, "")._repr_mimebundle_()["text/plain"]


def test_a_dataset_without_files_has_none_to_open(lake, unique):
    lake.call("add_dataset", "lofar", unique)
    shared = keeping.shared(lake, f"lofar:{unique}")
    assert (shared.urls, shared.line) == ((), "")
    assert shared._repr_mimebundle_()["text/plain"] == f"lofar:{unique} has no files yet"


def test_a_file_is_shared_by_its_own_address(lake, files):
    keeping.keep(files[1], lake=lake.home, dataset=f"lofar:of.{files[0].stem}")
    shared = keeping.shared(lake, f"lofar:of.{files[0].stem}.plot.png")
    namespace = {}
    exec(shared.line.replace("'rucio.cfg'", repr(str(lake.home))), namespace)
    with namespace["file"] as opened:
        assert opened.read() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["client/rucio.cfg", "client/root.cfg", "tls/client.pem", "jupyter/rucio/cache.db"])
def test_what_logs_in_to_the_lake_is_not_kept(lake, name, tmp_path):
    secret = lake.home / name
    if not secret.exists():
        extension.log_in(lake.home, secret.parent)
    (tmp_path / "link.txt").symlink_to(secret)
    for path in (secret, tmp_path / "link.txt"):
        with pytest.raises(UsageError, match=f"{lake.home / name.partition('/')[0]}, where the lake keeps its logins"):
            keeping.keep(path, lake=lake.home)


@pytest.mark.parametrize(
    "name",
    ["client/rucio.cfg", "client/root.cfg", "client/token_lofar", "tls/client.pem", "tls/server.pem", "etc/rucio.cfg",
     "jupyter/rucio/cache.db", "lake.json"],
)  # fmt: skip
def test_a_copy_of_a_login_is_not_kept(lake, name, tmp_path):
    if not (lake.home / name).exists():
        extension.log_in(lake.home, lake.home / "jupyter" / "rucio")
    shutil.copy(lake.home / name, tmp_path / "innocent.txt")
    with pytest.raises(UsageError, match=r"innocent\.txt: it .* could log in") as refused:
        keeping.keep(tmp_path / "innocent.txt", lake=lake.home)
    assert lake.settings["password"] not in str(refused.value)


@pytest.mark.parametrize("whose", ["rucio.cfg", "root.cfg"])
def test_a_notebook_that_shows_a_password_is_not_kept(lake, files, whose):
    password = settings_in(lake.home / "client" / whose)["password"]
    files[0].write_text(json.dumps({"cells": [f"password = {password}"]}))
    with pytest.raises(UsageError, match="holds the password"):
        keeping.keep(files, lake=lake.home)


@pytest.mark.parametrize("name", ["client/root.cfg", "tls/server.pem", "lake.json"])
def test_no_ingest_takes_a_login(lake, name, tmp_path, unique):
    shutil.copy(lake.home / name, tmp_path / f"{unique}.txt")
    asked = IngestParameters(dataset=f"lofar:{unique}", replicate_to="")
    with pytest.raises(UsageError, match=r"\.txt: it .* could log in"):
        ingest.ingest(lake, [tmp_path / f"{unique}.txt"], asked)
    with pytest.raises(UsageError, match=r"\.txt: it .* could log in"):
        ingest.ingest_products(lake, [tmp_path / f"{unique}.txt"], f"lofar:{unique}", {})
    assert lake.find(DID("lofar", unique)) is None


def test_an_observation_takes_no_files_that_are_kept(lake, files, unique, tmp_path):
    (tmp_path / f"{unique}.dat").write_bytes(b"observed")
    ingest.ingest(lake, [tmp_path / f"{unique}.dat"], IngestParameters(dataset=f"lofar:{unique}", replicate_to=""))
    before = metadata.read(lake, f"lofar:{unique}")
    with pytest.raises(UsageError, match=f"lofar:{unique} is in the lake already, and no dataset of kept files"):
        keeping.keep(files[1], lake=lake.home, dataset=f"lofar:{unique}")
    assert metadata.read(lake, f"lofar:{unique}") == before
    assert lake.get(DID("lofar", unique))["open"]
    assert [row["name"] for row in lake.call("list_content", "lofar", unique)] == [f"{unique}.dat"]


def test_a_keep_that_was_stopped_is_ended_by_the_same_again(lake, files, unique, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(registrar.Catalogue, "_describe", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            keeping.keep(files, lake=lake.home, dataset=f"lofar:{unique}")
    assert "lofarlake" not in metadata.read(lake, f"lofar:{unique}")
    assert len(keeping.keep(files, lake=lake.home, dataset=f"lofar:{unique}", note="once more").urls) == 2
    assert metadata.read(lake, f"lofar:{unique}")["lofarlake"]["note"] == "once more"


@pytest.mark.parametrize(
    ("password", "told", "holds"),
    [
        ("image", "an image", False),
        ("image", "password = image\n", True),
        ("image", "password = images\n", False),
        ("100%secret", "password = 100%%secret\n", True),
        ("100%secret", "", False),
        ('a"long\\secret', json.dumps(['a"long\\secret']), True),
        ('a"long\\secret', json.dumps(["password = " + json.dumps('a"long\\secret')]), True),
        ("ein Schlüssel", json.dumps(["ein Schlüssel"]), True),
        ('"x\\', json.dumps({"password": '"x\\'}), True),
    ],
)
def test_a_password_is_known_as_a_text_has_it_and_a_short_one_by_the_word_before_it(tmp_path, password, told, holds):
    (tmp_path / "text").write_text(told)
    configuration = tmp_path / "rucio.cfg"
    configuration.write_text("[client]\n")
    lake = SimpleNamespace(home=None, configuration=configuration, settings={"password": password})
    if holds:
        with pytest.raises(UsageError, match="holds the password"):
            logins.refuse(lake, [tmp_path / "text"])
    else:
        logins.refuse(lake, [tmp_path / "text"])


def test_nothing_is_kept_from_a_page_for_people_who_only_look(lake, files, monkeypatch):
    monkeypatch.setenv(looking.VARIABLE, "1")
    with pytest.raises(OnlyLooking, match="for looking"):
        keeping.keep(files, lake=lake.home)


def test_the_token_of_a_lake_elsewhere_is_not_kept(remote_lake, tmp_path):
    shutil.copy(remote_lake.rucio.token_file, tmp_path / "token.txt")
    with pytest.raises(UsageError, match=r"token\.txt: it is the same as"):
        keeping.keep(tmp_path / "token.txt", lake=remote_lake.configuration)
