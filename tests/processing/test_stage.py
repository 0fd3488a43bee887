"""From Measurement Sets to an image, on a small simulated observation and on bad ones."""

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lofarlake_nb.errors import CalibrationFailed, ProcessingError, UsageError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters, ImageParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, imaging, sky_model
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.images import chunks, facet_cells, memory
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.gridding import point
from lofarlake_nb.processing.images.held import Held
from lofarlake_nb.processing.images.parts import Part
from lofarlake_nb.processing.simulate import load_truth
from lofarlake_nb.processing.simulate.truth import apparent_fluxes

IMAGE = ImageParameters(field="5 deg", npix=512, robust=-0.5)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def flagged(observation, work, client):
    return flagging.flag(observation.measurement_sets, FlagParameters(), work=work, client=client)


@pytest.fixture(scope="module")
def averaged(flagged, work, client):
    return averaging.average(flagged, AverageParameters(), work=work, client=client)


@pytest.fixture(scope="module")
def calibrated(averaged, work, client):
    model = sky_model.load("3C196", (0.0, 0.0))
    return calibration.calibrate(averaged, model, CalibrationParameters(), work=work, client=client)


@pytest.fixture(scope="module")
def imaged(calibrated, work, client):
    return imaging.image(calibrated, IMAGE, work=work, client=client)


@pytest.fixture(scope="module")
def truth(observation):
    return load_truth(observation.truth)


def test_interference_is_found_and_little_else(flagged, truth):
    path = flagged.measurement_sets[0]
    layout = measurement_set.layout(path)
    mask = truth.rfi_mask(0, layout.antenna1, layout.antenna2)
    found = flag_store.get(flagged.flag_files[0], slice(None), len(layout.frequencies))
    bad = np.flatnonzero(truth.dead | truth.noisy)
    good = layout.cross & ~np.isin(layout.antenna1, bad) & ~np.isin(layout.antenna2, bad)
    strong = truth.rfi_mask(0, layout.antenna1, layout.antenna2, least=8.0)
    assert (found & strong)[:, good].sum() > 0.95 * strong[:, good].sum() > 0
    assert (found & ~mask)[:, good].mean() < 0.05


def test_bad_stations_are_found_with_their_reasons(flagged, truth):
    expected = set(truth.stations[truth.dead | truth.noisy])
    assert {s.name for s in flagged.bad_stations} == expected
    assert all(s.reason and s.figure > 0 for s in flagged.bad_stations)
    assert all(flagged.station_fractions[name] == 1 for name in expected)


def test_known_flags_are_kept_and_the_observation_is_not_written_to(observation, tmp_path, client):
    copy = tmp_path / "L1_SB000_uv.MS"
    shutil.copytree(observation.measurement_sets[0], copy)
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*") if p.is_file()}
    done = flagging.flag([copy], FlagParameters(), work=tmp_path / "work", client=client)
    layout = measurement_set.layout(copy)
    known = measurement_set.read(copy, layout, ["FLAG"], slice(None))["FLAG"].any(axis=3)
    found = flag_store.get(done.flag_files[0], slice(None), len(layout.frequencies))
    assert not (known & ~found).any()
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*") if p.is_file()} == before


def test_averaging_keeps_scans_apart_and_drops_autocorrelations(averaged, observation):
    before = measurement_set.layout(observation.measurement_sets[0])
    after = measurement_set.layout(averaged.measurement_sets[0])
    assert averaged.channels == 2
    assert len(after.frequencies) == 4
    assert after.cross.all()
    assert after.stations == before.stations
    np.testing.assert_allclose(after.frequencies.mean(), before.frequencies.mean())


def test_the_calibration_is_good_and_knows_why(calibrated, truth):
    assert calibrated.verdict == "good"
    assert calibrated.thermal_phase_rms_deg < calibrated.held_out_phase_rms_deg < 20
    assert {s.name for s in calibrated.bad_stations} == set(truth.stations[truth.dead | truth.noisy])
    assert calibrated.reference_station not in {s.name for s in calibrated.bad_stations}


def test_solutions_are_in_a_file_and_the_reference_has_no_phase(calibrated):
    """That of Y against X is hidden by the noise here."""
    gains = solutions.read(calibrated.solution_files[0])
    stations = measurement_set.layout(calibrated.measurement_sets[0]).stations
    reference = stations.index(calibrated.reference_station)
    assert calibrated.cross_hand_phase_deg is None
    assert np.nanmax(np.abs(np.angle(gains.values[:, :, reference]))) < 1e-6
    bad = [stations.index(s.name) for s in calibrated.bad_stations]
    assert np.isnan(gains.values[:, :, bad]).all()


def test_weights_are_the_noise(calibrated, averaged, truth):
    """σ of an averaged sample from the stations' SEFD."""
    path = calibrated.measurement_sets[0]
    layout = measurement_set.layout(path)
    block = measurement_set.read(path, layout, ["WEIGHT_SPECTRUM", "FLAG"], slice(None))
    good = ~block["FLAG"].all(axis=(0, 2, 3))
    full = block["WEIGHT_SPECTRUM"].max(axis=(0, 2, 3))[good]
    sigma = truth.sigma(0, layout.antenna1, layout.antenna2)[good] / np.sqrt(averaged.channels)
    assert np.median(sigma * np.sqrt(full)) == pytest.approx(1, rel=0.3)


def test_3c196_has_its_flux_where_it_is(imaged):
    with fits.open(imaged.image) as file:
        pixels, header = file[0].data[0, 0], file[0].header
    x, y = (float(v) for v in WCS(header).celestial.all_world2pix(123.40031, 48.21721, 0))
    north, east = np.indices(pixels.shape)
    reach = 1.5 * header["BMAJ"] / header["CDELT2"]
    inside = np.hypot(north - y, east - x) < reach
    area = np.pi / (4 * np.log(2)) * header["BMAJ"] * header["BMIN"] / header["CDELT2"] ** 2
    assert pixels[inside].sum() / area == pytest.approx(89.39, rel=0.03)
    beam = imaged.beam_arcsec[1] / 3600
    assert abs(imaged.peak_dec_deg - 48.21721) < 0.1 * beam
    assert abs(imaged.peak_ra_deg - 123.40031) * np.cos(np.deg2rad(48.2)) < 0.1 * beam


def test_neighbours_are_where_they_are(imaged):
    """3C197.1, 1.8° to the south-east: an image turned or mirrored has it elsewhere."""
    with fits.open(imaged.image) as file:
        pixels, wcs = file[0].data[0, 0], WCS(file[0].header).celestial
    x, y = (round(float(v)) for v in wcs.all_world2pix(125.39, 47.04361, 0))
    assert pixels[y - 2 : y + 3, x - 2 : x + 3].max() > 3
    assert pixels[y - 2 : y + 3, x - 2 : x + 3].max() > 6 * imaged.rms_jy_per_beam


def test_the_header_says_what_the_figures_say(imaged):
    header = fits.getheader(imaged.image)
    assert (header["BUNIT"], header["RADESYS"], header["CTYPE1"]) == ("JY/BEAM", "ICRS", "RA---SIN")
    assert 3600 * header["BMAJ"] == pytest.approx(imaged.beam_arcsec[0])
    assert header["BPA"] == pytest.approx(imaged.beam_pa_deg)
    assert header["CRVAL3"] == pytest.approx(imaged.frequency_hz)
    assert 0.5 < imaged.rms_jy_per_beam / imaged.thermal_rms_jy_per_beam < 20


def test_again_finds_the_finished_work(flagged, averaged, calibrated, imaged, observation, work):
    """No client: nothing is computed."""
    assert flagging.flag(observation.measurement_sets, FlagParameters(), work=work, client=None) == flagged
    assert averaging.average(flagged, AverageParameters(), work=work, client=None) == averaged
    model = sky_model.load("3C196", (0.0, 0.0))
    found = calibration.calibrate(averaged, model, CalibrationParameters(), work=work, client=None)
    assert found == calibrated
    assert imaging.image(calibrated, IMAGE, work=work, client=None) == imaged


def test_one_worker_makes_the_same_image(calibrated, imaged, tmp_path):
    with cluster.start(1) as one:
        alone = imaging.image(calibrated, IMAGE, work=tmp_path, client=one)
    np.testing.assert_allclose(
        fits.getdata(alone.image), fits.getdata(imaged.image), atol=1e-6 * imaged.peak_jy_per_beam
    )


def kill_when_there_is(file, pid):
    for _ in range(600):
        if file.exists():
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def test_a_killed_worker_costs_its_tasks_and_not_the_run(calibrated, imaged, tmp_path):
    """Killed while the first model is subtracted from the visibilities that it holds."""
    with cluster.start(2) as doomed:
        pids = doomed.run(os.getpid)
        killer = threading.Thread(
            target=kill_when_there_is, args=(tmp_path / "images/work/chunks/model.npy", next(iter(pids.values())))
        )
        killer.start()
        survived = imaging.image(calibrated, IMAGE, work=tmp_path, client=doomed)
        killer.join()
        assert set(doomed.run(os.getpid).values()) != set(pids.values())
    # As for any number of workers: it was the same to the bit as a rule, and once to 1e-7 of the peak.
    np.testing.assert_allclose(
        fits.getdata(survived.image), fits.getdata(imaged.image), atol=1e-6 * imaged.peak_jy_per_beam
    )


def test_visibilities_on_disk_make_the_same_image(calibrated, imaged, tmp_path, client, monkeypatch):
    monkeypatch.setattr(memory, "HELD", 10**9)  # as if a visibility took a gigabyte
    monkeypatch.setattr(memory, "peak", lambda *_: 0)
    stored = imaging.image(calibrated, IMAGE, work=tmp_path, client=client)
    np.testing.assert_array_equal(fits.getdata(stored.image), fits.getdata(imaged.image))
    assert not (tmp_path / "images/work").exists()


def test_an_image_that_memory_can_t_hold_is_refused_before_it_starts(calibrated, tmp_path):
    with cluster.start(1, memory="1 GB") as small, pytest.raises(ProcessingError, match="GB on a worker"):
        imaging.image(calibrated, replace(IMAGE, npix=16384), work=tmp_path, client=small)


def test_a_cutout_is_the_source_at_full_resolution(calibrated, imaged, tmp_path, client):
    """Off the phase centre by a minute of arc: 3C196 is in it where it is, with the flux that the wide image has."""
    asked = replace(IMAGE, cutout="6 arcmin", cutout_centre="08h13m40s +48d14m00s", facets="0")
    made = imaging.image(calibrated, asked, work=tmp_path, client=client)
    with fits.open(made.cutout) as file:
        pixels, header = file[0].data[0, 0], file[0].header
    assert header["BMAJ"] * 3600 < 0.7 * made.beam_arcsec[0]
    x, y = (float(v) for v in WCS(header).celestial.all_world2pix(123.40031, 48.21721, 0))
    north, east = np.indices(pixels.shape)
    inside = np.hypot(north - y, east - x) < 3 * header["BMAJ"] / header["CDELT2"]
    area = np.pi / (4 * np.log(2)) * header["BMAJ"] * header["BMIN"] / header["CDELT2"] ** 2
    assert pixels[inside].sum() / area == pytest.approx(89.39, rel=0.05)
    assert np.hypot(*(np.array(np.unravel_index(pixels.argmax(), pixels.shape)) - (y, x))) < 3


def test_a_mask_is_of_the_wide_image(calibrated, tmp_path, client):
    """Nothing is cleaned there, and the cut-out has pixels of its own."""
    fits.writeto(tmp_path / "mask.fits", np.zeros((1, 1, IMAGE.npix, IMAGE.npix), np.float32))
    asked = replace(IMAGE, mask=str(tmp_path / "mask.fits"), cutout="6 arcmin", facets="0")
    made = imaging.image(calibrated, asked, work=tmp_path, client=client)
    assert made.model_flux_jy == 0
    assert fits.getdata(made.cutout).max() > 10


def test_major_cycles_are_those_that_were_done(calibrated, tmp_path, client, monkeypatch):
    done = []
    subtract = Held.subtract
    monkeypatch.setattr(Held, "subtract", lambda held, model: done.append(held) or subtract(held, model))
    made = imaging.image(calibrated, replace(IMAGE, major_cycles=3, facets="2"), work=tmp_path, client=client)
    assert made.facets == 2
    # Three to find the sources, one for what their facets see of them, one at least to clean on.
    assert made.major_cycles == len(done)
    assert 5 <= len(done) <= 7


def test_a_cutout_somewhere_that_is_no_place(calibrated, tmp_path, client):
    with pytest.raises(UsageError, match="cutout_centre"):
        imaging.image(calibrated, replace(IMAGE, cutout="6 arcmin", cutout_centre="x"), work=tmp_path, client=client)


def test_facets_see_what_was_read_as_every_sample_does(calibrated, imaged):
    """A chunk of two Measurement Sets with flags, a source beside a patch's centre."""
    paths = calibrated.measurement_sets
    cell = np.deg2rad(imaged.cell_arcsec / 3600)
    layout = measurement_set.layout(paths[0])
    size = Geometry(512, cell, 0.0, 0.49 / cell, 0.0, layout.phase_centre)
    (read,) = chunks.load(Part(tuple(paths), slice(0, len(layout.times))), size)
    jones = np.tile(np.array([1, 0, 0, 1], np.complex64), (1, len(layout.stations), 1))
    patch = Facet(40, 400, 40, -(60 - 256) * cell, (420 - 256) * cell, np.zeros(1), jones)
    there = point(read, patch.l - 2 * cell, patch.m + 3 * cell)
    cells = facet_cells.plan(read, [patch], size)
    assert len(cells.uvw) < read.weight.size / 3
    image = facet_cells.image_of(there, read, cells, patch, size, 1e-4)
    assert image[23, 22] == pytest.approx(read.weight.sum(dtype=float), rel=3e-4)
    model = np.zeros((40, 40))
    model[23, 22] = 1
    left = there.copy()
    facet_cells.subtract(left, model, read, cells, patch, size, 1e-4)
    assert np.abs(left[read.weight > 0]).std() < 0.01


def test_circular_polarization_is_noise(imaged):
    assert fits.getheader(imaged.circular)["CRVAL4"] == 4
    assert imaged.circular_rms_jy_per_beam / imaged.circular_thermal_rms_jy_per_beam == pytest.approx(1, abs=0.25)


def test_the_primary_beam_is_the_one_that_the_stations_had(imaged, truth):
    """Towards 3C197.1, 1.8° away, where it takes half; the image is divided by it."""
    with fits.open(imaged.primary_beam) as file:
        beam, wcs = file[0].data[0, 0], WCS(file[0].header).celestial
    source = list(truth.source_names).index("3C197.1")
    x, y = (round(float(v)) for v in wcs.all_world2pix(*np.rad2deg([truth.ra[source], truth.dec[source]]), 0))
    # Short baselines, of the core's wide beams, weigh more than they do in the mean over all baselines.
    even = apparent_fluxes(truth)[source] / truth.flux[source]
    assert 0.98 * even < beam[y, x] < 1.02 * np.max(truth.beam[source]) ** 2
    assert beam[256, 256] == pytest.approx(1, abs=0.01)
    image, corrected = (fits.getdata(path)[0, 0] for path in (imaged.image, imaged.corrected))
    assert corrected[y, x] == pytest.approx(image[y, x] / beam[y, x], rel=1e-5)
    np.testing.assert_array_equal(np.isnan(corrected), beam < 0.05 * beam.max())  # too low to tell


def test_no_image_is_made_of_a_failed_calibration(calibrated, tmp_path):
    with pytest.raises(CalibrationFailed, match="because"):
        imaging.image(replace(calibrated, verdict="failed", reasons=("because",)), IMAGE, work=tmp_path, client=None)


def test_nothing_unflagged_is_an_error(calibrated, tmp_path, client):
    with pytest.raises(ProcessingError, match="no visibility is left"):
        imaging.image(calibrated, replace(IMAGE, minimum_uv=1e9), work=tmp_path, client=client)
    assert not (tmp_path / "images/work").exists()


def test_too_few_pixels_a_beam_are_refused_before_there_is_anything_to_image():
    for wrong in ({"cell": "9 arcsec"}, {"npix": 512, "field": "5 deg"}):
        with pytest.raises(UsageError, match="pixels"):
            ImageParameters(resolution="10 arcsec", **wrong)
    assert ImageParameters(resolution="12 arcsec", cell="4 arcsec", npix=4096).npix == 4096


def test_no_measurement_sets(tmp_path):
    with pytest.raises(ProcessingError, match="no Measurement Sets"):
        flagging.flag([], FlagParameters(), work=tmp_path, client=None)


def test_records_are_json_without_anything_made_up(work):
    for name in ("flags/flagged", "averaged/averaged", "calibrated/calibrated", "images/imaged"):
        kept = json.loads((Path(work) / f"{name}.json").read_text())
        assert kept["key"] == kept["result"]["key"]
