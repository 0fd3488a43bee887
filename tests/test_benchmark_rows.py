"""Figures of a benchmark: ratios the right way round, verdicts, and rows that stay when others are measured again."""

import json

import numpy as np
import pytest
from astropy.io import fits

from benchmarks import field_truth
from benchmarks.rows import compared, in_words, write


def test_less_is_better_or_more_is():
    assert compared("t", 2.0, 6.0, "s", 3.0, faster=False).ratio == pytest.approx(3)
    assert compared("t", 2.0, 6.0, "s", 3.0, faster=False).met
    assert not compared("t", 2.1, 6.0, "s", 3.0, faster=False).met
    assert compared("r", 6.0, 2.0, "MB/s", 3.0, faster=True).met
    assert compared("r", 6.0, 2.0, "MB/s", None, faster=True).met is None


def test_without_a_peer_a_bound_is_the_most_that_it_may_be():
    assert compared("e", 0.01, None, "", 0.02, faster=False).met
    row = compared("e", 0.03, None, "", 0.02, faster=False)
    assert "MISSED" in in_words(row)


def test_rows_of_other_pieces_stay(tmp_path):
    path = tmp_path / "process.json"
    write(path, [compared(name, 1.0, 2.0, "s", None, faster=False) for name in ("a", "b")], beside=True)
    write(path, [compared("b", 1.0, 4.0, "s", None, faster=False)], beside=True)
    assert {row["name"]: row["ratio"] for row in json.loads(path.read_text())} == {"a": 2.0, "b": 4.0}
    write(path, [compared("c", 1.0, 4.0, "s", None, faster=False)])
    assert [row["name"] for row in json.loads(path.read_text())] == ["c"]


def test_a_cut_out_of_the_truth_is_the_truth(tmp_path):
    cell, beam, size = 1 / 3600, 5.0, 4.0
    header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 123.4, "CRVAL2": 48.2})
    header.update({"CRPIX1": 33, "CRPIX2": 33, "CDELT1": -cell, "CDELT2": cell, "CRVAL3": 150e6})
    header.update({"BMAJ": beam / 3600, "BMIN": beam / 3600, "BPA": 30.0})
    sky = tmp_path / "a.skymodel"
    sky.write_text(
        "FORMAT = Name, Type, Ra, Dec, I, SpectralIndex='[]', ReferenceFrequency='150e6', MajorAxis, MinorAxis, "
        "Orientation\n\na, GAUSSIAN, 123.4deg, 48.2deg, 2.0, [-0.7], 150e6, 4.0, 4.0, 0.0\n"
    )
    # Of round beam and source the sizes add up by their squares.
    rows, columns = np.mgrid[:64, :64] - 32
    wide = np.hypot(beam, size)
    image = 2 * (beam / wide) ** 2 * np.exp(-4 * np.log(2) * (rows**2 + columns**2) / wide**2)
    fits.writeto(tmp_path / "cut.fits", image[None].astype(np.float32), header)
    assert field_truth.cut_out(tmp_path / "cut.fits", sky) == pytest.approx((1, 0), abs=1e-4)
    fits.writeto(tmp_path / "wrong.fits", 1.1 * np.roll(image, 1, axis=1)[None].astype(np.float32), header)
    ratio, error = field_truth.cut_out(tmp_path / "wrong.fits", sky)
    assert ratio == pytest.approx(1.1, rel=0.02)
    assert error > 0.15
