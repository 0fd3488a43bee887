"""Browsing through the extension: the same answers as the catalogue's own client, with and without a Jupyter server."""

import subprocess
import sys

import pytest

from lofarlake_nb.errors import DIDNotFound, InvalidDID, LakeNotRunning, UsageError
from lofarlake_nb.lake import browse, client, extension, holdings, ingest, panel
from lofarlake_nb.lake.browse import Found
from lofarlake_nb.lake.rows import Rows

RESULT = "lofar:browse_result"


@pytest.fixture(scope="module")
def lake(lake_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    (folder / "image.fits").write_bytes(b"not really an image" * 100)
    (folder / "summary.json").write_text("{}")
    connected = client.connect(lake_home)
    files = sorted(folder.iterdir())
    ingest.ingest_products(connected, files, RESULT, {"inputs": []}, replicate_to="", close=True)
    return connected


@pytest.fixture
def browser(lake, lake_home):
    return browse.connect(lake_home)


def test_scopes_are_the_lakes(browser):
    assert "lofar" in browser.scopes()


def test_a_wildcard_finds_datasets(browser):
    assert [f.did for f in browser.search("lofar:browse_r*")] == [RESULT]
    assert browser.search("lofar:browse_r*")[0].type == "dataset"


def test_files_are_found_with_their_size(browser):
    found = browser.search(f"{RESULT}.*", kind="file")
    assert found[0] == Found(f"{RESULT}.image.fits", "file", 1900)
    assert [f.did for f in found] == [f"{RESULT}.image.fits", f"{RESULT}.summary.json"]


def test_nothing_found_says_so(browser):
    rows = browser.search("lofar:no_such_*")
    assert rows == ()
    assert "no_such_" in rows._repr_html_()


def test_filters_are_rucios(browser):
    assert [f.did for f in browser.search(f"{RESULT}*", filters="length>1")] == [RESULT]
    assert browser.search(f"{RESULT}*", filters="length>100") == ()


def test_files_at_the_mounted_site_have_the_right_bytes(browser):
    image, summary = browser.files(RESULT)
    assert (image.status, image.bytes) == ("OK", 1900)
    with open(image.path, "rb") as file:
        assert file.read() == b"not really an image" * 100
    assert summary.did == f"{RESULT}.summary.json"


def test_rules_say_where_copies_are_held(browser):
    (rule,) = browser.rules(RESULT)
    assert (rule.sites, rule.state, rule.ok, rule.stuck) == ("SARA", "OK", 2, 0)


def test_no_dataset_has_no_files(browser):
    assert browser.files("") == ()
    assert "no dataset" in browser.rules("").note


@pytest.mark.parametrize("ask", ["files", "rules"])
def test_an_unknown_dataset_is_an_error_that_names_it(browser, ask):
    with pytest.raises(DIDNotFound, match="no_such_dataset"):
        getattr(browser, ask)("lofar:no_such_dataset")


@pytest.mark.parametrize("did", ["lofar", ":name", "lofar:", "a:b:c"])
def test_what_is_no_did_is_refused(browser, did):
    with pytest.raises(InvalidDID, match="scope:name"):
        browser.search(did)


def test_a_kind_that_is_none_is_refused(browser):
    with pytest.raises(InvalidDID, match="dataset"):
        browser.search("lofar:*", kind="folder")


def test_where_no_lake_is_says_how_to_start_one(tmp_path):
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        browse.connect(tmp_path)


def test_a_lake_that_does_not_answer_says_how_to_start_it(lake_home, tmp_path):
    copy = tmp_path / "client" / "rucio.cfg"
    copy.parent.mkdir()
    address = client.connect(lake_home).url
    copy.write_text((lake_home / "client" / "rucio.cfg").read_text().replace(address, "http://127.0.0.1:9"))
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        browse.connect(tmp_path)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("[client]\nrucio_host = http://x\npassword secret", "line 3 is not understood"),
        ("password = secret", "line 1 is not understood"),
        ("[other]\npassword = secret", r"it has no section \[client\]"),
        ("[client]\npassword = secret", "has no rucio_host"),
    ],
)
def test_a_configuration_that_is_none_is_told_without_its_words(tmp_path, told, why):
    (tmp_path / "rucio.cfg").write_text(told)
    with pytest.raises(UsageError, match=why) as refused:
        browse.connect(tmp_path / "rucio.cfg")
    assert "secret" not in str(refused.value)


def test_a_password_is_the_one_that_rucio_s_client_reads(tmp_path):
    (tmp_path / "rucio.cfg").write_text("[client]\naccount = me\nusername = me\npassword = 100%%secret\n")
    assert extension.login(tmp_path / "rucio.cfg").parameters["password"] == "100%secret"


def test_no_password_shows(browser, lake_home):
    assert extension.login(lake_home).parameters["password"] not in repr(browser)


def test_the_login_of_a_panel_is_for_its_owner_only(lake_home, tmp_path):
    extension.log_in(lake_home, tmp_path / "rucio")
    kept = tmp_path / "rucio" / "cache.db"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert extension.login(lake_home).parameters["password"].encode() in kept.read_bytes()


def test_two_lakes_have_two_names(tmp_path):
    assert extension.name(tmp_path / "one") != extension.name(tmp_path / "two")
    assert extension.name(tmp_path / "one") == extension.name(tmp_path / "two" / ".." / "one")


def test_the_newest_product_is_found_with_its_dataset(lake):
    found = holdings.newest_product(lake, RESULT)
    assert (found.dataset, found.file) == (RESULT, f"{RESULT}.image.fits")
    assert holdings.newest_product(lake, ending="no_such.fits") == holdings.Product("", "")
    none = holdings.newest_product(lake, RESULT, ending="no_such.fits")
    assert (none.dataset, none.file) == ("", "")
    assert f"no no_such.fits of {RESULT} yet; stage 2" in none._repr_html_()
    with pytest.raises(DIDNotFound, match="no_such_dataset"):
        holdings.newest_product(lake, "lofar:no_such_dataset")


def test_newest_comes_first(lake, tmp_path):
    (tmp_path / "later.txt").write_text("later")
    ingest.ingest_products(lake, [tmp_path / "later.txt"], "lofar:browse_later", {}, replicate_to="")
    names = [held.did for held in holdings.newest(lake, pattern="browse_*")]
    assert names == ["lofar:browse_later", RESULT]


def test_rows_escape_what_they_show():
    rows = Rows([Found("<script>alert(1)</script>", "file", None)])
    assert "<script>" not in rows._repr_html_()


def test_the_first_answer_does_not_wait_for_an_import_of_jupyters_server(lake_home):
    (lake_home / "jupyter" / "runtime").mkdir(parents=True, exist_ok=True)
    code = "import sys; from lofarlake_nb.lake import browse as b; b.connect(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(lake_home)], capture_output=True, text=True, check=True)
    assert "jsonschema" not in done.stdout.split()


def test_a_jupyterlab_that_is_gone_or_writes_its_note_is_none(lake_home):
    notes = lake_home / "jupyter" / "runtime"
    notes.mkdir(parents=True, exist_ok=True)
    gone = notes / "jpserver-0.json", '{"url": "http://127.0.0.1:9/", "token": "none"}'
    written = notes / "jpserver-1.json", '{"url": "http'
    for path, text in (gone, written):
        path.write_text(text)
    try:
        assert isinstance(panel.of(lake_home), panel.InProcess)
    finally:
        for path, _ in (gone, written):
            path.unlink()
