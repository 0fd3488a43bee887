"""The calibrators' published fluxes, and LOFAR's sky model format with its dialects and its mistakes."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.errors import BadSkyModel, UsageError
from lofarlake_nb.processing import sky_model
from lofarlake_nb.processing.sky import sky_model_file

CENTRE_3C196 = (np.deg2rad(123.4), np.deg2rad(48.2))
HEADER = "FORMAT = Name, Type, Patch, Ra, Dec, I, ReferenceFrequency='150e6', SpectralIndex='[]', MajorAxis, MinorAxis, Orientation\n"  # noqa: E501


def write(tmp_path, *lines, header=HEADER):
    path = tmp_path / "field.skymodel"
    path.write_text(header + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "frequency", "flux"),
    [("3C196", 135e6, 89.39), ("3C295", 130.6625e6, 105.65), ("3C48", 134.37e6, 67.43), ("3C380", 150e6, 77.352)],
)
def test_calibrators_have_the_flux_of_scaife_and_heald(name, frequency, flux):
    total = sky_model.calibrator(name).fluxes(np.array([frequency])).sum()
    assert total == pytest.approx(flux, rel=2e-4)


def test_3c196_lies_where_it_does():
    assert np.rad2deg(sky_model.calibrator("3C196").distance(CENTRE_3C196)) * 60 < 1.5


def test_without_a_name_it_is_the_calibrator_at_the_phase_centre():
    assert sky_model.load("", CENTRE_3C196).name == "3C196"
    assert sky_model.load("3c295", CENTRE_3C196).name == "3C295"


def test_elsewhere_the_six_are_listed():
    with pytest.raises(UsageError, match="no calibrator within 1°") as caught:
        sky_model.load("", (0.0, 0.5))
    assert "3C48, 3C147, 3C196, 3C286, 3C295, 3C380" in caught.value.hint


def test_calibrated_data_need_no_model():
    assert sky_model.load("", (0.0, 0.5), needed=False) == sky_model.NoModel()
    assert sky_model.load("none", CENTRE_3C196, needed=False) == sky_model.NoModel()
    assert sky_model.load("", CENTRE_3C196, needed=False).name == "3C196"
    with pytest.raises(UsageError, match="sky model none: gains are solved on a model"):
        sky_model.load("none", CENTRE_3C196)


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="3C999"):
        sky_model.load("3C999", CENTRE_3C196)


def test_a_file_is_read(tmp_path):
    path = write(
        tmp_path,
        "# a comment, and a patch",
        " , , field, 08:13:36.0, +48.13.03.0",
        "a, POINT, field, 08:13:36.0, +48.13.03.0, 2.5, , [-0.7, 0.1]",
        "b, GAUSSIAN, field, 08h13m36.0s, -48d13m03s, 1.0, 140e6, [], 60, 30, 45",
    )
    model = sky_model.load(path, CENTRE_3C196)
    np.testing.assert_allclose(np.rad2deg(model.ra), 123.4)
    np.testing.assert_allclose(np.rad2deg(model.dec), [48.2175, -48.2175])
    np.testing.assert_allclose(model.fluxes(np.array([150e6, 120e6]))[0], [2.5, 2.5 * 10 ** (-0.7 * X + 0.1 * X**2)])
    np.testing.assert_allclose(np.rad2deg([model.major[1], model.minor[1]]) * 3600, [60, 30])
    assert np.rad2deg(model.position_angle[1]) == pytest.approx(45)


X = np.log10(120 / 150)


def test_the_older_format_line_and_a_linear_spectrum(tmp_path):
    path = write(
        tmp_path,
        "a, POINT, 123.4deg, 0.8rad, 10, 100e6, [-2, 1], false",
        header="# (Name, Type, Ra, Dec, I, ReferenceFrequency, SpectralIndex, LogarithmicSI) = format\n",
    )
    model = sky_model_file.read(path)
    assert model.fluxes(np.array([150e6]))[0, 0] == pytest.approx(10 - 2 * 0.5 + 0.25)


@pytest.mark.parametrize(
    ("text", "hours", "degrees"),
    [
        ("08:13:36.0", True, 123.4),
        ("-00.30.00", False, -0.5),
        ("+48:13:03", False, 48.2175),
        ("123.4", True, 123.4),
        ("-8h13m36s", True, -123.4),
        ("1.5e1deg", False, 15),
    ],
)
def test_angles(text, hours, degrees):
    assert np.rad2deg(sky_model_file.angle(text, hours=hours)) == pytest.approx(degrees)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, lots", "I 'lots' is no number"),
        ("a, POINT, f, 08:73:36.0, +48.13.03.0, 1", "below 60"),
        ("a, POINT, f, 08:13:36.0, +98.13.03.0, 1", "out of range"),
        ("a, SHAPELET, f, 08:13:36.0, +48.13.03.0, 1", "SHAPELET"),
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, 1, , [-0.7", "not closed"),
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, nan", "no number"),
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, 1e999", "no finite number"),
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, 1, 0, [-0.7]", "ReferenceFrequency above 0"),
        ("a, POINT, f, 08:13:36.0, +48.13.03.0, 1, -1", "ReferenceFrequency above 0"),
        ("a, GAUSSIAN, f, 08:13:36.0, +48.13.03.0, 1, , [], -3, 1, 0", "0 arcsec or more"),
        ("a, POINT, f" + ", 1" * 20, "values"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, what):
    path = write(tmp_path, "ok, POINT, f, 08:13:36.0, +48.13.03.0, 1", line)
    with pytest.raises(BadSkyModel, match="line 3") as caught:
        sky_model_file.read(path)
    assert what in caught.value.message
    assert line[:20] in caught.value.message
    assert "\n" not in str(caught.value)


def test_what_a_file_says_and_the_model_leaves_out_is_warned_of_once(tmp_path, caplog):
    header = "FORMAT = Name, Type, Ra, Dec, I, Q, U, V, MajorAxis, MinorAxis, Orientation, OrientationIsAbsolute\n"
    plain = "a, POINT, 08:13:36, +48.13.03, 1, 0, 0.0, 0, , , , true"
    sky_model_file.read(
        write(tmp_path, plain, "b, GAUSSIAN, 08:13:36, +48.13.03, 1, , , , 9, 5, 45, false", header=header)
    )
    its = sky_model_file.logger.name  # Dask's workers of other tests may say something meanwhile
    assert not [record for record in caplog.records if record.name == its]
    more = ["c, GAUSSIAN, 08:13:36, +48.13.03, 1, , -0.1, , 9, 5, 45, true"] * 2
    found = sky_model_file.read(write(tmp_path, plain, *more, "d" + more[0][1:-6], header=header))
    assert found.absolute.tolist() == [True, True, True, False]
    (said,) = [record.getMessage() for record in caplog.records if record.name == its]
    assert "polarised flux" in said
    assert said.endswith("of 3 of 4 sources")


def test_files_that_are_no_sky_models(tmp_path):
    empty = write(tmp_path)
    with pytest.raises(BadSkyModel, match="no sources"):
        sky_model_file.read(empty)
    binary = tmp_path / "image.fits"
    binary.write_bytes(b"\xff\xfe\x00SIMPLE")
    with pytest.raises(BadSkyModel, match="no text file"):
        sky_model_file.read(binary)
    prose = write(tmp_path, header="Dear reader,\n")
    with pytest.raises(BadSkyModel, match="must come first"):
        sky_model_file.read(prose)


def test_a_model_may_be_in_the_data():
    assert sky_model.load("MODEL_DATA", (0.0, 0.0)) == sky_model.ModelColumn("MODEL_DATA")


def test_the_a_team_says_nothing_of_where_a_model_is_meant_for():
    one = sky_model.calibrator("3C196")
    centre = (float(one.ra[0]), float(one.dec[0]))
    both = replace(
        one.chosen(np.zeros(2, int)), ra=np.array([one.ra[0], one.ra[0] + 2.5]), flux=np.array([80.0, 10_000.0])
    )
    assert np.rad2deg(both.distance(centre)) < 0.01
    assert np.rad2deg(both.reach(centre)) > 60
    assert np.rad2deg(both.chosen(np.array([1])).distance(centre)) > 60
