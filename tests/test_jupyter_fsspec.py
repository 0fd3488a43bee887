"""jupyter-fsspec's panel on the lake, in Chromium; it comes from outside, from a folder of its own."""

# ruff: noqa: F811
import os

import pytest
from running_lab import Running
from screens import shots
from test_lab_in_a_browser import CHROMIUM, IN_KERNEL, lake_with_image, page, run_all  # noqa: F401 - fixtures

# Made by: pip install --no-deps --target FOLDER jupyter-fsspec
FOLDER = os.environ.get("LOFARLAKE_JUPYTER_FSSPEC", "")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH"),
    pytest.mark.skipif(not FOLDER, reason="LOFARLAKE_JUPYTER_FSSPEC names no folder with jupyter-fsspec"),
]

OPEN_PANEL = "() => window.jupyterapp.shell.activateById('jupyterFsspec:widget')"
LAST_CELL = "() => window.jupyterapp.shell.currentWidget.content.widgets.at(-1).model.sharedModel.source"
INSERTED = LAST_CELL + ".includes('fsspec.open')"


@pytest.fixture(scope="module")
def running(lake_with_image, tmp_path_factory):
    environment = {
        "PYTHONPATH": FOLDER,
        "JUPYTER_PATH": f"{FOLDER}/share/jupyter",
        "JUPYTER_CONFIG_PATH": f"{FOLDER}/etc/jupyter",
    }
    arguments = ["--LabApp.expose_app_in_browser=True"]
    started = Running(lake_with_image, tmp_path_factory.mktemp("lab"), environment, arguments=arguments)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def panel(page):
    run_all(page)  # only when a notebook runs has JupyterLab all its panels
    page.evaluate(OPEN_PANEL)
    return page.locator(".jfss-root")


def test_the_lake_is_there_and_what_is_in_it(page, panel):
    panel.get_by_text("the lake", exact=True).first.click()
    panel.locator("jp-tree-item", has_text="lab_result").click()
    panel.get_by_text("image.fits", exact=True).wait_for()
    shots(page, "jupyter_fsspec")


def test_its_line_of_code_opens_the_file(page, panel):
    panel.get_by_text("image.fits", exact=True).click(button="right")
    page.get_by_text("Insert `open` Code Snippet").last.click()
    page.wait_for_function(INSERTED)
    code = page.evaluate(LAST_CELL).split("import fsspec", 1)[1].replace("...", "print(f.read(9), f.size)")
    assert page.evaluate(IN_KERNEL, f"import fsspec{code}").strip() == "b'SIMPLE  =' 267840"


def test_a_file_comes_whole(panel, running):
    there = {"key": "the lake", "item_path": "the lake/lab_result/image.fits"}
    assert len(running.get("jupyter_fsspec/files/contents", **there).content) == 267_840
