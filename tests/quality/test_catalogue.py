"""A catalogue is believed once it is checked; sources are matched where they stand alone."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lofarlake_nb.errors import UsageError
from lofarlake_nb.quality import catalogue, comparison
from lofarlake_nb.quality.catalogue import Catalogue
from lofarlake_nb.quality.finding import SourceList


def test_units_and_frequency_of_a_fits_table_are_its_own(tmp_path):
    table = Table({"RAJ2000": [123.4], "DEJ2000": [48.2], "Sint": [89000.0]}, units={"Sint": "mJy", "RAJ2000": "deg"})
    table.meta["FREQ"] = 150e6
    table.write(tmp_path / "t.fits")
    found = catalogue.read(tmp_path / "t.fits")
    assert (found.flux_jy[0], found.frequency_hz, found.label) == (89.0, 150e6, "t")


@pytest.mark.parametrize(
    "text",
    [
        "name,ra,dec,flux_jy\n3C196,123.4003,48.2172,89.4\n",
        "Name,RA,DEC,Total_flux_mJy\n3C196,08:13:36.07,+48:13:02.0,89400\n",
        "# made by PyBDSF\n\n# Source_id, RA, DEC, Total_flux\n3C196, 123.4003, 48.2172, 89.4\n",
    ],
)
def test_csv_tables_as_people_write_them(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    found = catalogue.read(tmp_path / "t.csv")
    assert found.names == ("3C196",)
    assert (found.ra_deg[0], found.dec_deg[0]) == pytest.approx((123.4003, 48.2172), abs=1e-4)
    assert found.flux_jy[0] == pytest.approx(89.4)


def test_rows_that_can_t_be_used_are_left_out_and_counted(tmp_path):
    (tmp_path / "t.csv").write_text("ra,dec,flux\n10,20,1\n10,95,1\nnan,20,1\n10,20,-1\n10,20,inf\n")
    found = catalogue.read(tmp_path / "t.csv")
    assert (len(found.names), found.left_out) == (1, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ra,dec\n1,2\n", "no column total_flux"),
        (b"ra,dec,flux\n1,2,many\n", "holds no numbers"),
        (b"ra,dec,flux\n1,2,-3\n", "none of 1 rows"),
        (b"ra,dec,flux\nhere,there,1\n", "holds no angles"),
        (b"", "0 rows"),
        (b"\x80\x04\x95 a pickle", "no catalogue that can be read"),
        (b"SIMPLE  =                    T" + b" " * 50 + b"\0" * 5000, "no catalogue that can be read"),
        (b"ra,dec,flux\n", "0 rows"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path, content, said):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        catalogue.read(tmp_path / "t")


def test_a_catalogue_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no catalogue that can be read"):
        catalogue.read(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is no file"):
        catalogue.read(tmp_path)


def found(ra, dec, flux, noise=0.001):
    arrays = [np.array(values, dtype=float) for values in (ra, dec, flux)]
    small = np.full(len(ra), noise)
    return SourceList(*arrays, 5 * small, arrays[2], small, small / 3600, small / 3600)


def compared(listed, known, frequency=135e6):
    return comparison.compare(listed, known, beam_arcsec=20, frequency_hz=frequency)


def test_offsets_are_on_the_sky_across_zero_hours():
    known = Catalogue("c", ("a",), np.array([359.9999]), np.array([60.0]), np.array([1.0]))
    result = compared(found([0.0001], [60.0], [1.0]), known)
    assert result.ra_offset_deg[0] == pytest.approx(0.0002 * np.cos(np.deg2rad(60)))


def test_a_catalogue_of_another_frequency_is_brought_to_the_image_s():
    known = Catalogue("c", ("a",), np.array([10.0]), np.array([60.0]), np.array([1.0]), frequency_hz=1.4e9)
    result = compared(found([10.0], [60.0], [5.0]), known, frequency=140e6)
    assert result.known_flux_jy[0] == pytest.approx(10**0.7)


def test_sources_that_are_not_alone_or_too_far_are_not_compared():
    dec, arcsec = np.full(4, 40.0), 1 / 3600
    ra = np.array([10.0, 10.0 + 30 * arcsec, 20.0, 30.0])
    known = Catalogue("c", ("pair", "other", "far", "alone"), ra, dec, np.array([1.0, 0.5, 1.0, 2.0]))
    listed = found([10.0, 20.0 + 20 * arcsec, 30.0], [40.0] * 3, [1.0, 1.0, 2.0])
    assert compared(listed, known).names == ("alone",)


def test_weak_sources_are_matched_and_do_not_count():
    known = Catalogue("c", tuple("abcd"), np.arange(4) + 10.0, np.zeros(4), np.array([1.0, 1.0, 1.0, 0.005]))
    result = compared(found([10, 11, 12, 13], [0] * 4, [1.1, 1.0, 0.9, 0.006]), known)
    statistics = result.statistics()
    assert (statistics["nmatched"], statistics["ncompared"]) == (4, 3)
    assert statistics["meanRatio"] == pytest.approx(1.0)
    assert statistics["stdRatio"] == pytest.approx(np.std([1.1, 1.0, 0.9]))


def test_of_too_few_nothing_is_said():
    known = Catalogue("c", ("a",), np.array([10.0]), np.array([0.0]), np.array([1.0]))
    assert compared(found([10.0], [0.0], [1.0]), known).statistics()["meanRatio"] is None
    assert compared(found([50.0], [0.0], [1.0]), known).names == ()


def test_with_nothing_found_nothing_is_matched():
    known = Catalogue("c", ("a",), np.array([10.0]), np.array([0.0]), np.array([1.0]))
    result = compared(found([], [], []), known)
    assert (result.names, result.statistics()["nmatched"]) == ((), 0)


def test_a_row_whose_text_is_empty_is_left_out_and_a_column_of_nothing_says_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("ra,dec,flux,freq\n08:13:36,48.2,1,nan\n,48.2,1,nan\n")
    read = catalogue.read(tmp_path / "t.csv")
    assert (read.ra_deg.round(6).tolist(), read.left_out, read.frequency_hz) == ([123.4], 1, None)


@pytest.mark.parametrize(
    ("form", "values"), [("PD()", [[1.0, 2.0], [1.0]]), ("M", [1 + 1j, 2j])], ids=["lists", "complex"]
)
def test_columns_that_hold_no_numbers_are_refused(tmp_path, form, values):
    array = np.empty(2, dtype=object if form == "PD()" else complex)
    array[:] = values
    columns = [fits.Column(name="ra", format=form, array=array)]
    columns += [fits.Column(name=name, format="D", array=[1.0, 2.0]) for name in ("dec", "flux")]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    with pytest.raises(UsageError, match="column ra holds no angles"):
        catalogue.read(tmp_path / "t.fits")
