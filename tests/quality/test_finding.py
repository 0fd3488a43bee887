"""PyBDSF reads our images, and its list has the fluxes and places that were put in, corrected for the primary beam."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.processing import cluster
from lofarlake_nb.processing.images import fits_image
from lofarlake_nb.processing.images.fits_image import Origin
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.restoring import Beam
from lofarlake_nb.quality import catalogue, comparison, finding
from lofarlake_nb.quality.catalogue import Catalogue

ARCSEC = np.deg2rad(1 / 3600)
SIZE, NOISE, BEAM = 300, 0.002, Beam(20 * ARCSEC, 16 * ARCSEC, np.deg2rad(30))
GEOMETRY = Geometry(SIZE, 5 * ARCSEC, 0.0, 1e4, 0.0, (np.deg2rad(123.4), np.deg2rad(48.2)))
ORIGIN = Origin("3C196", "LOFAR", "2014-12-17T01:04:44.000Z", 135e6, 8e6)
PLACES = {"strong": (150.0, 150.0, 10.0), "weak": (82.3, 210.7, 0.5), "east": (40.0, 150.0, 2.0)}


def gaussian(x, y):
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    north, east = rows - y, -(columns - x)
    along = north * np.cos(BEAM.position_angle) + east * np.sin(BEAM.position_angle)
    across = -north * np.sin(BEAM.position_angle) + east * np.cos(BEAM.position_angle)
    radius2 = (along * GEOMETRY.cell / BEAM.major) ** 2 + (across * GEOMETRY.cell / BEAM.minor) ** 2
    return np.exp(-4 * np.log(2) * radius2)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Apparent image, and the primary beam: 1 in the middle, falling off to the east and west."""
    folder = tmp_path_factory.mktemp("images")
    columns = np.arange(SIZE) - SIZE / 2
    response = np.broadcast_to(np.exp(-((columns / 180) ** 2)), (SIZE, SIZE))
    pixels = np.random.default_rng(1).normal(0, NOISE, (SIZE, SIZE))
    for x, y, flux in PLACES.values():
        pixels += flux * np.exp(-(((x - SIZE / 2) / 180) ** 2)) * gaussian(x, y)
    image = fits_image.write(folder / "image.fits", pixels, GEOMETRY, ORIGIN, unit="JY/BEAM", beam=BEAM)
    return image, fits_image.write(folder / "primary-beam.fits", response, GEOMETRY, ORIGIN, unit="")


@pytest.fixture(scope="module")
def found(images, tmp_path_factory):
    return finding.find(images[0], tmp_path_factory.mktemp("found"), "key", beam=images[1])


def known(images):
    sky = [WCS(fits.getheader(images[0])).celestial.pixel_to_world(x, y) for x, y, _ in PLACES.values()]
    ra, dec = (np.array([getattr(s, name).deg for s in sky]) for name in ("ra", "dec"))
    return Catalogue("truth", tuple(PLACES), ra, dec, np.array([flux for *_, flux in PLACES.values()]))


def test_a_path_from_here_is_as_good_as_a_whole_one(found, images, monkeypatch):
    folder = images[0].parent
    monkeypatch.chdir(folder)
    again = finding.find(images[0].relative_to(folder), Path("sought"), "key", beam=images[1].relative_to(folder))
    assert (again.note, again.count) == ("", found.count)
    assert len(finding.read(again.catalogue).flux_jy) == found.count


def test_fluxes_and_places_are_those_put_in(found, images):
    assert found.count == len(PLACES)
    compared = comparison.compare(finding.read(found.catalogue), known(images), beam_arcsec=20, frequency_hz=135e6)
    assert compared.names == ("strong", "east", "weak")
    assert compared.flux_jy == pytest.approx(compared.known_flux_jy, rel=0.01, abs=4 * compared.flux_error_jy.max())
    assert np.abs(3600 * compared.ra_offset_deg).max() < 1
    assert np.abs(3600 * compared.dec_offset_deg).max() < 1
    statistics = compared.statistics()
    assert statistics["ncompared"] == 3
    assert statistics["meanRatio"] == pytest.approx(1, abs=0.02)
    assert abs(statistics["meanClippedRAOffsetDeg"]) < 0.5 / 3600


def test_the_noise_is_that_of_the_image_and_larger_where_the_beam_is_weak(found):
    assert found.median_rms_jy_per_beam == pytest.approx(NOISE, rel=0.15)
    assert found.beam_corrected
    assert found.median_true_rms_jy_per_beam > 1.05 * found.median_rms_jy_per_beam


def test_the_list_is_a_catalogue_of_its_own_with_the_beam_that_it_was_corrected_for(found):
    again = catalogue.read(found.catalogue)
    assert sorted(again.flux_jy) == pytest.approx(sorted(finding.read(found.catalogue).flux_jy))
    table = Table.read(found.catalogue)
    assert table["Total_flux"].unit == "Jy"
    east = np.argmax(table["RA"])
    assert table["Beam"][east] == pytest.approx(np.exp(-((110 / 180) ** 2)), rel=0.01)
    assert "ellipse" in found.regions.read_text()


def test_the_same_list_is_not_made_twice(found, images):
    before = found.catalogue.stat().st_mtime_ns
    assert finding.find(images[0], found.catalogue.parent, "key", beam=images[1]) == found
    assert found.catalogue.stat().st_mtime_ns == before


def test_an_image_that_pybdsf_refuses_costs_the_list_and_not_the_run(tmp_path):
    (tmp_path / "image.fits").write_text("no FITS")
    found = finding.find(tmp_path / "image.fits", tmp_path / "found", "key")
    assert (found.catalogue, found.count) == (None, 0)
    assert "PyBDSF" in found.note


def test_what_is_no_list_is_refused(tmp_path):
    (tmp_path / "sources.fits").write_text("no FITS")
    with pytest.raises(ProcessingError, match="no source list"):
        finding.read(tmp_path / "sources.fits")


@pytest.mark.parametrize(
    ("folder", "used", "files"),
    [("", "memory.current", "inactive_file"), ("memory", "memory.usage_in_bytes", "total_inactive_file")],
)
def test_a_containers_memory_is_less_than_the_machines(tmp_path, monkeypatch, folder, used, files):
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    (place / used).write_text("40000000\n")
    (place / "memory.stat").write_text(f"anon 25000000\n{files} 15000000\n")
    monkeypatch.setattr(finding, "CGROUP", tmp_path)
    monkeypatch.setattr(cluster, "MEMORY", 60_000_000)
    assert finding._free_bytes() == 35_000_000
    monkeypatch.setattr(cluster, "MEMORY", 10**15)
    assert finding._free_bytes() > 35_000_000


def test_an_image_too_large_for_the_memory_costs_the_list_and_says_so(images, tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "PIXEL_BYTES", 10**9)
    found = finding.find(images[0], tmp_path, "key")
    assert found.catalogue is None
    assert "GB are free" in found.note
    assert not (tmp_path / "found.json").exists()  # it is tried again
