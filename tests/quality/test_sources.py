"""Fluxes and positions are measured as they are in the image."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.quality import sources


def known(name, position, **more):
    return sources.KnownSource(name, position.ra.deg, position.dec.deg, **more)


def test_fluxes_and_positions_are_those_put_in(image):
    path, places = image
    wanted = [known(name, position, true_flux_jy=flux) for name, (position, flux) in places.items()]
    found = sources.measure(sources.read_picture(path), wanted)
    for source, (position, flux) in zip(found, places.values(), strict=True):
        assert source.flux_jy == pytest.approx(flux, rel=5e-3, abs=4 * source.flux_error_jy)
        away = SkyCoord(source.ra_deg * u.deg, source.dec_deg * u.deg).separation(position)
        assert away < 1 * u.arcsec
        assert source.true_flux_jy == flux


def test_the_error_is_the_noise_over_the_aperture(image):
    path, places = image
    found = sources.measure(sources.read_picture(path), [known("strong", places["strong"][0])])
    beams = np.pi * (1.5 * 20) ** 2 / (1.1331 * 20 * 16)  # in the aperture
    assert found[0].flux_error_jy == pytest.approx(0.001 * np.sqrt(beams), rel=0.2)


def test_a_source_outside_the_image_or_at_its_edge_is_left_out(image):
    path, _ = image
    picture = sources.read_picture(path)
    edge = picture.wcs.pixel_to_world(3, 200)
    assert sources.measure(picture, [known("edge", edge), sources.KnownSource("far", 10.0, -80.0)]) == []


def test_what_is_no_image_with_a_beam_is_refused(tmp_path):
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(ProcessingError, match="no FITS image with a beam"):
        sources.read_picture(tmp_path / "text.fits")
    fits.PrimaryHDU(np.zeros((2, 3))).writeto(tmp_path / "beamless.fits")
    with pytest.raises(ProcessingError, match="BMAJ"):
        sources.read_picture(tmp_path / "beamless.fits")


def test_a_source_where_the_image_is_blank_is_left_out(image):
    """An image that is corrected for the primary beam is blank where that is weak."""
    path, places = image
    picture = sources.read_picture(path)
    wanted = [known(name, position) for name, (position, _) in places.items()]
    picture.pixels[275:] = np.nan  # within the ring around the weak one
    assert [source.name for source in sources.measure(picture, wanted)] == ["strong"]
    picture.pixels[:] = 0
    assert sources.measure(picture, wanted) == []
