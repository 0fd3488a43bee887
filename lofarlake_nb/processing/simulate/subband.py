"""One subband of a simulated observation: predict, corrupt, write, block of time by block of time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import uvw, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import beam, gains, interference, plan, sky, visibilities
from lofarlake_nb.processing.simulate.plan import Observation

BLOCK_SLOTS = 16


@dataclass(frozen=True)
class SubbandTruth:
    """What only one subband knows."""

    beam: np.ndarray  # (source, station)
    centre_beam: np.ndarray  # (station, 2)
    rfi: interference.Interference


@dataclass(frozen=True)
class _Receivers:
    """Noise and interference of one subband."""

    sefd: np.ndarray  # (station,) Jy
    sigma: np.ndarray  # (baseline,) float32, Jy
    lengths: np.ndarray  # (baseline,) m
    auto: np.ndarray  # (baseline,) bool
    rfi: interference.Interference


def write(
    path: Path, index: int, observation: Observation, parameters: SimulationParameters, tick: Callable[[], None]
) -> SubbandTruth:
    """Simulate one subband.

    Parameters
    ----------
    path : Path
        Where its Measurement Set appears.
    index : int
        Which subband.
    observation : Observation
    parameters : SimulationParameters
    tick : callable
        Called after each time slot.

    Returns
    -------
    SubbandTruth
    """
    frequencies = plan.channels_of(observation.numbers[index], parameters.channels)
    layout = plan.layout(observation, frequencies, parameters)
    identity = Identity(parameters.project, parameters.observation_id, sky.TARGET, path.name, index)
    rng = np.random.default_rng([parameters.seed, 100, index])
    receivers = _receivers(observation, layout, parameters, rng)
    scene = visibilities.scene(observation.sky, frequencies)
    gain = observation.gains.at(frequencies)
    beams, centre = _beams(observation, layout, identity, parameters)
    dead = observation.dead[layout.antenna1] | observation.dead[layout.antenna2]
    with writer.create(path, layout, identity=identity, fields=observation.fields, scans=observation.scan) as out:
        for block in _blocks(len(layout.times)):
            data = np.empty((block.stop - block.start, len(dead), len(frequencies), 4), dtype=np.complex64)
            for k, t in enumerate(range(block.start, block.stop)):
                seen = beams[observation.scan[t]]
                data[k] = visibilities.predict(
                    scene, observation.uvw[t], layout.antenna1, layout.antenna2, seen, gain[t]
                )
                if parameters.noise:
                    _add_noise(data[k], receivers, layout, np.abs(gain[t]), rng)
                tick()
            _add_interference(data, block, receivers, layout)
            data[:, dead] = 0
            baselines = uvw.baseline_uvw(observation.uvw[block], layout.antenna1, layout.antenna2)
            out.write(block.start, baselines, DATA=data, WEIGHT_SPECTRUM=np.ones(data.shape, dtype=np.float32))
    strength = np.sqrt((np.abs(centre) ** 2).sum(axis=-1)).mean(axis=0)
    return SubbandTruth(beam.relative_amplitudes(beams, centre), strength, receivers.rfi)


def _receivers(
    observation: Observation, layout: Layout, parameters: SimulationParameters, rng: np.random.Generator
) -> _Receivers:
    sefd = observation.sefd(float(layout.frequencies.mean()))
    sigma = gains.noise_sigma(sefd[layout.antenna1], sefd[layout.antenna2], layout.channel_width, layout.interval)
    count = len(layout.frequencies)
    rfi = interference.draw(layout.times, observation.scan, count, len(sefd), float(np.median(sigma)), rng)
    if not parameters.rfi:
        rfi = interference.Interference(np.zeros_like(rfi.strength), rfi.turn, rfi.rate)
    ends = layout.positions[layout.antenna2], layout.positions[layout.antenna1]
    lengths = np.linalg.norm(ends[0] - ends[1], axis=1)
    return _Receivers(sefd, sigma.astype(np.float32), lengths, ~layout.cross, rfi)


def _beams(
    observation: Observation, layout: Layout, identity: Identity, parameters: SimulationParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Responses in the middle of each scan: towards the sources (scan, station, source, 2, 2), and the phase centre."""
    count, stations = int(observation.scan[-1]) + 1, len(layout.stations)
    directions = observation.sky.source_lm()
    if not parameters.beam:
        one = np.broadcast_to(np.eye(2, dtype=np.complex64), (count, stations, len(directions), 2, 2))
        return np.ascontiguousarray(one), np.ascontiguousarray(one[:, :, 0])
    middles = np.array([layout.times[observation.scan == i].mean() for i in range(count)])
    everywhere = np.concatenate([directions, np.zeros((1, 2))])
    beams = beam.station_beams(layout, identity, observation.fields, middles, everywhere)
    return np.ascontiguousarray(beams[:, :, :-1]), beams[:, :, -1]


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK_SLOTS):
        yield slice(start, min(start + BLOCK_SLOTS, count))


def _add_noise(
    data: np.ndarray, receivers: _Receivers, layout: Layout, size: np.ndarray, rng: np.random.Generator
) -> None:
    """Add system noise to one slot (baseline, frequency, 4), times the size (station, frequency, 2) of the gains."""
    drawn = rng.standard_normal((*data.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    # An autocorrelation is a power: real where it is of one polarization, with the system's own as its mean.
    auto, power = receivers.auto, np.sqrt(2 * layout.channel_width * layout.interval)
    drawn[auto, :, 0] = drawn[auto, :, 0].real * np.sqrt(2) + power
    drawn[auto, :, 3] = drawn[auto, :, 3].real * np.sqrt(2) + power
    drawn[auto, :, 2] = drawn[auto, :, 1].conj()
    drawn *= receivers.sigma[:, None, None]
    first, second = size[layout.antenna1], size[layout.antenna2]
    drawn *= (first[..., :, None] * second[..., None, :]).reshape(data.shape)
    data += drawn


def _add_interference(data: np.ndarray, block: slice, receivers: _Receivers, layout: Layout) -> None:
    since = layout.times - layout.times[0]
    channels = np.flatnonzero(receivers.rfi.strength[block].any(axis=0))
    wave = receivers.rfi.visibilities(block, since, layout.antenna1, layout.antenna2, receivers.lengths)
    for channel in channels:
        data[:, :, channel] += wave[:, :, channel, None] * interference.POLARIZATION
