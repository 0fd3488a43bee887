"""Average in time and frequency, with weights and flags, into new Measurement Sets."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters
from lofarlake_nb.processing import cluster, disk, results
from lofarlake_nb.processing.ateam import deciding
from lofarlake_nb.processing.ateam.deciding import AteamVerdict
from lofarlake_nb.processing.ateam.sources import ATEAM
from lofarlake_nb.processing.averages import resolution, smearing
from lofarlake_nb.processing.averages.smearing import Smearing
from lofarlake_nb.processing.averages.task import average_one
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.layouts import read_layouts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Averaged:
    """Averaged Measurement Sets: cross-correlations only, bad stations flagged.

    Parameters
    ----------
    measurement_sets : tuple of Path
        One for each input that has anything left.
    slots, channels : int
        Most slots, and channels, that one averaged one is made of.
    interval_s, channel_width_hz : float
        Resolution of the first one.
    unflagged_fraction : float
        Of the averaged samples.
    bad_stations : tuple of BadStation
        As found by flagging.
    key : str
        Of this result.
    smearing : Smearing
        What sources at the edge of the field lose.
    bytes : int
        That were asked for on the disk.
    notes : tuple of str
        What was done otherwise than asked for, and why.
    ateam : tuple of AteamVerdict
        What was decided about Cas A, Cyg A, Tau A and Vir A, and why; empty where nobody asked.

    Examples
    --------
    >>> averaged.slots, averaged.channels, averaged.interval_s
    (1, 4, 4.0)
    """

    measurement_sets: tuple[Path, ...]
    slots: int
    channels: int
    interval_s: float
    channel_width_hz: float
    unflagged_fraction: float
    bad_stations: tuple[BadStation, ...]
    key: str
    smearing: Smearing | None = None
    bytes: int = 0
    notes: tuple[str, ...] = ()
    ateam: tuple[AteamVerdict, ...] = ()


def average(flagged: Flagged, parameters: AverageParameters, *, work: Path, client: distributed.Client) -> Averaged:
    """Average flagged Measurement Sets.

    Parameters
    ----------
    flagged : Flagged
        From `flagging.flag`.
    parameters : AverageParameters
        Wanted resolution.
    work : Path
        Folder for the new Measurement Sets, below ``averaged``.
    client : distributed.Client
        Runs the tasks: one for each Measurement Set, for only one may write to it.

    Returns
    -------
    Averaged

    Raises
    ------
    NoSpace
        When the disk is too small; known before it starts.
    ProcessingError
        When nothing unflagged is left.

    Examples
    --------
    >>> averaged = average(flagged, chosen.average, work=work, client=session.client)
    >>> averaged.interval_s, len(averaged.measurement_sets)
    (4.0, 2)
    """
    step_key = steps.key("average", parameters, flagged.key)
    folder = Path(work) / "averaged"

    @cluster.deaths_told()
    def run() -> Averaged:
        steps.empty(folder)
        return _average(flagged, parameters, folder, client, step_key)

    return results.once(Averaged, folder / "averaged.json", step_key, run, products=lambda r: r.measurement_sets)


def _average(
    flagged: Flagged, parameters: AverageParameters, folder: Path, client: distributed.Client, step_key: str
) -> Averaged:
    sources = flagged.sources or tuple(Source(path) for path in flagged.measurement_sets)
    layouts = read_layouts(sources, client)
    need = resolution.disk_need(layouts, parameters)
    free = disk.require(folder, need, "the averaged data")
    logger.info("averaged data will take %.2f GB, %.1f GB is free", need / 1e9, free / 1e9)
    bad, swapped_names = (tuple(s.name for s in of) for of in (flagged.bad_stations, flagged.swapped_stations))
    ateam = _ateam(sources, layouts, parameters, client)
    clipped = tuple(one.name for one in ateam if one.decision == deciding.CLIPPED)
    futures = [
        client.submit(
            average_one,
            source,
            flag_file,
            folder / f"{i:03d}_{source.path.name}",
            parameters,
            bad,
            swapped_names,
            clipped,
            pure=False,
        )
        for i, (source, flag_file) in enumerate(zip(sources, flagged.flag_files, strict=True))
    ]
    done = client.gather(futures)
    kept = [d for d in done if d["unflagged"]]
    if not kept:
        raise ProcessingError("nothing is left after averaging: all is flagged, or of weight 0", "look at the flags")
    limited = sorted({name for layout in layouts for name in resolution.limited(layout, parameters)})
    used = [layout for layout, d in zip(layouts, done, strict=True) if d["unflagged"]]
    # Without their rows: of a long observation they would not fit.
    smeared = smearing.of(parameters, [resolution.target(layout, parameters).brief() for layout in used], limited)
    logger.info(
        "averaged to %.1f s and %.1f kHz: %.2f deg from the centre %.1f %% of a peak are lost in a beam of %.1f arcsec",
        kept[0]["interval"],
        kept[0]["width"] / 1e3,
        smeared.radius_deg,
        100 * smeared.loss,
        smeared.beam_arcsec,
    )
    return Averaged(
        measurement_sets=tuple(d["path"] for d in kept),
        slots=max(d["slots"] for d in kept),
        channels=max(d["channels"] for d in kept),
        interval_s=kept[0]["interval"],
        channel_width_hz=kept[0]["width"],
        unflagged_fraction=sum(d["unflagged"] for d in done) / sum(d["samples"] for d in done),
        bad_stations=flagged.bad_stations,
        key=step_key,
        smearing=smeared,
        bytes=need,
        notes=_notes(sources, layouts, done, smeared, parameters),
        ateam=ateam,
    )


def _ateam(
    sources: Sequence[Source], layouts: Sequence[Layout], parameters: AverageParameters, client: distributed.Client
) -> tuple[AteamVerdict, ...]:
    """Verdicts at the middle one of the frequencies."""
    if parameters.ateam == "none":
        return ()
    middle = int(np.argsort([layout.frequencies.mean() for layout in layouts])[len(layouts) // 2])
    target = resolution.target(layouts[middle], parameters)
    found = client.gather(
        [client.submit(deciding.decide, sources[middle], target, parameters, (one,), pure=False) for one in ATEAM]
    )
    verdicts = tuple(verdict for of_one in found for verdict in of_one)
    for one in verdicts:
        logger.info(
            "%s, %.0f deg away, %.0f deg high: %s (%s)",
            one.name,
            one.distance_deg,
            one.elevation_deg,
            one.decision,
            one.reason,
        )
    return verdicts


def _notes(
    sources: Sequence[Source],
    layouts: Sequence[Layout],
    done: Sequence[dict],
    smeared: Smearing,
    parameters: AverageParameters,
) -> tuple[str, ...]:
    notes = []
    if smeared.limited:
        notes.append(
            f"{' and '.join(smeared.limited)} kept finer than asked for: sources {smeared.radius_deg:.2f} deg from the "
            f"centre would lose more than {100 * parameters.smearing:.0f} % of their peak"
        )
    elif smeared.loss > parameters.smearing:
        notes.append(
            f"sources {smeared.radius_deg:.2f} deg from the centre lose {100 * smeared.loss:.0f} % of their peak: the "
            "data are as coarse as that"
        )
    for source, layout, one in zip(sources, layouts, done, strict=True):
        if not resolution.even(layout):
            notes.append(f"{source.path.name}: channels not averaged, there are gaps between them")
        if not one["unflagged"]:
            notes.append(f"{source.path.name}: left out, all of it is flagged")
    return tuple(notes)
