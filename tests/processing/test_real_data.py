"""The public LOFAR scan of 3C295: figures that a right answer has, and a verdict on a wrong one."""

import shutil
import tarfile

import numpy as np
import pytest
from astropy.io import fits

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters, ImageParameters
from lofarlake_nb.processing import averaging, calibration, flagging, imaging, sky_model

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def scan(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    with tarfile.open(next(real_data.glob("L102085*.tar"))) as tar:
        tar.extractall(folder, filter="data")
    return measurement_set.find(folder)[0]


def calibrate(scan, work, client):
    flagged = flagging.flag([scan], FlagParameters(), work=work, client=client)
    averaged = averaging.average(flagged, AverageParameters(), work=work, client=client)
    model = sky_model.load("", measurement_set.layout(scan).phase_centre)
    assert model.name == "3C295"
    return calibration.calibrate(averaged, model, CalibrationParameters(), work=work, client=client)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def calibrated(scan, work, client):
    return calibrate(scan, work, client)


def test_the_calibration_is_good(calibrated):
    assert calibrated.verdict == "good"
    assert calibrated.held_out_phase_rms_deg < 15
    assert "CS030HBA1" in {s.name for s in calibrated.bad_stations}


def test_it_agrees_with_an_independent_calibration(calibrated, scan):
    """BBS, as ASTRON ran it; it applied the beam too."""
    layout = measurement_set.layout(scan)
    theirs = measurement_set.read(scan, layout, ["CORRECTED_DATA", "FLAG"], slice(None))
    path = calibrated.measurement_sets[0]
    ours = measurement_set.read(path, measurement_set.layout(path), ["CORRECTED_DATA", "FLAG"], slice(None))
    for hand in (0, 3):
        bbs = theirs["CORRECTED_DATA"][:, layout.cross][..., hand]
        good = ~theirs["FLAG"][:, layout.cross][..., hand] & ~ours["FLAG"][..., hand] & (bbs != 0)
        ratio = ours["CORRECTED_DATA"][..., hand][good] / bbs[good]
        assert np.median(np.abs(np.rad2deg(np.angle(ratio)))) < 8
        assert 0.93 < np.median(np.abs(ratio)) < 1.03


def test_the_image_has_the_flux_of_scaife_and_heald(calibrated, work, client):
    imaged = imaging.image(calibrated, ImageParameters(field="4 deg", npix=720), work=work, client=client)
    with fits.open(imaged.image) as file:
        pixels, header = file[0].data[0, 0], file[0].header
    centre = imaged.npix // 2
    north, east = np.indices(pixels.shape) - centre
    inside = np.hypot(north, east) * imaged.cell_arcsec < 2 * imaged.beam_arcsec[0]
    area = np.pi / (4 * np.log(2)) * header["BMAJ"] * header["BMIN"] / header["CDELT2"] ** 2
    assert pixels[inside].sum() / area == pytest.approx(105.65, rel=0.03)
    assert imaged.rms_jy_per_beam < 0.5


def test_permuted_baselines_fail(scan, tmp_path, client):
    spoiled = tmp_path / "spoiled.MS"
    shutil.copytree(scan, spoiled)
    layout = measurement_set.layout(spoiled)
    data = measurement_set.read(spoiled, layout, ["DATA"], slice(None))["DATA"]
    cross = np.flatnonzero(layout.cross)
    data[:, cross] = data[:, np.random.default_rng(1).permutation(cross)]
    writer.put(spoiled, layout, "DATA", 0, data)
    judged = calibrate(spoiled, tmp_path / "work", client)
    assert judged.verdict == "failed"
    assert judged.held_out_phase_rms_deg > 60
