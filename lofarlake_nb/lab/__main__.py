"""``python -m lofarlake_nb.lab``: configure, and print the exports for a Jupyter server that something else starts."""

import sys
from pathlib import Path

from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lab.server import configure, exports
from lofarlake_nb.lake.configured import DEFAULT_HOME


def main(arguments: list[str]) -> int:
    """Print shell lines for the lake given, by its folder or a ``rucio.cfg``, else for the default one."""
    try:
        print(exports(configure(Path(arguments[0]) if arguments else DEFAULT_HOME)))
    except LofarlakeError as error:
        print(f"lofarlake: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
