"""Ways to calibrate, on a small simulated observation whose truth is known."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters
from lofarlake_nb.processing import averaging, calibration, flagging, sky_model
from lofarlake_nb.processing.averages.task import average_one
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.correcting import corrected
from lofarlake_nb.processing.gains.tasks import apply_one
from lofarlake_nb.processing.sky.predict import visibilities


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def averaged(observation, work, client):
    flagged = flagging.flag(observation.measurement_sets, FlagParameters(), work=work, client=client)
    return averaging.average(flagged, AverageParameters(), work=work, client=client)


@pytest.fixture(scope="module")
def field(observation):
    return sky_model.load(observation.sky_model, (0.0, 0.0))


@pytest.fixture(scope="module")
def calibrated(averaged, work, client):
    model = sky_model.calibrator("3C196")
    return calibration.calibrate(averaged, model, CalibrationParameters(), work=work, client=client)


def run(averaged, model, work, client, **parameters):
    return calibration.calibrate(averaged, model, CalibrationParameters(**parameters), work=work, client=client)


def test_the_field_in_the_model_explains_more(averaged, field, calibrated, tmp_path, client):
    whole = run(averaged, field, tmp_path, client, beam_interval="60 s")
    assert whole.beam_in_model
    assert not calibrated.beam_in_model
    assert whole.verdict == "good"
    assert whole.held_out_error < 0.95 * calibrated.held_out_error
    used = [one for one in whole.directions if one.used]
    assert len(whole.directions) > 2
    assert all(one.gain > 0 and not one.reason for one in used)
    assert len(whole.direction_files) == (len(whole.measurement_sets) if used else 0)
    for path in whole.direction_files:
        found = solutions.read(path)
        assert [d.name for d in found.directions[1:]] == [one.direction for one in used]
        np.testing.assert_allclose(found.values[0], 1)


def test_a_middle_slot_without_data_costs_nothing_else(averaged, field, tmp_path, client):
    copies = []
    for path in averaged.measurement_sets:
        copies.append(shutil.copytree(path, tmp_path / path.name))
        layout = measurement_set.layout(path)
        middle = len(layout.times) // 2
        flag = np.ones((1, len(layout.antenna1), len(layout.frequencies), 4), bool)
        writer.put(copies[-1], layout, "FLAG", middle, flag)
    holed = replace(averaged, measurement_sets=tuple(copies), key="a slot is flagged")
    found = run(holed, field, tmp_path / "work", client, beam_interval="60 s")
    assert found.verdict == "good"
    assert len(found.directions) > 2


def test_a_subband_that_lacks_a_slot_costs_the_others_no_directions(averaged, field, tmp_path, client):
    first, second = averaged.measurement_sets
    whole = measurement_set.layout(second)
    layout = replace(whole, times=whole.times[:-1], rows=whole.rows[:-1])
    with writer.create(tmp_path / second.name, layout, like=second) as new:
        read = measurement_set.read(second, whole, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(0, -1))
        new.write(0, read.pop("UVW"), **read)
    short = replace(averaged, measurement_sets=(first, tmp_path / second.name), key="a slot is missing")
    found = run(short, field, tmp_path / "work", client, beam_interval="60 s")
    assert len(found.directions) > 2
    assert len(found.direction_files) == (2 if any(one.used for one in found.directions) else 0)
    assert found.direction_notes[0].endswith(f"too: {second.name}")


def test_nothing_to_solve_on_is_doubtful(averaged, tmp_path, client):
    found = run(averaged, sky_model.calibrator("3C196"), tmp_path, client, minimum_uv=1e9)
    assert found.verdict == "doubtful"
    assert found.reasons == ("no station has the data for a solution",)
    assert found.flagged_fraction == 1


def test_what_a_dead_worker_had_written_is_written_again(observation, averaged, calibrated, tmp_path):
    """Its result went with it, and Dask has the task done by another."""
    source = Source(observation.measurement_sets[0])
    layout = source.layout()
    flags = flag_store.create(tmp_path / "flags.npy", (len(layout.times), len(layout.antenna1), 8))
    noise = np.ones(len(layout.stations))
    for task in (
        lambda: average_one(source, flags, tmp_path / "averaged.MS", AverageParameters()),
        lambda: apply_one(
            averaged.measurement_sets[0],
            tmp_path / "c.MS",
            calibrated.solution_files[0],
            noise,
            CalibrationParameters(),
            None,
        ),
    ):
        first = task()
        assert task() == first


def test_a_channel_is_calibrated_with_the_gains_that_were_solved_on_it(observation, tmp_path):
    """Of 8 channels in blocks of 7, the seventh is nearer to the middle of the other block."""
    path, parameters = observation.measurement_sets[0], CalibrationParameters(channels=7)
    layout = measurement_set.layout(path)
    values = np.ones((len(layout.times), 2, len(layout.stations), 2), complex)
    values[:, 1] = 2
    centres = np.array([layout.frequencies[:7].mean(), layout.frequencies[7]])
    file = solutions.write(tmp_path / "gains.h5", solutions.Gains(values, layout.times, centres), layout)
    apply_one(path, tmp_path / "c.MS", file, np.ones(len(layout.stations)), parameters, None)
    before = measurement_set.read(path, layout, ["DATA"], slice(0, 2))["DATA"]
    after = measurement_set.read(tmp_path / "c.MS", layout, ["CORRECTED_DATA"], slice(0, 2))["CORRECTED_DATA"]
    np.testing.assert_allclose(after[:, :, :7], before[:, :, :7])
    np.testing.assert_allclose(after[:, :, 7], before[:, :, 7] / 4)


def of_hands(averaged, hands, folder):
    """The same data with some correlations only."""
    copies = []
    for path in averaged.measurement_sets:
        whole = measurement_set.layout(path)
        layout = replace(whole, correlations=tuple(whole.correlations[i] for i in hands))
        read = measurement_set.read(path, whole, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
        copies.append(folder / path.name)
        with writer.create(copies[-1], layout, like=path) as new:
            new.write(0, read.pop("UVW"), **{name: values[..., hands] for name, values in read.items()})
    return replace(averaged, measurement_sets=tuple(copies), key=f"hands {hands}")


def test_parallel_hands_are_calibrated_through_beams_as_all_four_are(averaged, field, tmp_path, client):
    two = of_hands(averaged, [0, 3], tmp_path)
    some = {"beam_interval": "60 s", "directions": 0, "field": "3 deg"}
    found, whole = (run(of, field, tmp_path / of.key, client, **some) for of in (two, averaged))
    assert found.beam_in_model
    assert found.verdict == whole.verdict == "good"
    mine, theirs = (
        measurement_set.read(path, measurement_set.layout(path), ["CORRECTED_DATA", "FLAG"], slice(None))
        for path in (found.measurement_sets[0], whole.measurement_sets[0])
    )
    there = ~mine["FLAG"].any(axis=3) & ~theirs["FLAG"].any(axis=3)
    left = mine["CORRECTED_DATA"][there] - theirs["CORRECTED_DATA"][there][:, [0, 3]]
    assert np.sqrt((np.abs(left) ** 2).mean()) < 0.1 * np.abs(theirs["CORRECTED_DATA"][there][:, [0, 3]]).mean()


@pytest.mark.parametrize(("hands", "solve"), [([0], "diagonal"), ([0, 3], "full")])
def test_too_few_correlations_are_refused(averaged, tmp_path, client, hands, solve):
    with pytest.raises(ProcessingError, match="XX"):
        run(of_hands(averaged, hands, tmp_path), sky_model.calibrator("3C196"), tmp_path, client, solve=solve)


def test_gains_that_do_not_fit_the_data_are_refused():
    for hands, numbers in ((2, 4), (1, 2), (1, 4)):
        with pytest.raises(ValueError, match="polarizations"):
            corrected(np.ones((1, 1, 1, hands)), np.ones((1, 1, 2, numbers)), np.array([0]), np.array([1]))


def test_jones_matrices_leave_no_cross_hands(averaged, field, tmp_path, client):
    found = run(averaged, field, tmp_path, client, solve="full", slots=4, channels=4)
    assert found.verdict == "good"
    gains = solutions.read(found.solution_files[0]).values
    assert gains.shape[-1] == 4
    path = found.measurement_sets[0]
    block = measurement_set.read(path, measurement_set.layout(path), ["CORRECTED_DATA", "FLAG"], slice(None))
    there = ~block["FLAG"].all(axis=(0, 2, 3))
    mean = np.abs(np.where(block["FLAG"], 0, block["CORRECTED_DATA"]).sum(axis=(0, 2)))[there]
    assert np.median(mean[:, 1:3]) < 0.1 * np.median(mean[:, [0, 3]])


def passed_on(averaged, calibrated, folder):
    """What was calibrated, as data that come calibrated."""
    for path in calibrated.measurement_sets:
        _as_data(path, folder / path.name)
    return replace(
        averaged, measurement_sets=tuple(folder / p.name for p in calibrated.measurement_sets), key="calibrated"
    )


def test_calibrated_data_are_judged_as_they_are(averaged, calibrated, tmp_path, client):
    raw = run(averaged, sky_model.calibrator("3C196"), tmp_path / "raw", client, solve="none")
    assert raw.verdict == "failed"
    passed = passed_on(averaged, calibrated, tmp_path)
    again = run(passed, sky_model.calibrator("3C196"), tmp_path / "again", client, solve="none")
    assert again.verdict == "good"


def test_nothing_is_solved_and_nothing_subtracted_of_calibrated_data(averaged, calibrated, field, tmp_path, client):
    """Whether they are corrected for beams isn't known: without them sources far out would be subtracted too bright."""
    passed = passed_on(averaged, calibrated, tmp_path)
    found = run(passed, field, tmp_path / "none", client, solve="none", field="3 deg")
    assert found.verdict != "failed"
    assert (found.directions, found.direction_files) == ((), ())
    assert found.direction_notes == ("the data are calibrated already: nothing is solved",)
    before, after = (
        measurement_set.read(path, measurement_set.layout(path), [column], slice(None))[column]
        for path, column in ((passed.measurement_sets[0], "DATA"), (found.measurement_sets[0], "CORRECTED_DATA"))
    )
    there = before != 0
    np.testing.assert_array_equal(after[there], before[there])


def test_data_that_are_said_to_have_the_beams_in_them_are_corrected_for_them(averaged, field, tmp_path, client):
    """With a model to judge them by, or without one."""
    asked = {"solve": "none", "beam": "always", "beam_interval": "60 s", "field": ""}
    models = field, sky_model.NoModel()
    alone, judged = (run(averaged, model, tmp_path / model.name, client, **asked) for model in reversed(models))
    assert (alone.verdict, alone.beam_in_model, judged.beam_in_model) == ("doubtful", True, True)
    mine, theirs, before = (
        measurement_set.read(path, measurement_set.layout(path), [column], slice(None))[column]
        for path, column in (
            (alone.measurement_sets[0], "CORRECTED_DATA"),
            (judged.measurement_sets[0], "CORRECTED_DATA"),
            (averaged.measurement_sets[0], "DATA"),
        )
    )
    np.testing.assert_array_equal(mine, theirs)
    assert np.abs(mine).mean() > 1.005 * np.abs(before).mean()


def test_gains_are_not_solved_without_a_model(averaged, tmp_path, client):
    with pytest.raises(ProcessingError, match="no sky model to solve gains on"):
        run(averaged, sky_model.NoModel(), tmp_path, client)


def test_a_worse_model_is_not_accepted(averaged, calibrated, field, work, client):
    parameters = CalibrationParameters(beam_interval="60 s")
    wrong = replace(field, flux=np.where(np.arange(len(field.flux)) < 4, field.flux, 30 * field.flux))
    assert calibration.improve(calibrated, averaged, wrong, parameters, work=work, client=client) is calibrated
    better = calibration.improve(calibrated, averaged, field, parameters, work=work, client=client)
    assert better is not calibrated
    assert better.held_out_error < calibrated.held_out_error
    assert calibration.improve(calibrated, averaged, field, parameters, work=work, client=None) == better


def test_transferred_gains_leave_the_phases_to_solve(averaged, calibrated, tmp_path, client):
    folder = calibrated.solution_files[0].parent
    found = run(averaged, sky_model.calibrator("3C196"), tmp_path, client, solve="phase", solutions=str(folder))
    assert found.verdict == "good"
    mine, theirs = (solutions.read(c.solution_files[0]).values for c in (found, calibrated))
    ratio = np.abs(mine) / np.abs(theirs)
    assert np.isfinite(ratio).mean() > 0.5
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.02)
    # The bandpass does not change with time, but for what the dipoles see of a field that moves.
    gains = solutions.read(found.solution_files[0])
    size = np.ma.masked_invalid(np.abs(mine) / gains.response.at(gains.times)[:, None])
    assert np.ma.ptp(size, axis=0).max() < 1e-6


def test_a_model_in_the_data_is_taken(averaged, calibrated, tmp_path, client):
    """What other programs predict comes as a column; here it is the model itself, so that the gains are the same."""
    model = sky_model.calibrator("3C196")
    copies = []
    for path in averaged.measurement_sets:
        layout = measurement_set.layout(path)
        read = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
        predicted = visibilities(model, read["UVW"], layout.frequencies, layout.phase_centre)[..., None]
        copies.append(tmp_path / path.name)
        columns = ("DATA", "FLAG", "WEIGHT_SPECTRUM", "MODEL_DATA")
        with writer.create(copies[-1], layout, like=path, columns=columns) as new:
            uvw = read.pop("UVW")
            new.write(0, uvw, **read, MODEL_DATA=(predicted * np.array([1, 0, 0, 1])).astype(np.complex64))
    there = replace(averaged, measurement_sets=tuple(copies), key="with a model")
    found = run(there, sky_model.load("MODEL_DATA", (0.0, 0.0)), tmp_path / "work", client)
    assert found.verdict == "good"
    assert found.flux_scale is None
    mine, theirs = (solutions.read(c.solution_files[0]).values for c in (found, calibrated))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)


def _as_data(path, copy):
    """The calibrated column of a Measurement Set as ``DATA`` of a new one."""
    layout = measurement_set.layout(path)
    read = measurement_set.read(path, layout, ["CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
    with writer.create(copy, layout, like=path) as new:
        new.write(
            0, read["UVW"], DATA=read["CORRECTED_DATA"], FLAG=read["FLAG"], WEIGHT_SPECTRUM=read["WEIGHT_SPECTRUM"]
        )
