"""When a clean ends."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing.images import cleaning, deconvolution
from lofarlake_nb.processing.images.bands import Bands
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.restoring import Beam

NPIX, CELL = 64, np.deg2rad(20 / 3600)
SIZE = Geometry(NPIX, CELL, 0.0, 0.49 / CELL, 0.0, (2.15, 0.84))
BANDS = Bands(np.array([120e6, 130e6]), np.ones(1))


def cleaned(monkeypatch, residuals):
    """Clean whose rounds leave these residuals, one after the other."""
    left = iter(residuals)

    def one(residual, model, *_):
        residual[:] *= next(left)
        model += 1
        return 1

    monkeypatch.setattr(deconvolution, "_round", one)
    dirty = np.random.default_rng(1).normal(size=(1, NPIX, NPIX)).astype(np.float32)
    parameters = ImageParameters(major_cycles=10)
    return deconvolution.deconvolve(dirty, dirty, lambda model: model, parameters, SIZE, 3 * CELL, BANDS)


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_an_image_of_nothing_ends_at_once(monkeypatch, nothing):
    found = cleaned(monkeypatch, [nothing, 1.0])
    assert found.major_cycles == 2 if nothing == 0 else 1


def test_it_goes_on_while_the_noise_falls(monkeypatch):
    found = cleaned(monkeypatch, [0.5, 0.8, 0.97, 0.1])
    assert found.major_cycles == 3
    assert found.model[0, 0, 0] == 3


def test_what_made_it_worse_is_undone(monkeypatch):
    found = cleaned(monkeypatch, [0.5, 1.2, 0.1])
    assert found.major_cycles == 2
    assert found.model[0, 0, 0] == 1
    assert found.residual.std() == pytest.approx(0.5, rel=0.02)


def test_radler_is_not_heard(capsys):
    """Neither where standard output is Python's own, as in a notebook."""
    sky, psf = np.zeros((2, 1, NPIX, NPIX), np.float32)
    sky[0, 40, 20], psf[0, NPIX // 2, NPIX // 2] = 3, 1
    found = deconvolution.deconvolve(
        sky.copy(), psf, lambda model: sky - model, ImageParameters(), SIZE, 3 * CELL, BANDS
    )
    assert found.model[0, 40, 20] == pytest.approx(3, rel=1e-3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_major_cycles_than_asked_for_where_nothing_gets_a_facet(monkeypatch, most):
    def deconvolve(dirty, psfs, subtract, parameters, *_):
        return deconvolution.Deconvolved(0 * dirty, dirty, parameters.major_cycles)

    monkeypatch.setattr(cleaning, "deconvolve", deconvolve)
    monkeypatch.setattr(cleaning, "_places", lambda *_: [])
    asked = ImageParameters(major_cycles=most)
    held = SimpleNamespace(parameters=asked, geometry=SIZE, bands=BANDS, subtract=None, facets=())
    dirty = np.zeros((1, NPIX, NPIX), np.float32)
    found, _ = cleaning.clean(held, dirty, dirty, Beam(3 * CELL, 3 * CELL, 0.0), SimpleNamespace(), [])
    assert found.major_cycles == most


@pytest.mark.parametrize(("shape", "said"), [((1, 1, 32, 48), "has 32 × 48 pixels"), (None, "can't be read")])
def test_a_mask_that_does_not_fit_is_refused(tmp_path, shape, said):
    mask = tmp_path / "mask.fits"
    if shape:
        fits.writeto(mask, np.ones(shape, np.float32))
    image, parameters = np.zeros((1, NPIX, NPIX), np.float32), ImageParameters(mask=str(mask))
    with pytest.raises(UsageError, match=said):
        deconvolution.deconvolve(image, image, lambda model: model, parameters, SIZE, 3 * CELL, BANDS)
