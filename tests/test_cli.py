"""The command: exit status, one object of JSON, one line for what went wrong."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import made_sets
import nbformat
import pytest

from lofarlake_nb import cli, inspecting


@pytest.fixture
def command(capsys):
    """Run the command; its status, standard output and standard error."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def refused(command, *arguments, status=2):
    """The line on standard error of a call that must fail; with --json the same as an object."""
    got, out, err = command(*arguments)
    assert (got, out) == (status, "")
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    got, out, _ = command(*arguments, "--json")
    said = json.loads(out)
    assert got == status
    assert set(said) == {"error", "hint"}
    assert said["error"]
    assert said["error"] in err
    return err


def test_an_unknown_command_is_a_usage_error(command):
    status, out, err = command("fly")
    assert (status, out) == (2, "")
    assert "fly" in err
    assert "Traceback" not in err


def test_a_complaint_about_options_is_json_too(command):
    status, out, _ = command("lake", "start", "--port", "x", "--json")
    assert status == 2
    assert "--port" in json.loads(out)["error"]


def test_status_of_no_lake_is_not_up(command, tmp_path):
    status, out, _ = command("lake", "status", "--home", tmp_path / "none", "--json")
    assert status == 1
    assert json.loads(out)["up"] is False


def test_a_folder_with_other_things_is_never_reset(command, tmp_path):
    (tmp_path / "mine.txt").touch()
    refused(command, "lake", "reset", "--yes", "--home", tmp_path, status=1)
    assert (tmp_path / "mine.txt").exists()


def test_who_is_no_person_at_a_terminal_must_say_yes_to_a_reset(command, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    (tmp_path / "lake").mkdir()
    assert "--yes" in refused(command, "lake", "reset", "--home", tmp_path / "lake")
    assert (tmp_path / "lake").exists()


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_the_question_whether_to_reset_is_no_part_of_the_json(command, tmp_path, monkeypatch, answer):
    person = io.StringIO(answer)
    person.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", person)
    (tmp_path / "lake").mkdir()
    status, out, err = command("lake", "reset", "--json", "--home", tmp_path / "lake")
    assert (status, json.loads(out)["error"]) == (2, "nothing was done")
    assert err.startswith("Remove the lake in")


def test_a_notebook_that_is_not_there(command):
    assert "no such notebook" in refused(command, "run", "9_nothing")


def test_an_unknown_parameter_of_a_notebook(command, tmp_path):
    line = refused(command, "run", "1_ingest", "-p", "dateset", "x", "--output", tmp_path / "o.ipynb")
    assert "no parameter 'dateset'" in line
    assert not (tmp_path / "o.ipynb").exists()


def test_a_parameter_given_twice(command):
    assert "given twice" in refused(command, "run", "1_ingest", "-p", "rse", "A", "-p", "rse", "B")


@pytest.mark.parametrize("field", ["--interval", "--scan", "--frequency"])
def test_a_simulation_with_a_value_that_is_no_quantity(command, tmp_path, field):
    assert "quantity" in refused(command, "simulate", tmp_path / "sim", field, "seven")
    assert not (tmp_path / "sim").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1_ingest", "-p", "observation", "none"], "observation: no folder none"),
        (["2_process", "-p", "dataset", "lofar:x", "-p", "interval", "abc"], "interval: 'abc' is no quantity"),
        (["2_process"], "expected a dataset or paths, got neither"),
    ],
)
def test_what_the_first_cells_of_a_stage_refuse_starts_no_kernel(command, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(command, "run", *words, "--output", "o.ipynb")
    assert not (tmp_path / "o.ipynb").exists()


def test_process_needs_paths_that_are_there(command, tmp_path):
    assert "no such file" in refused(command, "process", tmp_path / "none.MS", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_process_keeps_a_folder_that_is_there(command, tmp_path):
    (tmp_path / "a.MS").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert "is there already" in refused(command, "process", tmp_path / "a.MS", "--output", tmp_path / "out")


def test_process_says_what_is_no_measurement_set(command, tmp_path):
    (tmp_path / "a.MS").mkdir()
    assert "a.MS" in refused(command, "process", tmp_path / "a.MS", "--output", tmp_path / "out", status=1)
    assert not (tmp_path / "out").exists()


def test_process_takes_the_window_that_is_chosen_and_one_pointing(command, tmp_path):
    """The refusal of two pointings comes after that of two windows."""
    for name, dec in (("a.MS", 0.8415), ("b.MS", 0.8715)):
        path = made_sets.plain(tmp_path / "two" / name, shape=(4, 3, 8), phase_centre=(2.1537, dec))
        made_sets.two_windows(path)
    words = ("process", tmp_path / "two", "--sky-model", "3C196", "--output", tmp_path / "out")
    assert "choose by spectral_window: 0, 1" in refused(command, *words, status=1)
    line = refused(command, *words, "-p", "spectral_window", "1", status=1)
    assert "b.MS has its phase centre at 123.3979° +49.9333°, 1.72° from a.MS's" in line
    assert not (tmp_path / "out").exists()


def test_process_needs_no_dataset_where_ones_own_notebook_has_a_variable_for_it(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.MS").mkdir()
    own = nbformat.read(inspecting.find_notebook("2_process"), 4)
    (cell,) = [cell for cell in own.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source = cell.source.replace('dataset: str = ""', "dataset: str = chosen.did")
    nbformat.write(own, tmp_path / "2_process.ipynb")
    assert "a.MS" in refused(command, "process", tmp_path / "a.MS", "--output", tmp_path / "out", status=1)
    assert "give one: -p dataset VALUE" in refused(command, "run", "2_process")


def test_process_of_a_broken_tar_keeps_the_executed_copy_and_leaves_no_half_folder(command, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar" * 1000)
    status, out, err = command("process", tmp_path / "a.tar", "--sky-model", "3C196", "--output", tmp_path / "out")
    assert (status, out) == (1, "")
    assert "a.tar" in err
    assert "2_process.ipynb" in err
    assert "Traceback" not in err
    assert list((tmp_path / "out" / "work").rglob("*.MS*")) == []


def test_a_sky_model_with_a_broken_line_is_told_by_line(command, tmp_path):
    (tmp_path / "a.MS").mkdir()
    model = tmp_path / "field.skymodel"
    model.write_text("FORMAT = Name, Type, Ra, Dec, I\nA, POINT, 08:13:36, +48.13.03, many\n")
    line = refused(command, "process", tmp_path / "a.MS", "--sky-model", model, "--output", tmp_path / "out", status=1)
    assert "line 2" in line
    assert not (tmp_path / "out").exists()


def test_a_sky_model_that_is_neither_name_nor_file(command, tmp_path):
    (tmp_path / "a.MS").mkdir()
    line = refused(command, "process", tmp_path / "a.MS", "--sky-model", "3C999", "--output", tmp_path / "out")
    assert "3C196" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--calibrate", "never"], "--calibrate"),
        (["--catalogue", "none.csv"], "catalogue: no file none.csv"),
        (["--solutions", "none.h5"], "solutions: no file none.h5"),
        (["--catalogue", __file__], "no catalogue that can be read"),
        (["--calibrate", "none", "-p", "solve", "full"], "solve is given twice"),
        (["-p", "multiscal", "true"], "no parameter 'multiscal'"),
        (["-p", "multiscale", "yes"], "multiscale is true or false, got 'yes'"),
        (["-p", "more", "multiscal=true", "-p", "multiscale", "true"], "no parameter 'multiscal=true'"),
        (["-p", "robust", "7"], "robust: expected -2 to 2"),
        (["-p", "resolution", "seven"], "resolution: 'seven' is no quantity"),
        (["-p", "cutout_centre", "nonsense", "-p", "cutout", "2 arcmin"], "cutout_centre: 'nonsense' is no direction"),
        (["-p", "cell", "10 arcsec", "-p", "resolution", "12 arcsec"], "a beam of 12 arcsec has 1.2 pixels"),
        (["-p", "npix", "512", "-p", "resolution", "12 arcsec"], "a beam of 12 arcsec has 0.3 pixels of 35.2 arcsec"),
        (["--solutions", __file__], "test_cli.py is no h5parm"),
    ],
)
def test_options_of_process_are_refused_before_a_folder_is_made(command, tmp_path, words, said):
    (tmp_path / "a.MS").mkdir()
    assert said in refused(command, "process", tmp_path / "a.MS", "--output", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "x", "--dataset", "lofar:x", "--streams", "0"], "'0' is no whole number from 1 on"),
        (["retrieve", "lofar:x", "--to", "x", "--streams", "-1"], "--streams"),
        (["retrieve", "lofar:x", "--to", "x", "--patience", "0 s"], "patience: expected more than 0 s"),
        (["verify", "lofar:x", "--streams", "1.5"], "'1.5' is no whole number"),
        (["rules", "lofar:x", "--limit", "-1"], "--limit"),
        (["replicate", "lofar:x", "SARA", "--lifetime", "-1 d"], "lifetime: expected more than 0 s, got '-1 d'"),
        (["replicate", "lofar:x", "SARA", "--lifetime", "nan s"], "lifetime: expected more than 0 s, got 'nan s'"),
        (["retire", "lofar:x", "--timeout", "nan"], "'nan' is no number of seconds"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_a_lake_is_asked(command, tmp_path, words, said):
    assert said in refused(command, *words, "--lake", tmp_path / "none")


def test_a_reader_that_has_gone_costs_no_traceback():
    program = Path(sys.executable).with_name("lofarlake")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run([program, "lake", "status", "--json"], stdout=gone, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")
