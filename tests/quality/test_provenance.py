"""A run says how it can be repeated, and the command means the same."""

import json
import shlex

import small
from astropy.io import fits

from lofarlake_nb.processing import settings
from lofarlake_nb.quality import provenance
from lofarlake_nb.quality.provenance import Provenance, write_history


def repeated(dataset):
    chosen = settings.of({"resolution": "40 arcsec", "more": ["multiscale=true", "rounds=2"]})
    came = Provenance(dataset, ("a.MS", "b.MS"), "3C196", chosen, {"numpy": "2.4"}, {})
    return chosen, shlex.split(came.command()), came


def test_a_run_on_a_dataset_is_repeated_by_its_parameters():
    chosen, words, _ = repeated("lofar:L1")
    assert words[:7] == ["lofarlake", "run", "2_process", "-p", "dataset", "lofar:L1", "-p"]
    assert settings.of({"more": json.loads(words[words.index("more") + 1])}) == chosen


def test_a_run_on_files_is_repeated_by_its_options():
    chosen, words, _ = repeated("")
    given = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "-p"}
    assert settings.of({"more": [f"{name}={value}" for name, value in given.items()]}) == chosen
    assert words[2:4] == ["a.MS", "b.MS"]


def test_the_command_finds_the_files_from_any_folder(tmp_path, monkeypatch):
    path = small.measurement_set(tmp_path / "my sets", 1)
    monkeypatch.chdir(tmp_path)
    came = provenance.of("", [path.relative_to(tmp_path)], "3C196", settings.of({}))
    assert shlex.split(came.command())[2] == str(path)
    assert came.inputs == (path.name,)
    assert str(tmp_path) not in "\n".join(came.lines())  # the same products wherever they are made


def test_its_lines_name_every_parameter_and_version():
    _, _, came = repeated("lofar:L1")
    lines = "\n".join(came.lines())
    assert "lofar:L1: a.MS, b.MS" in lines
    assert "numpy 2.4" in lines
    for step in settings.of({}).values().values():
        assert all(f"{name}=" in lines for name in step)


def test_names_that_a_shell_would_take_apart_are_quoted():
    came = Provenance("", ("my set.MS", "b;c.MS"), "3C196", settings.of({}), {}, {})
    assert shlex.split(came.command())[2:4] == ["my set.MS", "b;c.MS"]


def test_what_a_header_can_not_hold_is_replaced():
    came = Provenance("", ("a.MS",), "my\nmodél", settings.of({}), {}, {})
    header = fits.Header()
    write_history(header, came)
    assert "sky model: my?mod?l" in list(header["HISTORY"])
