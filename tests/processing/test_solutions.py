"""Gains that were written come back, with and without directions."""

import h5py
import numpy as np
import pytest

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.solutions import Direction, Gains

N = 5
P, Q = np.triu_indices(N, 1)
LAYOUT = Layout(
    times=np.arange(6.0),
    antenna1=P,
    antenna2=Q,
    rows=np.zeros((6, len(P)), int),
    frequencies=np.array([135e6, 135.1e6]),
    stations=tuple(f"CS{i:03d}HBA0" for i in range(N)),
    positions=np.arange(3.0 * N).reshape(N, 3),
    phase_centre=(0.3, 0.8),
    interval=1.0,
    channel_width=1e5,
)


def drawn(*shape):
    rng = np.random.default_rng(3)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("polarizations", [1, 2, 4])
@pytest.mark.parametrize("directions", [(), (Direction("a", 0.31, 0.79), Direction("b", 0.29, 0.81))])
def test_gains_come_back(tmp_path, polarizations, directions):
    values = drawn(*([len(directions)] if directions else []), 3, 2, N, polarizations)
    values[..., 1, 0, 4, :] = np.nan
    written = Gains(values, np.array([0.5, 2.5, 4.5]), LAYOUT.frequencies, directions)
    found = solutions.read(solutions.write(tmp_path / "a" / "x.h5", written, LAYOUT))
    np.testing.assert_allclose(found.values, values)
    np.testing.assert_array_equal(found.times, written.times)
    assert [d.name for d in found.directions] == [d.name for d in directions]
    np.testing.assert_allclose([(d.ra, d.dec) for d in found.directions], [(d.ra, d.dec) for d in directions], 1e-6)


def test_names_have_room_for_the_zero_that_dp3_reads_up_to(tmp_path):
    path = solutions.write(tmp_path / "x.h5", Gains(drawn(3, 2, N, 2), np.arange(3.0), LAYOUT.frequencies), LAYOUT)
    with h5py.File(path) as file:
        for name in ("ant", "pol"):
            texts = file[f"sol000/phase000/{name}"][:]
            assert texts.dtype.itemsize > max(len(t) for t in texts)
    assert solutions.stations(path) == LAYOUT.stations


@pytest.mark.parametrize("directions", [(), (Direction("a", 0.31, 0.79, error=0.1), Direction("b", 0.29, 0.81))])
def test_axes_may_be_in_any_order_as_the_file_says(tmp_path, directions):
    values = drawn(*([len(directions)] if directions else []), 3, 2, N, 2)
    values[..., 1, 0, 4, :] = np.nan
    path = solutions.write(tmp_path / "x.h5", Gains(values, np.arange(3.0), LAYOUT.frequencies, directions), LAYOUT)
    with h5py.File(path, "r+") as file:
        for table in (file["sol000/amplitude000"], file["sol000/phase000"]):
            for name in ("val", "weight"):
                turned, axes = table[name][:].T, table[name].attrs["AXES"].decode().split(",")[::-1]
                del table[name]
                table[name] = turned
                table[name].attrs["AXES"] = np.bytes_(",".join(axes))
    found = solutions.read(path)
    np.testing.assert_allclose(found.values, values)
    assert [round(d.error, 3) for d in found.directions] == [d.error for d in directions]


def test_a_phase_that_has_no_weight_is_no_solution(tmp_path):
    path = solutions.write(tmp_path / "x.h5", Gains(drawn(3, 2, N, 2), np.arange(3.0), LAYOUT.frequencies), LAYOUT)
    with h5py.File(path, "r+") as file:
        file["sol000/phase000/weight"][1, 0, 4] = 0  # as LoSoTo flags one without the other
    assert np.argwhere(np.isnan(solutions.read(path).values)).tolist() == [[1, 0, 4, 0], [1, 0, 4, 1]]


def test_phases_of_both_hands_alike_have_no_axis_for_them(tmp_path):
    values = drawn(3, 2, N, 1)
    path = solutions.write(tmp_path / "x.h5", Gains(values, np.arange(3.0), LAYOUT.frequencies), LAYOUT)
    with h5py.File(path, "r+") as file:
        for table in (file["sol000/amplitude000"], file["sol000/phase000"]):
            for name in ("val", "weight"):
                plain = table[name][..., 0]
                del table[name]
                table[name] = plain
                table[name].attrs["AXES"] = np.bytes_("time,freq,ant")
            del table["pol"]
    np.testing.assert_allclose(solutions.read(path).values, values)
