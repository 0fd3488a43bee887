"""A lake to work with, and small Measurement Sets to put into it."""

import os
from pathlib import Path

import pytest
import small

from lofarlake_nb.lake import client, ingest
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture(scope="session")
def lake(lake_home) -> client.Lake:
    """The session's embedded lake, logged in."""
    return client.connect(lake_home)


@pytest.fixture
def unique(request, tmp_path) -> str:
    """A name that no other test uses, whatever ran before in the same lake."""
    return "".join(c for c in request.node.name if c.isalnum())[:60] + os.urandom(4).hex()


@pytest.fixture
def measurement_set(tmp_path):
    """Make small Measurement Sets in LOFAR's layout, one a subband; different at each call."""

    def make(observation: int, subband: int = 0, folder: Path = tmp_path / "observation") -> Path:
        return small.measurement_set(folder, observation, subband)

    return make


@pytest.fixture
def twice(lake):
    """Put files at SARA and at JUELICH, each by an ingest, without waiting for the lake to copy them."""

    def put(files: list[Path], dataset: str) -> str:
        for site in ("SARA", "JUELICH"):
            ingest.ingest(lake, files, IngestParameters(dataset=dataset, rse=site, replicate_to=""))
        return dataset

    return put


@pytest.fixture
def number() -> int:
    """Number of an observation that no other test has."""
    return int.from_bytes(os.urandom(4), "big") % 900_000_000 + 1
