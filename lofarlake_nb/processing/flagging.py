"""Find interference and bad stations: AOFlagger on every baseline, over Dask processes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.layout import require_one_direction
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing import checking, cluster, disk, engines, results
from lofarlake_nb.processing.flags import flag_statistics, flag_store, searching
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.windows import windows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flagged:
    """Measurement Sets with the flags found for them; fractions count cross-correlations only.

    Parameters
    ----------
    measurement_sets : tuple of Path
        As given; they are never written to.
    flag_files : tuple of Path
        One for each, see `flag_store`; bad stations are not in them.
    fraction : float
        Of samples flagged, known flags and those of bad stations included.
    known_fraction : float
        Of samples that came flagged.
    station_fractions : dict
        Station to fraction of its samples flagged.
    bad_stations : tuple of BadStation
        With the reason and the figure.
    notes : tuple of str
        What was not done, and why.
    key : str
        Of this result.
    sources : tuple of Source
        Column, spectral window and field of each Measurement Set.
    swapped_stations : tuple of BadStation
        Whose dipoles are exchanged back when the data are averaged; where they are flagged instead, they are among the
        bad ones.
    baseline_fractions : dict
        Two stations, as ``CS001HBA0 & CS002HBA0``, to fraction of their samples flagged.
    channel_fractions, time_fractions : tuple of (float, float)
        Frequency in Hz, or MJD UTC in s, and fraction of the samples flagged, bad stations left out.

    Examples
    --------
    >>> [station.name for station in flagged.bad_stations]
    ['CS024HBA0', 'CS030HBA1']
    >>> round(flagged.fraction, 2), round(flagged.known_fraction, 2)
    (0.26, 0.1)
    """

    measurement_sets: tuple[Path, ...]
    flag_files: tuple[Path, ...]
    fraction: float
    known_fraction: float
    station_fractions: dict[str, float]
    bad_stations: tuple[BadStation, ...]
    notes: tuple[str, ...]
    key: str
    sources: tuple[Source, ...] = ()
    swapped_stations: tuple[BadStation, ...] = ()
    baseline_fractions: dict[str, float] = field(default_factory=dict)
    channel_fractions: tuple[tuple[float, float], ...] = ()
    time_fractions: tuple[tuple[float, float], ...] = ()


def flag(
    measurement_sets: Sequence[Path], parameters: FlagParameters, *, work: Path, client: distributed.Client
) -> Flagged:
    """Flag Measurement Sets; what came flagged stays flagged.

    Parameters
    ----------
    measurement_sets : sequence of Path
        Of one observation, usually a subband each.
    parameters : FlagParameters
    work : Path
        Folder for the flags.
    client : distributed.Client
        Runs the tasks: one for each block of time of a Measurement Set.

    Returns
    -------
    Flagged

    Raises
    ------
    ProcessingError
        When there are no Measurement Sets, or no sample is left.
    NotAMeasurementSet
        When one isn't.
    ObservationError
        When one holds several spectral windows or fields, and the parameters choose none.
    NoSpace
        When the disk is too small for the flags.

    Examples
    --------
    >>> flagged = flag(paths, chosen.flag, work=work, client=session.client)
    >>> 0 < flagged.fraction < 1
    True
    """
    paths = tuple(Path(p) for p in measurement_sets)
    if not paths:
        raise ProcessingError("no Measurement Sets to flag", "give at least one")
    strategy = [Path(parameters.strategy)] if parameters.strategy else []
    # The keys of all later steps are made from this one.
    step_key = steps.key("flag", parameters, str(engines.versions()), *strategy, *paths)

    @cluster.deaths_told()
    def run() -> Flagged:
        return _flag(paths, parameters, Path(work) / "flags", client, step_key)

    record = Path(work) / "flags" / "flagged.json"
    found = results.once(Flagged, record, step_key, run, products=lambda r: r.flag_files)
    # The same ones may lie elsewhere than when they were flagged.
    sources = tuple(replace(source, path=path) for source, path in zip(found.sources, paths, strict=False))
    return replace(found, measurement_sets=paths, sources=sources)


def _flag(
    paths: tuple[Path, ...], parameters: FlagParameters, folder: Path, client: distributed.Client, step_key: str
) -> Flagged:
    sources = tuple(
        Source(path, parameters.column, parameters.chosen_window, parameters.chosen_field) for path in paths
    )
    layouts = client.gather([client.submit(_checked, source, pure=False) for source in sources])
    require_one_direction(zip(paths, layouts, strict=True))
    disk.require(folder, sum(flag_store.size(_shape(layout)) for layout in layouts), "the flags")
    files, futures, notes = [], [], []
    for i, (source, layout) in enumerate(zip(sources, layouts, strict=True)):
        files.append(flag_store.create(folder / f"{i:03d}_{source.path.name}.npy", _shape(layout)))
        notes += _unsearched(source, layout)
        for times in windows(layout):
            futures.append(
                client.submit(searching.flag_window, source, times, files[-1], parameters.strategy, pure=False)
            )
    counted = flag_statistics.collect([layout for layout in layouts for _ in windows(layout)], client.gather(futures))
    swapped, turned = flag_statistics.odd_dipoles(counted)
    bad = flag_statistics.together(flag_statistics.bad_stations(counted, parameters), turned)
    swapped = tuple(one for one in swapped if one.name not in {station.name for station in bad})
    if parameters.swapped == "flag":
        bad, swapped = flag_statistics.together(bad, swapped), ()
    left_out = {station.name for station in bad}
    fractions = flag_statistics.fractions(counted, left_out)
    channels, times_of = _by_channel_and_time(layouts, files, left_out, client)
    logger.info(
        "flagged %.2f %% (%.2f %% came flagged), %d bad stations, %d with exchanged dipoles",
        100 * fractions.all,
        100 * fractions.known,
        len(bad),
        len(swapped),
    )
    return Flagged(
        measurement_sets=paths,
        flag_files=tuple(files),
        fraction=fractions.all,
        known_fraction=fractions.known,
        station_fractions=fractions.stations,
        bad_stations=bad,
        notes=tuple(notes),
        key=step_key,
        sources=sources,
        swapped_stations=swapped,
        baseline_fractions=fractions.baselines,
        channel_fractions=channels,
        time_fractions=times_of,
    )


def _checked(source: Source) -> Layout:
    """Brief layout of a Measurement Set that can be flagged; a task."""
    layout = source.layout()
    checking.correlations(source.path, layout)
    measurement_set.read(source.path, layout, [source.column], slice(0, 1))  # a column that is missing, before all else
    return layout.brief()


def _shape(layout: Layout) -> tuple[int, int, int]:
    return len(layout.times), len(layout.antenna1), len(layout.frequencies)


def _unsearched(source: Source, layout: Layout) -> list[str]:
    shape = _shape(layout)
    if searching.searchable(layout, shape[0]):
        return []
    return [
        f"{source.path.name}: interference not searched in {shape[0]} slots × {shape[2]} channels, "
        f"AOFlagger needs {searching.FEWEST_SLOTS} × {searching.FEWEST_CHANNELS}"
    ]


Curve = tuple[tuple[float, float], ...]


def _by_channel_and_time(
    layouts: Sequence[Layout], files: Sequence[Path], left_out: set[str], client: distributed.Client
) -> tuple[Curve, Curve]:
    """Flagged fraction against frequency and against time, over the baselines of good stations."""
    futures, samples = [], []
    for layout, file in zip(layouts, files, strict=True):
        bad = np.array([name in left_out for name in layout.stations])
        wanted = layout.cross & ~bad[layout.antenna1] & ~bad[layout.antenna2]
        for times in windows(layout):
            samples.append((layout, times, int(wanted.sum())))
            futures.append(
                client.submit(searching.count_window, file, times, len(layout.frequencies), wanted, pure=False)
            )
    channels: dict[float, np.ndarray] = {}
    slots: dict[float, np.ndarray] = {}
    for (layout, times, count), (by_channel, by_time) in zip(samples, client.gather(futures), strict=True):
        stored = layout.times[times]
        for where, axis, flagged, every in (
            (channels, layout.frequencies, by_channel, count * len(stored)),
            (slots, stored, by_time, count * len(layout.frequencies)),
        ):
            for value, n in zip(axis.tolist(), flagged.tolist(), strict=True):
                where[value] = where.get(value, np.zeros(2)) + np.array([n, every])
    return _curve(channels), _curve(slots)


def _curve(counts: dict[float, np.ndarray]) -> Curve:
    return tuple((value, float(n / every)) for value, (n, every) in sorted(counts.items()) if every)
