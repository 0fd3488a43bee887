"""The lake and its images as a person sees them, in Chromium: clicked through, looked at, in light and in dark."""

# ruff: noqa: F811
import json
import re

import nbformat
import numpy as np
import pytest
import small
from by_keyboard import names, pictures, tab_to
from screens import shots
from test_lab_in_a_browser import (  # noqa: F401 - fixtures
    CHROMIUM,
    IN_KERNEL,
    lake_with_image,
    page,
    run_all,
    running,
)

from lofarlake_nb.lake import client, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.widgets.lake import TREE

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")

# All of the notebook is drawn, also what is far from the window.
DRAW_ALL = """(path) => {
  const app = window.jupyterapp;
  window.explored = [...app.shell.widgets('main')].find(w => w.context?.path.endsWith(path));
  app.shell.activateById(window.explored.id);
  const notebook = window.explored.content;
  notebook.notebookConfig = {...notebook.notebookConfig, windowingMode: 'none'};
}"""
SHOW_CELL = """(source) => {
  const cells = window.explored.content.widgets;
  const cell = cells.find(cell => cell.model.type === 'code' && cell.model.sharedModel.source.includes(source));
  cell.outputArea.node.scrollIntoView();
}"""
FAILED = ".jupyter-widgets-error-widget, .jp-RenderedError, .lm-Widget.jupyter-widgets-error"


# A choice made while the level is still being filtered would be lost with the rows that go.
FILTERED = """tree => {
  const texts = [...tree.options].map(option => option.text);
  const rows = texts.filter(text => /\\s(dataset|container)/.test(text));
  return rows.length > 0 && rows.every(text => text.includes('lab_result'));
}"""


@pytest.fixture(scope="module")
def explored(page, running, lake_with_image):
    """The explore notebook, run to its end, on a lake that holds observations."""
    lake = client.connect(lake_with_image)
    for n, (target, ra, dec) in enumerate((("3C196", 123.4, 48.2), ("3C295", 212.8, 52.2))):
        did = DID("lofar", f"L66752{n}_explored")
        lake.call("add_dataset", did.scope, did.name)
        about = {"target": target, "ra_deg": ra, "dec_deg": dec, "start": f"2018-0{9 - n}-01T10:00:00"}
        metadata.write(lake, {did: {**about, "duration_s": 7200, "min_frequency_hz": 130e6, "max_frequency_hz": 140e6}})
    (folder,) = (p.name for p in running.root.iterdir() if p.is_dir())
    run_all(page)  # the landing notebook, which JupyterLab opens by itself: only then is it not in the way
    outputs = run_all(page, f"{folder}/3_explore.ipynb")
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.evaluate(DRAW_ALL, "3_explore.ipynb")
    return outputs


def cell(page, source: str):
    """Output of a cell, in the window."""
    page.evaluate(SHOW_CELL, source)
    page.wait_for_timeout(300)
    return (
        page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea", has_text=source)).locator(".jp-OutputArea").last
    )


def test_what_stays_in_the_executed_notebook(explored):
    pictures = [o for o in explored if "image/png" in o.get("data", {})]
    assert len(pictures) == 2
    assert any("observations of" in o["data"]["text/plain"] for o in pictures)
    assert any(
        "fsspec.open('rucio://lofar/lab_result/image.fits'" in o.get("data", {}).get("text/plain", "") for o in explored
    )


def test_an_observation_is_chosen_on_the_sky(page, explored):
    output = cell(page, "sky.sky_view(lake)")
    canvas = output.locator("canvas").last
    canvas.wait_for(timeout=30_000)
    where = (
        "import gc\n"
        "view = next(o for o in gc.get_objects() if type(o) is sky.SkyView)\n"
        "n = [o.did for o in view.found].index('lofar:L667521_explored')\n"
        "at = sky._places(view.found, 'all sky')[1][n]\n"
        "print(*view._axes[1].transData.transform(at), view.figure.bbox.height)"
    )
    x, y, height = map(float, page.evaluate(IN_KERNEL, where).split())
    ratio = page.evaluate("() => window.devicePixelRatio")
    canvas.click(position={"x": x / ratio, "y": (height - y) / ratio})
    output.get_by_text("3C295, RA 212.800").wait_for(timeout=30_000)
    output.get_by_role("button", name="Use in notebook").click()
    output.get_by_text("is lofar:L667521_explored").wait_for(timeout=30_000)
    assert page.evaluate(IN_KERNEL, "print(dataset)").strip() == "lofar:L667521_explored"
    shots(page, "sky", lambda: page.evaluate(SHOW_CELL, "sky.sky_view(lake)"))


def test_the_lake_is_clicked_through(page, explored):
    output = cell(page, "lake_browser(lake")
    tree = output.locator("select[size='22']")
    tree.select_option(label="▸ lofar\u2003scope")
    output.get_by_label("Names like").fill("lab_result")
    page.keyboard.press("Enter")
    page.wait_for_function(FILTERED, arg=tree.element_handle(), timeout=30_000)
    option = tree.locator("option", has_text="▸ lab_result")
    option.wait_for(state="attached", timeout=30_000)
    tree.select_option(label=option.text_content())
    output.get_by_text("green, has all").or_(output.get_by_text("green, has the file")).first.wait_for(timeout=30_000)
    output.get_by_role("button", name="Verify").click()
    output.get_by_text(re.compile("of 1 file (is|are) right")).wait_for(timeout=30_000)
    shots(page, "lake_browser", lambda: page.evaluate(SHOW_CELL, "lake_browser(lake"))


def test_the_lake_is_walked_through_by_the_keyboard(page, explored):
    cell(page, "lake_browser(lake").get_by_label("Names like").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("lab_result")
    page.keyboard.press("Enter")
    tree = page.locator("select[size='22']")
    page.wait_for_function(FILTERED, arg=tree.element_handle(), timeout=30_000)
    tab_to(page, TREE)
    told = page.locator(".jp-OutputArea").get_by_text("green, has it").first
    for _ in range(10):  # a tree that is drawn anew meanwhile forgets the key
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(2_000)
        if told.is_visible():
            break
    told.wait_for(timeout=1_000)
    page.locator(".jp-OutputArea button:not([disabled])", has_text="Verify").first.wait_for(timeout=30_000)
    tab_to(page, "Verify")
    page.keyboard.press("Space")
    page.locator(".jp-OutputArea").get_by_text(re.compile("of 1 file (is|are) right")).wait_for(timeout=30_000)


def test_every_control_has_a_name(page, explored):
    assert [name for name in names(page) if name.startswith("no name")] == []


def test_plots_are_named_by_what_they_show(page, explored):
    found = pictures(page)
    assert any(name.startswith("plot: Observations on the sky; Over time (UTC)") for name in found), found
    assert "plot: 3C196; Jy/beam" in found


def test_an_image_is_read_out(page, explored):
    output = cell(page, "viewer.view(path")
    canvas = output.locator("canvas").last
    canvas.wait_for(timeout=30_000)
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 300, "y": 300})
    output.get_by_text("Jy/beam").last.wait_for(timeout=30_000)
    shots(page, "viewer", lambda: page.evaluate(SHOW_CELL, "viewer.view(path"))


def test_gains_and_visibilities_are_looked_at(page, explored, running, tmp_path):
    path = small.measurement_set(tmp_path, 990_002, slots=60, channels=16)
    layout = measurement_set.layout(path)
    values = np.random.default_rng(4).normal(1, 0.1, (20, 4, 3, 2, 2)).view(complex)[..., 0]
    corrections = solutions.Gains(values, layout.times[::3], layout.frequencies[::4])
    solutions.write(tmp_path / "gains.h5", corrections, layout)
    sources = ["from lofarlake_nb.widgets import opening"]
    sources += [f"opening.look({str(shown)!r})" for shown in (tmp_path / "gains.h5", path)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, running.root / "looked.ipynb")
    run_all(page, "looked.ipynb")
    page.evaluate(DRAW_ALL, "looked.ipynb")
    try:
        for name, source in (("gains", "gains.h5"), ("visibilities", "_uv.MS")):
            output = cell(page, source)
            output.locator("canvas").last.wait_for(timeout=30_000)
            toolbar = output.locator(".jupyter-matplotlib-toolbar").bounding_box()
            assert toolbar["y"] + toolbar["height"] <= output.locator("canvas").last.bounding_box()["y"]
            shots(page, name, lambda source=source: page.evaluate(SHOW_CELL, source))
        assert {name for name in names(page) if name.startswith("no name")} == set()
        assert any(name.startswith("plot: CS001HBA0 & CS003HBA0, XX") for name in pictures(page))
    finally:
        page.evaluate(DRAW_ALL, "3_explore.ipynb")


def test_the_notebook_is_kept_in_the_lake(page, explored, lake_with_image):
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    output = cell(page, "keep.keep_form(lake")
    output.get_by_text("; press Ctrl+S first").wait_for(timeout=20_000)
    output.get_by_role("button", name="Keep in the lake").click()
    output.get_by_text("it is in the lake as lofar:kept_3_explore").wait_for(timeout=20_000)
    shots(page, "keep", lambda: page.evaluate(SHOW_CELL, "keep.keep_form(lake"))
    line = output.locator("code", has_text="fsspec.open").first.text_content()
    namespace: dict = {}
    exec(line.replace("'rucio.cfg'", repr(str(lake_with_image))), namespace)
    with namespace["file"] as file:
        assert json.load(file)["nbformat"] == 4


def test_nothing_was_asked_of_other_hosts(page, explored):
    assert page.sent == []


def test_no_widget_failed(page, explored):
    assert page.locator(FAILED).count() == 0
