"""Station beams are EveryBeam's, however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.processing.gains import direction_plan
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.predict import direction_cosines
from lofarlake_nb.processing.sky_model import calibrator

AROUND = np.deg2rad([[0, 0], [0.7, -0.4], [-2.5, 1.5], [1.0, 3.0], [40.0, -20.0]])


@pytest.fixture
def seen(observation):
    """Measurement Set, its layout, direction cosines and places of some sources."""
    path = observation.measurement_sets[0]
    layout = measurement_set.layout(path)
    places = np.array(layout.phase_centre) + AROUND
    lm = np.stack(direction_cosines(places[:, 0], places[:, 1], layout.phase_centre)[:2], axis=-1)
    return path, layout, lm, places


def evaluated(seen):
    path, layout, lm, places = seen
    return beam.evaluate(path, layout, lm, places, np.inf, slice(0, 1)).at(float(layout.times[0]))


def test_each_source_is_seen_as_everybeam_says(seen):
    path, layout, _, places = seen
    telescope = beam.open_telescope(path, layout)
    where = float(layout.times[0]), float(layout.frequencies.mean())
    for station in (0, len(layout.stations) - 1):
        theirs = [telescope.station_response(where[0], station, where[1], *map(float, place)) for place in places]
        np.testing.assert_allclose(evaluated(seen)[station], np.stack(theirs), atol=1e-4)


def test_a_grid_gives_the_same(seen, monkeypatch):
    alone = evaluated(seen)
    monkeypatch.setattr(beam, "DIRECTION_COST", 1e6)
    np.testing.assert_allclose(evaluated(seen)[:, :4], alone[:, :4], atol=3e-4)


def test_what_a_beam_leaves_of_sources_is_told_of_the_middle_of_the_observation(seen):
    path, layout, _, places = seen
    model = replace(calibrator("3C196"), ra=places[:4, 0], dec=places[:4, 1])
    time, frequency = float(layout.times[len(layout.times) // 2]), float(layout.frequencies.mean())
    telescope = beam.open_telescope(path, layout)
    theirs = [telescope.station_response(time, 0, frequency, *map(float, place)) for place in places[:4]]
    power = (np.abs(np.stack(theirs)) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(direction_plan.power(path, layout, model, True), power / power[0], rtol=1e-3)
