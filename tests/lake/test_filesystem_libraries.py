"""Libraries that an astronomer reads tables and cubes with open what is in the lake by its address."""

import pickle

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lofarlake_nb.lake import ingest
from lofarlake_nb.lake.filesystem import RucioFileSystem

STEM = "libraries_result"
CUBE = np.arange(4 * 50 * 60, dtype=np.float32).reshape(4, 50, 60)


@pytest.fixture(scope="module")
def options(lake, tmp_path_factory):
    """What a library gives to fsspec; the lake holds a table and a cube."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "table.csv").write_text("name,flux\n3C196,89.4\n3C295,91.0\n")
    with h5py.File(folder / "cube.h5", "w") as file:
        file["flux"] = CUBE
    ingest.ingest_products(lake, sorted(folder.iterdir()), f"lofar:{STEM}", {}, replicate_to="", close=True)
    return {"lake": str(lake.home)}


def test_h5py_reads_a_part_of_a_cube(options):
    with RucioFileSystem(**options).open(f"lofar/{STEM}/cube.h5") as opened, h5py.File(opened) as file:
        assert np.array_equal(file["flux"][1, 10:20], CUBE[1, 10:20])


def test_pandas_reads_a_table(options):
    table = pd.read_csv(f"rucio://lofar/{STEM}/table.csv", storage_options=options)
    assert table.to_dict("list") == {"name": ["3C196", "3C295"], "flux": [89.4, 91.0]}


def test_xarray_opens_a_cube(options):
    with (
        RucioFileSystem(**options).open(f"lofar/{STEM}/cube.h5") as opened,
        xr.open_dataset(opened, engine="h5netcdf", phony_dims="sort") as cube,
    ):
        assert np.array_equal(cube["flux"][2, :5].values, CUBE[2, :5])


def test_xarray_opens_an_address_and_dask_can_send_what_is_open_to_a_worker(options):
    address = f"rucio://lofar/{STEM}/cube.h5"
    how = {"engine": "h5netcdf", "phony_dims": "sort", "chunks": {}}
    with xr.open_dataset(address, storage_options=options, **how) as cube:
        sent = pickle.loads(pickle.dumps(cube["flux"][2]))
        assert np.array_equal(sent.compute(scheduler="synchronous"), CUBE[2])
