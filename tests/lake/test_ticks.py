import io
import threading
import time

import pytest

from lofarlake_nb.lake import live
from lofarlake_nb.lake.ticks import Failure, Progress, Site, Tick


def test_bytes_and_files_are_counted_and_the_end_is_always_told():
    ticks: list[Tick] = []
    progress = Progress("ingest", 2, ticks.append)
    for _ in range(2):
        assert list(progress.count([b"123", b"4567"])) == [b"123", b"4567"]
        progress.finished()
    progress.end()
    last = ticks[-1]
    assert (last.stage, last.done, last.total, last.bytes, last.state) == ("ingest", 2, 2, 14, "done")
    assert last.rate > 0
    assert len(ticks) < 5  # not one for each block


def test_nobody_needs_to_listen():
    progress = Progress("verify", 1)
    list(progress.count([b"123"]))
    progress.end("failed")
    assert progress.bytes == 3


def test_each_site_has_its_own_count_and_colour():
    ticks: list[Tick] = []
    progress = Progress("verify", 4, ticks.append)
    progress.finished("SARA")
    progress.failed("lofar:a", "it broke", "JUELICH")
    progress.finished("JUELICH")
    progress.failed("lofar:b", "not there", "POZNAN", lost=True)
    progress.end()
    assert ticks[-1].sites == (
        Site("JUELICH", 1, 1, 0, "yellow"),
        Site("POZNAN", 0, 1, 0, "red"),
        Site("SARA", 1, 0, 0, "green"),
    )
    assert ticks[-1].failures[0] == Failure("lofar:a", "JUELICH", "it broke")


def test_a_stage_that_failed_is_red_where_something_failed():
    ticks: list[Tick] = []
    progress = Progress("retrieve", 2, ticks.append)
    list(progress.count([b"12"], "SARA"))
    progress.failed("lofar:a", "it broke", "JUELICH")
    progress.end("failed")
    assert [(site.name, site.state) for site in ticks[-1].sites] == [("JUELICH", "red"), ("SARA", "green")]


def test_the_time_left_is_that_of_the_bytes_that_are_still_to_be_moved():
    half = Tick("ingest", 1, 2, 100, 10.0, total_bytes=400, seconds=10.0)
    assert half.left == pytest.approx(30.0)
    assert Tick("ingest", 1, 4, 0, 0.0, seconds=10.0).left == pytest.approx(30.0)  # by files
    assert Tick("ingest", 0, 4, 0, 0.0, seconds=10.0).left is None
    assert Tick("ingest", 4, 4, 400, 1.0, "done", total_bytes=400, seconds=10.0).left is None


def test_bytes_that_need_not_be_moved_are_not_waited_for():
    ticks: list[Tick] = []
    progress = Progress("ingest", 2, ticks.append, total_bytes=1000)
    progress.finished("SARA", skipped=900)
    progress.end()
    assert ticks[-1].total_bytes == 100


def test_many_threads_lose_no_byte():
    progress = Progress("ingest", 8, lambda tick: None)
    threads = [threading.Thread(target=lambda: [None for _ in progress.count([b"x"] * 2000, "SARA")]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.bytes == 16_000


RUNNING = Tick(
    "ingest", 3, 8, 1_500_000_000, 2e8, "running", 4_000_000_000, 2.5e8, 7.5,
    (Site("JUELICH", 0, 2, 0, "red"), Site("SARA", 3, 0, 1_500_000_000, "green")),
    (Failure("lofar:a.tar", "JUELICH", "no space\x1b[2J left"),),
)  # fmt: skip


def test_a_line_says_files_bytes_rates_and_time_left():
    said = live.headline(RUNNING)
    assert said == "ingest: 3 of 8 files, 1.5 GB of 4 GB, 250 MB/s now, 200 MB/s in the mean, 12 s left"


def test_without_a_terminal_there_is_a_line_at_the_end_and_each_failure_once():
    stream = io.StringIO()
    sink = live.terminal(stream)
    for _ in range(3):
        sink(RUNNING)
    sink(Tick("ingest", 8, 8, 10, 1.0, "done", failures=RUNNING.failures))
    said = stream.getvalue().splitlines()
    assert len(said) == 2
    assert "lofar:a.tar at JUELICH: no space" in said[0]
    assert said[1].startswith("ingest: 8 of 8 files")
    assert said[1].endswith("(done)")


def test_on_a_terminal_the_lines_are_replaced_and_no_name_moves_the_cursor():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    sink = live.terminal(stream)
    sink(RUNNING)
    first = stream.getvalue()
    sink(RUNNING)
    second = stream.getvalue()[len(first) :]
    assert first.count("\n") == 4
    assert second.startswith("\x1b[4F\x1b[J")
    assert "\x1b[2J" not in first
    assert "✖" in first
    assert "JUELICH: red" in first
    assert "● " not in first.partition("JUELICH")[0]


def test_the_rate_of_now_is_not_the_mean(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ticks: list[Tick] = []
    progress = Progress("ingest", 1, ticks.append, total_bytes=10_000)
    blocks = progress.count([b"x" * 1000] * 20)
    for _ in range(10):
        now[0] += 1.0
        next(blocks)
    now[0] += 90.0  # a pause
    for _ in range(10):
        next(blocks)
        now[0] += 1.0
    assert ticks[-1].rate == pytest.approx(19_000 / 109, rel=0.05)
    assert ticks[-1].rate_now == pytest.approx(1000)
