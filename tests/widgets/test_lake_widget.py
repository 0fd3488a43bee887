"""The lake browser: what is clicked asks the lake, and shows the line that does the same."""

import html

import pytest

from lofarlake_nb.errors import LakeNotRunning
from lofarlake_nb.lake import browse, client, ingest
from lofarlake_nb.widgets import landing
from lofarlake_nb.widgets.lake import LakeBrowser, lake_browser


@pytest.fixture(scope="module")
def lake(lake_home, tmp_path_factory):
    path = tmp_path_factory.mktemp("products") / "image.fits"
    path.write_bytes(b"pixels")
    ingest.ingest_products(client.connect(lake_home), [path], "lofar:widget_result", {}, replicate_to="", close=True)
    return lake_home


@pytest.fixture
def clicked(lake):
    return LakeBrowser(browse.connect(lake), str(lake))


def test_nothing_is_asked_before_a_scope_is_chosen(clicked):
    assert clicked.scope.value is None
    assert clicked.datasets.options == ()


def test_a_scope_lists_its_datasets(clicked):
    clicked.scope.value = "lofar"
    assert "lofar:widget_result" in [did for _, did in clicked.datasets.options]


def test_a_dataset_lists_its_files_and_the_line_of_code(clicked, lake):
    clicked.scope.value = "lofar"
    clicked.name.value = "widget_*"
    clicked.datasets.value = "lofar:widget_result"
    assert "lofar:widget_result.image.fits" in clicked.shown.value
    line = html.unescape(clicked.code.value).removeprefix("<code>").removesuffix("</code>")
    files = eval(line, {"browse": browse})
    assert [(f.did, f.bytes) for f in files] == [("lofar:widget_result.image.fits", 6)]


def test_a_search_without_result_says_so(clicked):
    clicked.scope.value = "lofar"
    clicked.name.value = "no_such_*"
    assert "nothing in the lake matches" in clicked.shown.value


def test_what_the_lake_refuses_is_said_in_the_widget(clicked):
    clicked.datasets.options = [("gone", "lofar:gone_meanwhile")]
    clicked.datasets.value = "lofar:gone_meanwhile"
    assert "lofar:gone_meanwhile is not in the lake" in clicked.shown.value


def test_no_lake_no_widget(tmp_path):
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        lake_browser(tmp_path)


def test_the_landing_page_shows_the_lake(lake):
    assert "answers; your account is lofar" in landing.status(lake)._repr_html_()
    assert "lofar:widget_result" in [row.did for row in landing.newest(lake)]


def test_the_landing_page_says_what_to_do_without_a_lake(tmp_path):
    assert "lofarlake lake start" in landing.status(tmp_path)._repr_html_()
    assert "lofarlake lake start" in landing.newest(tmp_path)._repr_html_()
