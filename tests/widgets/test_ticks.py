"""Progress is a line of HTML that needs no script, so that it stays right in an executed copy."""

from dataclasses import dataclass

from lofarlake_nb.widgets import ticks


@dataclass(frozen=True)
class Tick:
    stage: str = "ingest"
    done: int = 1
    total: int = 4
    bytes: int = 250_000_000
    rate: float = 125e6
    state: str = "running"


def test_a_tick_says_how_far_and_how_fast():
    line = ticks.line(Tick())
    assert "1 of 4 files, 250 MB at 125 MB/s (running)" in line
    assert 'value="0.250"' in line


def test_nothing_to_do_is_done():
    assert "all was there" in ticks.line(Tick(done=0, total=0, bytes=0))
    assert 'value="1.000"' in ticks.line(Tick(done=0, total=0))


def test_what_comes_from_outside_is_escaped():
    assert "<script>" not in ticks.line(Tick(stage="<script>"))
