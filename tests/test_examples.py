"""The examples in docstrings run, in a folder with an observation and an image, on a lake that holds such."""

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
import small
from astropy.io import fits

from lofarlake_nb.lake import client, ingest, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.parameters import IngestParameters

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar

PACKAGE = Path(__file__).parent.parent / "lofarlake_nb"

# What notebooks and documentation call: each has an example.
SHOWN = [
    "background.start",
    "background.newest",
    "lake.browse.connect",
    "lake.client.connect",
    "lake.holdings.newest",
    "lake.holdings.newest_product",
    "lake.ingest.ingest",
    "lake.keeping.keep",
    "lake.keeping.shared",
    "lake.retrieve.inputs",
    "lake.rules.wait",
    "lake.search.find",
    "lake.verify.verify",
    "observation.inventory.observation",
    "processing.settings.of",
    "widgets.form.stage_form",
    "widgets.image.picture",
    "widgets.keep.keep_form",
    "widgets.lake.lake_browser",
    "widgets.landing.newest",
    "widgets.landing.status",
    "widgets.sky.picture",
    "widgets.sky.sky_view",
    "widgets.viewer.view",
]


def examples() -> list[doctest.DocTest]:
    found: list[doctest.DocTest] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>>" in path.read_text():
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            found += doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.fixture(scope="module")
def place(lake_home, tmp_path_factory):
    """A folder with what the examples name, and a lake that holds it."""
    folder = tmp_path_factory.mktemp("examples")
    path = small.measurement_set(folder / "observation", 990_100)
    header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 123.4, "CRVAL2": 48.2})
    header.update({"CRPIX1": 65, "CRPIX2": 65, "CDELT1": -20 / 3600, "CDELT2": 20 / 3600, "BUNIT": "JY/BEAM"})
    noise = np.random.default_rng(5).normal(size=(128, 128))
    fits.writeto(folder / "image.fits", noise.astype(np.float32), header)
    lake = client.connect(lake_home)
    ingest.ingest(lake, [path], IngestParameters(dataset="lofar:L990100"))
    about = {"target": "3C196", "ra_deg": 123.4, "dec_deg": 48.2, "start": "2018-09-01T10:00:00", "duration_s": 8}
    metadata.write(lake, {DID("lofar", "L990100"): about})
    ingest.ingest_products(lake, [folder / "image.fits"], "lofar:example", {}, close=True)
    return folder


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name.removeprefix("lofarlake_nb."))
def test_an_example_runs(example, place, lake_home, monkeypatch):
    monkeypatch.chdir(place)
    example.globs |= {"home": str(lake_home), "lake": client.connect(lake_home)}
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert "".join(said) == ""


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_documented_has_an_example(name):
    module, _, function = name.rpartition(".")
    shown = getattr(importlib.import_module(f"lofarlake_nb.{module}"), function)
    assert ">>>" in inspect.getdoc(shown)
