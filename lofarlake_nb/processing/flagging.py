"""Find interference and bad stations: AOFlagger on every baseline, over Dask processes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aoflagger
import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing import engines, noise, results
from lofarlake_nb.processing.flags import flag_statistics, flag_store
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.windows import windows

logger = logging.getLogger(__name__)

# AOFlagger compares a sample with its neighbours in time and frequency. On pure noise its false positives stay near
# half a percent down to these sizes.
FEWEST_SLOTS = 6
FEWEST_CHANNELS = 8
# A channel below this part of the middle one's signal has none.
EMPTY = 0.05


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
    """

    measurement_sets: tuple[Path, ...]
    flag_files: tuple[Path, ...]
    fraction: float
    known_fraction: float
    station_fractions: dict[str, float]
    bad_stations: tuple[BadStation, ...]
    notes: tuple[str, ...]
    key: str


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
    """
    paths = tuple(Path(p) for p in measurement_sets)
    if not paths:
        raise ProcessingError("no Measurement Sets to flag", "give at least one")
    step_key = steps.key("flag", parameters, *paths)

    def run() -> dict:
        return results.to_json(_flag(paths, parameters, Path(work) / "flags", client, step_key))

    record = Path(work) / "flags" / "flagged.json"
    kept = steps.once(record, step_key, run, products=lambda r: map(Path, r["flag_files"]))
    return results.from_json(Flagged, kept)


def flag_baseline(data: np.ndarray, flagger: aoflagger.AOFlagger, strategy: aoflagger.Strategy) -> np.ndarray:
    """Interference in one baseline.

    Parameters
    ----------
    data : (time, frequency, polarization) complex
    flagger : aoflagger.AOFlagger
    strategy : aoflagger.Strategy

    Returns
    -------
    (time, frequency) bool
        True where bad.
    """
    n_time, n_channel, n_polarization = data.shape
    images = flagger.make_image_set(n_time, n_channel, 2 * n_polarization)
    for i in range(n_polarization):
        images.set_image_buffer(2 * i, np.ascontiguousarray(data[:, :, i].real.T))
        images.set_image_buffer(2 * i + 1, np.ascontiguousarray(data[:, :, i].imag.T))
    return strategy.run(images).get_buffer().T


def flag_window(path: Path, times: slice, flag_file: Path, strategy: str) -> dict[str, np.ndarray]:
    """Flag one block of time of one Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Measurement Set.
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
        (station,) relative noise power.
    """
    layout = measurement_set.layout(path)
    block = measurement_set.read(path, layout, ["DATA", "FLAG"], times)
    data = block["DATA"]
    known = block["FLAG"].any(axis=3) | (data == 0).any(axis=3)
    flagged = known.copy()
    if searchable(layout, data.shape[0]):
        engine = aoflagger.AOFlagger()
        loaded = engine.load_strategy_file(engines.flagging_strategy(strategy))
        level = channel_levels(data, known | ~layout.cross[:, None])[:, None]
        for i in np.flatnonzero(layout.cross & ~known.all(axis=(0, 2))):
            flagged[:, i] |= flag_baseline(data[:, i] / level, engine, loaded)
    flag_store.put(flag_file, times.start, flagged)
    cross = layout.cross
    power = noise.baseline_noise(data[:, cross], flagged[:, cross])
    factors = noise.station_noise(power, layout.antenna1[cross], layout.antenna2[cross], len(layout.stations))
    return {
        "samples": np.where(cross, data.shape[0] * data.shape[2], 0),
        "known": np.where(cross, known.sum(axis=(0, 2)), 0),
        "flagged": np.where(cross, flagged.sum(axis=(0, 2)), 0),
        "noise": noise.relative(factors),
    }


def channel_levels(data: np.ndarray, flag: np.ndarray) -> np.ndarray:
    """How far each channel's signal falls below the middle one's: the roll-off at the edges of a subband.

    AOFlagger takes that fall for interference. Rises are left as they are, for interference makes them.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex
    flag : (time, baseline, frequency) bool

    Returns
    -------
    (frequency,) float32
        At most 1; 1 too where a channel is as good as empty.
    """
    level = np.full(data.shape[2], np.nan)
    for i in range(data.shape[2]):
        good = ~flag[:, :, i]
        if good.any():
            level[i] = np.median(np.abs(data[:, :, i, 0][good]))
    usual = np.nanmedian(level) if np.isfinite(level).any() else 0.0
    relative = level / usual if usual > 0 else np.ones_like(level)
    return np.where(relative > EMPTY, np.minimum(relative, 1), 1).astype(np.float32)


def searchable(layout: Layout, n_time: int) -> bool:
    """Whether there are neighbours enough for AOFlagger to compare with."""
    return n_time >= FEWEST_SLOTS and len(layout.frequencies) >= FEWEST_CHANNELS


def _flag(
    paths: tuple[Path, ...], parameters: FlagParameters, folder: Path, client: distributed.Client, step_key: str
) -> Flagged:
    layouts = [measurement_set.layout(p) for p in paths]
    files, futures, notes = [], [], []
    for i, (path, layout) in enumerate(zip(paths, layouts, strict=True)):
        shape = (len(layout.times), len(layout.antenna1), len(layout.frequencies))
        files.append(flag_store.create(folder / f"{i:03d}_{path.name}.npy", shape))
        if not searchable(layout, shape[0]):
            notes.append(
                f"{path.name}: interference not searched in {shape[0]} slots × {shape[2]} channels, "
                f"AOFlagger needs {FEWEST_SLOTS} × {FEWEST_CHANNELS}"
            )
        for times in windows(layout):
            futures.append(client.submit(flag_window, path, times, files[-1], parameters.strategy, pure=False))
    counted = flag_statistics.collect([layout for layout in layouts for _ in windows(layout)], client.gather(futures))
    bad = flag_statistics.bad_stations(counted, parameters)
    fractions = flag_statistics.fractions(counted, {station.name for station in bad})
    logger.info(
        "flagged %.2f %% (%.2f %% came flagged), %d bad stations", 100 * fractions.all, 100 * fractions.known, len(bad)
    )
    return Flagged(paths, tuple(files), fractions.all, fractions.known, fractions.stations, bad, tuple(notes), step_key)
