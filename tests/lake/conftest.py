"""A lake to work with, and small Measurement Sets to put into it."""

import os
from pathlib import Path

import numpy as np
import pytest

from lofarlake_nb.lake import client, ingest
from lofarlake_nb.observation import writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import IngestParameters

CORE = np.array([3826577.0, 461022.0, 5064892.0])  # m, ITRF, about


@pytest.fixture(scope="session")
def lake(lake_home) -> client.Lake:
    """The session's embedded lake, logged in."""
    return client.connect(lake_home)


@pytest.fixture(scope="session")
def remote_lake(lake_home, tmp_path_factory) -> client.Lake:
    """The same lake as a production one is seen: by a rucio.cfg, its storage by https only."""
    home = Path(lake_home)
    configuration = tmp_path_factory.mktemp("remote") / "rucio.cfg"
    told = (home / "client" / "rucio.cfg").read_text()
    told = told.replace("[client]", f"[client]\nclient_x509_proxy = {home / 'tls' / 'client.pem'}", 1)
    configuration.write_text(told)
    configuration.chmod(0o600)
    return client.connect(configuration)


@pytest.fixture
def unique(request, tmp_path) -> str:
    """A name that no other test uses, whatever ran before in the same lake."""
    return "".join(c for c in request.node.name if c.isalnum())[:60] + os.urandom(4).hex()


@pytest.fixture
def measurement_set(tmp_path):
    """Make small Measurement Sets in LOFAR's layout, one a subband; different at each call."""

    def make(observation: int, subband: int = 0, folder: Path = tmp_path / "observation") -> Path:
        random = np.random.default_rng()
        fields = [
            StationField(f"CS00{n}HBA0", CORE + 100.0 * n, np.eye(3), np.zeros((24, 3)), np.zeros((16, 3)), 0.0)
            for n in (1, 2, 3)
        ]
        first, second = np.triu_indices(3)
        layout = Layout(
            times=5.0e9 + 2.0 * np.arange(4) + 1.0,
            antenna1=first,
            antenna2=second,
            rows=np.arange(4 * len(first)).reshape(4, -1),
            frequencies=135e6 + 0.1953125e6 * subband + 48828.125 * (np.arange(4) - 1.5),
            stations=tuple(field.name for field in fields),
            positions=np.array([field.position for field in fields]),
            phase_centre=(np.deg2rad(123.4), np.deg2rad(48.2)),
            interval=2.0,
            channel_width=48828.125,
        )
        name = f"L{observation}_SAP000_SB{subband:03d}_uv.MS"
        identity = Identity("LC0_000", str(observation), "3C196", name, subband)
        with writer.create(folder / name, layout, identity=identity, fields=fields) as rows:
            data = random.normal(size=(4, len(first), 4, 4, 2)).view(complex)[..., 0]
            rows.write(0, np.zeros((4, len(first), 3)), DATA=data, FLAG=data.real > 3)
        return folder / name

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
