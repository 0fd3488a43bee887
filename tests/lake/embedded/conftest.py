import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.lake.embedded.home import Home


@pytest.fixture(scope="session")
def rucio():
    """Run Rucio's own command on a lake, in nothing but the environment that the lake gives."""

    def run(home, *words):
        environment = {"PATH": os.defpath, "HOME": str(home), **supervisor.environment(home)}
        command = [str(Path(sys.executable).with_name("rucio")), *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture(scope="session")
def home(lake_home):
    """The session's lake, as its parts know it."""
    return Home(lake_home)


@pytest.fixture(scope="session")
def context(home):
    """TLS of one who may use the storage."""
    made = ssl.create_default_context(cafile=home.certificates / "ca.pem")
    made.load_cert_chain(home.certificates / "client.pem")
    return made
