"""``python -m lofarlake_nb``: the `lofarlake` command."""

import sys

from lofarlake_nb.cli import main

sys.exit(main())
