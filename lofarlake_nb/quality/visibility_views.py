"""Views of the visibilities for pictures: dynamic spectra, and where the baselines lie in the uv plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.constants import c

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.windows import windows

# Most that is read for a picture; of larger observations some subbands and blocks of time, evenly spread.
MOST_BYTES = 1_500_000_000
MOST_SUBBANDS = 12
MOST_POINTS = 3_000_000
# With fewer of the samples left, their mean is that of a few baselines.
FEWEST_LEFT = 0.1


@dataclass(frozen=True)
class DynamicSpectrum:
    """Mean amplitude over the good baselines of one Measurement Set, each in units of its own usual amplitude.

    Parameters
    ----------
    frequencies : (frequency,) Hz
    times : (time,) MJD s
    recorded, kept : (frequency, time)
        All samples, and those not flagged, each channel over its median; NaN where there are none, or hardly any.

    Examples
    --------
    >>> seen = dynamic_spectra(flagged)[0]
    >>> seen.kept.shape == (len(seen.frequencies), len(seen.times)), round(float(np.nanmedian(seen.kept)), 1)
    (True, 1.0)
    """

    frequencies: np.ndarray
    times: np.ndarray
    recorded: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class Coverage:
    """Where visibilities lie in the uv plane: (point,) in wavelengths, each baseline once.

    Examples
    --------
    >>> seen = coverage(paths, [])
    >>> seen.u.shape == seen.v.shape, round(float(np.hypot(seen.u, seen.v).max()), -3)  # wavelengths
    (True, 54000.0)
    """

    u: np.ndarray
    v: np.ndarray


def dynamic_spectra(flagged: Flagged) -> list[DynamicSpectrum]:
    """Dynamic spectra of Measurement Sets, lowest frequency first.

    Parameters
    ----------
    flagged : Flagged
        From `flagging.flag`.

    Returns
    -------
    list of DynamicSpectrum
        Of some of them where they are many, all over the same slots.

    Examples
    --------
    >>> [round(float(seen.frequencies.mean()) / 1e6) for seen in dynamic_spectra(flagged)]
    [134, 136]
    """
    layouts = [source.layout() for source in flagged.sources]
    first = layouts[0]
    # Others may have other slots; side by side, only the same can be shown.
    parts = zip(flagged.sources, flagged.flag_files, layouts, strict=True)
    alike = [part for part in parts if np.array_equal(part[2].times, first.times)]
    each = len(first.times) * len(first.antenna1) * len(first.frequencies) * len(first.correlations) * 8
    chosen = _spread(len(alike), min(MOST_SUBBANDS, max(1, MOST_BYTES // each)))
    chunks = windows(first)
    share = max(1, int(len(chunks) * MOST_BYTES / (each * len(chosen))))
    some = [chunks[i] for i in _spread(len(chunks), share)]
    made = [_spectrum(*alike[i], some, flagged.bad_stations) for i in chosen]
    return sorted(made, key=lambda s: float(s.frequencies[0]))


def coverage(paths: Sequence[Path], bad_stations: Sequence[BadStation]) -> Coverage:
    """Where the visibilities of Measurement Sets lie, at the middle frequency of each.

    Parameters
    ----------
    paths : sequence of Path
    bad_stations : sequence of BadStation
        Left out.

    Returns
    -------
    Coverage

    Examples
    --------
    >>> bad, every = coverage(paths, flagged.bad_stations), coverage(paths, [])
    >>> len(every.u) == 2 * 30 * 190, len(bad.u) == 2 * 30 * 153  # sets, slots, baselines of 20 and of 18 stations
    (True, True)
    """
    points = []
    for path in paths:
        layout = measurement_set.layout(path)
        good = _good(layout, bad_stations)
        most = max(1, MOST_POINTS // (len(paths) * max(1, int(good.sum()))))
        for i in _spread(len(layout.times), most):
            block = measurement_set.read(path, layout, ["UVW"], slice(i, i + 1))["UVW"][0]
            there = good & (layout.rows[i] >= 0)
            points.append(block[there, :2] * float(layout.frequencies.mean() / c.value))
    both = np.concatenate(points) if points else np.zeros((0, 2))
    return Coverage(both[:, 0], both[:, 1])


def _spectrum(
    source: Source, flag_file: Path, layout: Layout, chunks: Sequence[slice], bad_stations: Sequence[BadStation]
) -> DynamicSpectrum:
    good = _good(layout, bad_stations)
    sums = []
    for window in chunks:
        block = measurement_set.read(source.path, layout, [source.column], window)[source.column][:, good]
        size = np.abs(block[..., 0])
        there = size > 0
        kept = there & ~flag_store.get(flag_file, window, len(layout.frequencies))[:, good]
        # Each baseline in its own units, so that the mean does not depend on which of them are flagged.
        level = _mean((size * kept).sum(axis=(0, 2)), kept.sum(axis=(0, 2)))
        size /= np.where(np.isfinite(level) & (level > 0), level, 1).astype(np.float32)[:, None]
        sums.append([size.sum(axis=1), there.sum(axis=1), (size * kept).sum(axis=1), kept.sum(axis=1)])
    total, count, kept_total, kept_count = (np.concatenate(part).astype(float) for part in zip(*sums, strict=True))
    recorded, unflagged = _mean(total, count), _mean(kept_total, kept_count)
    unflagged[kept_count < FEWEST_LEFT * count] = np.nan
    usual = _median(np.where(np.isfinite(unflagged), unflagged, recorded))
    order = np.argsort(layout.frequencies)
    times = np.concatenate([layout.times[window] for window in chunks])
    return DynamicSpectrum(
        layout.frequencies[order], times, (recorded / usual).T[order], (unflagged / usual).T[order]
    )  # fmt: skip


def _good(layout: Layout, bad_stations: Sequence[BadStation]) -> np.ndarray:
    """(baseline,) bool: cross-correlations of good stations; of all where no good one is left."""
    bad = np.isin(layout.stations, [station.name for station in bad_stations])
    good = layout.cross & ~bad[layout.antenna1] & ~bad[layout.antenna2]
    return good if good.any() else layout.cross


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _median(values: np.ndarray) -> np.ndarray:
    """(1, frequency): median over time, 1 where there is nothing."""
    there = np.isfinite(values)
    usual = np.array([np.median(v[ok]) if ok.any() else 1.0 for v, ok in zip(values.T, there.T, strict=True)])
    return np.where(usual > 0, usual, 1.0)[None]


def _spread(count: int, most: int) -> list[int]:
    """At most so many of a count, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
