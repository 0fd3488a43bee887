"""A Measurement Set of several fields, shown to a library that knows one field only."""

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lofarlake_nb.observation import writer
from lofarlake_nb.observation.layout import Layout
from lofarlake_nb.observation.tables import ask, opened


@contextmanager
def tables_of_one(path: Path, layout: Layout) -> Iterator[Path]:
    """A Measurement Set whose tables tell of one field, spectral window and observation only.

    Parameters
    ----------
    path : Path
        Folder of the Measurement Set.
    layout : Layout
        Of the one field, spectral window and observation.

    Yields
    ------
    Path
        The Measurement Set itself where it tells of no other; else one with the same stations and no visibilities, that
        is gone when the block ends.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> layout = measurement_set.layout(path)
    >>> with tables_of_one(path, layout) as found:
    ...     found == path
    True
    """
    with opened(path) as ms:
        several = any(ask(ms, name, lambda t: t.nrows()) > 1 for name in ("FIELD", "SPECTRAL_WINDOW", "OBSERVATION"))
    if not several:
        yield Path(path)
        return
    brief = dataclasses.replace(layout, times=layout.times[:1])
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / Path(path).name
        with writer.create(alone, brief, like=path):
            pass
        yield alone
