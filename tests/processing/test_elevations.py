"""A calibrator near the zenith and a target far from it, or the other way: fluxes are right though dipoles see half."""

from dataclasses import replace
from types import SimpleNamespace

import h5py
import made_sets as made
import numpy as np
import pytest

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters, SimulationParameters
from lofarlake_nb.processing import averaging, calibration, flagging, sky_model
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.simulate import load_truth, simulate
from lofarlake_nb.processing.sky.predict import visibilities
from lofarlake_nb.quality import qa

CALIBRATOR = sky_model.calibrator("3C196")


@pytest.fixture(scope="module")
def scans(tmp_path_factory, client):
    """The same field at 44° and at 85°, as two observations; and its model."""
    folder = tmp_path_factory.mktemp("scans")
    simple = {"corruptions": False, "rfi": False, "bad_stations": False, "sources": 0, "subbands": 1, "channels": 4}
    parameters = SimulationParameters(hours=10, scans=3, scan="40 s", stations=12, **simple)
    observation = simulate(folder / "observed", parameters)
    flagged = flagging.flag(observation.measurement_sets, FlagParameters(), work=folder, client=client)
    averaged = averaging.average(flagged, AverageParameters(), work=folder, client=client)
    (path,) = averaged.measurement_sets
    rows = np.array_split(measurement_set.layout(path).rows, 3)
    parts = [made.chosen_rows(path, folder / f"{i}.MS", np.sort(its.ravel())) for i, its in enumerate(rows[:2])]
    low, high = (replace(averaged, measurement_sets=(part,), key=part.name) for part in parts)
    return low, high, sky_model.load(observation.sky_model, (0.0, 0.0))


def flux(calibrated):
    """Of 3C196 in calibrated data, over the right one."""
    (path,) = calibrated.measurement_sets
    layout = measurement_set.layout(path)
    read = measurement_set.read(path, layout, ["CORRECTED_DATA", "FLAG", "UVW"], slice(None))
    expected = visibilities(CALIBRATOR, read["UVW"], layout.frequencies, layout.phase_centre)[..., None]
    power = np.where(read["FLAG"], 0, np.abs(expected) ** 2)[..., [0, -1]]
    seen = (read["CORRECTED_DATA"] * expected.conj()).real[..., [0, -1]]
    return float(seen[power > 0].sum() / power.sum())


@pytest.mark.parametrize("falling", [True, False], ids=["from high to low", "from low to high"])
@pytest.mark.parametrize("calibrators", ["never", "always"])
@pytest.mark.parametrize(("targets", "solve"), [("always", "phase"), ("never", "phase"), ("auto", "none")])
def test_fluxes_are_right_wherever_the_beams_are(scans, tmp_path, client, calibrators, targets, solve, falling):
    low, high, field = scans
    scan, target = (high, low) if falling else (low, high)
    one = CalibrationParameters(beam=calibrators, directions=0)
    first = calibration.calibrate(scan, CALIBRATOR, one, work=tmp_path / "calibrator", client=client)
    other = CalibrationParameters(solve=solve, beam=targets, directions=0, solutions=str(first.solution_files[0]))
    found = calibration.calibrate(target, field, other, work=tmp_path / "target", client=client)
    assert found.beam_in_model == (targets == "always")
    assert flux(found) == pytest.approx(1, rel=0.03)
    assert not found.notes
    held = solutions.read(found.solution_files[0]).response.amplitude
    assert (held**2).mean() == pytest.approx(1 if found.beam_in_model else 0.48 if falling else 0.99, abs=0.02)


def test_it_is_said_where_nobody_knows_what_a_calibrator_gains_hold(scans, tmp_path, client):
    low, high, field = scans
    one = CalibrationParameters(beam="always", directions=0)  # as LINC makes them
    first = calibration.calibrate(high, CALIBRATOR, one, work=tmp_path / "calibrator", client=client)
    with h5py.File(first.solution_files[0], "a") as file:
        del file["sol000/amplitude000"].attrs["RESPONSE"]
    other = CalibrationParameters(solve="phase", directions=0, solutions=str(first.solution_files[0]))
    found = calibration.calibrate(low, field, other, work=tmp_path / "target", client=client)
    assert "as LINC does" in found.notes[0]
    came = SimpleNamespace(observation={}, dataset="", inputs=(), command=str, parameters=dict, versions={})
    nothing = SimpleNamespace(bad_stations=(), station_fractions={})
    figures = qa.of_calibration(nothing, low, found, came)["metrics"]["lofarlake"]
    assert figures["calibration_notes"] == list(found.notes)
    assert flux(found) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("solve", "model"), [("phase", CALIBRATOR), ("diagonal", sky_model.load("MODEL_DATA", (0, 0)))]
)
def test_gains_hold_nothing_known_where_amplitudes_are_not_solved_on_a_known_model(
    scans, tmp_path, client, solve, model
):
    low, _, _ = scans
    if solve == "diagonal":
        low = replace(low, measurement_sets=(_with_model(low.measurement_sets[0], tmp_path / "with.MS"),), key="model")
    one = CalibrationParameters(solve=solve, directions=0)
    found = calibration.calibrate(low, model, one, work=tmp_path, client=client)
    assert solutions.read(found.solution_files[0]).response is None


def _with_model(path, copy):
    layout = measurement_set.layout(path)
    read = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
    model = visibilities(CALIBRATOR, read["UVW"], layout.frequencies, layout.phase_centre)[..., None]
    with writer.create(copy, layout, like=path, columns=("DATA", "FLAG", "WEIGHT_SPECTRUM", "MODEL_DATA")) as new:
        new.write(0, read.pop("UVW"), **read, MODEL_DATA=(model * np.array([1, 0, 0, 1])).astype(np.complex64))
    return copy


@pytest.fixture(scope="module")
def slanting(tmp_path_factory, client):
    """A field that rises, transits and sets, seen by receivers whose X and Y are out of phase; and the truth."""
    folder = tmp_path_factory.mktemp("slanting")
    simple = {"rfi": False, "bad_stations": False, "sources": 0, "subbands": 1, "channels": 4, "seed": 3}
    observation = simulate(
        folder / "observed", SimulationParameters(hours=9, scans=4, scan="40 s", stations=16, **simple)
    )
    flagged = flagging.flag(observation.measurement_sets, FlagParameters(), work=folder, client=client)
    averaged = averaging.average(flagged, AverageParameters(), work=folder, client=client)
    return averaged, load_truth(observation.truth)


def circular(calibrated):
    """Stokes V of 3C196 in calibrated data over its Stokes I, in each half of the time, and the error of that."""
    (path,) = calibrated.measurement_sets
    layout = measurement_set.layout(path)
    read = measurement_set.read(path, layout, ["CORRECTED_DATA", "FLAG", "UVW", "WEIGHT_SPECTRUM"], slice(None))
    expected = visibilities(CALIBRATOR, read["UVW"], layout.frequencies, layout.phase_centre)
    data, weight = read["CORRECTED_DATA"], np.where(read["FLAG"], 0, read["WEIGHT_SPECTRUM"])[..., 1]
    seen = (-0.5j * (data[..., 1] - data[..., 2]) * expected.conj()).real * weight
    power = np.abs(expected) ** 2 * weight
    halves = [[part.sum() for part in np.array_split(of, 2)] for of in (seen, power)]
    return np.divide(*halves), 1 / np.sqrt(2 * np.array(halves[1]))


@pytest.mark.parametrize("beam", ["never", "always"])
def test_stokes_v_has_no_source_though_x_and_y_are_out_of_phase(slanting, tmp_path, client, beam):
    averaged, truth = slanting
    asked = CalibrationParameters(beam=beam, directions=0, beam_interval="20 s")
    found = calibration.calibrate(averaged, CALIBRATOR, asked, work=tmp_path, client=client)
    x, y = truth.phase[list(truth.stations).index(found.reference_station)]
    assert abs(np.rad2deg(x - y)) > 10
    assert (found.cross_hand_phase_deg - np.rad2deg(x - y) + 90) % 180 - 90 == pytest.approx(0, abs=2)
    part, error = circular(found)
    assert (np.abs(part) < 4 * error).all()
    assert (error < 0.1 * np.abs(np.sin(x - y)) * 0.05).all()
