"""Stage 2 on Measurement Sets on disk, by the command's function."""

import json

import made_sets as made
import pytest

from lofarlake_nb import process
from lofarlake_nb.errors import LofarlakeError, ProcessingError, UsageError

# Far from all six calibrators.
ELSEWHERE = (3.0, 0.7)
SMALL = {"field": "2 deg", "npix": "128", "workers": "1", "iterations": "100", "facets": "0", "major_cycles": "1"}


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    return made.plain(tmp_path_factory.mktemp("data") / "L123456_SB000_uv.MS", phase_centre=ELSEWHERE)


@pytest.fixture(scope="module")
def calibrated_elsewhere(observation, tmp_path_factory):
    """What a run makes of data that are calibrated already, and for which nobody has a model."""
    output = tmp_path_factory.mktemp("results") / "out"
    more = {**SMALL, "solve": "none", "rounds": "1"}
    return output, process.process([observation], model="", output=output, overwrite=False, more=more)


@pytest.mark.parametrize(
    ("hands", "solve", "said"), [(("XX",), "none", "both parallel"), (("XX", "YY"), "full", "too little for Jones")]
)
def test_too_few_correlations_are_refused_before_a_folder_is_made(tmp_path, hands, solve, said):
    path = made.plain(tmp_path / "few.MS", correlations=hands, shape=(4, 5, 2))
    with pytest.raises(ProcessingError, match=said):
        process.process([path], model="3C196", output=tmp_path / "out", overwrite=False, more={"solve": solve})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"), [({"workers": "-3"}, "workers: expected 0"), ({"memory": "lots"}, "'lots' is no size")]
)
def test_what_a_form_refuses_is_refused_here_too(observation, tmp_path, more, said):
    with pytest.raises(UsageError, match=said):
        process.process([observation], model="3C196", output=tmp_path / "out", overwrite=False, more=more)
    assert not (tmp_path / "out").exists()


def test_a_sky_model_file_is_read_once_for_all_subbands(observation, tmp_path, monkeypatch):
    few = made.plain(tmp_path / "few.MS", correlations=("XX",), shape=(4, 5, 2))
    model, read = tmp_path / "field.skymodel", []
    model.touch()
    monkeypatch.setattr(process.sky_model.sky_model_file, "read", read.append)
    with pytest.raises(ProcessingError, match="both parallel"):
        process.process([observation, few], model=str(model), output=tmp_path / "out", overwrite=False, more={})
    assert read == [model]


def test_a_tilde_is_ones_home(observation, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bad.skymodel").write_text("FORMAT = Name, Type, Ra, Dec, I\nA, POINT, 08:13:36, +48.13.03, many\n")
    (tmp_path / "bad.h5").write_text("nothing")
    for model, more, said in (
        ("~/bad.skymodel", {}, "line 2"),
        ("3C196", {"solutions": "~/bad.h5"}, f"{tmp_path}/bad.h5 is no h5parm"),
        ("3C196", {"mask": "~/none.fits"}, "mask: no file ~/none.fits"),
    ):
        with pytest.raises(LofarlakeError, match=said):
            process.process([observation], model=model, output=tmp_path / "out", overwrite=False, more=more)


def test_calibrated_data_need_no_sky_model(calibrated_elsewhere):
    output, summary = calibrated_elsewhere
    calibration = summary["calibration"]
    assert (calibration["verdict"], calibration["model"]) == ("doubtful", "none")
    assert calibration["reasons"] == ["there is no sky model to judge the data by"]
    figures = ("held_out_phase_rms_deg", "thermal_phase_rms_deg", "held_out_error", "flux_scale", "gain_scale")
    assert [calibration[name] for name in figures] == [None] * 5
    assert calibration["self_calibration"] == ["the data are calibrated already: no gains are solved again"]
    assert summary["image"]["peak_jy_per_beam"] == pytest.approx(made.FLUX, rel=0.1)
    assert summary["image"]["thermal_rms_jy_per_beam"] > 0
    told = json.loads((output / "qa.json").read_text())["metrics"]["lofarlake"]
    assert {one["source"] for one in told["close_sources"]} >= {"Cas A", "Cyg A", "Tau A", "Vir A"}
    assert all(one["reason"] for one in told["close_sources"])
    assert "--sky-model none" in told["command"]
    page = (output / "report.html").read_text()
    assert "Phases of directions: the data are calibrated already: nothing is solved." in page
    assert told["direction_notes"] == ["the data are calibrated already: nothing is solved"]
    assert "there is no sky model to judge the data by" in page


def test_a_repeated_run_finds_what_is_done_with_the_same_parameters(observation, calibrated_elsewhere):
    output, first = calibrated_elsewhere
    records = [output / "work" / name for name in ("flags/flagged.json", "calibrated/calibrated.json")]
    imaged = output / "work" / "images" / "imaged.json"
    before, (image, stale) = [record.stat().st_mtime_ns for record in records], (imaged.read_text(), output / "old.png")
    stale.touch()
    more = {**SMALL, "solve": "none", "robust": "1.0"}
    second = process.process([observation], model="", output=output, overwrite=True, more=more)
    assert [record.stat().st_mtime_ns for record in records] == before
    assert imaged.read_text() != image
    assert second["image"]["beam_arcsec"] != first["image"]["beam_arcsec"]
    assert not stale.exists()
