"""The examples in docstrings run, in a folder with an observation and an image, on a lake that holds such."""

import doctest
import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import without_examples
from astropy.io import fits
from without_examples import has_example

from lofarlake_nb.lake import client, ingest, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import IngestParameters, SimulationParameters
from lofarlake_nb.processing import (
    averaging,
    calibration,
    cluster,
    flagging,
    imaging,
    settings,
    simulate,
    sky_model,
)
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.quality import known, products, provenance, self_calibration

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar

PACKAGE = Path(__file__).parent.parent / "lofarlake_nb"

# Names of what the steps of stage 2 hand on, as its notebook has them.
STAGE_2 = re.compile(
    r"\b(paths|chosen|session|work|model|flagged|averaged|calibrated|imaged|refined|recorded|came|place)\b"
)
SMALL = SimulationParameters(
    stations=20, subbands=2, spread="2 MHz", channels=16, hours=0.5, scans=3, scan="40 s", sources=4
)


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
    gains = np.ones((5, 2, 3, 2), complex) * np.array([2, 4j, 2])[:, None]
    times, frequencies = 5e9 + 2 * np.arange(5.0), np.array([135e6, 136e6])
    solutions.write(folder / "gains.h5", solutions.Gains(gains, times, frequencies), measurement_set.layout(path))
    (folder / "sources.csv").write_text("name,ra,dec,flux\n3C196,123.4,48.2,83.1\n3C295,212.8,52.2,91.0\n")
    (folder / "bright.reg").write_text('fk5\ncircle(123.4,48.2,30") # text={3C196}\n')
    lake = client.connect(lake_home)
    ingest.ingest(lake, [path], IngestParameters(dataset="lofar:L990100"))
    about = {"target": "3C196", "ra_deg": 123.4, "dec_deg": 48.2, "start": "2018-09-01T10:00:00", "duration_s": 8}
    metadata.write(lake, {DID("lofar", "L990100"): about})
    ingest.ingest_products(lake, [folder / "image.fits"], "lofar:example", {"inputs": ["lofar:L990100"]}, close=True)
    return folder


@pytest.fixture(scope="module")
def stage_2(place):
    """What the steps hand on, of a small simulated observation; done again they find their finished work."""
    simulate.simulate(place / "simulated", SMALL)
    chosen = settings.of({"field": "3 deg", "resolution": "40 arcsec"})
    made: dict[str, Any] = {"paths": sorted((place / "simulated").glob("*.MS")), "chosen": chosen}
    made["work"], made["place"] = place / "products" / "work", place / "products"
    model = made["model"] = sky_model.load_for(made["paths"], "", chosen.flag)
    came = made["came"] = provenance.of("", made["paths"], model.name, chosen)
    session = made["session"] = cluster.Session(1)
    given = {"work": made["work"], "client": session.client}
    flagged = made["flagged"] = flagging.flag(made["paths"], chosen.flag, **given)
    averaged = made["averaged"] = averaging.average(flagged, chosen.average, **given)
    calibrated = made["calibrated"] = calibration.calibrate(averaged, model, chosen.calibrate, **given)
    imaged = made["imaged"] = imaging.image(calibrated, chosen.image, **given)
    refined = made["refined"] = self_calibration.refine(
        calibrated, averaged, imaged, model, chosen, work=made["work"], session=session
    )
    nothing = known.references("", "")
    made["recorded"] = products.record_image(made["place"], flagged, averaged, refined, model, nothing, came)
    yield made
    session.close()


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name.removeprefix("lofarlake_nb."))
def test_an_example_runs(example, place, lake_home, monkeypatch, request, tmp_path):
    for path in place.iterdir():  # what one example writes is not for the next
        if path.is_dir():
            (tmp_path / path.name).symlink_to(path)
        else:
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    example.globs |= {"home": str(lake_home), "lake": client.connect(lake_home)}
    is_of_stage_2 = example.name.startswith(("lofarlake_nb.processing.", "lofarlake_nb.quality."))
    if is_of_stage_2 and any(STAGE_2.search(line.source) for line in example.examples):
        example.globs |= request.getfixturevalue("stage_2")
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert "".join(said) == ""


def test_no_example_is_skipped():
    assert [test.name for test in examples() for line in test.examples if doctest.SKIP in line.options] == []


def test_every_public_object_has_an_example():
    public = without_examples.public()
    assert len(public) > 700
    assert [name for name, what in (public | without_examples.called()).items() if not has_example(what)] == []
