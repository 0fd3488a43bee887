"""Average in time and frequency, with weights and flags, into new Measurement Sets."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import astropy.units as u
import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters, quantity
from lofarlake_nb.processing import engines, results
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.windows import blocks, groups, scans

logger = logging.getLogger(__name__)

# Slots that a scan keeps at least: the verdict on a calibration needs slots that were not solved on.
FEWEST_SLOTS = 4


@dataclass(frozen=True)
class Averaged:
    """Averaged Measurement Sets: cross-correlations only, bad stations flagged.

    Parameters
    ----------
    measurement_sets : tuple of Path
        One for each input.
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
    """

    measurement_sets: tuple[Path, ...]
    slots: int
    channels: int
    interval_s: float
    channel_width_hz: float
    unflagged_fraction: float
    bad_stations: tuple[BadStation, ...]
    key: str


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
        When the disk is full.
    """
    step_key = steps.key("average", parameters, flagged.key)
    folder = Path(work) / "averaged"

    def run() -> dict:
        shutil.rmtree(folder, ignore_errors=True)
        bad = tuple(b.name for b in flagged.bad_stations)
        futures = [
            client.submit(average_one, path, flag_file, folder / f"{i:03d}_{path.name}", parameters, bad, pure=False)
            for i, (path, flag_file) in enumerate(zip(flagged.measurement_sets, flagged.flag_files, strict=True))
        ]
        done = client.gather(futures)
        samples, unflagged = (sum(d[k] for d in done) for k in ("samples", "unflagged"))
        logger.info("averaged to %.1f s and %.1f kHz", done[0]["interval"], done[0]["width"] / 1e3)
        result = Averaged(
            measurement_sets=tuple(d["path"] for d in done),
            slots=max(d["slots"] for d in done),
            channels=max(d["channels"] for d in done),
            interval_s=done[0]["interval"],
            channel_width_hz=done[0]["width"],
            unflagged_fraction=unflagged / samples,
            bad_stations=flagged.bad_stations,
            key=step_key,
        )
        return results.to_json(result)

    kept = steps.once(folder / "averaged.json", step_key, run, products=lambda r: map(Path, r["measurement_sets"]))
    return results.from_json(Averaged, kept)


def factors(layout: Layout, parameters: AverageParameters) -> tuple[int, int]:
    """Slots and channels that become one.

    Parameters
    ----------
    layout : Layout
        Of the Measurement Set.
    parameters : AverageParameters
        Wanted resolution.

    Returns
    -------
    tuple of int
        Slots at most, and channels; the channels divide evenly. 1 where the data are as coarse as wanted.
    """
    wanted_s = quantity("interval", parameters.interval, u.s).value
    wanted_hz = quantity("channel", parameters.channel, u.Hz).value
    # A hundredth more, for intervals like 1.00139 s and channels like 12.2070 kHz.
    longest = max(scan.stop - scan.start for scan in scans(layout.times, layout.interval))
    slots = max(1, min(int(1.01 * wanted_s / layout.interval), longest // FEWEST_SLOTS))
    most = max(1, int(1.01 * wanted_hz / layout.channel_width))
    n_channel = len(layout.frequencies)
    channels = max(n for n in range(1, min(most, n_channel) + 1) if n_channel % n == 0)
    return slots, channels


def average_block(
    data: np.ndarray, flag: np.ndarray, weight: np.ndarray, starts: np.ndarray, channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted mean over groups of slots and channels.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    flag : (time, baseline, frequency) bool
    weight : (time, baseline, frequency, polarization) float32
    starts : (group,) int
        First slot of each group.
    channels : int
        Channels in a group.

    Returns
    -------
    data : (group, baseline, frequency / channels, polarization) complex64
        0 where all is flagged.
    flag : (group, baseline, frequency / channels) bool
        Where nothing unflagged, of any polarization, is left.
    weight : (group, baseline, frequency / channels, polarization) float32
        Sum of the weights of what is unflagged.
    """
    used = np.where(flag[..., None], np.float32(0), weight)
    n_time, n_baseline, n_channel, n_polarization = data.shape
    shape = (n_time, n_baseline, n_channel // channels, channels, n_polarization)
    total = np.add.reduceat(used.reshape(shape).sum(axis=3), starts, axis=0)
    summed = np.add.reduceat((used * data).reshape(shape).sum(axis=3), starts, axis=0)
    empty = np.logical_not((total > 0).all(axis=3))
    mean = np.divide(summed, total, out=np.zeros_like(summed), where=total > 0)
    mean[empty], total[empty] = 0, 0
    return mean.astype(np.complex64), empty, total.astype(np.float32)


def average_one(
    path: Path, flag_file: Path, output: Path, parameters: AverageParameters, bad_stations: tuple[str, ...]
) -> dict:
    """Average one Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Measurement Set.
    flag_file : Path
        Its flags, see `flag_store`.
    output : Path
        The new one.
    parameters : AverageParameters
    bad_stations : tuple of str
        Stations to flag.

    Returns
    -------
    dict
        ``path``, ``slots``, ``channels``, ``interval`` (s), ``width`` (Hz), ``samples``, ``unflagged``.
    """
    engines.prepare()
    layout = measurement_set.layout(path)
    slots, channels = factors(layout, parameters)
    starts = groups(layout.times, layout.interval, slots)
    ends = np.append(starts[1:], len(layout.times))
    target = averaged_layout(layout, starts, slots, channels)
    cross = layout.cross
    left_out = [i for i, name in enumerate(layout.stations) if name in bad_stations]
    bad = np.isin(target.antenna1, left_out) | np.isin(target.antenna2, left_out)
    samples = unflagged = 0
    with writer.create(output, target, like=path) as new:
        for first, last in blocks(layout, starts):
            times = slice(int(starts[first]), int(ends[last - 1]))
            block = measurement_set.read(path, layout, ["DATA", "WEIGHT_SPECTRUM", "UVW"], times)
            flag = flag_store.get(flag_file, times, len(layout.frequencies))[:, cross]
            flag |= bad[:, None]
            inner = starts[first:last] - times.start
            data, flag, weight = average_block(
                block["DATA"][:, cross], flag, block["WEIGHT_SPECTRUM"][:, cross], inner, channels
            )
            uvw = _mean_uvw(block["UVW"][:, cross], layout.rows[times][:, cross] >= 0, inner)
            every = np.repeat(flag[..., None], data.shape[-1], axis=-1)
            new.write(first, uvw, DATA=data, FLAG=every, WEIGHT_SPECTRUM=weight)
            samples, unflagged = samples + flag.size, unflagged + int(flag.size - flag.sum())
    return {
        "path": output,
        "slots": slots,
        "channels": channels,
        "interval": target.interval,
        "width": target.channel_width,
        "samples": samples,
        "unflagged": unflagged,
    }


def averaged_layout(layout: Layout, starts: np.ndarray, slots: int, channels: int) -> Layout:
    """Layout after averaging, cross-correlations only.

    Parameters
    ----------
    layout : Layout
        Before.
    starts : (group,) int
        First slot of each group.
    slots, channels : int
        From `factors`.

    Returns
    -------
    Layout
    """
    size = np.diff(np.append(starts, len(layout.times)))
    times = np.add.reduceat(layout.times - layout.times[0], starts) / size + layout.times[0]
    cross = layout.cross
    n_baseline = int(cross.sum())
    return replace(
        layout,
        times=times,
        antenna1=layout.antenna1[cross],
        antenna2=layout.antenna2[cross],
        rows=np.arange(len(times) * n_baseline, dtype=np.int64).reshape(len(times), n_baseline),
        frequencies=layout.frequencies.reshape(-1, channels).mean(axis=1),
        interval=layout.interval * min(slots, int(size.max())),
        channel_width=layout.channel_width * channels,
    )


def _mean_uvw(uvw: np.ndarray, present: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(group, baseline, 3) m: mean over the rows that are there; 0 where none is."""
    count = np.add.reduceat(present.astype(int), starts, axis=0)
    total = np.add.reduceat(uvw * present[..., None], starts, axis=0)
    return total / np.maximum(count, 1)[..., None]
