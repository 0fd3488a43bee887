"""What an image is known to hold."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.processing import sky_model
from lofarlake_nb.quality import known


def test_a_source_on_both_sides_of_zero_hours_is_one():
    """3C295 has two lobes: moved to where right ascension begins anew, it is as large as before."""
    model = sky_model.calibrator("3C295")
    [there] = known.of_model(model)
    [here] = known.of_model(replace(model, ra=(model.ra - np.deg2rad(there.ra_deg)) % (2 * np.pi)))
    assert here.extent_arcsec == pytest.approx(there.extent_arcsec)
    assert (here.ra_deg + 180) % 360 == pytest.approx(180)
