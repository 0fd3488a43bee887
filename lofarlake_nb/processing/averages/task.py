"""Average one Measurement Set, block of time by block of time; a task."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.ateam import deciding
from lofarlake_nb.processing.averages.mean import weighted_mean
from lofarlake_nb.processing.averages.resolution import averaged_layout, factors
from lofarlake_nb.processing.flags import flag_store, swapped
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.windows import blocks, groups


def average_one(
    source: Source,
    flag_file: Path,
    output: Path,
    parameters: AverageParameters,
    bad_stations: tuple[str, ...] = (),
    swapped_stations: tuple[str, ...] = (),
    clipped: tuple[str, ...] = (),
) -> dict:
    """Average one Measurement Set; a task.

    Parameters
    ----------
    source : Source
        Measurement Set, and what of it.
    flag_file : Path
        Its flags, see `flag_store`.
    output : Path
        The new one; replaced when there.
    parameters : AverageParameters
    bad_stations, swapped_stations : tuple of str
        Stations to flag, and stations whose dipoles are exchanged back.
    clipped : tuple of str
        Sources of the A-team; samples in which they are too strong are flagged.

    Returns
    -------
    dict
        ``path``, ``slots``, ``channels``, ``interval`` (s), ``width`` (Hz), ``samples``, ``unflagged``.

    Examples
    --------
    >>> wanted = AverageParameters(interval="8 s", channel="48.83 kHz", smearing=1.0)
    >>> made = average_one(flagged.sources[0], flagged.flag_files[0], Path("by_hand.MS"), wanted)
    >>> made["slots"], made["channels"], made["samples"] == 15 * 190 * 4
    (2, 4, True)
    """
    engines.prepare()
    engines.trim()  # what flagging took is of other sizes, and would be kept beside this
    layout = source.layout()
    slots, channels = factors(layout, parameters)
    starts = groups(layout.times, layout.interval, slots)
    ends = np.append(starts[1:], len(layout.times))
    target = averaged_layout(layout, starts, slots, channels)
    cross = layout.cross
    clip = deciding.clipped_samples(source, target, clipped, deciding.level(parameters, target))
    bad = np.logical_or(*_of_stations(layout, bad_stations))[cross]
    swap = _of_stations(layout, swapped_stations)[:, cross]
    ascending = slice(None, None, 1 if _ascending(layout) else -1)
    model = {"MODEL_DATA": parameters.model_column} if parameters.model_column else {}
    read = {"DATA": source.column, **model}
    samples = unflagged = 0
    shutil.rmtree(output, ignore_errors=True)  # a worker that died may have written it, and its result is lost
    with writer.create(output, target, like=source.path, columns=(*read, "FLAG", "WEIGHT_SPECTRUM")) as new:
        for first, last in blocks(layout, starts):
            times = slice(int(starts[first]), int(ends[last - 1]))
            inner = starts[first:last] - times.start
            block = measurement_set.read(source.path, layout, [*read.values(), "WEIGHT_SPECTRUM", "UVW"], times)
            flag = flag_store.get(flag_file, times, len(layout.frequencies))[:, cross]
            flag |= bad[:, None]
            weight = swapped.exchanged(block["WEIGHT_SPECTRUM"][:, cross], *swap)
            means = {}
            # The model is as the sky is: its dipoles were never exchanged.
            for name, column in read.items():
                values = block[column][:, cross].astype(np.complex64, copy=False)
                values = swapped.exchanged(values, *swap) if name == "DATA" else values
                means[name], empty, total = weighted_mean(
                    values[:, :, ascending], flag[:, :, ascending], weight[:, :, ascending], inner, channels
                )
            uvw = _mean_uvw(block["UVW"][:, cross], layout.rows[times][:, cross] >= 0, inner)
            empty |= clip[first:last, :, None]
            total[empty] = 0
            for mean in means.values():
                mean[empty] = 0
            every = np.repeat(empty[..., None], total.shape[-1], axis=-1)
            new.write(first, uvw, **means, FLAG=every, WEIGHT_SPECTRUM=total)
            samples, unflagged = samples + empty.size, unflagged + int(empty.size - empty.sum())
    return {
        "path": output,
        "slots": slots,
        "channels": channels,
        "interval": target.interval,
        "width": target.channel_width,
        "samples": samples,
        "unflagged": unflagged,
    }


def _ascending(layout: Layout) -> bool:
    return len(layout.frequencies) < 2 or bool(layout.frequencies[-1] > layout.frequencies[0])


def _of_stations(layout: Layout, names: Sequence[str]) -> np.ndarray:
    """(2, baseline) bool: whether the first and the second station of each baseline is one of these."""
    chosen = np.isin(layout.stations, list(names))
    return np.stack([chosen[layout.antenna1], chosen[layout.antenna2]])


def _mean_uvw(uvw: np.ndarray, present: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(group, baseline, 3) m: mean over the rows that are there; 0 where none is."""
    count = np.add.reduceat(present.astype(int), starts, axis=0)
    total = np.add.reduceat(uvw * present[..., None], starts, axis=0)
    return total / np.maximum(count, 1)[..., None]
