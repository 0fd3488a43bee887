"""Search blocks of time for interference: AOFlagger on every baseline, and what the flags are counted by; tasks."""

from dataclasses import dataclass
from pathlib import Path

import aoflagger
import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import engines, noise
from lofarlake_nb.processing.flags import flag_store, samples, swapped, together
from lofarlake_nb.processing.windows import scans

# AOFlagger compares a sample with its neighbours in time and frequency. On pure noise its false positives stay near
# half a percent down to these sizes.
FEWEST_SLOTS = 6
FEWEST_CHANNELS = 8
# A channel below this part of the middle one's signal has none.
EMPTY = 0.05
# What counts as a fall: a part of the level, and so many times the scatter of the channels in the middle.
LEAST_FALL, SURE_FALL = 0.02, 5.0
# Baselines whose dynamic spectra are made at a time, to stay in the processor's cache.
BATCH = 32
# Scans of this many slots are searched one by one.
LONG_SCAN = 30
# Slots from which levels and noise are taken: medians of a thousand samples are good to 3 %.
ENOUGH_SLOTS = 200


@dataclass(frozen=True)
class Source:
    """Visibilities of a Measurement Set that are flagged and averaged.

    Parameters
    ----------
    path : Path
        Measurement Set.
    column : str
        That holds the visibilities.
    spectral_window, field_id : int or None
        Which one, where there are several.

    Examples
    --------
    >>> Source(Path("observation/L990100_SAP000_SB000_uv.MS")).layout().stations
    ('CS001HBA0', 'CS002HBA0', 'CS003HBA0')
    """

    path: Path
    column: str = "DATA"
    spectral_window: int | None = None
    field_id: int | None = None

    def layout(self) -> Layout:
        """Layout of the chosen rows."""
        return measurement_set.layout(self.path, self.spectral_window, self.field_id)


def flag_baseline(spectra: np.ndarray, flagger: aoflagger.AOFlagger, strategy: aoflagger.Strategy) -> np.ndarray:
    """Interference in one baseline.

    Parameters
    ----------
    spectra : (2 × polarization, frequency, time) float32
        Real and imaginary parts.
    flagger : aoflagger.AOFlagger
    strategy : aoflagger.Strategy

    Returns
    -------
    (time, frequency) bool
        True where bad.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(8, 32, 100))
    >>> spectra = (noise + 100 * (np.arange(32) == 16)[:, None]).astype(np.float32)
    >>> engine = aoflagger.AOFlagger()
    >>> bad = flag_baseline(spectra, engine, engine.load_strategy_file(engines.flagging_strategy()))
    >>> bad.shape, np.flatnonzero(bad.mean(axis=0) > 0.5).tolist()
    ((100, 32), [16])
    """
    count, n_channel, n_time = spectra.shape
    images = flagger.make_image_set(n_time, n_channel, count)
    for i in range(count):
        images.set_image_buffer(i, spectra[i])
    return strategy.run(images).get_buffer().T


def flag_window(source: Source, times: slice, flag_file: Path, strategy: str) -> dict[str, np.ndarray]:
    """Flag one block of time of one Measurement Set; a task.

    Parameters
    ----------
    source : Source
    times : slice
        Slots of the block.
    flag_file : Path
        From `flag_store.create`.
    strategy : str
        As in `FlagParameters`.

    Returns
    -------
    dict
        ``samples``, ``known`` (came flagged), ``flagged``: (baseline,) int, 0 for autocorrelations; ``noise``:
        (station,) relative noise power; ``seen``: (baseline, 4), see `swapped.significance`.

    Examples
    --------
    >>> source = Source(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> found = flag_window(source, slice(0, 4), flag_store.create(Path("flags.npy"), (4, 6, 4)), "")
    >>> found["samples"].tolist(), found["noise"].shape  # autocorrelations don't count
    ([0, 16, 16, 0, 16, 0], (3,))
    """
    layout = source.layout()
    block = measurement_set.read(source.path, layout, [source.column, "FLAG"], times)
    data = np.asarray(block[source.column], dtype=np.complex64)
    cross = layout.cross
    flagged = samples.known_bad(data, block["FLAG"])
    known = samples.count(flagged, cross)[0]
    # Interference moves a median little, and the search needs to know the noise.
    power = _baseline_noise(data, flagged, cross)
    if searchable(layout, data.shape[0]):
        _search(layout, data, flagged, times, power, engines.flagging_strategy(strategy))
    flag_store.put(flag_file, times.start, flagged)
    first, second = layout.antenna1[cross], layout.antenna2[cross]
    return {
        "samples": np.where(cross, data.shape[0] * data.shape[2], 0),
        "known": known,
        "flagged": samples.count(flagged, cross)[0],
        "noise": noise.relative(noise.station_noise(power, first, second, len(layout.stations))),
        "seen": _seen(data, flagged, cross, power, scans(layout.times[times], layout.interval)),
    }


def count_window(flag_file: Path, times: slice, n_channels: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flags of a block of time by channel and by slot; a task.

    Parameters
    ----------
    flag_file : Path
    times : slice
    n_channels : int
    wanted : (baseline,) bool
        Baselines that count.

    Returns
    -------
    tuple of int64 array
        (frequency,), (time,).

    Examples
    --------
    >>> file = flag_store.create(Path("counted.npy"), (4, 2, 3))
    >>> flag_store.put(file, 1, np.array([[[True, True, False], [True, True, True]]]))
    >>> by_channel, by_time = count_window(file, slice(0, 4), 3, np.array([True, False]))
    >>> by_channel.tolist(), by_time.tolist()
    ([1, 1, 0], [0, 2, 0, 0])
    """
    return samples.count(flag_store.get(flag_file, times, n_channels), wanted)[1:]


def channel_levels(data: np.ndarray, flag: np.ndarray) -> np.ndarray:
    """How far each channel's signal falls below the middle one's: the roll-off at the edges of a subband.

    AOFlagger takes that fall for interference. Rises are left as they are, for interference makes them; so are falls
    away from the edges, and those that may be chance.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex
    flag : (time, baseline, frequency) bool

    Returns
    -------
    (frequency,) float32
        At most 1; 1 too where a channel is as good as empty.

    Examples
    --------
    >>> data = np.ones((10, 3, 16, 4), complex)
    >>> data[:, :, 0] = 0.5  # the edge falls
    >>> data[:, :, 8] = 20  # interference
    >>> channel_levels(data, np.zeros((10, 3, 16), bool))[[0, 1, 8, 15]].tolist()
    [0.5, 1.0, 1.0, 1.0]
    """
    level = np.full(data.shape[2], np.nan)
    for i in range(data.shape[2]):
        good = ~flag[:, :, i]
        if good.any():
            level[i] = np.median(np.abs(data[:, :, i, 0][good]))
    usual = np.nanmedian(level) if np.isfinite(level).any() else 0.0
    relative = np.nan_to_num(level / usual, nan=1.0) if usual > 0 else np.ones_like(level)
    inner = relative[len(relative) // 4 : len(relative) - len(relative) // 4]
    there = inner[inner > EMPTY]
    scatter = 1.4826 * float(np.median(np.abs(there - np.median(there)))) if there.size else 0.0
    falls = (relative > EMPTY) & (relative < 1 - max(LEAST_FALL, SURE_FALL * scatter))
    edge = np.logical_and.accumulate(falls) | np.logical_and.accumulate(falls[::-1])[::-1]
    return np.where(edge, relative, 1).astype(np.float32)


def searchable(layout: Layout, n_time: int) -> bool:
    """Whether there are neighbours enough for AOFlagger to compare with.

    Examples
    --------
    >>> [searchable(Source(paths[0]).layout(), slots) for slots in (5, 6)]
    [False, True]
    """
    return n_time >= FEWEST_SLOTS and len(layout.frequencies) >= FEWEST_CHANNELS


def _search(
    layout: Layout, data: np.ndarray, flagged: np.ndarray, times: slice, power: np.ndarray, strategy: str
) -> None:
    """Add what is found in the cross-correlations to `flagged`."""
    cross = layout.cross
    some = _some(len(data))
    level = channel_levels(data[some], flagged[some] | ~cross[:, None])
    wanted = np.flatnonzero(cross & ~flagged.all(axis=(0, 2)))
    power = power[np.searchsorted(np.flatnonzero(cross), wanted)]
    ends = layout.positions[layout.antenna1[wanted]] - layout.positions[layout.antenna2[wanted]]
    group = together.classes(np.linalg.norm(ends, axis=1))
    engine = aoflagger.AOFlagger()
    loaded = engine.load_strategy_file(strategy)
    for piece in pieces(layout.times[times], layout.interval):
        part, found = data[piece], flagged[piece]
        # Neighbours in time are compared: never across a pause, over which the sky has moved.
        single = scans(layout.times[times][piece], layout.interval)
        common = np.concatenate(
            [together.find(part[one], found[one], level, wanted, group, power) for one in single], axis=1
        )
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            # What is known by now would hide the faint, and spread to its neighbours in AOFlagger's smooth background.
            images = samples.images(part, level, batch)
            samples.fill(images, common[start : start + BATCH])
            for k, (i, spectra) in enumerate(zip(batch, images, strict=True), start):
                found[:, i] |= flag_baseline(spectra, engine, loaded) | common[k]


def pieces(times: np.ndarray, interval: float) -> list[slice]:
    """Slots that are searched together: scans, where each is long enough for AOFlagger to know its noise.

    Across a pause AOFlagger would take what comes after it for a continuation, and spread the flags of one scan into
    the next.

    Parameters
    ----------
    times : (time,) s
        Of one block.
    interval : float
        Of a slot, s.

    Returns
    -------
    list of slice

    Examples
    --------
    >>> pieces(np.append(np.arange(40.0), 100 + np.arange(40.0)), 1.0)
    [slice(0, 40, None), slice(40, 80, None)]
    >>> pieces(np.append(np.arange(40.0), 100 + np.arange(10.0)), 1.0)  # a scan of 10 slots is too short
    [slice(0, 50, None)]
    """
    found = scans(times, interval)
    long_enough = all(scan.stop - scan.start >= LONG_SCAN for scan in found)
    return found if long_enough else [slice(0, len(times))]


def _baseline_noise(data: np.ndarray, flagged: np.ndarray, cross: np.ndarray) -> np.ndarray:
    # Without neighbours in frequency they are in time, and must stay together.
    some = _some(len(data)) if data.shape[2] > 1 else slice(None)
    data, flagged, wanted = data[some], flagged[some], np.flatnonzero(cross)
    # Batch by batch: with copies of all of them at once, this would be what a task needs its memory for.
    batches = np.array_split(wanted, max(1, len(wanted) // BATCH))
    return np.concatenate([noise.baseline_noise(data[:, batch], flagged[:, batch]) for batch in batches])


def _seen(
    data: np.ndarray, flagged: np.ndarray, cross: np.ndarray, power: np.ndarray, single: list[slice]
) -> np.ndarray:
    seen = np.zeros((len(cross), swapped.HANDS))
    if data.shape[3] == swapped.HANDS:
        # Scan by scan: without neighbours in frequency they are in time, and none lies across a pause.
        parts = [samples.coherent_power(data[one], flagged[one], np.flatnonzero(cross)) for one in single]
        coherent, pairs = (np.sum(found, axis=0) for found in zip(*parts, strict=True))
        seen[cross] = swapped.significance(coherent, pairs, power)
    return seen


def _some(count: int) -> slice:
    return slice(None, None, max(1, count // ENOUGH_SLOTS))
