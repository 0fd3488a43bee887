"""A full day's observation is 20 TB: 231.5 MB/s."""

import pytest

from lofarlake_nb.quality.rate import full_day


def test_the_needed_rate_takes_a_day():
    assert full_day(231.4815)["hours"] == pytest.approx(24.0, rel=1e-5)
    assert full_day(463.0)["share"] == pytest.approx(2.0, rel=1e-3)


def test_without_a_rate_nothing_is_said():
    assert full_day(None) == {"hours": None, "needed_mb_s": pytest.approx(231.48, rel=1e-4), "share": None}
