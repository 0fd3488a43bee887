"""Pictures of images: right on the sky, clear about what is no image."""

import io

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib.figure import Figure
from matplotlib.image import imread

from lofarlake_nb.errors import NotAnImage, UsageError
from lofarlake_nb.widgets import image

CENTRE = SkyCoord(123.4 * u.deg, 48.2 * u.deg)
NPIX, CELL = 128, 20 / 3600  # pixels, degrees


def header() -> fits.Header:
    wcs = WCS(naxis=4)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN", "FREQ", "STOKES"]
    wcs.wcs.crval = [CENTRE.ra.deg, CENTRE.dec.deg, 135e6, 1]
    wcs.wcs.crpix = [NPIX / 2 + 1, NPIX / 2 + 1, 1, 1]
    wcs.wcs.cdelt = [-CELL, CELL, 2e5, 1]
    made = wcs.to_header()
    made.update(BUNIT="JY/BEAM", BMAJ=3 * CELL, BMIN=2 * CELL, BPA=30.0, OBJECT="3C196")
    return made


@pytest.fixture
def source():
    """A source 20′ north-east of the centre."""
    return CENTRE.directional_offset_by(45 * u.deg, 15 * u.arcmin)


@pytest.fixture
def path(tmp_path, source):
    values = np.random.default_rng(1).normal(0, 0.01, (1, 1, NPIX, NPIX)).astype(np.float32)
    x, y = (round(float(v)) for v in WCS(header()).celestial.world_to_pixel(source))
    values[0, 0, y, x] = 80
    fits.writeto(tmp_path / "image.fits", values, header())
    return tmp_path / "image.fits"


def test_the_brightest_pixel_is_where_the_source_is(path, source):
    read = image.read(path)
    y, x = np.unravel_index(np.argmax(read.values), read.values.shape)
    assert read.wcs.pixel_to_world(x, y).separation(source) < CELL * u.deg
    assert (read.unit, read.title) == ("Jy/beam", "3C196")


def test_north_is_up_and_east_is_left(path, source):
    """A source north-east of the centre is drawn up left of it."""
    drawn = image.draw(Figure(), image.read(path))
    y, x = np.unravel_index(np.argmax(drawn.get_array()), drawn.get_array().shape)
    at = drawn.axes.transData.transform((x, y))
    centre = drawn.axes.transData.transform((NPIX / 2, NPIX / 2))
    assert at[0] < centre[0]
    assert at[1] > centre[1]


@pytest.mark.parametrize("stretch", image.STRETCHES)
@pytest.mark.parametrize("interval", image.INTERVALS)
def test_every_scale_gives_a_picture(path, stretch, interval):
    png = imread(io.BytesIO(image.picture(path, stretch=stretch, interval=interval).png))
    assert png.std() > 0.05


def test_minmax_spans_all_values(path):
    drawn = image.draw(Figure(), image.read(path), interval="minmax", stretch="linear")
    assert drawn.norm.vmax == 80


def test_width_shows_the_middle_on_the_same_sky(path):
    drawn = image.draw(Figure(), image.read(path), width="10 arcmin")
    shown = drawn.get_array()
    assert shown.shape == (30, 30)
    assert drawn.axes.wcs.pixel_to_world(15, 15).separation(CENTRE) < 2 * CELL * u.deg


def test_large_images_are_thinned_and_stay_in_place(tmp_path):
    large = header()
    size = 4 * image._DRAWN // 3
    large.update(CRPIX1=size / 2 + 1, CRPIX2=size / 2 + 1)
    fits.writeto(tmp_path / "large.fits", np.ones((size, size), np.float32), large)
    drawn = image.draw(Figure(), image.read(tmp_path / "large.fits"))
    assert max(drawn.get_array().shape) <= image._DRAWN
    assert drawn.axes.wcs.pixel_to_world(size / 4, size / 4).separation(CENTRE) < 3 * CELL * u.deg


def test_a_picture_survives_as_png_and_words(path):
    bundle = image.picture(path)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "128 × 128 pixels" in bundle["text/plain"]


def test_nothing_to_look_at_is_said():
    bundle = image.picture("")._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "no image" in image.view("").value


# ipympl's toolbar gives traitlets more than it takes.
@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")
def test_a_view_changes_its_scale(path):
    view = image.view(path)
    (stretch, interval), canvas = view.children[0].children, view.children[1]
    before = canvas.figure.axes[0].images[0].norm.vmax
    interval.value = "minmax"
    stretch.value = "linear"
    assert canvas.figure.axes[0].images[0].norm.vmax == 80 > before


@pytest.mark.parametrize("wrong", [{"stretch": "cubic"}, {"interval": "5 %"}, {"width": "much"}, {"width": "1 arcsec"}])
def test_a_wrong_wish_is_named(path, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        image.picture(path, **wrong)


def spectrum(path):
    fits.writeto(path, np.ones(5))


def plane_without_sky(path):
    fits.writeto(path, np.ones((5, 5)))


def only_nan(path):
    fits.writeto(path, np.full((1, 1, NPIX, NPIX), np.nan, np.float32), header())


def empty(path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(path)


@pytest.mark.parametrize("make", [spectrum, plane_without_sky, only_nan, empty])
def test_what_is_no_image_of_the_sky_is_refused(tmp_path, make):
    make(tmp_path / "wrong.fits")
    with pytest.raises(NotAnImage, match=r"wrong\.fits"):
        image.picture(tmp_path / "wrong.fits")


def test_a_truncated_image_is_refused(path):
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(NotAnImage, match=r"image\.fits"):
        image.picture(path)


def test_a_text_is_refused(tmp_path):
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(NotAnImage, match=r"text\.fits"):
        image.picture(tmp_path / "text.fits")
