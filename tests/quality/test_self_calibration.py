"""What an image shows joins the sky model, and what the model has already is not there twice."""

import numpy as np
import pytest

from lofarlake_nb.processing import sky_model
from lofarlake_nb.quality import self_calibration
from lofarlake_nb.quality.finding import SourceList


def test_found_sources_join_the_model_where_they_are_new_and_significant():
    model = sky_model.calibrator("3C196")
    ra = np.array([123.4003, 125.39, 121.7])
    dec = np.array([48.2172, 47.04, 48.7])
    flux, noise = np.array([89.0, 6.0, 0.05]), np.full(3, 0.01)
    found = SourceList(ra, dec, flux, noise, flux, noise, noise / 3600, noise / 3600)
    wider = self_calibration.with_sources(model, found, 135e6)
    assert len(wider.flux) == len(model.flux) + 1
    assert (np.rad2deg(wider.ra[-1]), np.rad2deg(wider.dec[-1])) == pytest.approx((125.39, 47.04))
    added = wider.fluxes(np.array([135e6]))[-1, 0]
    assert added == pytest.approx(6.0)
    np.testing.assert_allclose(wider.fluxes(np.array([140e6]))[:-1], model.fluxes(np.array([140e6])))
