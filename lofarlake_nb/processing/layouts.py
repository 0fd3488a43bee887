"""Layouts of Measurement Sets, read on the workers: of a long observation each takes seconds, and much memory."""

from collections.abc import Sequence

import distributed

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flags.searching import Source


def read_layouts(sources: Sequence[Source], client: distributed.Client) -> list[Layout]:
    """Layouts of some Measurement Sets.

    Parameters
    ----------
    sources : sequence of Source
    client : distributed.Client
        Runs the tasks: one for each.

    Returns
    -------
    list of Layout
        Brief ones: see `Layout.whole`.

    Raises
    ------
    NotAMeasurementSet, ObservationError
        As `measurement_set.layout`.

    Examples
    --------
    >>> one, other = read_layouts([Source(path) for path in paths], session.client)
    >>> len(one.times), one.rows.shape, one.whole().rows.shape
    (30, (0, 210), (30, 210))
    """
    found: list[Layout] = client.gather([client.submit(brief, source, pure=False) for source in sources])
    return found


def brief(source: Source) -> Layout:
    """Layout of a Measurement Set, as it is sent to others; a task.

    Examples
    --------
    >>> brief(Source(paths[0])).interval
    4.0
    """
    return source.layout().brief()
