"""What the first cells of a stage would refuse is told before a kernel starts."""

from pathlib import Path

import pytest

from lofarlake_nb import checks, inspecting
from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import retrieve
from lofarlake_nb.processing import settings, sky_model
from lofarlake_nb.quality import known
from lofarlake_nb.widgets import overlays

WRONG = [
    ("1_ingest", "observation", "/no/such", "observation: no folder /no/such"),
    ("1_ingest", "dataset", "L123", "dataset: 'L123' is no data identifier"),
    ("1_ingest", "container", "lofar:", "container: name ''"),
    ("1_ingest", "streams", 0, "streams: expected 1 or more, got 0"),
    ("2_process", "dataset", "L123", "dataset: 'L123' is no data identifier"),
    ("2_process", "paths", ["/no/such.MS"], "paths: no such file or folder /no/such.MS"),
    ("2_process", "field", "5 parsec", "field: '5 parsec' is no quantity"),
    ("2_process", "interval", "abc", "interval: 'abc' is no quantity"),
    ("2_process", "solve", "foo", "solve: expected diagonal, phase, full, none"),
    ("2_process", "robust", float("nan"), "robust: expected -2 to 2, got nan"),
    ("2_process", "workers", -3, "workers: expected 0"),
    ("2_process", "rounds", 100, "rounds: expected a whole number from 0"),
    ("2_process", "more", ["resolute=1"], "more: no parameter 'resolute=1'"),
    ("2_process", "more", ["mask=/no/such.fits"], "mask: no file /no/such.fits"),
    ("2_process", "more", ["memory=lots"], "memory: 'lots' is no size"),
    ("2_process", "more", ["memory=1 MB"], "memory: expected at least 0.5 GB"),
    ("2_process", "data_column", "", "column: expected the name"),
    ("2_process", "sky_model", "3C999", "sky model '3C999' is neither"),
    ("2_process", "output", __file__, "is a file"),
    *(("2_process", name, "/no/such", f"{name}: no file") for name in ("catalogue", "truth", "solutions", "strategy")),
    ("3_explore", "dataset", "L123", "dataset: 'L123' is no data identifier"),
    ("3_explore", "stretch", "foo", "stretch: 'foo' is none; it is one of asinh"),
    ("3_explore", "interval", "bar", "interval: 'bar' is none; it is one of 99.9 %"),
    ("3_explore", "width", "wide", "width: 'wide' is no quantity"),
    ("3_explore", "width", "nan deg", "width: expected more than 0"),
    ("3_explore", "catalogue", "/no/such.csv", "catalogue: no file"),
    ("3_explore", "regions", "/no/such.reg", "regions: no file"),
]


@pytest.mark.parametrize(("stage", "name", "value", "said"), WRONG, ids=[f"{one[0]}-{one[1]}" for one in WRONG])
def test_a_value_that_a_stage_can_not_use_is_refused_alone_and_among_all(
    stage, name, value, said, tmp_path, monkeypatch
):
    notebook = inspecting.find_notebook(stage)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "observation").mkdir()
    for values in ({name: value}, {**inspecting.defaults(notebook), name: value}):
        inspecting.checked(notebook, values)  # each is of its type
        with pytest.raises(LofarlakeError) as refused:
            checks.check(notebook, values)
        assert said in str(refused.value)


@pytest.mark.parametrize("given", [{}, {"dataset": "lofar:x", "paths": ["."]}], ids=["neither", "both"])
def test_stage_2_takes_a_dataset_or_paths(given):
    notebook = inspecting.find_notebook("2_process")
    with pytest.raises(LofarlakeError, match="expected a dataset or paths, got"):
        checks.check(notebook, {**inspecting.defaults(notebook), **given})


def test_the_notebooks_own_values_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "observation").mkdir()
    for stage, given in (("1_ingest", {}), ("2_process", {"dataset": "lofar:x"}), ("3_explore", {})):
        notebook = inspecting.find_notebook(stage)
        checks.check(notebook, {**inspecting.defaults(notebook), **given})


def test_a_tilde_is_ones_home_for_checks_and_for_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "one.csv").write_text("name,ra,dec,flux_jy\n3C196,123.4,48.2,80\n")
    (tmp_path / "one.reg").write_text('fk5; circle(123.4, 48.2, 60")\n')
    (tmp_path / "one.skymodel").write_text("FORMAT = Name, Type, Ra, Dec, I\nA, POINT, 08:13:36, +48.13.03, 80\n")
    (tmp_path / "one.tar").touch()
    given = {"catalogue": "~/one.csv", "truth": "~/one.csv", "sky_model": "~/one.skymodel", "paths": ["~/one.tar"]}
    given |= {"strategy": "~/one.csv", "solutions": "~/one.csv", "more": ["mask=~/one.csv"]}
    checks.check(Path("2_process.ipynb"), given)
    checks.check(Path("3_explore.ipynb"), {"regions": "~/one.reg", "catalogue": "~/one.csv"})
    chosen, file = settings.of(given), str(tmp_path / "one.csv")
    assert (chosen.flag.strategy, chosen.calibrate.solutions, chosen.image.mask) == (file, file, file)
    assert known.references("", "~/one.csv").catalogue.names == ("3C196",)
    assert sky_model.load("~/one.skymodel", (0.0, 0.0)).flux.tolist() == [80]
    assert (len(overlays.regions("~/one.reg")), len(overlays.catalogue("~/one.csv"))) == (1, 1)
    with pytest.raises(LofarlakeError, match=f"{tmp_path}/one.tar"):  # it is found: nothing is in it
        retrieve.inputs("", "", ["~/one.tar"], tmp_path / "work")
    with pytest.raises(LofarlakeError, match=f"{tmp_path}/one.csv"):
        known.references("~/one.csv", "")


def test_of_another_notebook_nothing_is_known():
    checks.check(Path("mine.ipynb"), {"dataset": "L123", "streams": 0})
