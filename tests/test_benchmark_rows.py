"""Figures of a benchmark: ratios the right way round, verdicts, and rows that stay when others are measured again."""

import json

import pytest

from benchmarks.rows import compared, in_words, write


def test_less_is_better_or_more_is():
    assert compared("t", 2.0, 6.0, "s", 3.0, faster=False).ratio == pytest.approx(3)
    assert compared("t", 2.0, 6.0, "s", 3.0, faster=False).met
    assert not compared("t", 2.1, 6.0, "s", 3.0, faster=False).met
    assert compared("r", 6.0, 2.0, "MB/s", 3.0, faster=True).met
    assert compared("r", 6.0, 2.0, "MB/s", None, faster=True).met is None


def test_without_a_peer_a_bound_is_the_most_that_it_may_be():
    assert compared("e", 0.01, None, "", 0.02, faster=False).met
    row = compared("e", 0.03, None, "", 0.02, faster=False)
    assert "MISSED" in in_words(row)


def test_rows_of_other_pieces_stay(tmp_path):
    path = tmp_path / "process.json"
    write(path, [compared(name, 1.0, 2.0, "s", None, faster=False) for name in ("a", "b")], beside=True)
    write(path, [compared("b", 1.0, 4.0, "s", None, faster=False)], beside=True)
    assert {row["name"]: row["ratio"] for row in json.loads(path.read_text())} == {"a": 2.0, "b": 4.0}
    write(path, [compared("c", 1.0, 4.0, "s", None, faster=False)])
    assert [row["name"] for row in json.loads(path.read_text())] == ["c"]
