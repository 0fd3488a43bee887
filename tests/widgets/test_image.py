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
from lofarlake_nb.parameters import view as parameters
from lofarlake_nb.widgets import image, overlays, viewer

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


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar
def test_where_nothing_is_finite_there_is_a_scale_all_the_same(path):
    """An image that is put on another's pixels and lies elsewhere, or a blank middle."""
    first = image.read(path)
    elsewhere = WCS(header()).celestial
    elsewhere.wcs.crval = [300, -40]
    view = viewer.Viewer([first, image.Image(first.values, elsewhere, first.unit, "elsewhere", None)])
    view.which.value = 1
    assert (view.axes.get_title(), view.drawn.norm.vmin, view.drawn.norm.vmax) == ("elsewhere", 0, 1)


def test_width_shows_the_middle_on_the_same_sky(path):
    drawn = image.draw(Figure(), image.read(path), width="10 arcmin")
    assert drawn.get_array().shape == (30, 30)
    middle = [np.mean(limits) for limits in (drawn.axes.get_xlim(), drawn.axes.get_ylim())]
    assert drawn.axes.wcs.pixel_to_world(*middle).separation(CENTRE) < 2 * CELL * u.deg


def test_large_images_are_thinned_and_stay_in_place(tmp_path):
    large = header()
    size = 4 * image.DRAWN // 3
    large.update(CRPIX1=size / 2 + 1, CRPIX2=size / 2 + 1)
    values = np.zeros((size, size), np.float32)
    values[600, 3000] = 1
    fits.writeto(tmp_path / "large.fits", values, large)
    drawn = image.draw(Figure(), image.read(tmp_path / "large.fits"))
    shown, (left, right, low, _) = drawn.get_array(), drawn.get_extent()
    assert max(shown.shape) <= image.DRAWN
    row, column = np.unravel_index(np.argmax(shown), shown.shape)
    step = (right - left) / shown.shape[1]
    assert (left + (column + 0.5) * step, low + (row + 0.5) * step) == (3000, 600)


def test_a_picture_survives_as_png_and_words(path):
    bundle = image.picture(path)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "128 × 128 pixels" in bundle["text/plain"]


def test_nothing_to_look_at_is_said():
    bundle = image.picture("")._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "no image" in viewer.view("").value


def test_the_readout_says_pixel_sky_and_value(path, source):
    read = image.read(path)
    x, y = (float(v) for v in read.wcs.world_to_pixel(source))
    said = image.readout(read, x, y)
    assert said.startswith(f"pixel {round(x)}, {round(y)}; {source.to_string('hmsdms', precision=1)[:8]}")
    assert said.endswith("80 Jy/beam")
    assert "Jy" not in image.readout(read, -10, 5)


def test_a_cut_goes_through_the_source(path, source):
    read = image.read(path)
    x, y = (round(float(v)) for v in read.wcs.world_to_pixel(source))
    distance, values = image.cut(read, (x - 10, y), (x + 10, y))
    assert (len(values), np.argmax(values), values.max()) == (21, 10, 80)
    assert distance[-1] == pytest.approx(20 * CELL * 3600)


def test_images_of_other_pixels_are_put_on_the_same_sky(path, tmp_path, source):
    finer = header()
    finer.update(CDELT1=-CELL / 2, CDELT2=CELL / 2, CRPIX1=NPIX + 1, CRPIX2=NPIX + 1)
    values = np.zeros((2 * NPIX, 2 * NPIX), np.float32)
    x, y = (round(float(v)) for v in WCS(finer).celestial.world_to_pixel(source))
    values[y - 1 : y + 2, x - 1 : x + 2] = 7
    fits.writeto(tmp_path / "finer.fits", values, finer)
    first = image.read(path)
    moved = image.aligned(image.read(tmp_path / "finer.fits"), first)
    assert moved.shape == first.values.shape
    row, column = np.unravel_index(np.nanargmax(moved), moved.shape)
    assert first.wcs.pixel_to_world(column, row).separation(source) < CELL * u.deg
    assert image.aligned(first, first) is first.values


def test_pixels_at_the_edge_are_kept_where_the_sky_is_the_same_to_a_rounding(path):
    whole = image.read(path)
    part = image.Image(whole.values[28:, :100], whole.wcs[28:, :100], whole.unit, "a part", None)
    assert np.array_equal(image.aligned(whole, part), part.values)


def test_planes_are_told_by_their_stokes(tmp_path):
    two = header()
    two.update(CDELT4=3, CRVAL4=1)
    fits.writeto(tmp_path / "iv.fits", np.stack([np.ones((1, NPIX, NPIX)), np.zeros((1, NPIX, NPIX))]), two)
    assert image.planes(tmp_path / "iv.fits") == 2
    assert [image.read(tmp_path / "iv.fits", n).title for n in range(2)] == ["3C196, I", "3C196, V"]
    assert image.read(tmp_path / "iv.fits", 1).values.max() == 0


@pytest.fixture
def region_file(tmp_path, source):
    lines = ["# Region file format: DS9", "fk5", f'circle({source.ra.deg},{source.dec.deg},60") # text={{north-east}}']
    (tmp_path / "sources.reg").write_text("\n".join([*lines, "image", "box(20,30,4,6,0)", ""]))
    return tmp_path / "sources.reg"


@pytest.fixture
def catalogue_file(tmp_path, source):
    (tmp_path / "catalogue.csv").write_text(f"name,RA,DEC\nbright,{source.ra.deg},{source.dec.deg}\nfar,10,-30\n")
    return tmp_path / "catalogue.csv"


def test_regions_are_drawn_where_they_are(path, region_file, source):
    drawn = image.draw(Figure(), image.read(path))
    circle, label, _box = overlays.draw_regions(drawn.axes, overlays.regions(region_file))
    assert drawn.axes.wcs.pixel_to_world(*circle.center).separation(source) < 0.1 * CELL * u.deg
    assert circle.radius == pytest.approx(60 / 3600 / CELL, rel=1e-3)
    assert label.get_text() == "north-east"


@pytest.mark.parametrize(
    "shape",
    ["circle({},30)", "ellipse({},30,20,10)", "box({},30,20,10)", "polygon({0},{0},{0})", "point({})", "text({})"],
)
def test_regions_on_the_other_side_of_the_sky_are_left_out(path, region_file, tmp_path, shape):
    (tmp_path / "far.reg").write_text(f"fk5\n{shape.format('299.8,-40.7')} # text={{Cygnus}}\n")
    axes = image.draw(Figure(), image.read(path)).axes
    both = [*overlays.regions(tmp_path / "far.reg"), *overlays.regions(region_file)]
    assert len(overlays.draw_regions(axes, both)) == 3


def test_a_catalogue_is_drawn_where_it_is_inside(path, catalogue_file, source):
    drawn = image.draw(Figure(), image.read(path))
    points, note = overlays.draw_catalogue(drawn.axes, overlays.catalogue(catalogue_file))
    assert len(points.get_xdata()) == 1
    at = drawn.axes.wcs.pixel_to_world(points.get_xdata()[0], points.get_ydata()[0])
    assert at.separation(source) < 0.1 * CELL * u.deg
    assert note.get_text() == "bright"


def test_of_a_catalogue_of_all_the_sky_those_in_the_picture_are_drawn(path, source):
    far = [overlays.Source("far", float(ra), -30.0) for ra in range(6000)]
    axes = image.draw(Figure(), image.read(path)).axes
    points, note = overlays.draw_catalogue(axes, [*far, overlays.Source("bright", source.ra.deg, source.dec.deg)])
    assert (len(points.get_xdata()), note.get_text()) == (1, "bright")


def test_a_row_without_a_place_is_no_source(tmp_path):
    (tmp_path / "gap.csv").write_text("name,ra,dec\n3C196,123.4,48.2\nnowhere,,48\n")
    assert [source.name for source in overlays.catalogue(tmp_path / "gap.csv")] == ["3C196"]


def test_places_that_are_no_degrees_are_told(tmp_path):
    (tmp_path / "sexagesimal.csv").write_text("name,ra,dec\n3C196,08:13:36,48:12:00\n")
    with pytest.raises(UsageError, match="ra and dec are no degrees .*08:13:36"):
        overlays.catalogue(tmp_path / "sexagesimal.csv")


def test_a_summary_is_a_catalogue(tmp_path):
    (tmp_path / "summary.json").write_text('{"sources": [{"name": "3C196", "ra_deg": 123.4, "dec_deg": 48.2}]}')
    assert overlays.catalogue(tmp_path / "summary.json") == [overlays.Source("3C196", 123.4, 48.2)]


@pytest.mark.parametrize("read", [overlays.regions, overlays.catalogue])
def test_what_can_not_be_drawn_is_named(tmp_path, read):
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    for name in ("wrong.csv", "no_such.csv"):
        with pytest.raises(UsageError, match=name):
            read(tmp_path / name)


def test_a_picture_has_what_is_drawn_on_it(path, region_file, catalogue_file):
    plain, drawn = (
        image.picture(path, **more).png for more in ({}, {"regions": region_file, "catalogue": catalogue_file})
    )
    assert plain != drawn


# ipympl's toolbar gives traitlets more than it takes.
@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")
class TestView:
    def test_it_changes_its_scale(self, path):
        seen = viewer.Viewer([image.read(path)])
        before = seen.drawn.norm.vmax
        seen.interval.value = "minmax"
        seen.stretch.value = "linear"
        assert seen.drawn.norm.vmax == 80 > before

    def test_two_images_blink_in_place(self, path, tmp_path):
        with fits.open(path) as hdus:
            fits.writeto(tmp_path / "after.fits", 2 * hdus[0].data, hdus[0].header)
        seen = viewer.Viewer([image.read(path), image.read(tmp_path / "after.fits")])
        limits = seen.axes.get_xlim()
        seen.which.value = 1
        assert seen.drawn.get_array().max() == 160
        assert seen.readout(5, 5) != image.readout(seen.images[0], 5, 5)
        assert (seen.axes.get_xlim(), seen.blink.max) == (limits, 1)

    def test_a_cut_is_clicked(self, path):
        seen = viewer.Viewer([image.read(path)])
        seen.cutting.value = True
        for x in (20.0, 50.0):
            seen._pressed(type("Event", (), {"inaxes": seen.axes, "xdata": x, "ydata": 30.0}))
        (profile,) = seen.profile.children
        assert len(profile.children[-1].figure.axes[0].lines[0].get_xdata()) == 31
        assert not seen.cutting.value
        seen._forget()
        assert seen.profile.children == ()
        assert len(seen.axes.lines) == 0

    def test_a_file_that_can_not_be_drawn_is_named_in_the_view(self, path, region_file):
        seen = viewer.Viewer([image.read(path)])
        seen.file.value = "no_such.reg"
        assert "no_such.reg" in seen.said.value
        seen.file.value = str(region_file)
        assert (seen.said.value, len(seen._over)) == ("", 3)


WRONG = [("stretch", "cubic"), ("interval", "5 %"), ("width", "much"), ("width", "1 arcsec"), ("width", "inf deg")]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_wrong_wish_is_named(path, name, wrong):
    with pytest.raises(UsageError, match=name):
        image.picture(path, **{name: wrong})


def test_the_scales_that_are_allowed_are_those_that_there_are():
    assert (tuple(image.STRETCHES), tuple(image.INTERVALS)) == (parameters.STRETCHES, parameters.INTERVALS)


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
