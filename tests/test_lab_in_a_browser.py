"""The lab as a person sees it, in Chromium: notebooks run, the panel is logged in, other hosts are asked nothing."""

import json
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests
import small
from astropy.io import fits
from astropy.wcs import WCS
from running_lab import Running
from screens import THEMES, centred, shots, sized

from lofarlake_nb.lake import client, ingest

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")

RUN_ALL = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = path ? await app.commands.execute('docmanager:open', {path}) : await new Promise(found => {
    const look = () => {  // what is left of an earlier lab on this lake is opened too
      const widget = app.shell.currentWidget;
      const here = widget?.sessionContext && decodeURI(location.pathname).endsWith(widget.context.path);
      return here ? found(widget) : setTimeout(look, 100);
    };
    look();
  });
  await widget.context.ready;
  await widget.sessionContext.ready;
  const done = await app.commands.execute('notebook:run-all-cells');
  const outputs = widget.content.widgets.flatMap(cell => cell.model.type === 'code' ? cell.model.outputs.toJSON() : []);
  return {path: widget.context.path, done, outputs};
}"""
IN_KERNEL = """async (code) => {
  const context = window.jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  const kernel = context.session.kernel;
  const future = kernel.requestExecute({code});
  let text = '';
  future.onIOPub = message => { text += message.content.text ?? message.content.evalue ?? ''; };
  await future.done;
  return text;
}"""
OPEN = """async (path) => {
  const widget = await window.jupyterapp.commands.execute('docmanager:open', {path});
  await widget.context.ready;
  window.jupyterapp.shell.activateById(widget.id);
}"""
TYPE = """async (line) => {
  const terminal = window.terminal = await window.jupyterapp.commands.execute('terminal:create-new');
  const session = terminal.content.session;
  while (session.connectionStatus !== 'connected') await new Promise(resolve => setTimeout(resolve, 100));
  session.send({type: 'stdin', content: [line + '\\r']});
}"""
SHOW_TOP = "() => window.jupyterapp.shell.currentWidget.content.scrollToItem(0, 'start')"
OPEN_DASK = "() => window.jupyterapp.shell.activateById('dask-dashboard-launcher')"
OPEN_PANEL = "() => window.jupyterapp.shell.activateById('rucio-jupyterlab:panel')"


@pytest.fixture(scope="module")
def lake_with_image(lake_home, tmp_path_factory):
    """A lake with a result: an image of one source."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [123.4, 48.2], [129, 129], [-20 / 3600, 20 / 3600]
    header = wcs.to_header()
    header.update(BUNIT="JY/BEAM", OBJECT="3C196")
    y, x = np.mgrid[:256, :256] - 128
    values = np.random.default_rng(3).normal(0, 0.01, (256, 256)) + 80 * np.exp(-(x**2 + y**2) / 10)
    path = tmp_path_factory.mktemp("product") / "image.fits"
    fits.writeto(path, values.astype(np.float32), header)
    lineage = {"inputs": ["lofar:L667520"]}
    ingest.ingest_products(client.connect(lake_home), [path], "lofar:lab_result", lineage, replicate_to="", close=True)
    return lake_home


@pytest.fixture(scope="module")
def running(lake_with_image, tmp_path_factory):
    started = Running(
        lake_with_image, tmp_path_factory.mktemp("lab"), arguments=["--LabApp.expose_app_in_browser=True"]
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def page(running):
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.sent = []  # to other hosts; what the page's policy blocks is never sent
        page.on("request", lambda request: _other(request.url) and page.sent.append(request.url))
        page.on("requestfailed", lambda request: request.failure == "csp" and page.sent.remove(request.url))
        page.goto(f"{running.server['url']}?token={running.server['token']}")
        page.wait_for_function("window.jupyterapp?.commands.hasCommand('docmanager:open')", timeout=60_000)
        yield page
        browser.close()


def _other(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def run_all(page, path: str = "") -> list[dict]:
    """Run a notebook to its end; its outputs, none of them an error."""
    answer = page.evaluate(RUN_ALL, path)
    assert answer["path"].endswith(path)
    errors = [o for o in answer["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert errors == []
    assert answer["done"]
    return answer["outputs"]


def test_it_opens_on_the_landing_notebook_which_runs(page):
    outputs = run_all(page)
    assert "0_start_here.ipynb" in page.url
    shown = " ".join(o["data"].get("text/html", "") for o in outputs)
    assert "your account is lofar" in shown
    assert "lofar:lab_result" in shown
    shots(page, "landing", lambda: page.evaluate(SHOW_TOP))


def test_the_panel_searches_the_lake(page):
    page.evaluate(OPEN_PANEL)
    panel = page.locator("[id='rucio-jupyterlab:panel']")
    box = panel.get_by_placeholder("Enter a Data Identifier (DID)")
    box.fill("lofar:lab_*")
    box.press("Enter")
    panel.get_by_text("lofar:lab_result", exact=True).click()
    panel.get_by_text("All files available").wait_for(timeout=20_000)
    panel.get_by_text("Add to Notebook").wait_for()


def test_what_is_added_to_the_notebook_is_a_variable(page, lake_with_image):
    panel = page.locator("[id='rucio-jupyterlab:panel']")
    panel.get_by_text("Add to Notebook").click()
    name = page.get_by_placeholder("Enter a variable name")
    name.fill("chosen")
    name.press("Enter")
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-NotebookPanel-toolbar", has_text="Ready").wait_for(
        timeout=60_000
    )
    # A channel that ends with its thread of the kernel would leave it at "Attaching" in half of all cases.
    assert page.evaluate("() => window.jupyterapp.serviceManager.kernels.commsOverSubshells") == "disabled"
    shots(page, "panel")
    (path,) = json.loads(page.evaluate(IN_KERNEL, "import json; print(json.dumps([str(path) for path in chosen]))"))
    assert Path(path).is_relative_to(lake_with_image / "storage" / "SARA")
    assert fits.getheader(path)["OBJECT"] == "3C196"
    assert page.evaluate(IN_KERNEL, "print(chosen.did, end='')") == "lofar:lab_result"


def test_icons_are_drawn_not_spelled(page):
    """The icon's word is drawn as one glyph: as wide as it is high."""
    box = page.locator(".material-icons:visible").first.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=2)


def test_a_stage_runs_from_its_form_and_ends_in_links(page, running, tmp_path):
    small.measurement_set(tmp_path / "observation", 990_001)
    (folder,) = (p for p in running.root.iterdir() if p.is_dir())
    page.evaluate(OPEN, f"{folder.name}/0_start_here.ipynb")
    box = page.get_by_label("observation", exact=True)
    box.scroll_into_view_if_needed()
    box.fill(str(tmp_path / "observation"))
    page.keyboard.press("Tab")
    page.locator(".jp-OutputArea details code", has_text="-p observation").first.wait_for(state="attached")
    page.locator(".jp-OutputArea button", has_text="Run").first.click()
    status = page.locator(".jp-OutputArea [role=status]").first
    status.filter(has_text="cell").wait_for()
    shots(page, "form_running", centred(status))
    page.locator(".jp-OutputArea", has_text="done: all").first.wait_for(timeout=60_000)
    link = page.locator(".jp-OutputArea a", has_text="1_ingest.ipynb").last
    shots(page, "form", centred(link))
    assert page.get_by_label("dataset", exact=True).last.input_value() == "lofar:L990001"
    link.click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget?.context?.path.includes('/runs/1_ingest-')")
    page.locator(".jp-OutputArea", has_text="files verified").last.wait_for()
    shots(page, "executed")


def test_dasks_dashboard_is_beside_the_notebook(page, running):
    (folder,) = (p for p in running.root.iterdir() if p.is_dir())
    page.evaluate(OPEN, f"{folder.name}/0_start_here.ipynb")
    code = "from lofarlake_nb.processing import cluster; session = cluster.Session(1)"
    link = page.evaluate(IN_KERNEL, f"{code}; print(session.client.dashboard_link, end='')")
    assert link.startswith("/proxy/")
    assert "Dask" in running.get(link.removeprefix("/")).text
    page.evaluate(OPEN_DASK)
    assert page.locator(".dask-URLInput input").input_value() == link.strip("/").removesuffix("/status")
    # It looks by itself every 4 s at first, but at last every 2 minutes, where there was none for long.
    page.locator(".dask-URLInput").get_by_title("Auto-detect dashboard URL").click()
    page.locator(".dask-DashboardListing-item button:not([disabled])", has_text="WORKERS MEMORY").first.click()
    page.frame_locator("iframe[src*='individual-workers-memory']").locator(".bk-Figure").first.wait_for(timeout=20_000)
    shots(page, "dask")
    page.evaluate(OPEN, f"{folder.name}/0_start_here.ipynb")
    page.evaluate(IN_KERNEL, "session.close()")


def test_a_terminal_has_the_command_and_opens_above_the_notebooks(page, tmp_path):
    page.evaluate(TYPE, f"lofarlake simulate --help > {tmp_path}/said; pwd > {tmp_path}/where; touch {tmp_path}/done")
    deadline = time.monotonic() + 60
    while not (tmp_path / "done").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    page.evaluate("() => window.terminal.dispose()")
    assert "usage: lofarlake simulate" in (tmp_path / "said").read_text()
    assert (
        len(list(Path((tmp_path / "where").read_text().strip()).glob("lofarlake-notebooks*/0_start_here.ipynb"))) == 1
    )


def test_a_page_for_people_who_only_look(page, running, lake_with_image, tmp_path):
    with closing_page(lake_with_image, tmp_path) as url:
        assert requests.get(url.split("?")[0], timeout=20).url.endswith("login?next=%2F")
        seen = page.context.browser.new_page()
        seen.sent = []
        seen.on("request", lambda request: _other(request.url) and seen.sent.append(request.url))
        seen.on("requestfailed", lambda request: request.failure == "csp" and seen.sent.remove(request.url))
        for theme in THEMES:
            seen.goto(f"{url}&theme={theme}", timeout=90_000)
            seen.locator(".jp-OutputArea img").first.wait_for(timeout=60_000)
            seen.get_by_text("lofar:lab_result.image.fits").first.wait_for()
            assert seen.locator(".jp-InputArea-editor").count() == 0
            _only_shows(seen)
            assert seen.locator(".jupyter-widgets-error-widget, .jp-RenderedError").count() == 0
            sized(seen, "look", end=f"_{theme}")
        assert seen.sent == []
        seen.close()


def _only_shows(seen) -> None:
    """The page can be searched and opened, level by level; nothing on it acts."""
    seen.get_by_text("This page is for looking").wait_for()
    names = [button.inner_text().strip() for button in seen.locator(".jupyter-button").all()]
    assert {"Search", "Clear"} <= set(names)
    assert {"Retrieve", "Open", "Replicate", "Verify", "Process", "Keep in the lake", "Use in notebook"}.isdisjoint(
        names
    )
    labels = [label.inner_text() for label in seen.locator(".widget-label").all()]
    assert "Names like" in labels
    assert {"Folder", "Site", "Variable", "Draw", "File", "Made from"}.isdisjoint(labels)


@contextmanager
def closing_page(home: Path, folder: Path):
    """Address of the page that `lofarlake look` serves."""
    words = [sys.executable, "-m", "lofarlake_nb", "look", "--home", str(home), "--no-browser"]
    with open(folder / "look.log", "w") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://\S+token=\w+", (folder / "look.log").read_text())):
            assert process.poll() is None, (folder / "look.log").read_text()
            assert time.monotonic() < deadline, (folder / "look.log").read_text()
            time.sleep(0.2)
        yield found.group()
    finally:
        process.terminate()
        process.wait(30)


def test_nothing_was_asked_of_other_hosts(page):
    assert page.sent == []


def test_no_widget_failed(page):
    assert page.locator(".jupyter-widgets-error-widget, .jp-RenderedError").count() == 0
