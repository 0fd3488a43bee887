"""EveryBeam's telescopes: of a Measurement Set, or of stations that none is there of yet."""

import dataclasses
import logging
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lofarlake_nb.observation import measures, single, writer
from lofarlake_nb.observation.layout import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.processing import engines

logger = logging.getLogger(__name__)

# A first question of any time and place, for EveryBeam to read its tables: MJD s of the year 2000, Hz, rad.
QUESTION = 51544.5 * 86400, 0, 150e6, 0.0, 1.5


def opened(path: Path, **options: Any) -> Any:
    """EveryBeam's telescope of a Measurement Set as its tables are, the first question asked.

    Parameters
    ----------
    path : Path
        It tells of one field, spectral window and observation.
    **options
        As ``everybeam.load_telescope`` takes them.

    Returns
    -------
    everybeam.Telescope

    Raises
    ------
    RuntimeError
        What EveryBeam says where it knows no such telescope; or what else it likes.

    Examples
    --------
    >>> type(opened(averaged.measurement_sets[0])).__name__
    'LOFAR'
    """
    engines.prepare()
    import everybeam  # after its environment is set

    telescope = everybeam.load_telescope(str(path), element_response_model="hamaker", **options)
    with measures.without_alarm(), suppress(Exception):  # what can't be answered is told to whoever asks
        telescope.station_response(*QUESTION)
    return telescope


def of_field(path: Path, layout: Layout) -> Any:
    """EveryBeam's telescope, pointed as it was for a layout's field; it raises what it likes where it knows none.

    Examples
    --------
    >>> type(of_field(paths[0], flagged.sources[0].layout())).__name__
    'LOFAR'
    """
    with single.tables_of_one(path, layout) as alone:
        return opened(alone)


def known(path: Path, layout: Layout) -> Any | None:
    """As `of_field`; None where EveryBeam doesn't know one.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> [known(path, layout) is None for path in (paths[0], Path("sources.csv"))]
    [False, True]
    """
    try:
        return of_field(path, layout)
    except Exception as error:  # EveryBeam's own errors come as RuntimeError, or as none that Python knows
        logger.info("no station beams for %s: %s", Path(path).name, " ".join(str(error).split())[:200])
        return None


def of_stations(layout: Layout, identity: Identity, fields: Sequence[StationField]) -> Any:
    """EveryBeam's telescope of stations that there is no Measurement Set of.

    Parameters
    ----------
    layout : Layout
        Where they point, and their frequencies.
    identity : Identity
    fields : sequence of StationField
        One for each station.

    Returns
    -------
    everybeam.Telescope

    Examples
    --------
    >>> from lofarlake_nb.observation import stations
    >>> layout, fields = flagged.sources[0].layout(), stations.choose(stations.dutch_hba(), 20)
    >>> type(of_stations(layout, Identity("SIMULATED", "667520", "3C196", "first.MS", 0), fields)).__name__
    'LOFAR'
    """
    # EveryBeam knows a telescope only as a Measurement Set: a row a baseline is enough.
    brief = dataclasses.replace(layout, times=layout.times[:1])
    # A worker that ends meanwhile can not clear it away; its session does.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        example = Path(folder) / "stations.MS"
        with writer.create(example, brief, identity=identity, fields=fields):
            pass
        return opened(example)
