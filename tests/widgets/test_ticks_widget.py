from dataclasses import replace

import nbformat

from lofarlake_nb import run
from lofarlake_nb.lake.ticks import Failure, Moving, Site, Tick
from lofarlake_nb.widgets import ticks

TICK = Tick(
    "ingest", 1, 2, 10**9, 1e8, "failed", 2 * 10**9, 0.0, 10.0,
    (Site("JUELICH", 0, 1, 0, "red"), Site("POZNAN", 0, 1, 0, "yellow"), Site("SARA", 1, 0, 10**9, "green")),
    (Failure("lofar:<b>", "JUELICH", "no space left"),),
)  # fmt: skip


def test_each_site_is_a_line_with_its_colour_as_mark_and_word():
    shown = ticks.figures(TICK)
    for site, word, mark in (("JUELICH", "red", "✖"), ("POZNAN", "yellow", "▲"), ("SARA", "green", "●")):
        assert f"{mark}</span> {site}: {word}" in shown
        assert ticks.COLOURS[word] in shown
    assert "lofar:&lt;b&gt; at JUELICH: no space left" in shown
    assert "<script" not in shown


def test_files_on_their_way_are_below():
    moving = (Moving("L1_<SB000>.tar", "SARA", 25, 100), Moving("L1_SB001.tar", "SARA", 0, 100))
    whole, _, files = ticks.figures(replace(TICK, moving=moving)).partition('aria-label="files on their way"')
    assert "L1_&lt;SB000&gt;.tar: 25 B of 100 B, 25 %" in files
    assert 'value="0.250"' in files
    assert "L1_SB001.tar: 0 B of 100 B, 0 %" in files
    assert "tar" not in whole
    assert "on their way" not in ticks.figures(TICK)


def test_what_is_read_out_by_itself_is_the_state_which_no_tick_changes():
    running = replace(TICK, state="running")
    later = replace(running, done=2, bytes=2 * 10**9, rate=2e8, rate_now=3e8, seconds=20.0)
    assert ticks.state(running) == ticks.state(later) == '<div role="status">ingest: running</div>'
    assert ticks.figures(running) != ticks.figures(later)
    assert "status" not in ticks.figures(running)
    assert ticks.state(TICK) == '<div role="status">ingest: failed: lofar:&lt;b&gt; at JUELICH: no space left</div>'


def test_the_executed_notebook_shows_how_it_ended(notebook_of, tmp_path):
    made = notebook_of(
        "much: int = 3",
        "from lofarlake_nb.lake.progress import Progress\nfrom lofarlake_nb.widgets.ticks import show",
        "with Progress('ingest', much, show(), total_bytes=3000) as progress:\n"
        "    for n in range(much):\n"
        "        list(progress.count([b'x' * 1000], 'SARA'))\n"
        "        progress.finished('SARA')",
    )
    run.run(made, {}, tmp_path / "executed.ipynb")
    outputs = nbformat.read(tmp_path / "executed.ipynb", as_version=4).cells[-1].outputs
    shown = [output.data["text/html"] for output in outputs if "data" in output]
    state, figures = shown
    assert state == '<div role="status">ingest: done</div>'
    assert "ingest: 3 of 3 files, 3 kB of 3 kB" in figures
    for kind in ("text/html", "text/plain"):
        first, second = (output.data[kind] for output in outputs)
        assert "ingest: done" in first
        assert "(done)" not in second
    assert "SARA: green" in figures
