"""A report holds its pictures, asks no other host, and shows what it is given as text."""

import base64
import os
import re
import subprocess
import sys

import pytest

from lofarlake_nb.quality import report, run_report
from lofarlake_nb.quality.report import Fact, Picture, Section, Table


@pytest.fixture
def page(tmp_path):
    (tmp_path / "field.png").write_bytes(b"\x89PNG bytes")
    written = report.write(
        tmp_path / "report.html",
        title="<script>alert(1)</script>",
        subtitle="",
        facts=[Fact("calibration", "good", "", "good")],
        sections=[
            Section(
                "image", pictures=[Picture("the field", tmp_path / "field.png"), Picture("gone", tmp_path / "none.png")]
            ),
            Section("nothing", pictures=[Picture("gone", tmp_path / "none.png")], tables=[Table("", ("a",), [])]),
            Section(
                "words", ["<b>bold</b>"], tables=[Table("folded", ("a",), [["<i>"]], folded=True)], commands=["a < b"]
            ),
        ],
        links=["image.fits"],
    )
    return written.read_text()


def test_pictures_are_inside_and_those_that_are_not_there_are_left_out(page):
    assert base64.b64encode(b"\x89PNG bytes").decode() in page
    assert "gone" not in page
    assert "nothing" not in page


def test_what_is_given_is_text(page):
    for given in ("<script>", "<b>bold", "<i>"):
        assert given not in page
    assert "&lt;script&gt;" in page
    assert "a &lt; b" in page


def test_nothing_is_asked_of_other_hosts(page):
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#|image\.fits)", page)


def test_a_source_is_shown_with_its_error_and_the_truth():
    source = {"name": "3C196", "ra_deg": 123.4, "dec_deg": 48.2, "flux_jy": 88.0, "flux_error_jy": 0.1}
    rows = run_report.table_of_sources({"sources": [{**source, "true_flux_jy": 89.4}]}).rows
    assert rows == [["3C196", "123.4000", "48.2000", "88.000 ± 0.100", "89.400", "-1.57%"]]
    assert run_report.table_of_sources({"sources": [{**source, "true_flux_jy": None}]}).rows[0][4:] == ["", ""]


def test_a_report_is_utf_8_as_it_says_whatever_the_locale_is(tmp_path):
    said = "import sys, pathlib; from lofarlake_nb.quality import report\n"
    said += "report.write(pathlib.Path(sys.argv[1]), title=chr(0x2033), subtitle='', facts=[])"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", said, tmp_path / "r.html"], env=plain, check=True, timeout=60)
    assert "<title>″</title>" in (tmp_path / "r.html").read_text(encoding="utf-8")
