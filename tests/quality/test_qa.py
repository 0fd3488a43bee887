"""Quality figures: strong sources near the field, and solutions without weight."""

from types import SimpleNamespace

import numpy as np
import pytest

from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.quality import qa


def test_the_a_team_near_a_field_is_named_with_its_distance():
    near = qa.close_sources((np.deg2rad(299.8682), np.deg2rad(35.7339)))
    assert [one["source"] for one in near] == ["CygA"]
    assert near[0]["distance"] == pytest.approx(5.0, abs=1e-3)
    assert near[0]["mitigation"] == "none"
    assert qa.close_sources((np.deg2rad(123.4), np.deg2rad(48.2))) == []


@pytest.mark.parametrize("polarizations", [2, 4])
def test_solutions_without_weight_are_counted_by_station_and_table(tmp_path, polarizations):
    stations = ("CS001HBA0", "CS002HBA0")
    values = np.ones((4, 3, 2, polarizations), dtype=complex)
    values[:1, :, 1] = np.nan
    gains = Gains(values, np.arange(4.0), np.arange(3.0))
    layout = SimpleNamespace(stations=stations, positions=np.zeros((2, 3)), phase_centre=(0.0, 0.0))
    file = solutions.write(tmp_path / "a.h5", gains, layout)
    counted = qa.flagged_solutions([file])
    assert counted == {
        "CS001HBA0": {"amplitude000": 0.0, "phase000": 0.0},
        "CS002HBA0": {"amplitude000": 0.25, "phase000": 0.25},
    }
