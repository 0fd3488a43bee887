"""From an observation to its results: by the sky, by a search, and by the lineage."""

import os
import time

import pytest

from lofarlake_nb.lake import client, holdings, ingest, lineage, metadata, results, search
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


def test_of_an_observation_the_newest_image_that_was_made_from_it_is_shown(lake, observed, keep):
    first = keep(observed)
    assert holdings.newest_product(lake, observed).dataset == first
    time.sleep(1.1)  # the lake tells when something was made in whole seconds
    second = keep(observed, content="better")
    keep(observed, "summary.json")  # of a calibration that failed there is no image
    keep(f"{observed}1", content="of another")
    found = holdings.newest_product(lake, observed)
    assert (found.dataset, found.file) == (second, f"{second}.image.fits")
    assert f"the newest that was made from {observed}" in found._repr_html_()
    assert found.file in found._repr_html_()


def test_of_an_observation_without_an_image_it_is_said(lake, observed, tmp_path):
    found = holdings.newest_product(lake, observed)
    assert (found.dataset, found.file) == ("", "")
    assert f"no image.fits of {observed} yet; stage 2" in found._repr_html_()
    assert holdings.retrieved(lake, found, tmp_path) == ""
    assert holdings.lineage(lake, found) == {}


@pytest.mark.parametrize("middle", ["_", ".true.", "/a-"])
def test_results_are_found_whatever_the_inputs_name(lake, unique, tmp_path, middle):
    (image := tmp_path / "image.fits").write_text(unique)
    observed = f"lofar:{unique}{middle}b"
    for name, one in (("made", observed), ("other", f"{observed}c"), ("odd", [observed])):
        ingest.ingest_products(lake, [image], f"lofar:{unique}_{name}", {"inputs": [one]}, replicate_to="")
    assert [str(one) for one in lineage.made_from(lake, observed)] == [f"lofar:{unique}_made"]


def test_few_calls_find_them_among_many(lake, keep, unique):
    scope = f"many_{os.urandom(4).hex()}"  # other tests list lofar
    client.connect(lake.home, administrator=True).call("add_scope", "lofar", scope)
    names = [f"{unique}_{n}" for n in range(1200)]
    for some in (names[:600], names[600:]):
        lake.call("add_datasets", [DID(scope, name).parts for name in some])
    metadata.write(lake, {DID(scope, name): {"target": "other"} for name in names})
    result, before = keep(f"{scope}:{names[0]}"), lake.calls
    assert [str(one) for one in lineage.made_from(lake, f"{scope}:{names[0]}")] == [result]
    assert lake.calls - before == 3
