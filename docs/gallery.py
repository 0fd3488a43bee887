"""Pictures of the afternoon, for the README: ``make gallery``, on the rehearsal's lake, in Debian's chromium."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent / "gallery"
SIZE = {"width": 1280, "height": 800}
BYTES = 300_000

# Name of the picture: the notebook, and what is scrolled into view once it has run.
PICTURES = {
    "landing": ("0_start_here", "h1"),
    "stages": ("0_start_here", "h2:has-text('Run a stage')"),
    "explore": ("3_explore", ".jp-OutputArea img"),
    "browser": ("3_explore", ".jp-OutputArea select[size='22']"),
}
RUN = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = await app.commands.execute('docmanager:open', {path});
  await widget.context.ready;
  await widget.sessionContext.ready;
  await app.commands.execute('notebook:run-all-cells');
}"""
LAB = (
    "from pathlib import Path; from lofarlake_nb import lab; "
    "lab.start(Path({home!r}), open_browser=False, arguments=['--LabApp.expose_app_in_browser=True'])"
)


@contextmanager
def served(words: list[str], folder: Path) -> Iterator[str]:
    """Address of what a program serves, while it runs."""
    log = folder / "log"
    with open(log, "w") as output:
        process = subprocess.Popen(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"http://127\S+token=\w+|http://localhost\S+token=\w+", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text())
            time.sleep(0.2)
        yield found.group()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def keep(page: Any, name: str) -> None:
    """A screenshot in few colours, which is what makes it small."""
    path = HERE / f"{name}.png"
    page.screenshot(path=path)
    if path.stat().st_size > BYTES:
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def in_lab(page: Any, home: str, folder: Path) -> None:
    """Pictures of JupyterLab."""
    with served([sys.executable, "-c", LAB.format(home=home)], folder) as address:
        page.goto(address)
        page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
        (notebooks,) = (path for path in folder.iterdir() if path.is_dir())
        ran = ""
        for name, (notebook, wanted) in PICTURES.items():
            if notebook != ran:
                page.evaluate(RUN, f"{notebooks.name}/{notebook}.ipynb")
                ran = notebook
            page.locator(f".jp-MainAreaWidget:not(.lm-mod-hidden) {wanted}").first.evaluate(
                "element => element.scrollIntoView({block: 'start'})"
            )
            page.wait_for_timeout(2000)
            keep(page, name)


def main(home: str) -> None:
    """All pictures, of the lake in a folder."""
    HERE.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        page = chromium.new_page(viewport=SIZE)
        in_lab(page, home, Path(scratch))
        words = [sys.executable, "-m", "lofarlake_nb", "look", "--home", home, "--no-browser"]
        with served(words, Path(scratch)) as address:
            page.goto(address, timeout=120_000)
            page.locator(".jp-OutputArea img").first.wait_for(timeout=120_000)
            page.wait_for_timeout(2000)
            keep(page, "look")
        chromium.close()


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).absolute()))
