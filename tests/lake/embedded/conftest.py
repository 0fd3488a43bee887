import os
import subprocess
import sys
from pathlib import Path

import pytest

from lofarlake_nb.lake.embedded import supervisor


@pytest.fixture(scope="session")
def rucio():
    """Run Rucio's own command on a lake, in nothing but the environment that the lake gives."""

    def run(home, *words):
        environment = {"PATH": os.defpath, "HOME": str(home), **supervisor.environment(home)}
        command = [str(Path(sys.executable).with_name("rucio")), *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run
