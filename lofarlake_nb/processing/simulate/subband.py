"""One subband of a simulated observation: predict, corrupt, write, block of time by block of time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import uvw, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import beam, gains, interference, ionosphere, plan, sky, visibilities
from lofarlake_nb.processing.simulate.plan import Observation
from lofarlake_nb.processing.simulate.scene import scene_of

BLOCK_SLOTS = 16


@dataclass(frozen=True)
class SubbandTruth:
    """What only one subband knows.

    Examples
    --------
    >>> small = SimulationParameters(stations=3, subbands=1, channels=4, scans=1, scan="8 s", sources=0, beam=False)
    >>> made = write(Path("alike.MS"), 0, plan.draw(small), small, lambda: None)
    >>> made.beam.round(3).tolist()[0], made.rfi.strength.shape  # without beams all stations see 3C196 alike
    ([1.0, 1.0, 1.0], (2, 4))
    """

    beam: np.ndarray  # (source, station)
    centre: np.ndarray  # (node, station, 2, 2) complex64, towards the phase centre
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

    Examples
    --------
    >>> small = SimulationParameters(stations=3, subbands=1, channels=4, scans=1, scan="8 s", sources=0, beam=False)
    >>> slots = []
    >>> made = write(Path("one.MS"), 0, plan.draw(small), small, lambda: slots.append("done"))
    >>> slots, made.centre.shape
    (['done', 'done'], (1, 3, 2, 2))
    """
    frequencies = plan.channels_of(observation.numbers[index], parameters.channels)
    layout = plan.layout(observation, frequencies, parameters)
    identity = Identity(parameters.project, parameters.observation_id, sky.TARGET, path.name, index)
    rng = np.random.default_rng([parameters.seed, 100, index])
    receivers = _receivers(observation, layout, parameters, rng)
    scene = scene_of(observation.sky, frequencies)
    gain = observation.gains.at(frequencies)
    labels = _labels(observation, layout)
    beams, centre = _beams(observation, layout, identity, parameters)
    dead = observation.dead[layout.antenna1] | observation.dead[layout.antenna2]
    with writer.create(path, layout, identity=identity, fields=observation.fields, scans=observation.scan) as out:
        for block in _blocks(len(layout.times)):
            data = np.empty((block.stop - block.start, len(dead), len(frequencies), 4), dtype=np.complex64)
            tec = _extra_tec(observation, block)
            for k, t in enumerate(range(block.start, block.stop)):
                data[k] = visibilities.predict(
                    scene,
                    observation.uvw[t],
                    layout.antenna1,
                    layout.antenna2,
                    observation.nodes.at(beams, t),
                    gain[t],
                    None if tec is None else tec[k],
                    visibilities.Sample(observation.turn[t], layout.channel_width) if parameters.smearing else None,
                )
                if parameters.noise:
                    _add_noise(data[k], receivers, layout, np.abs(gain[t]), rng)
                tick()
            _add_interference(data, block, receivers, layout)
            for baseline, order in labels:
                data[:, baseline] = data[:, baseline][..., order]
            data[:, dead] = 0
            baselines = uvw.baseline_uvw(observation.uvw[block], layout.antenna1, layout.antenna2)
            out.write(block.start, baselines, DATA=data, WEIGHT_SPECTRUM=np.ones(data.shape, dtype=np.float32))
    return SubbandTruth(beam.relative_amplitudes(beams, centre), centre, receivers.rfi)


def _extra_tec(observation: Observation, block: slice) -> np.ndarray | None:
    """TECU (time, station, source) towards sources, more than towards the phase centre; None where it is the same."""
    pierce = observation.pierce[block]
    if np.array_equal(pierce[:, :-1], np.broadcast_to(pierce[:, -1:], pierce[:, :-1].shape)):
        return None
    since = observation.times[block] - observation.times[0]
    ground = ionosphere.ground(observation.positions, observation.fields[0].axes)
    tec = observation.screen.tec(since, ground, pierce)
    return tec[..., :-1] - tec[..., -1:]


def _labels(observation: Observation, layout: Layout) -> list[tuple[int, list[int]]]:
    """Baselines with a swapped station, and the order in which their correlations are labelled XX, XY, YX, YY."""
    first, second = observation.swapped[layout.antenna1], observation.swapped[layout.antenna2]
    order = {(True, False): [2, 3, 0, 1], (False, True): [1, 0, 3, 2], (True, True): [3, 2, 1, 0]}
    return [(int(b), order[bool(first[b]), bool(second[b])]) for b in np.flatnonzero(first | second)]


def _receivers(
    observation: Observation, layout: Layout, parameters: SimulationParameters, rng: np.random.Generator
) -> _Receivers:
    sefd = observation.sefd(float(layout.frequencies.mean()))
    sigma = gains.noise_sigma(sefd[layout.antenna1], sefd[layout.antenna2], layout.channel_width, layout.interval)
    ordinary = gains.sefd(observation.fields, float(layout.frequencies.mean()))
    noise = gains.noise_sigma(ordinary, ordinary, interference.REFERENCE_HZ, interference.REFERENCE_S)
    rfi = interference.draw(layout.times, layout.interval, layout.frequencies, layout.channel_width, noise, rng)
    if not parameters.rfi:
        rfi = interference.Interference(np.zeros_like(rfi.strength), rfi.turn, rfi.rate)
    ends = layout.positions[layout.antenna2], layout.positions[layout.antenna1]
    lengths = np.linalg.norm(ends[0] - ends[1], axis=1)
    return _Receivers(sefd, sigma.astype(np.float32), lengths, ~layout.cross, rfi)


def _beams(
    observation: Observation, layout: Layout, identity: Identity, parameters: SimulationParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Responses at the nodes: towards the sources (node, station, source, 2, 2), and the phase centre."""
    ra, dec = observation.sky.positions()
    times, stations = observation.nodes.times, len(layout.stations)
    if not parameters.beam:
        one = np.broadcast_to(np.eye(2, dtype=np.complex64), (len(times), stations, len(ra), 2, 2))
        return np.ascontiguousarray(one), np.ascontiguousarray(one[:, :, 0])
    everywhere = np.append(ra, layout.phase_centre[0]), np.append(dec, layout.phase_centre[1])
    beams = beam.station_beams(layout, identity, observation.fields, times, *everywhere)
    return np.ascontiguousarray(beams[:, :, :-1]), np.ascontiguousarray(beams[:, :, -1])


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
