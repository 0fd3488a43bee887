"""A notebook run in a process of its own: looked at, stopped, found again."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import nbformat
import pytest

from lofarlake_nb import background, recording
from lofarlake_nb.errors import UsageError
from lofarlake_nb.executing import Step

TICKING = """\
import time
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.widgets.ticks import show
try:
    with Progress('ingest', 1000, show()) as progress:
        for n in range(1000):
            progress.finished('SARA')
            time.sleep(0.1)
except KeyboardInterrupt:
    raise KeyboardInterrupt('3 of 4 are safe') from None
"""
MADE = """\
from IPython.display import display
display({"application/vnd.lofarlake.made+json": {"dataset": "lofar:made", "files": ["/a/b"]}}, raw=True)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = []

    def begin(notebook, values):
        started.append(background.start(notebook, values))
        return started[-1]

    yield begin
    for run in started:
        while not run.state().ended:
            run.stop()
            time.sleep(0.2)


def until(run, wanted, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted(now := run.state()):
            return now
        time.sleep(0.05)
    raise AssertionError(f"{run.state()}\n{(run.folder / 'run.log').read_text()}")


def test_it_ends_with_what_it_made(start, notebook_of, tmp_path):
    run = start(notebook_of("name: str = 'x'  # a name", "print(name)", MADE), {"name": "y"})
    ended = run.wait(60)
    assert (ended.state, ended.cell, ended.cells) == ("done", 4, 4)  # the injected parameters are a cell too
    assert (ended.files, ended.datasets) == (("/a/b",), ("lofar:made",))
    assert run.executed.parent.parent == tmp_path / "runs"
    assert "y" in str(nbformat.read(run.executed, 4).cells[2].outputs)


def test_a_failure_is_told_with_its_reason(start, notebook_of):
    ended = start(notebook_of("n: int = 0  # divisor", "1 / n", "print('never')"), {}).wait(60)
    assert ended.state == "failed"
    assert "ZeroDivisionError" in ended.said
    assert (ended.cell, ended.cells) == (2, 3)


def test_ticks_are_seen_and_a_stop_reaches_the_cell(start, notebook_of):
    run = start(notebook_of("n: int = 0  # none", TICKING), {})
    seen = until(run, lambda now: now.tick and now.tick.done > 2)
    assert (seen.state, seen.tick.stage, seen.tick.sites[0].name) == ("running", "ingest", "SARA")
    run.stop()
    ended = run.wait(30)
    assert ended.state == "stopped"
    assert ended.said.startswith("3 of 4 are safe, in cell 2 of 2")
    assert ended.tick.state == "failed"  # the cell's own end was heard
    outputs = nbformat.read(run.executed, 4).cells[-1].outputs
    assert [out.ename for out in outputs if out.output_type == "error"] == ["KeyboardInterrupt"]


def test_a_second_stop_does_not_wait_for_the_cell(start, notebook_of):
    cell = (
        "import time\nfor _ in range(600):\n    try:\n        time.sleep(1)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    run = start(notebook_of("n: int = 0  # none", cell), {})
    until(run, lambda now: now.cell == 2)
    time.sleep(1)
    run.stop()
    assert until(run, lambda now: now.state == "stopping", 5)
    time.sleep(1)
    assert not run.state().ended
    run.stop()
    ended = run.wait(30)
    assert (ended.state, "stopped at once" in ended.said) == ("stopped", True)


def test_a_stop_before_the_first_cell_runs_none(start, notebook_of):
    run = start(notebook_of("n: int = 0  # none", "open('touched', 'w').close()"), {})
    run.stop()
    assert run.wait(60).state in ("stopped", "lost")
    assert not (run.folder.parent.parent / "touched").exists()


def test_a_killed_process_is_lost_and_said_so(start, notebook_of):
    run = start(notebook_of("n: int = 0  # none", "import time; time.sleep(60)"), {})
    until(run, lambda now: now.cell == 2)
    os.kill(json.loads((run.folder / "process.json").read_text())["pid"], signal.SIGKILL)
    ended = until(run, lambda now: now.ended)
    assert ended.state == "lost"
    assert "run.log" in ended.said


def test_it_outlives_who_started_it_and_is_found_again(notebook_of, tmp_path):
    made = notebook_of("n: int = 0  # none", "import time; time.sleep(1)")
    code = f"from lofarlake_nb import background; background.start({str(made)!r}, {{}})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = background.newest(made, place=tmp_path / "runs")
    assert found.wait(60).state == "done"


def test_waiting_that_is_interrupted_stops_the_run(start, notebook_of):
    run = start(notebook_of("n: int = 0  # none", "import time; time.sleep(60)"), {})
    until(run, lambda now: now.cell == 2)
    time.sleep(1)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    assert run.wait(30).state == "stopped"


def test_bad_parameters_start_nothing(notebook_of, tmp_path):
    with pytest.raises(UsageError, match="expected int"):
        background.start(notebook_of("n: int = 0  # none"), {"n": "x"}, place=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_lines_that_do_the_same():
    values = {"paths": ["a b"], "deep": True, "dataset": "lofar:x"}
    line = background.shell("2_process", values)
    assert line == """lofarlake run 2_process -p paths '["a b"]' -p deep true -p dataset lofar:x"""
    assert background.python("2_process", values).startswith("background.start('2_process', {'paths': ['a b']")


def test_only_a_recorders_own_file_stops_it(tmp_path):
    recorder = recording.Recorder(tmp_path / "far.json", tmp_path / "executed.ipynb", print)
    (tmp_path / "stop").touch()
    (tmp_path / "other.json.stop").touch()
    recorder(Step(1, 2, "First"))
    (tmp_path / "far.json.stop").touch()
    with pytest.raises(KeyboardInterrupt, match="stopped between two cells"):
        recorder(Step(2, 2, "Second"))


def test_runs_are_in_order_when_summer_time_ends(tmp_path, monkeypatch):
    """At 00:30 and 01:15 UTC clocks in Amsterdam say 02:30 and then 02:15."""
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    names = []
    for now in (1792888200, 1792890900):
        clock = SimpleNamespace(
            gmtime=lambda now=now: time.gmtime(now),
            strftime=lambda form, at=None, now=now: time.strftime(form, at or time.localtime(now)),
        )
        monkeypatch.setattr(background, "time", clock)
        names.append(background._made(tmp_path, "made").name)
    monkeypatch.undo()
    time.tzset()
    assert names == ["made-20261025T003000-001", "made-20261025T011500-001"]


def test_the_newest_run_is_no_copys(tmp_path, monkeypatch):
    """JupyterLab calls a duplicate so; a name may also hold what a pattern takes for its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("made-Copy1", "made", "made [old]"):
        (tmp_path / f"{name}.ipynb").touch()
        folder = tmp_path / f"runs/{name}-20260101T000000-001"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
    found = {name: background.newest(f"{name}.ipynb").folder.name for name in ("made", "made-Copy1", "made [old]")}
    assert found == {name: f"{name}-20260101T000000-001" for name in found}
