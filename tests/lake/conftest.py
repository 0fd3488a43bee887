from pathlib import Path

import pytest

from lofarlake_nb.lake.embedded import supervisor


@pytest.fixture(scope="session")
def lake_home(tmp_path_factory) -> Path:
    """Home of a real embedded lake that runs for the whole session; share it, and leave it running."""
    home = tmp_path_factory.mktemp("lake") / "home"
    supervisor.start(home)
    yield home
    supervisor.reset(home)
