"""The folder of a run's products is called after what the run worked on."""

from types import SimpleNamespace

import pytest

from lofarlake_nb.quality import products


@pytest.mark.parametrize(
    ("given", "name"), [("../here/a.MS", "a.MS"), (".", "here"), ("a.MS/..", "here"), ("my set.MS/", "my_set.MS")]
)
def test_a_folder_is_called_after_the_input_however_that_is_written(tmp_path, monkeypatch, given, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert products.folder("", "", [given]) == tmp_path / "here" / "results" / name


def test_solutions_of_directions_from_an_earlier_run_do_not_stay(tmp_path):
    """They would go into the lake as those of this run, which has none."""
    made, place = tmp_path / "made", tmp_path / "place"
    for folder in (made, place):
        folder.mkdir()
    for name in ("000_a.h5", "000_a_directions.h5"):
        (made / name).write_text(name)
    first = SimpleNamespace(solution_files=(made / "000_a.h5",), direction_files=(made / "000_a_directions.h5",))
    products._bring_solutions(place, first)
    (place / "mine_directions.h5").write_text("of somebody else")
    assert {path.name for path in products.files(place)} == {"000_a.h5", "000_a_directions.h5", "mine_directions.h5"}
    products._bring_solutions(place, SimpleNamespace(solution_files=first.solution_files, direction_files=()))
    assert {path.name for path in products.files(place)} == {"000_a.h5", "mine_directions.h5"}


def test_solutions_of_another_input_s_run_do_not_stay_but_what_others_made_of_them_does(tmp_path):
    def bring(*names):
        for name in names:
            (tmp_path / name).write_text(name)
        files = tuple(tmp_path / name for name in names)
        products._bring_solutions(place, SimpleNamespace(solution_files=files, direction_files=()))

    place = tmp_path / "place"
    place.mkdir()
    (place / "mine.h5").write_text("of somebody else")
    bring("000_a.h5", "001_b.h5", "002_c.h5")
    (place / "001_b.h5").write_text("smoothed by LoSoTo")
    bring("000_a.h5", "001_d.h5")
    assert {path.name for path in products.files(place)} == {"000_a.h5", "001_b.h5", "001_d.h5", "mine.h5"}
    assert (place / "001_b.h5").read_text() == "smoothed by LoSoTo"
    assert (place / "work" / "earlier" / "002_c.h5").read_text() == "002_c.h5"
