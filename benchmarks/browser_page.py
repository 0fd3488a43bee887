"""JupyterLab in chromium, with a notebook that shows a lake browser when it is run."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

_GIVEN_UP = 60  # seconds
_NOTEBOOK = "browse.ipynb"
_FIRST = "from lofarlake_nb.widgets.lake import lake_browser"
_LAB = (
    "from pathlib import Path; from lofarlake_nb import lab; lab.start(Path({home!r}), root_dir=Path({root!r}), "
    "open_browser=False, arguments=['--LabApp.expose_app_in_browser=True'])"
)
# Open a notebook, and have its kernel do what its first cell would: imports.
_OPEN = """async ([path, code]) => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = await app.commands.execute('docmanager:open', {path});
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.requestExecute({code}).done;
  app.shell.activateById(widget.id);
  app.shell.collapseLeft();
}"""
RUN = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
TREE = ".jp-OutputArea select[size='22']"
FOUND = f'document.querySelector("{TREE}")'
# Whether a row has a text in it, and whether what is shown beside matches: ipywidgets writes no-break spaces in rows.
ROW = f"part => [...({FOUND}?.options ?? [])].some(row => row.text.replaceAll('\\u00a0', ' ').includes(part))"
SAID = (
    "pattern => { const html = [..." + FOUND + ".closest('.jp-OutputArea').querySelectorAll('.widget-html-content')];"
    " return html.some(part => new RegExp(pattern).test(part.innerText.trim())); }"
)


@contextmanager
def opened(home: Path, scratch: Path) -> Iterator[Page]:
    """The page, the notebook open and its first cell run."""
    root = scratch / "root"
    root.mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cell = nbformat.v4.new_code_cell(f"lake_browser({str(home)!r})")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), root / _NOTEBOOK)
    with _lab(home, root, scratch / "log") as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_function("window.jupyterapp !== undefined", timeout=1000 * _GIVEN_UP)
        page.evaluate(_OPEN, [_NOTEBOOK, _FIRST])
        yield page
        chromium.close()


@contextmanager
def _lab(home: Path, root: Path, log: Path) -> Iterator[str]:
    """Address of a JupyterLab, while it runs."""
    with open(log, "w") as output:
        words = [sys.executable, "-c", _LAB.format(home=str(home), root=str(root))]
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _GIVEN_UP
        while not (found := re.search(r"http://(?:127|localhost)\S+token=\w+", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.2)
        yield found.group()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
