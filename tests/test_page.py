"""An executed notebook as a page: whole, in one file, and nothing in it is asked of other hosts."""

import shutil

import pytest
from playwright import sync_api

from lofarlake_nb import cli, page

CHROMIUM = shutil.which("chromium")
CELLS = [
    "from IPython.display import HTML, display\ndisplay(HTML('<p>six of six stations</p>'))",
    "from matplotlib import pyplot\nline = pyplot.plot([1, 2])",
    "import ipywidgets\nipywidgets.IntSlider(description='slider')",
]


@pytest.fixture
def written(notebook_of, tmp_path):
    made = str(notebook_of("name: str = 'x'  # a name, in $Jy$", *CELLS))
    assert cli.main(["run", made, "--output", str(tmp_path / "done.ipynb"), "--html", "-p", "name", "3C196"]) == 0
    return tmp_path / "done.html"


def test_it_holds_what_the_notebook_showed(written):
    text = written.read_text()
    for said in ("six of six stations", "3C196", 'src="data:image/png;base64', "IntSlider"):
        assert said in text
    assert not list(written.parent.glob("*.part"))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")
def test_a_browser_asks_nothing_of_other_hosts(written):
    asked, complaints = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        seen = browser.new_page()
        seen.on("request", lambda request: asked.append(request.url))
        seen.on("console", lambda message: complaints.append(message.text))
        seen.on("pageerror", lambda error: complaints.append(str(error)))
        seen.goto(written.as_uri())
        seen.get_by_text("six of six stations").first.wait_for()
        assert seen.locator("img").first.evaluate("picture => picture.naturalWidth") > 100
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []


def test_a_name_is_kept_beside_the_copy(tmp_path, notebook_of):
    assert page.write(notebook_of("n: int = 1  # none")) == tmp_path / "made.html"
