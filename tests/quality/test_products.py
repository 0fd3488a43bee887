"""The folder of a run's products is called after what the run worked on."""

import pytest

from lofarlake_nb.quality import products


@pytest.mark.parametrize(
    ("given", "name"), [("../here/a.MS", "a.MS"), (".", "here"), ("a.MS/..", "here"), ("my set.MS/", "my_set.MS")]
)
def test_a_folder_is_called_after_the_input_however_that_is_written(tmp_path, monkeypatch, given, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert products.folder("", "", [given]) == tmp_path / "here" / "results" / name
