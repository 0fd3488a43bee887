"""Rucio's own daemons, in one process: ``python -m lofarlake_nb.lake.embedded.daemons HOME``."""

import sys
import time
from pathlib import Path

from lofarlake_nb.lake.embedded.home import Home

if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    while True:
        (home.run / "daemons.pulse").touch()
        time.sleep(1)
