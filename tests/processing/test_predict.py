from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import outside
from lofarlake_nb.processing.sky import predict, sky_model_file
from lofarlake_nb.processing.sky.beam import Beam

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


def test_a_gaussian_far_away_is_the_sum_of_points_along_it(tmp_path):
    """With its north, not the phase centre's, and foreshortened: at 40 degrees both are tens of per cent."""
    header = "FORMAT = Name, Type, Ra, Dec, I, MajorAxis, MinorAxis, Orientation, OrientationIsAbsolute\n"
    path = tmp_path / "m.skymodel"
    path.write_text(f"{header}a, GAUSSIAN, 185deg, 70deg, 1.0, 600, 0, 30, true\n")
    gaussian = sky_model_file.read(path)
    offsets = np.linspace(-1500, 1500, 301)
    weight = np.exp(-4 * np.log(2) * (offsets / 600) ** 2)
    along = SkyCoord(185 * u.deg, 70 * u.deg).directional_offset_by(30 * u.deg, offsets * u.arcsec)
    lines = (
        f"p, POINT, {at.ra.deg:.9f}deg, {at.dec.deg:.9f}deg, {x:.9e}, , , , "
        for at, x in zip(along, weight / weight.sum(), strict=True)
    )
    path.write_text(header + "\n".join(lines))
    uvw = np.random.default_rng(1).normal(0, 60 * WAVE, (30, 3))
    expected = predict.visibilities(sky_model_file.read(path), uvw, np.array([150e6]), CENTRE)
    assert np.abs(expected).min() < 0.8
    np.testing.assert_allclose(predict.visibilities(gaussian, uvw, np.array([150e6]), CENTRE), expected, atol=2e-3)
    one = np.broadcast_to(np.eye(2, dtype=np.complex64), (1, 2, 1, 2, 2))
    here = replace(
        layout(),
        antenna1=np.zeros(30, int),
        antenna2=np.ones(30, int),
        frequencies=np.array([150e6]),
        interval=0.0,
        channel_width=0.0,
        correlations=("XX", "XY", "YX", "YY"),
    )
    found = outside.Seen(gaussian, here, one, None).visibilities(uvw[None], slice(0, 1))
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=2e-3)


def test_the_sum_of_sources_at_any_shape(tmp_path):
    two = model(tmp_path, "a, POINT, 123.4deg, 48.2deg, 1.0\nb, POINT, 123.4deg, 48.2deg, 2.0")
    found = predict.visibilities(two, np.zeros((2, 5, 3)), np.array([140e6, 150e6]), CENTRE)
    assert found.shape == (2, 5, 2)
    np.testing.assert_allclose(found, 3)


N = 7
P, Q = np.triu_indices(N)  # with autocorrelations
PLACES = np.random.default_rng(2).normal(0, 2000, (3, N, 3))


def layout():
    return Layout(
        times=np.arange(3.0),
        antenna1=P,
        antenna2=Q,
        rows=np.zeros((3, len(P)), int),
        frequencies=np.array([140e6, 140.1e6, 140.2e6]),
        stations=tuple(f"CS{i:03d}HBA0" for i in range(N)),
        positions=np.zeros((N, 3)),
        phase_centre=CENTRE,
        interval=1.0,
        channel_width=1e5,
    )


def field(tmp_path):
    return model(
        tmp_path,
        f"a, POINT, 123.4deg, {48.2 + 1.0:.9f}deg, 2.0\nb, POINT, 124.9deg, 48.1deg, -0.5\n"
        "c, GAUSSIAN, 122.9deg, 47.9deg, 3.0, 20, 10, 30",
    )


def test_stations_factors_give_the_sum_over_baselines(tmp_path):
    uvw = PLACES[:, Q] - PLACES[:, P]
    uvw[1, 9] = 0  # a row that is missing
    here = layout()
    found = predict.Predictor(field(tmp_path), here).visibilities(uvw, slice(None))[..., 0]
    expected = predict.visibilities(field(tmp_path), uvw, here.frequencies, CENTRE)
    there = (uvw != 0).any(axis=2) | (P == Q)
    np.testing.assert_allclose(found[there], expected[there], atol=2e-4)


def test_a_beam_multiplies_from_both_sides(tmp_path):
    rng = np.random.default_rng(4)
    uvw = PLACES[:, Q] - PLACES[:, P]
    here, sky = layout(), field(tmp_path)
    jones = (rng.normal(size=(2, N, 3, 2, 2)) + 1j * rng.normal(size=(2, N, 3, 2, 2))).astype(np.complex64)
    found = predict.Predictor(sky, here, Beam(np.array([0.0, 2.0]), jones)).visibilities(uvw, slice(None))
    middle = jones.mean(axis=0)
    expected = sum(
        np.einsum(
            "bij,bkj,bf->bfik",
            middle[P, s],
            middle[Q, s].conj(),
            predict.visibilities(sky.chosen(np.array([s])), uvw[1], here.frequencies, CENTRE),
        )
        for s in range(3)
    )
    np.testing.assert_allclose(found[1].reshape(expected.shape), expected, rtol=1e-3, atol=1e-3)


def test_a_baseline_the_other_way_round_has_the_adjoint(tmp_path):
    rng = np.random.default_rng(5)
    uvw = PLACES[:, Q] - PLACES[:, P]
    jones = (rng.normal(size=(1, N, 3, 2, 2)) + 1j * rng.normal(size=(1, N, 3, 2, 2))).astype(np.complex64)
    sky, beam = field(tmp_path), Beam(np.zeros(1), jones)
    found = predict.Predictor(sky, layout(), beam).visibilities(uvw, slice(None))
    other = predict.Predictor(sky, replace(layout(), antenna1=Q, antenna2=P), beam).visibilities(-uvw, slice(None))
    adjoint = other.reshape(*other.shape[:3], 2, 2).conj().swapaxes(3, 4).reshape(other.shape)
    np.testing.assert_allclose(found, adjoint, atol=1e-4)
