"""Pictures show what is there: no source falls between two pixels of the screen, the same picture is the same bytes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import AsinhStretch, ImageNormalize

from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.quality import figures, sources
from lofarlake_nb.quality.comparison import Comparison
from lofarlake_nb.quality.figures import sky
from lofarlake_nb.quality.figures.flags import _baselines


def test_the_strongest_pixel_is_shown_with_its_sign(image):
    picture = sources.read_picture(image[0])
    picture.pixels[:] = 0.1
    picture.pixels[7, 13], picture.pixels[200, 201] = -5, 3
    shown, extent = sky._pooled(picture, 4)
    assert (shown.min(), shown.max()) == (-5, 3)
    assert shown[7 // 4, 13 // 4] == -5
    assert extent == (-0.5, 399.5, -0.5, 399.5)


@pytest.mark.parametrize(("rms", "peak"), [(0.004, 85.0), (0.2, 105.0), (1e-5, 0.001)])
def test_a_colour_bar_has_ticks_that_can_be_read(rms, peak):
    low, high = -4 * rms, max(peak, 20 * rms)
    norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(4 * rms / (high - low)))
    ticks = sky._ticks(norm, low, high)
    assert 0.0 in ticks
    assert all(low <= tick <= high for tick in ticks)
    assert 4 <= len(ticks) <= 20
    assert np.diff([float(norm(tick)) for tick in ticks]).min() > 0.05


def test_the_same_image_is_the_same_picture(image, tmp_path):
    path, places = image
    (tmp_path / "image.fits").write_bytes(path.read_bytes())
    strong = places["strong"][0]
    known = {"name": "strong", "ra_deg": strong.ra.deg, "dec_deg": strong.dec.deg}
    figures_of = {"rms_jy_per_beam": 0.001, "peak_ra_deg": strong.ra.deg, "peak_dec_deg": strong.dec.deg}
    summary = {"image": {**figures_of, "frequency_hz": 135e6}, "sources": [known]}
    made = [Path(figures.field(tmp_path, summary).filename).read_bytes() for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("rms", [0.0, None])
def test_an_image_without_noise_is_drawn(image, tmp_path, rms):
    picture = sources.read_picture(image[0])
    blank = np.zeros((1, 1, *picture.pixels.shape), np.float32)
    fits.writeto(tmp_path / "image.fits", blank, fits.getheader(image[0]), overwrite=True)
    figures_of = {"rms_jy_per_beam": rms, "peak_ra_deg": 123.4, "peak_dec_deg": 48.2}
    drawn = figures.field(tmp_path, {"image": figures_of, "sources": []})
    assert Path(drawn.filename).stat().st_size > 1000


def test_baselines_of_bad_stations_are_all_flagged_and_the_rest_as_they_are():
    found = SimpleNamespace(
        station_fractions={"A": 0.1, "B": 0.2, "C": 1.0},
        bad_stations=(BadStation("C", "dead", 1.0),),
        baseline_fractions={"A & B": 0.25, "A & C": 0.0, "B & C": 0.0},
    )
    names, matrix = _baselines(found)
    assert names == ["A", "B", "C"]
    assert matrix[0, 1] == matrix[1, 0] == 0.25
    assert matrix[2, 0] == matrix[1, 2] == 1.0
    assert np.isnan(np.diag(matrix)).all()


def test_with_nothing_to_compare_there_is_no_picture(tmp_path):
    nothing = np.zeros(0)
    empty = Comparison("truth", (), *[nothing] * 8, 10.0)
    assert figures.fluxes([empty], tmp_path, beam_arcsec=20) is None
    assert list(tmp_path.iterdir()) == []
