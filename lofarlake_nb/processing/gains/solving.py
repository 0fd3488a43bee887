"""Solve the gains of one block of time, and test them on slots that they were not solved on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import noise
from lofarlake_nb.processing.gains import solver
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import LIGHT_M_S, visibilities
from lofarlake_nb.processing.windows import groups, scans

# Variance of a phase that can be anything.
RANDOM_PHASE = np.pi**2 / 3


@dataclass(frozen=True)
class Solved:
    """Gains of a block of time of one Measurement Set, and what they are worth.

    Parameters
    ----------
    gains : (interval, block, station, 2) complex128
        Of XX and YY; NaN where there is no solution. The phase of each set is free.
    iterations : (interval, block, 2) int
    solvable : (interval, block, 2) bool
        Where there were data to solve on.
    noise : (station,) float64
        Factors of the noise power of calibrated visibilities of weight 1, Jy²; NaN where it can't be had.
    held_out : (3, 2, baseline) float64
        For XX and YY, sums over visibilities that were not solved on: weight × squared phase error (rad²), weight ×
        what thermal noise makes of that (rad²), weight.
    """

    gains: np.ndarray
    iterations: np.ndarray
    solvable: np.ndarray
    noise: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Block:
    """Visibilities of one block of time, ready to solve on."""

    data: np.ndarray  # (time, baseline, frequency, polarization)
    model: np.ndarray  # (time, baseline, frequency)
    flag: np.ndarray  # (time, baseline, frequency)
    weight: np.ndarray  # (time, baseline, frequency, polarization)
    long: np.ndarray  # (time, baseline, frequency), whether the baseline is long enough to solve on


def solve_window(path: Path, intervals: tuple[int, int], model: SkyModel, parameters: CalibrationParameters) -> Solved:
    """Solve some solution intervals of one Measurement Set; a task.

    Parameters
    ----------
    path : Path
        Averaged Measurement Set, without autocorrelations.
    intervals : tuple of int
        First solution interval, and the one after the last.
    model : SkyModel
    parameters : CalibrationParameters

    Returns
    -------
    Solved
    """
    layout = measurement_set.layout(path)
    starts = groups(layout.times, layout.interval, parameters.slots)
    ends = np.append(starts[1:], len(layout.times))
    times = slice(int(starts[intervals[0]]), int(ends[intervals[1] - 1]))
    block = _read(path, layout, times, model, parameters)
    inner = starts[intervals[0] : intervals[1]] - times.start
    channels = np.arange(0, len(layout.frequencies), parameters.channels)
    every = np.arange(len(block.data))
    gains, iterations, solvable = _solve(block, every, inner, channels, layout)
    at_channel = np.arange(len(layout.frequencies)) // parameters.channels
    at_slot = np.searchsorted(inner, every, side="right") - 1
    factors = _noise(block, gains[at_slot][:, at_channel], layout)
    scan_of = np.empty(len(layout.times), int)
    for i, scan in enumerate(scans(layout.times, layout.interval)):
        scan_of[scan] = i
    trained = _trained(block, inner, channels, layout, gains, at_slot, scan_of[times])
    held_out = _held_out(block, trained[:, at_channel], factors, layout)
    return Solved(gains, iterations, solvable, factors, held_out)


def corrected(data: np.ndarray, gains: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
    """Visibilities without the stations' gains.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex
        2 polarizations (XX, YY) or 4.
    gains : (time, frequency, station, 2) complex
    antenna1, antenna2 : (baseline,) int

    Returns
    -------
    same shape, complex64
        0 where a gain is missing.
    """
    known = np.isfinite(gains) & (gains != 0)
    inverse = np.where(known, 1 / np.where(known, gains, 1), 0)
    inverse = np.moveaxis(inverse, 2, 1)  # (time, station, frequency, 2)
    hands = [(0, 0), (1, 1)] if data.shape[-1] == 2 else [(0, 0), (0, 1), (1, 0), (1, 1)]
    result = np.empty(data.shape, np.complex64)
    for i, (first, second) in enumerate(hands):
        one, other = inverse[..., first][:, antenna1], inverse[..., second][:, antenna2]
        result[..., i] = data[..., i] * one * np.conj(other)
    return result


def _read(path: Path, layout: Layout, times: slice, model: SkyModel, parameters: CalibrationParameters) -> Block:
    block = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], times)
    length = np.linalg.norm(block["UVW"], axis=2)[..., None] * layout.frequencies / LIGHT_M_S
    return Block(
        data=block["DATA"],
        model=visibilities(model, block["UVW"], layout.frequencies, layout.phase_centre),
        flag=np.asarray(block["FLAG"].any(axis=3)),
        weight=block["WEIGHT_SPECTRUM"],
        long=length >= parameters.minimum_uv,
    )


def _solve(
    block: Block, slots: np.ndarray, starts: np.ndarray, channels: np.ndarray, layout: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gains (interval, block, station, 2), iterations and whether there were data (interval, block, 2)."""
    n_station = len(layout.stations)
    shape = (len(starts), len(channels))
    gains = np.full((*shape, n_station, 2), np.nan, np.complex128)
    iterations = np.zeros((*shape, 2), int)
    solvable = np.zeros((*shape, 2), bool)
    usable = block.long[slots] & ~block.flag[slots]
    for hand, polarization in enumerate((0, -1)):
        weight = np.where(usable, block.weight[slots][..., polarization], 0)
        numerator, denominator = solver.normal_sums(
            block.data[slots][..., polarization], block.model[slots], weight, starts, channels
        )
        flat = (shape[0] * shape[1], -1)
        solved = solver.solve(
            numerator.reshape(flat), denominator.reshape(flat), layout.antenna1, layout.antenna2, n_station
        )
        gains[..., hand] = solved.gains.reshape(*shape, n_station)
        iterations[..., hand] = solved.iterations.reshape(shape)
        solvable[..., hand] = (denominator > 0).any(axis=2)
    return gains, iterations, solvable


def _trained(
    block: Block,
    starts: np.ndarray,
    channels: np.ndarray,
    layout: Layout,
    gains: np.ndarray,
    at_slot: np.ndarray,
    scan: np.ndarray,
) -> np.ndarray:
    """Gains (time, block, station, 2) that were solved without the slot that they are for; NaN where there are none.

    Intervals of one slot: those of the neighbour in the same scan. Longer ones: the interval's even slots are solved
    for its odd ones, and the other way round.
    """
    n_time = len(at_slot)
    place = np.arange(n_time) - starts[at_slot]
    if len(starts) == n_time:
        before = np.maximum(np.arange(n_time) - 1, 0)
        after = np.minimum(np.arange(n_time) + 1, n_time - 1)
        neighbour = np.where((scan[before] == scan) & (before < np.arange(n_time)), before, after)
        trained = gains[neighbour].copy()
        trained[(neighbour == np.arange(n_time)) | (scan[neighbour] != scan)] = np.nan
        return trained
    trained = np.full((n_time, *gains.shape[1:]), np.nan, np.complex128)
    for parity in (0, 1):
        slots = np.flatnonzero(place % 2 == parity)
        if not len(slots):
            continue
        interval, first = np.unique(at_slot[slots], return_index=True)
        half = np.full_like(gains, np.nan)
        half[interval] = _solve(block, slots, first, channels, layout)[0]
        others = np.flatnonzero(place % 2 != parity)
        trained[others] = half[at_slot[others]]
    return trained


def _noise(block: Block, gains: np.ndarray, layout: Layout) -> np.ndarray:
    """(station,) factors of the noise power of calibrated visibilities of weight 1, Jy²."""
    data = corrected(block.data, gains, layout.antenna1, layout.antenna2)
    flag = block.flag | (data == 0).any(axis=3)
    power = noise.baseline_noise(data, flag, block.weight.min(axis=3))
    return noise.station_noise(power, layout.antenna1, layout.antenna2, len(layout.stations))


def _held_out(block: Block, gains: np.ndarray, factors: np.ndarray, layout: Layout) -> np.ndarray:
    """(3, 2, baseline): see `Solved`. Weights are the expected signal to noise ratio, squared."""
    parallel = block.data[..., [0, -1]]
    data = corrected(parallel, gains, layout.antenna1, layout.antenna2)
    power = (block.model.real**2 + block.model.imag**2)[..., None]
    variance = (factors[layout.antenna1] * factors[layout.antenna2])[None, :, None, None]
    known = np.isfinite(factors).any()
    if not known:
        variance = np.ones_like(variance)  # then the weights are relative only
    signal_to_noise = power * block.weight[..., [0, -1]] / np.where(np.isfinite(variance), variance, np.inf)
    used = (data != 0) & ~block.flag[..., None] & block.long[..., None] & (signal_to_noise > 0)
    weight = np.where(used, signal_to_noise, 0)
    phase = np.angle(data * np.conj(block.model)[..., None])
    # The noise of the two stations' gains adds to the visibility's own.
    more = 1 + 2 / max(1, len(layout.stations) - 1)
    thermal = np.minimum(more / (2 * np.maximum(signal_to_noise, 1e-30)), RANDOM_PHASE) if known else np.nan
    sums = [(weight * value).sum(axis=(0, 2)).T for value in (phase**2, thermal, 1.0)]
    return np.stack(sums)
