"""Every key is always there, and what is not known is null."""

import json

import pytest

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.quality import run_report, sources, summary


def filled():
    made = summary.empty()
    made = summary.with_part(
        made, "ingest", {"files": 4, "bytes": 8_000_000, "seconds": 2.0, "rate_mb_s": 4.0, "catalogue_calls": 9}
    )
    made = summary.with_part(made, "flags", {"fraction": 0.03, "bad_stations": ["CS013HBA0"]})
    made = summary.with_part(
        made, "calibration", {"verdict": "good", "held_out_phase_rms_deg": float("nan"), "bad_stations": []}
    )
    image = {"file": "image.fits", "peak_jy_per_beam": 80.0, "peak_ra_deg": 123.4, "peak_dec_deg": 48.2}
    noise = {"rms_jy_per_beam": 0.002, "thermal_rms_jy_per_beam": None, "beam_arcsec": (20.0, 16.0), "beam_pa_deg": 3.0}
    made = summary.with_part(made, "image", image | noise)
    return summary.with_sources(made, [sources.MeasuredSource("3C196", 123.4, 48.2, 88.0, 0.1, 89.4)])


def test_every_key_is_there_from_the_start():
    empty = summary.empty()
    assert {part: tuple(empty[part]) for part in summary.KEYS} == dict(summary.KEYS)
    assert all(value is None for part in summary.KEYS for value in empty[part].values())
    assert empty["sources"] == []


def test_what_is_not_finite_is_null_and_survives_the_file(tmp_path):
    path = summary.write(tmp_path / "summary.json", filled())
    kept = json.loads(path.read_text())
    assert kept["calibration"] == {"verdict": "good", "held_out_phase_rms_deg": None, "bad_stations": []}
    assert kept["image"]["beam_arcsec"] == [20.0, 16.0]
    assert summary.read(path) == kept


def test_a_file_that_is_no_summary_is_refused(tmp_path):
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(ProcessingError, match="no summary"):
        summary.read(tmp_path / "summary.json")


def test_words_say_what_is_known_and_nothing_else():
    assert summary.in_words(summary.empty()) == ""
    words = summary.in_words(filled())
    assert "3C196: 88.00 Jy (true 89.40, -1.6%)" in words
    assert "thermal unknown" in words
    assert "CS013HBA0" in words


def test_a_blank_image_has_no_figures_and_is_told_all_the_same():
    nothing = float("nan")
    blank = {"file": "image.fits", "peak_jy_per_beam": nothing, "rms_jy_per_beam": nothing}
    made = summary.with_part(summary.empty(), "image", blank | {"beam_arcsec": (20.0, nothing)})
    said = "image        image.fits: peak unknown, rms unknown (thermal unknown), beam 20.0 x unknown arcsec"
    assert summary.in_words(made) == said
    known = summary.with_part(made, "image", {**made["image"], "thermal_rms_jy_per_beam": 0.001})
    assert [(fact.label, fact.value) for fact in run_report.facts(known)] == [
        ("residual noise", "unknown"),
        ("peak", "unknown"),
    ]


def test_a_summary_that_lacks_keys_gets_them(tmp_path):
    (tmp_path / "summary.json").write_text('{"flags": {"fraction": 0.25}, "ingest": null}')
    found = summary.read(tmp_path / "summary.json")
    assert summary.in_words(found) == "flags        25.00%, bad stations: none"
    (tmp_path / "summary.json").write_text('{"flags": 0.25}')
    with pytest.raises(ProcessingError, match="no summary of a run"):
        summary.read(tmp_path / "summary.json")
