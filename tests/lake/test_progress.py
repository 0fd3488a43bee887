import io
import json
import threading
import time
from dataclasses import asdict, replace

import pytest

from lofarlake_nb.lake import live
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.ticks import Failure, Moving, Site, Tick


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
    assert first.count("\n") == 5  # the first is longer than the window is wide
    assert second.startswith("\x1b[5F\x1b[J")
    assert "\x1b[2J" not in first
    assert "✖" in first
    sink(replace(RUNNING, moving=(Moving("b\x1b[2J.tar", "SARA", 25, 100),)))
    assert "    b?[2J.tar: 25 B of 100 B, 25 %\n" in stream.getvalue()
    assert "JUELICH: red" in first
    assert "● " not in first.partition("JUELICH")[0]


@pytest.fixture
def clock(monkeypatch):
    """Seconds of a clock that a test sets forward."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_rate_of_now_is_not_the_mean(clock):
    progress = Progress("ingest", 1, total_bytes=20_000)
    blocks = progress.count([b"x" * 1000] * 20)
    for _ in range(10):
        clock[0] += 1.0
        next(blocks)
        progress.now()
    clock[0] += 90.0  # a pause
    for _ in range(10):
        next(blocks)
        clock[0] += 1.0
        last = progress.now()
    assert last.rate == pytest.approx(19_000 / 110)
    assert last.rate_now == pytest.approx(1000)


def test_where_no_byte_moves_the_rate_falls_and_the_site_says_how_long(clock):
    progress = Progress("ingest", 2, total_bytes=4000)
    with progress.underway("SARA") as counted, progress.underway("JUELICH"):
        blocks = counted([b"x" * 1000] * 2)
        for _ in range(2):
            next(blocks)
            clock[0] += 1.0
            last = progress.now()
        assert (last.left, [site.state for site in last.sites]) == (pytest.approx(6.0), ["green", "green"])
        for _ in range(20):
            clock[0] += 1.0
            last = progress.now()
        assert (last.rate_now, last.left) == (0.0, None)
        assert last.sites == (
            Site("JUELICH", 0, 0, 0, "yellow", 22.0),
            Site("SARA", 0, 0, 1000, "yellow", 21.0),
        )
        assert "0 B/s now, 45.5 B/s in the mean, 22 s so far, time left unknown" in live.headline(last)
        assert live.site_words(last.sites[1]) == "SARA: yellow, 0 files done, 1 kB, no bytes for 21 s"
        list(blocks)
        assert [site.state for site in progress.now().sites] == ["yellow", "green"]
    clock[0] += 60.0
    assert [site.state for site in progress.now().sites] == ["green", "green"]  # nothing is on its way


def test_files_on_their_way_are_named_with_what_has_moved():
    progress = Progress("ingest", 2, total_bytes=4000)
    with progress.underway("SARA", "a.tar", 3000) as counted, progress.underway("SARA", "b.tar", 1000):
        next(counted([b"x" * 1000] * 3))
        assert progress.now().moving == (Moving("a.tar", "SARA", 0, 3000), Moving("b.tar", "SARA", 0, 1000))
        for _ in counted([b"x" * 1500]):
            pass
        now = progress.now()
        assert now.moving[0] == Moving("a.tar", "SARA", 1500, 3000)
        assert live.moving_words(now.moving[0]) == "a.tar: 1.5 kB of 3 kB, 50 %"
        assert Tick.of(json.loads(json.dumps(asdict(now)))) == now
    assert progress.now().moving == ()
    with pytest.raises(OSError, match="broken"), progress.underway("SARA", "a.tar", 3000):
        raise OSError("broken")
    assert progress.now().moving == ()


def test_what_was_moved_in_vain_is_to_be_moved_once_more():
    progress = Progress("ingest", 1, total_bytes=3000)

    def breaks():
        yield b"x" * 2000
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"), progress.underway("SARA") as counted:
        list(counted(breaks()))
    with progress.underway("SARA") as counted:
        list(counted([b"x" * 3000]))
    assert (progress.now().bytes, progress.now().total_bytes) == (5000, 5000)


def test_ticks_go_on_while_nothing_happens_and_end_with_the_work():
    ticks: list[Tick] = []
    third = threading.Event()

    def sink(tick: Tick) -> None:
        ticks.append(tick)
        if len(ticks) == 3:
            third.set()

    before = set(threading.enumerate())

    def fails():
        assert third.wait(10)
        raise KeyError

    with pytest.raises(KeyError), Progress("retrieve", 1, sink) as progress, progress.underway("SARA"):
        fails()
    assert ticks[2].seconds - ticks[0].seconds > 1.5  # no more than one a second
    assert not set(threading.enumerate()) - before
    assert [tick.state for tick in ticks[2:]] == ["running"] * (len(ticks) - 3) + ["failed"]


def test_who_moves_bytes_does_not_wait_for_who_looks_on():
    seen, go_on = threading.Event(), threading.Event()

    def stopped_terminal(tick: Tick) -> None:
        seen.set()
        assert go_on.wait(10)

    with Progress("ingest", 1, stopped_terminal) as progress:
        assert seen.wait(10)
        assert len(list(progress.count([b"x"] * 1000, "SARA"))) == 1000
        go_on.set()
    assert progress.bytes == 1000


def test_a_view_that_breaks_does_not_break_the_work(caplog):
    told = []

    def closed(tick: Tick) -> None:
        told.append(tick)
        raise BrokenPipeError(32, "Broken pipe")

    with Progress("ingest", 1, closed) as progress:
        list(progress.count([b"x"] * 1000, "SARA"))
        progress.finished("SARA")
    assert len(told) == 1
    assert "ingest goes on unseen: BrokenPipeError" in caplog.text


def test_only_the_first_end_counts():
    ticks: list[Tick] = []
    with Progress("ingest", 1, ticks.append) as progress:
        progress.end("failed")
    assert [tick.state for tick in ticks if tick.state != "running"] == ["failed"]
    assert ticks[-1].state == "failed"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (999_600, "1 MB"), (999_600_000, "1 GB"), (12_345, "12.3 kB"), (2e15, "2000 TB")],
)
def test_bytes_for_a_person(count, words):
    assert live.size(count) == words


def test_a_log_goes_above_the_lines_on_a_terminal_and_is_not_written_over():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    view = live.terminal(stream)
    view.write("before\n")
    view(RUNNING)
    written = len(stream.getvalue())
    view.write("try 1 failed\n")
    said = stream.getvalue()[written:]
    assert said.startswith("\x1b[5F\x1b[Jtry 1 failed\n")
    assert said.count("\n") == 6
    assert "ingest: 3 of 8 files" in said
    view(Tick("ingest", 8, 8, 10, 1.0, "done"))
    written = len(stream.getvalue())
    view.write("all is well\n")
    assert stream.getvalue()[written:] == "all is well\n"
