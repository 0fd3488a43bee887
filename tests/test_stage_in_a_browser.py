"""Stage 2 from its form, in Chromium: stopped while Dask's workers run, run again; all of it by the keyboard alone."""

# ruff: noqa: F811
import json
import time

import nbformat
import psutil
import pytest
from by_keyboard import FOCUSED, names, tab_to
from screens import centred, shots
from test_lab_in_a_browser import (  # noqa: F401 - fixtures
    CHROMIUM,
    lake_with_image,
    page,
    run_all,
    running,
)

from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import simulate

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")

SMALL = SimulationParameters(
    stations=20, subbands=2, spread="2 MHz", channels=16, hours=0.5, scans=3, scan="40 s", sources=4
)


@pytest.fixture(scope="module")
def landing(page):
    run_all(page)
    return page


def started_in(folder) -> psutil.Process:
    return psutil.Process(json.loads((folder / "process.json").read_text())["pid"])


def works(folder) -> bool:
    """Whether the process of a run does; one that has ended waits for its parent, the form's kernel."""
    try:
        return started_in(folder).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(wanted, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := wanted():
            return found
        time.sleep(0.1)
    raise AssertionError(what)


def runs(running):
    return sorted(running.root.glob("*/runs/2_process-*"))


def test_every_control_has_a_name(landing):
    controls = names(landing)
    assert {"observation", "dataset", "paths", "Run", "Stop"} <= set(controls)
    assert [name for name in controls if name.startswith("no name")] == []


def test_a_stage_is_stopped_while_workers_run_and_run_again(landing, running, tmp_path):
    page = landing
    simulate.simulate(tmp_path / "observation", SMALL)
    paths = ", ".join(str(path) for path in sorted((tmp_path / "observation").glob("*.MS")))
    products = tmp_path / "products"
    page.get_by_label("dataset", exact=True).last.focus()
    for name, value in (("paths", paths), ("output", str(products))):
        tab_to(page, name)
        page.keyboard.type(value)
    tab_to(page, r"\d+ more parameters")
    page.keyboard.press("Enter")
    for name, value in (("field", "3 deg"), ("resolution", "40 arcsec"), ("workers", "2")):
        tab_to(page, name)
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    (first,) = until(lambda: runs(running), 20, "no run")
    # In the cell that lasts longest, where nobody has to stop it in time.
    until(lambda: (products / "work" / "images").exists(), 240, "no image was begun")
    flagged = sorted((products / "work" / "flags").glob("*.json"))
    assert flagged
    written = {path: path.stat().st_mtime_ns for path in flagged}
    processes = started_in(first).children(recursive=True)
    assert len([process for process in processes if "spawn_main" in " ".join(process.cmdline())]) == 2
    assert list(running.scratch.glob("lofarlake-dask-*"))
    status = page.locator(".jp-OutputArea [role=status]").last
    tab_to(page, "Stop")
    page.keyboard.press("Enter")
    page.locator(".jp-OutputArea [role=status]", has_text="stopped:").wait_for(timeout=60_000)
    assert page.evaluate(FOCUSED)["name"] == "Stop"
    shots(page, "stage_2_stopped", centred(status))

    until(lambda: not any(process.is_running() for process in processes), 20, f"left over: {processes}")
    assert list(running.scratch.glob("lofarlake-dask-*")) == []
    state = json.loads((first / "state.json").read_text())
    assert (state["state"], "what was finished is kept" in state["said"]) == ("stopped", True)
    outputs = [out for cell in nbformat.read(first / "2_process.ipynb", 4).cells for out in cell.get("outputs", [])]
    assert [out.ename for out in outputs if out.output_type == "error"] == ["KeyboardInterrupt"]
    assert list(products.rglob("*.part")) == []

    page.get_by_label("dataset", exact=True).last.focus()
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    shots(page, "stage_2_running", centred(status))  # of this run, which nobody has to stop in time
    page.locator(".jp-OutputArea [role=status]", has_text="done: all").wait_for(timeout=300_000)
    assert {path: path.stat().st_mtime_ns for path in flagged} == written
    assert json.loads((products / "summary.json").read_text())["calibration"]["verdict"] == "good"
    until(lambda: not works(runs(running)[-1]), 20, "the second run did not end")
    assert list(running.scratch.glob("lofarlake-dask-*")) == []
    shots(page, "stage_2_done", centred(status))
