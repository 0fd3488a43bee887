import numpy as np
import pytest

from lofarlake_nb.processing.sky import predict, sky_model_file

CENTRE = (np.deg2rad(123.4), np.deg2rad(48.2))
WAVE = predict.LIGHT_M_S / 150e6


def model(tmp_path, line):
    path = tmp_path / "m.skymodel"
    path.write_text("FORMAT = Name, Type, Ra, Dec, I, MajorAxis, MinorAxis, Orientation\n" + line + "\n")
    return sky_model_file.read(path)


def test_phase_of_a_source_to_the_north(tmp_path):
    north = model(tmp_path, f"a, POINT, 123.4deg, {48.2 + 1 / 60:.9f}deg, 2.0")
    uvw = np.array([[0, 500 * WAVE, 0], [500 * WAVE, 0, 0]])
    found = predict.visibilities(north, uvw, np.array([150e6]), CENTRE)[:, 0]
    m = np.sin(np.deg2rad(1 / 60))
    np.testing.assert_allclose(found, [2 * np.exp(2j * np.pi * 500 * m), 2], atol=1e-4)


def test_phase_of_a_source_to_the_east(tmp_path):
    east = model(tmp_path, f"a, POINT, {123.4 + 1 / 60 / np.cos(CENTRE[1]):.9f}deg, 48.2deg, 2.0")
    found = predict.visibilities(east, np.array([[500 * WAVE, 0, 0]]), np.array([150e6]), CENTRE)[0, 0]
    assert np.angle(found) == pytest.approx(2 * np.pi * 500 * np.deg2rad(1 / 60), rel=1e-3)


def test_a_gaussian_falls_along_its_major_axis(tmp_path):
    """A Gaussian of FWHM a falls to half where a × uv = 2 ln 2 / π."""
    eastwards = model(tmp_path, "a, GAUSSIAN, 123.4deg, 48.2deg, 1.0, 60, 0, 90")
    half = 2 * np.log(2) / np.pi / np.deg2rad(60 / 3600) * WAVE
    uvw = np.array([[half, 0, 0], [0, half, 0]])
    found = predict.visibilities(eastwards, uvw, np.array([150e6]), CENTRE)[:, 0]
    np.testing.assert_allclose(found, [0.5, 1], rtol=1e-5)


def test_the_sum_of_sources_at_any_shape(tmp_path):
    two = model(tmp_path, "a, POINT, 123.4deg, 48.2deg, 1.0\nb, POINT, 123.4deg, 48.2deg, 2.0")
    found = predict.visibilities(two, np.zeros((2, 5, 3)), np.array([140e6, 150e6]), CENTRE)
    assert found.shape == (2, 5, 2)
    np.testing.assert_allclose(found, 3)
