"""Stage 1 from its form, in Chromium: bytes, files and time left are seen while it sends; all of it by the keyboard."""

# ruff: noqa: F811
import os
import re
import signal
import threading
from contextlib import contextmanager

import pytest
import small
from by_keyboard import FOCUSED, tab_to
from screens import centred, shots
from test_lab_in_a_browser import (  # noqa: F401 - fixtures
    CHROMIUM,
    lake_with_image,
    page,
    run_all,
    running,
)

from lofarlake_nb.lake import client, verify
from lofarlake_nb.lake.embedded import parts, processes
from lofarlake_nb.lake.embedded.home import Home

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")

FILES = 6
DUTY, TURN = 0.08, 0.25  # share of the time that the storage works, and seconds of one turn

# What the page says of a stage, each time that it changes.
NOTE_ALL = """() => {
  window.said = [];
  const note = () => {
    for (const element of document.querySelectorAll('.jp-OutputArea [role=status], .jp-OutputArea [role=group]')) {
      const text = element.textContent.trim();
      if (text && !window.said.includes(text)) window.said.push(text);
    }
  };
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
HEARD = "pattern => window.said.some(text => new RegExp(pattern).test(text))"
SENDING = r"ingest: (\d+) of (\d+) files, ([\d.]+) MB of ([\d.]+) MB, ([\d.]+) .?B/s now, ([\d.]+) .?B/s in the mean"


@contextmanager
def slow(home):
    """A storage like one far away: while it lasts, its process stands still most of the time."""
    pid = processes.recorded(parts.record(Home(home), "storage")).pid
    over = threading.Event()

    def hold_back():
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(TURN * (1 - DUTY))
            os.kill(pid, signal.SIGCONT)
            over.wait(TURN * DUTY)

    thread = threading.Thread(target=hold_back)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """An observation of some hundred MB."""
    folder = tmp_path_factory.mktemp("transfer") / "observation"
    for subband in range(FILES):
        small.measurement_set(folder, 990_600, subband, slots=800, channels=256)
    return folder


@pytest.fixture(scope="module")
def filled(page, remote_lake, observed):
    """The form of stage 1, filled in by the keyboard; the lake is seen as from elsewhere, its storage by https."""
    run_all(page)
    page.get_by_label("observation", exact=True).first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(str(observed))
    tab_to(page, r"\d+ more parameters")
    page.keyboard.press("Enter")
    tab_to(page, "lake")
    page.keyboard.press("Control+A")
    page.keyboard.type(str(remote_lake.configuration))
    page.evaluate(NOTE_ALL)
    return page


def heard(page, pattern: str) -> list[tuple[str, ...]]:
    """What was said in these words until now, in order, each once."""
    found = (re.search(pattern, text) for text in page.evaluate("() => window.said"))
    return [match.groups() for match in found if match]


def running_to(page, pattern: str) -> None:
    page.wait_for_function(HEARD, arg=pattern, timeout=120_000)


def test_it_is_stopped_while_it_sends_and_the_keyboard_keeps_its_place(filled, lake_home):
    page = filled
    tab_to(page, "Run")
    with slow(lake_home):
        page.keyboard.press("Enter")
        running_to(page, SENDING)
        assert page.evaluate(FOCUSED)["name"] == "Run"
        tab_to(page, "Stop", most=1)
        page.keyboard.press("Enter")
        running_to(page, "stopped: ")
    assert page.evaluate(FOCUSED)["name"] == "Stop"
    assert heard(page, rf"stopped: .*interrupted .(\d+) of {FILES} files are at the site")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(FOCUSED)["name"] == "Run"


def test_bytes_and_files_grow_until_it_is_done_and_ends_in_links(filled, lake_home):
    page = filled
    page.evaluate("() => { window.said = []; }")
    with slow(lake_home):
        page.keyboard.press("Enter")  # on Run: the test before left the focus there
        running_to(page, rf"ingest: [1-9] of {FILES} files.* left")
        shots(page, "ingest_running", centred(page.locator(".jp-OutputArea summary").first))
        running_to(page, "A copy elsewhere")
    readings = [tuple(map(float, one)) for one in heard(page, SENDING)]
    files, moved, whole = ([one[n] for one in readings] for n in (0, 2, 3))
    assert len(set(moved)) >= 3
    assert (files, moved) == (sorted(files), sorted(moved))
    assert 0 < files[-1] <= FILES
    assert 0 < moved[0] < moved[-1] <= whole[-1]
    assert heard(page, r"ingest: .* in the mean, (\d+ s) left")
    shares = [int(share) for _, share in heard(page, r"(L990600\S+\.tar): [\d.]+ .?B of [\d.]+ MB, (\d+) %")]
    assert len({share for share in shares if 0 < share < 100}) >= 3

    page.locator(".jp-OutputArea [role=status]", has_text="done: all").first.wait_for(timeout=300_000)
    ended = page.locator(".jp-OutputArea", has_text="done: all")
    ended.locator("a", has_text="/1_ingest.ipynb").first.wait_for(timeout=20_000)
    ended.locator("li", has_text="in the lake: lofar:L990600").first.wait_for(timeout=20_000)
    assert ended.locator("[aria-label='files on their way']").count() == 0
    shots(page, "ingest_done", centred(ended.locator("li").first))
    assert verify.verify(client.connect(lake_home), "lofar:L990600").ok
