"""A small simulated observation and Dask workers, made once."""

import pytest

from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import cluster
from lofarlake_nb.processing.simulate import simulate


@pytest.fixture(scope="session")
def client():
    with cluster.start(2) as started:
        yield started


@pytest.fixture(scope="session")
def observation(tmp_path_factory):
    """Two subbands of 16 stations, three short scans, with everything that goes wrong, and the truth."""
    parameters = SimulationParameters(
        subbands=2, stations=16, hours=1.5, scans=3, scan="40 s", channels=8, sources=0, seed=5
    )
    return simulate(tmp_path_factory.mktemp("observation"), parameters)
