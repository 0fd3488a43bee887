"""Both stages on a real embedded lake: bytes in, an image with the right fluxes out, and the way back."""

import json
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lofarlake_nb import rehearsal
from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import client, metadata, verify
from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.quality import summary

SMALL = SimulationParameters(
    stations=20, subbands=2, spread="2 MHz", channels=16, hours=0.5, scans=3, scan="40 s", sources=4
)
PROCESSING = {"field": "3 deg", "resolution": "40 arcsec", "workers": 2}


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    output = tmp_path_factory.mktemp("rehearsal") / "out"
    try:
        yield output, rehearsal.rehearse(output, SMALL, PROCESSING)
    finally:
        supervisor.stop(output / "lake")


@pytest.fixture(scope="module")
def lake(rehearsed):
    return client.connect(rehearsed[0] / "lake")


def results_of(lake) -> str:
    rows = lake.call("list_dids", "lofar", [{"name": "L*_2_process_*"}], did_type="dataset")
    assert len(rows) == 1
    return f"lofar:{rows[0]}"


def test_the_summary_has_every_key_and_the_files_are_there(rehearsed):
    output, whole = rehearsed
    assert json.loads((output / "summary.json").read_text()) == json.loads(json.dumps(whole))
    for part, keys in summary.KEYS.items():
        assert set(keys) <= set(whole[part])
    expected = ["report.html", "1_ingest.ipynb", "2_process.ipynb", whole["image"]["file"]]
    expected += [f"products/{n}" for n in ("report.html", "qa.json", "sources.fits", "image.png", "fluxes.png")]
    for name in expected:
        assert (output / name).is_file(), name


def test_all_bytes_went_into_the_lake(rehearsed):
    output, whole = rehearsed
    assert whole["ingest"]["files"] == 2
    sizes = [p.stat().st_size for s in (output / "observation").glob("*.MS") for p in s.rglob("*") if p.is_file()]
    assert sum(sizes) < whole["ingest"]["bytes"] < 1.1 * sum(sizes) + 1e6
    assert whole["ingest"]["rate_mb_s"] == pytest.approx(whole["ingest"]["bytes"] / whole["ingest"]["seconds"] / 1e6)


def test_3c196_has_its_true_flux_at_its_true_place(rehearsed):
    _, whole = rehearsed
    assert whole["calibration"]["verdict"] == "good"
    found = {source["name"]: source for source in whole["sources"]}["3C196"]
    assert found["flux_jy"] == pytest.approx(found["true_flux_jy"], rel=0.03)
    assert whole["image"]["peak_ra_deg"] == pytest.approx(123.4003, abs=0.003)
    assert whole["image"]["peak_dec_deg"] == pytest.approx(48.2172, abs=0.002)


def test_the_broken_stations_are_found(rehearsed):
    output, whole = rehearsed
    truth = json.loads(next((output / "observation").glob("*_truth.json")).read_text())
    assert set(truth["dead_stations"] + truth["noisy_stations"]) <= set(whole["calibration"]["bad_stations"])


def test_the_dataset_is_whole_at_two_sites(lake):
    verified = verify.verify(lake, "lofar:L667520")
    assert verified.ok
    assert {row.rse for row in verified.rows} == {"SARA", "JUELICH"}


def test_from_an_image_one_walks_back_to_the_visibilities(lake):
    results = results_of(lake)
    image = metadata.read(lake, f"{results}.image.fits")["lofarlake"]
    assert image["inputs"] == ["lofar:L667520"]
    assert image["versions"]["aoflagger"]
    assert image["parameters"]["image"]["resolution"] == PROCESSING["resolution"]
    files = {row["name"] for row in lake.call("list_files", *results.split(":"))}
    assert image["notebook"].split(":")[1] in files


def test_quality_figures_are_of_all_stations_and_of_the_image(rehearsed):
    output, whole = rehearsed
    quality = json.loads((output / "products" / "qa.json").read_text())
    figures, diagnostics = quality["metrics"]["lofarlake"], quality["image_diagnostics"]
    rows = {row["station"]: row for row in figures["stations"]}
    assert len(rows) == SMALL.stations
    assert {name for name, row in rows.items() if row["removed"] == "yes"} == set(figures["removed_stations"])
    assert set(whole["calibration"]["bad_stations"]) <= set(figures["removed_stations"])
    for row in rows.values():
        assert all(
            0 <= v <= 1 for v in (*row["percentage_flagged"].values(), *row["percentage_flagged_solutions"].values())
        )
    assert diagnostics["theoretical_rms"] == whole["image"]["thermal_rms_jy_per_beam"]
    assert diagnostics["nsources"] >= 1
    assert diagnostics["comparison"] == "truth"
    assert diagnostics["beam_fwhm"][0] * 3600 == pytest.approx(whole["image"]["beam_arcsec"][0])


def test_an_image_says_how_it_came_to_be(rehearsed):
    output, whole = rehearsed
    with fits.open(output / whole["image"]["file"]) as hdus:
        hdus.verify("exception")
        history = "".join(hdus[0].header["HISTORY"])
        assert WCS(hdus[0].header).celestial.wcs.radesys == "ICRS"
    for said in ("lofar:L667520", "aoflagger", f"resolution={PROCESSING['resolution']!r}", "sky model: 3C196"):
        assert said in history


def test_the_report_of_a_run_says_what_it_was_made_from_and_how_to_repeat_it(rehearsed):
    text = (rehearsed[0] / "products" / "report.html").read_text()
    for said in ("lofar:L667520", "lofarlake run 2_process -p dataset lofar:L667520", "data:image/png;base64"):
        assert said in text


def test_a_second_rehearsal_finds_what_is_done(rehearsed, lake):
    output, first = rehearsed
    before = {p: p.stat().st_mtime_ns for p in (output / "products" / "work").rglob("*") if p.is_file()}
    second = rehearsal.rehearse(output, SMALL, PROCESSING)
    assert second["ingest"]["bytes"] == 0
    assert second["image"] == first["image"]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    results_of(lake)  # still one dataset of results


def test_no_secret_is_in_what_is_left(rehearsed):
    output, _ = rehearsed
    secrets = _secrets(output / "lake" / "client" / "rucio.cfg")
    assert secrets
    left = [p for folder in (output, output / "products") for p in folder.iterdir() if p.is_file()]
    left += [p for p in (output / "lake" / "log").rglob("*") if p.is_file()]
    for path in left:
        text = path.read_text(errors="replace")
        assert not any(secret in text for secret in secrets), path


def _secrets(configuration: Path) -> list[str]:
    lines = [line.partition("=") for line in configuration.read_text().splitlines()]
    return [value.strip() for name, _, value in lines if name.strip() == "password"]


def test_a_folder_that_is_not_a_rehearsal_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="not made by a rehearsal"):
        rehearsal.rehearse(tmp_path)


def test_a_file_is_no_place_for_a_rehearsal(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="another folder with --output"):
        rehearsal.rehearse(tmp_path / "mine.txt")
