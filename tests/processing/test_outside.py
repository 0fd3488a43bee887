"""Sources outside of the field: subtracted as the simulator, which has its own code for it, puts them in."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import uvw as coordinates
from lofarlake_nb.parameters import CalibrationParameters, SimulationParameters
from lofarlake_nb.processing import sky_model
from lofarlake_nb.processing.gains import outside
from lofarlake_nb.processing.simulate import plan, truth, visibilities
from lofarlake_nb.processing.simulate.scene import scene_of
from lofarlake_nb.processing.simulate.sky import PHASE_CENTRE
from lofarlake_nb.processing.sky.components import ModelColumn

PARAMETERS = SimulationParameters.preset("small", outskirts=20)


@pytest.fixture(scope="module")
def observation():
    return plan.draw(PARAMETERS)


@pytest.fixture(scope="module")
def model(observation, tmp_path_factory):
    file = truth.write_sky_model(tmp_path_factory.mktemp("model") / "all.skymodel", observation.sky)
    return sky_model.load(str(file), PHASE_CENTRE)


def test_it_is_what_the_simulator_puts_in_smearing_and_all(observation, model):
    layout = plan.layout(observation, plan.channels_of(observation.numbers[0], PARAMETERS.channels), PARAMETERS)
    away = outside.chosen(model, PHASE_CENTRE, None, CalibrationParameters(field="6 deg"), False)
    assert away is not None
    assert 20 <= len(away.model.flux) < len(model.flux)
    slots = slice(7, 9)
    one = np.broadcast_to(
        np.eye(2, dtype=np.complex64), (len(layout.stations), len(observation.sky.source_names), 2, 2)
    )
    gains = np.ones((len(layout.stations), len(layout.frequencies), 2), np.complex64)
    kept = np.isin(np.round(observation.sky.ra, 8), np.round(away.model.ra, 8))
    scene = scene_of(_chosen(observation.sky, kept), layout.frequencies)
    positions = coordinates.baseline_uvw(observation.uvw[slots], layout.antenna1, layout.antenna2)
    ours = outside.Seen(away.model, layout, _identity(2, layout, away.model), None).visibilities(positions, slice(0, 2))
    for k, t in enumerate(range(slots.start, slots.stop)):
        sample = visibilities.Sample(observation.turn[t], layout.channel_width)
        theirs = visibilities.predict(
            scene, observation.uvw[t], layout.antenna1, layout.antenna2, one, gains, None, sample
        )
        cross = layout.cross
        assert np.abs(ours[k][cross] - theirs[cross]).max() < 2e-3 * np.abs(theirs[cross]).max()


def test_subtracting_leaves_missing_samples_alone(observation, model):
    layout = plan.layout(observation, plan.channels_of(observation.numbers[0], PARAMETERS.channels), PARAMETERS)
    away = outside.chosen(model, PHASE_CENTRE, None, CalibrationParameters(field="6 deg"), False)
    seen = outside.Seen(away.model, layout, _identity(3, layout, away.model), None)
    positions = coordinates.baseline_uvw(observation.uvw[:3], layout.antenna1, layout.antenna2)
    data = seen.visibilities(positions, slice(0, 3)) + 1
    data[1, 5] = 0
    seen.subtract(data, positions, slice(0, 3))
    assert np.abs(data[1, 5]).max() == 0
    data[1, 5] = 1
    np.testing.assert_allclose(data, 1, atol=1e-4)


def test_there_is_nothing_to_do_without_a_field_or_sources_outside(model):
    assert outside.chosen(model, PHASE_CENTRE, None, CalibrationParameters(field=""), False) is None
    near = model.chosen(np.hypot(model.ra - PHASE_CENTRE[0], model.dec - PHASE_CENTRE[1]) < 0.01)
    assert outside.chosen(near, PHASE_CENTRE, None, CalibrationParameters(field="5 deg"), False) is None
    assert outside.chosen(ModelColumn(), PHASE_CENTRE, None, CalibrationParameters(), False) is None
    passed = CalibrationParameters(solve="none")
    assert outside.chosen(model, PHASE_CENTRE, None, passed, False) is None
    through_beams = outside.chosen(model, PHASE_CENTRE, None, replace(passed, beam="always"), True)
    assert through_beams.beam_interval == 120.0
    with pytest.raises(UsageError, match="field: expected up to 90 deg"):
        CalibrationParameters(field="100 deg")


def _identity(count, layout, model):
    jones = np.zeros((count, len(layout.stations), len(model.flux), 2, 2), np.complex64)
    jones[..., [0, 1], [0, 1]] = 1
    return jones


def _chosen(sky, kept):
    names = ("ra", "dec", "flux", "index", "major", "minor", "angle", "source")
    arrays = {name: getattr(sky, name)[kept] for name in names}
    return replace(sky, names=tuple(np.array(sky.names)[kept]), **arrays)
