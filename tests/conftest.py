"""What the tests share."""

import logging
import os
from pathlib import Path

import nbformat
import pytest

from lofarlake_nb.lake import client
from lofarlake_nb.lake.embedded import supervisor


def pytest_collection_modifyitems(config, items):
    folder = os.environ.get("LOFARLAKE_REAL_DATA", "")
    if folder and Path(folder).is_dir():
        return
    skip = pytest.mark.skip(reason="LOFARLAKE_REAL_DATA names no folder with the real LOFAR scans")
    for item in items:
        if "real_data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real LOFAR scans; use with the marker real_data."""
    return Path(os.environ["LOFARLAKE_REAL_DATA"])


@pytest.fixture(scope="session")
def lake_home(tmp_path_factory) -> Path:
    """Home of a real embedded lake that runs for the whole session; share it, and leave it running."""
    home = tmp_path_factory.mktemp("lake") / "home"
    supervisor.start(home)
    yield home
    supervisor.reset(home)


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
def caplog(caplog, monkeypatch):
    """pytest's, which hears what is logged whatever earlier tests left behind.

    The command sets levels of loggers, and a Dask cluster those of handlers: pytest's own too, as long as it is up.
    """
    monkeypatch.setattr(logging.root.manager, "disable", logging.NOTSET)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in ("lofarlake_nb", "rucio", "urllib3") and isinstance(logger, logging.Logger):
            caplog.set_level(logging.NOTSET, name)
            monkeypatch.setattr(logger, "disabled", False)
            monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.fixture
def notebook_of(tmp_path):
    """Make a notebook from a parameters cell and code cells."""

    def make(parameters: str, *cells: str) -> Path:
        v4 = nbformat.v4
        first = v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
        notebook = v4.new_notebook(cells=[first, *(v4.new_code_cell(c) for c in cells)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / "made.ipynb"
        nbformat.write(notebook, path)
        return path

    return make
