"""Average one Measurement Set, block of time by block of time; a task."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.ateam import deciding
from lofarlake_nb.processing.averages.mean import weighted_mean
from lofarlake_nb.processing.averages.resolution import averaged_layout, baselines, factors
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
    layout = source.layout()
    slots, channels = factors(layout, parameters)
    starts = groups(layout.times, layout.interval, slots)
    target = averaged_layout(layout, starts, slots, channels)
    clip = deciding.clipped_samples(source, target, clipped, deciding.level(parameters, target))
    engines.trim()  # what flagging and that took is of other sizes, and would be kept beside the blocks
    model = {"MODEL_DATA": parameters.model_column} if parameters.model_column else {}
    kept = baselines(layout)
    work = _Averaging(
        source=source,
        layout=layout,
        flag_file=flag_file,
        columns={"DATA": source.column, **model},
        starts=starts,
        channels=channels,
        baselines=kept,
        bad=np.logical_or(*_of_stations(layout, bad_stations))[kept],
        swap=_of_stations(layout, swapped_stations)[:, kept],
    )
    samples = unflagged = 0
    shutil.rmtree(output, ignore_errors=True)  # a worker that died may have written it, and its result is lost
    written = (*work.columns, "FLAG", "WEIGHT_SPECTRUM")
    with writer.create(output, target, like=source.path, columns=written) as new:
        for first, last in blocks(layout, starts):
            uvw, means, empty, total = work.block(first, last)
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


@dataclass(frozen=True)
class _Averaging:
    """What a Measurement Set's blocks of time are averaged from, and how."""

    source: Source
    layout: Layout
    flag_file: Path
    columns: dict[str, str]  # name in the new one: name in the source
    starts: np.ndarray  # first slot of each group of slots
    channels: int  # how many become one
    baselines: np.ndarray  # (baseline,) int, of the source's, in the new one's order
    bad: np.ndarray  # (baseline,) bool, of a station to flag
    swap: np.ndarray  # (2, baseline) bool, of a station whose dipoles are exchanged back

    def block(self, first: int, last: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """UVW (m), mean of each column, whether a mean has no samples, and weights, of groups of slots."""
        ends = np.append(self.starts[1:], len(self.layout.times))
        times = slice(int(self.starts[first]), int(ends[last - 1]))
        inner = self.starts[first:last] - times.start
        its = self.baselines
        names = [*self.columns.values(), "WEIGHT_SPECTRUM", "UVW"]
        block = measurement_set.read(self.source.path, self.layout, names, times)
        flag = flag_store.get(self.flag_file, times, len(self.layout.frequencies))[:, its]
        flag |= self.bad[:, None]
        weight = swapped.exchanged(block["WEIGHT_SPECTRUM"][:, its], *self.swap)
        ascending = slice(None, None, 1 if _ascending(self.layout) else -1)
        means = {}
        # The model is as the sky is: its dipoles were never exchanged.
        for name, column in self.columns.items():
            values = block[column][:, its].astype(np.complex64, copy=False)
            values = swapped.exchanged(values, *self.swap) if name == "DATA" else values
            means[name], empty, total = weighted_mean(
                values[:, :, ascending], flag[:, :, ascending], weight[:, :, ascending], inner, self.channels
            )
        return _mean_uvw(block["UVW"][:, its], self.layout.rows[times][:, its] >= 0, inner), means, empty, total


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
