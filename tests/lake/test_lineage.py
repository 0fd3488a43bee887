"""From an observation to its results: by the sky, and by a search."""

import pytest

from lofarlake_nb.lake import metadata, results, search
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.observations import observations
from lofarlake_nb.lake.query import Query

ABOUT = {
    "target": "3C147",
    "project_name": "LC0_000",
    "ra_deg": 85.65,
    "dec_deg": 49.85,
    "start": "2018-09-01T10:00:00",
    "duration_s": 7200.0,
    "min_frequency_hz": 130e6,
    "max_frequency_hz": 140e6,
    "n_channels": 256,
    "stations": ["CS001HBA0"],
}


@pytest.fixture
def observed(lake, unique):
    """An observation without files, that says where it was made; and one whose name begins the same."""
    for name in (unique, f"{unique}1"):
        lake.call("add_dataset", "lofar", name)
        metadata.write(lake, {DID("lofar", name): ABOUT})
    return f"lofar:{unique}"


@pytest.fixture
def keep(lake, tmp_path, unique):
    """Keep a file as what a run of stage 2 made."""

    def made(dataset: str, name: str = "image.fits", content: str = "") -> str:
        (tmp_path / name).write_text(unique + content)
        given = {"parameters": {}, "notebook": "2_process.ipynb", "replicate_to": ""}
        return results.keep(lake.home, [tmp_path / name], dataset=dataset, **given).dataset

    return made


def test_results_are_found_by_what_was_observed(lake, observed, keep):
    result = keep(observed)
    about = metadata.read(lake, result)
    assert {key: about[key] for key in ABOUT.keys() & about.keys()} == {
        key: value for key, value in ABOUT.items() if key not in ("n_channels", "stations")
    }
    assert about["lofarlake"]["inputs"] == [observed]
    query = Query(target="3C147", cone="85.6deg 49.8deg 1deg", min_frequency="131 MHz", since="2018-09-01")
    assert result in [one.did for one in search.find(lake, query, scope="lofar")]
    assert f"{result}.image.fits" in [one.did for one in search.find(lake, query, kind="file", scope="lofar")]


def test_the_executed_notebook_leaves_them_as_they_are(lake, observed, keep, tmp_path):
    result = keep(observed)
    about = metadata.read(lake, result)
    (tmp_path / "executed.ipynb").write_text("{}")
    assert results.add_notebook(lake, tmp_path / "executed.ipynb", result, rse="SARA", notebook="2_process.ipynb")
    assert metadata.read(lake, result) == about
    assert metadata.read(lake, f"{result}.2_process.ipynb")["target"] == "3C147"


def test_results_of_several_inputs_say_what_these_agree_in():
    other = {**ABOUT, "start": "2018-09-02T10:00:00", "max_frequency_hz": 150e6}
    said = metadata.of_results([ABOUT, other])
    assert said.keys() == {"target", "project_name", "ra_deg", "dec_deg", "duration_s", "min_frequency_hz"}
    assert metadata.of_results([ABOUT, {}]) == metadata.of_results([]) == {}


def test_the_sky_shows_observations_and_not_their_results_at_the_same_place(lake, observed, keep):
    result = keep(observed)
    found = [one.did for one in observations(lake, "lofar")]
    assert observed in found
    assert result not in found
