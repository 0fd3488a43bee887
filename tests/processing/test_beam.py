"""Station beams are EveryBeam's, however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing.ateam import amplitudes
from lofarlake_nb.processing.gains import direction_plan, outside, solutions
from lofarlake_nb.processing.gains.tasks import apply_one, predictor
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.station_beams import station_beams
from lofarlake_nb.processing.images.stokes import stokes
from lofarlake_nb.processing.sky import beam, telescopes
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
    telescope = telescopes.known(path, layout)
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
    telescope = telescopes.known(path, layout)
    theirs = [telescope.station_response(time, 0, frequency, *map(float, place)) for place in places[:4]]
    power = (np.abs(np.stack(theirs)) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(direction_plan.power(path, layout, model, True), power / power[0], rtol=1e-3)


# R = (X + iY) / √2: <RR*> - <LL*> is then i (<YX*> - <XY*>), twice the V that XY = U + iV gives.
CIRCULAR = np.array([[1, 1j], [1, -1j]]) / np.sqrt(2)
HANDS = {"linear": ("XX", "XY", "YX", "YY"), "circular": ("RR", "RL", "LR", "LL")}


def in_circular(matrices):
    return CIRCULAR @ matrices @ CIRCULAR.conj().T


def observed(path, feeds, polarised, target):
    """A source of 1 Jy at the phase centre, a part of it Stokes V, as perfect receivers get it, in some slots."""
    layout = measurement_set.layout(path)
    times = layout.times[:4]
    towards = beam.towards_centre(path, layout, 60.0, slice(0, 4))
    jones = np.stack([towards.at(float(time))[:, 0] for time in times]).astype(complex)
    sky = np.array([[1, 1j * polarised], [-1j * polarised, 1]])
    matrices = jones[:, layout.antenna1] @ sky @ np.conj(np.swapaxes(jones[:, layout.antenna2], -1, -2))
    matrices = in_circular(matrices) if feeds[0] == "RR" else matrices
    four = matrices.reshape(*matrices.shape[:2], 1, 4).repeat(len(layout.frequencies), axis=2)
    four = four if len(feeds) == 4 else four[..., [0, 3]]
    layout = replace(layout, times=times, rows=layout.rows[:4], correlations=feeds)
    with writer.create(target, layout, like=path) as new:
        weight = np.ones(four.shape, np.float32)
        place = np.zeros((4, len(layout.antenna1), 3))
        new.write(0, place, DATA=four.astype(np.complex64), FLAG=weight == 0, WEIGHT_SPECTRUM=weight)
    return target


def corrected(path, output):
    """Stokes parameters after what is seen towards the phase centre is corrected for."""
    layout = measurement_set.layout(path)
    ones = np.ones((1, 1, len(layout.stations), 2), complex)
    gains = solutions.Gains(ones, layout.times[:1], layout.frequencies[:1])
    file = solutions.write(output.with_suffix(".h5"), gains, layout)
    one = CalibrationParameters(slots=len(layout.times), channels=len(layout.frequencies))
    apply_one(path, output, file, np.ones(len(layout.stations)), one, 60.0)
    read = measurement_set.read(output, layout, ["CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM"], slice(None))

    def of(parameter):
        return stokes(parameter, *(read[name] for name in read), layout.correlations)[0]

    return of


@pytest.mark.parametrize("feeds", HANDS.values(), ids=HANDS)
def test_polarised_sources_come_back_from_either_feeds(seen, tmp_path, feeds):
    found = corrected(observed(seen[0], feeds, 0.3, tmp_path / "seen.MS"), tmp_path / "c.MS")
    np.testing.assert_allclose(found("I"), 1, atol=1e-4)
    np.testing.assert_allclose(found("V"), 0.3, atol=1e-4)


def test_beams_of_the_other_feeds_spoil_them(seen, tmp_path, monkeypatch):
    path = observed(seen[0], HANDS["circular"], 0.3, tmp_path / "seen.MS")
    monkeypatch.setattr(beam, "in_hands", lambda jones, correlations: jones)
    assert np.abs(corrected(path, tmp_path / "c.MS")("V") - 0.3).min() > 0.1


@pytest.mark.parametrize("feeds", [("XX", "YY"), ("RR", "LL")])
def test_parallel_hands_are_corrected_for_the_power_that_they_see(seen, tmp_path, feeds):
    found = corrected(observed(seen[0], feeds, 0.0, tmp_path / "seen.MS"), tmp_path / "c.MS")
    np.testing.assert_allclose(found("I"), 1, atol=2e-3)


def test_all_who_ask_for_beams_get_them_in_the_hands_of_the_data(seen):
    """Prediction, what is subtracted, and the A-team."""
    path, layout, lm, places = seen
    model = replace(calibrator("3C196"), ra=places[:4, 0], dec=places[:4, 1])
    uvw = np.random.default_rng(1).normal(0, 300, (1, len(layout.antenna1), 3))
    away = outside.Outside(model, None, 60.0)

    def matrices(feeds):
        its = replace(layout, correlations=feeds)
        expected = predictor(path, its, model, CalibrationParameters(), True, slice(0, 1))
        taken = outside.seen(away, path, its, slice(0, 1))
        return [
            beam.evaluate(path, its, lm, places, np.inf, slice(0, 1)).jones,
            expected.visibilities(uvw, slice(0, 1)).reshape(*uvw.shape[:2], -1, 2, 2),
            taken.visibilities(uvw, slice(0, 1)).reshape(*uvw.shape[:2], -1, 2, 2),
            amplitudes.responses(path, its, layout.times[:1], places),
        ]

    linear, circular = (matrices(feeds) for feeds in HANDS.values())
    for mine, theirs in zip(circular, linear, strict=True):
        np.testing.assert_allclose(mine, in_circular(theirs), atol=2e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("feeds", HANDS.values(), ids=HANDS)
def test_an_image_has_the_beams_of_the_hands_of_its_data(seen, tmp_path, feeds):
    path = tmp_path / "c.MS"
    corrected(observed(seen[0], feeds, 0.0, tmp_path / "seen.MS"), path)
    layout = measurement_set.layout(path)
    found = station_beams(path, layout, Geometry(64, 1e-3, 0.0, np.inf, 0.0, layout.phase_centre), 135e6)
    half = found.jones.shape[2] // 2
    telescope = telescopes.of_field(seen[0], seen[1])
    ra, dec = layout.phase_centre
    directions = (ra, dec), (ra, dec + 5 * found.step)
    its = [np.asarray(telescope.station_response(float(found.times[0]), 0, 135e6, *d)) for d in directions]
    centre, north = (in_circular(one) if feeds[0] == "RR" else one for one in its)
    expected = north / np.linalg.norm(centre, axis=1, keepdims=True)
    np.testing.assert_allclose(found.jones[0, 0, half + 5, half].reshape(2, 2), expected, atol=5e-3)
