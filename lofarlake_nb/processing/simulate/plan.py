"""What is observed, by whom and when: everything about a simulated observation that its subbands share."""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import stations, uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import beam, gains, ionosphere, sky
from lofarlake_nb.processing.simulate.a_team import a_team

# The night of the observation: MJD of 2014-12-17, when 3C196 passes the meridian at two o'clock.
NIGHT_MJD = 57008
CLOCK_HZ = 200e6
SUBBAND_HZ = CLOCK_HZ / 1024
RAW_CHANNEL_HZ = SUBBAND_HZ / 64
# In the 110 to 190 MHz band the subbands count from 100 MHz.
BAND_START_HZ = 100e6
FEWEST_FOR_BAD = 8
BRIGHT_SOURCES = 5  # 3C196 and its neighbours
# Seconds, on one core of 2023: of the start, for a station's beam (on its grid, and towards one more direction), for
# each station, source and channel of a slot, for each baseline and source of a slot, for each sample, and for each
# source in it.
START_S, GRID_S, FAR_S = 3.0, 1.8e-3, 3e-5
TERM_S, SMEAR_S, SAMPLE_S, SOURCE_S = 2.4e-8, 1e-8, 3e-7, 8e-10


@dataclass(frozen=True)
class Observation:
    """All that the subbands share.

    Examples
    --------
    >>> observation = draw(SimulationParameters(stations=3, sources=0))
    >>> [field.name for field in observation.fields], observation.sefd(150e6).tolist()
    (['CS001HBA0', 'CS501HBA1', 'RS106HBA'], [2800.0, 2800.0, 1400.0])
    """

    fields: list[StationField]
    times: np.ndarray  # (time,) MJD UTC s
    scan: np.ndarray  # (time,) int
    uvw: np.ndarray  # (time, station, 3) m
    antenna1: np.ndarray  # (baseline,)
    antenna2: np.ndarray  # (baseline,)
    numbers: np.ndarray  # (subband,) number in the band
    turn: np.ndarray  # (time, station, 3) m, change of uvw over a slot; 0 without smearing
    nodes: beam.Nodes  # times of the beams
    sky: sky.Sky
    in_field: np.ndarray  # (source,) bool: not of the A-team
    screen: ionosphere.Screen
    pierce: np.ndarray  # (time, source + 1, 3), the phase centre last; see Screen.tec
    gains: gains.Gains
    dead: np.ndarray  # (station,) bool
    noisy: np.ndarray  # (station,) bool
    swapped: np.ndarray  # (station,) bool

    @property
    def positions(self) -> np.ndarray:
        """(station, 3) m, ITRF."""
        return np.stack([f.position for f in self.fields])

    def sefd(self, frequency: float) -> np.ndarray:
        """System equivalent flux densities (station,) in Jy, those of bad stations included."""
        ordinary = gains.sefd(self.fields, frequency)
        return np.where(self.noisy, ordinary * gains.NOISY_FACTOR, ordinary)


def draw(parameters: SimulationParameters) -> Observation:
    """Observation with everything random in it, each kind from its own stream of the seed.

    Parameters
    ----------
    parameters : SimulationParameters

    Returns
    -------
    Observation

    Raises
    ------
    UsageError
        When the subbands do not fit.

    Examples
    --------
    >>> observation = draw(SimulationParameters(stations=9, scans=2, sources=7))
    >>> len(observation.times), len(observation.antenna1), len(observation.sky.source_names)
    (24, 45, 12)
    >>> observation.dead.sum().item(), observation.noisy.sum().item(), observation.swapped.sum().item()
    (1, 1, 0)
    """
    streams = [np.random.default_rng([parameters.seed, i]) for i in range(4)]
    fields = stations.choose(stations.dutch_hba(), parameters.stations)
    positions = np.stack([f.position for f in fields])
    offsets, scan = slots(parameters)
    middle = uvw.transit(NIGHT_MJD * 86400.0, positions[0], sky.PHASE_CENTRE)
    start = np.round((middle - parameters.hours * 1800) / parameters.interval_s) * parameters.interval_s
    times = start + offsets
    antenna1, antenna2 = np.triu_indices(len(fields))
    seen = sky.field_of_3c196(parameters.sources, streams[0])
    in_field = np.ones(len(seen.source_names) + parameters.outskirts, dtype=bool)
    if parameters.outskirts:
        seen = sky.together(seen, sky.outskirts(parameters.outskirts, streams[0]))
    if parameters.a_team:
        seen, in_field = sky.together(seen, a_team()), np.append(in_field, np.zeros(4, dtype=bool))
    screen, pierce = _screen(parameters, fields, times, seen, streams[3])
    ground = ionosphere.ground(positions, fields[0].axes)
    towards_centre = screen.tec(times - times[0], ground, pierce[:, -1:])[..., 0].astype(np.float64)
    dead, noisy, swapped = _bad(parameters, fields, streams[2])
    half = parameters.interval_s / 2
    ends = [uvw.station_uvw(times + sign * half, positions, sky.PHASE_CENTRE) for sign in (-1, 1)]
    return Observation(
        fields=fields,
        times=times,
        scan=scan,
        uvw=uvw.station_uvw(times, positions, sky.PHASE_CENTRE),
        antenna1=antenna1,
        antenna2=antenna2,
        numbers=_numbers(parameters),
        turn=ends[1] - ends[0] if parameters.smearing else np.zeros_like(ends[0]),
        nodes=beam.nodes(times, scan, parameters.beam_interval_s),
        sky=seen,
        in_field=in_field,
        screen=screen,
        pierce=pierce,
        gains=gains.draw(fields, times, towards_centre, streams[1])
        if parameters.corruptions
        else gains.perfect(len(fields), len(times)),
        dead=dead,
        noisy=noisy,
        swapped=swapped,
    )


def _screen(
    parameters: SimulationParameters,
    fields: list[StationField],
    times: np.ndarray,
    seen: sky.Sky,
    rng: np.random.Generator,
) -> tuple[ionosphere.Screen, np.ndarray]:
    """Screen of the night, and where the directions pierce it; all where the phase centre does when they share one."""
    ra, dec = seen.positions()
    everywhere = np.append(ra, sky.PHASE_CENTRE[0]), np.append(dec, sky.PHASE_CENTRE[1])
    towards = uvw.directions(times, fields[0].position, sky.PHASE_CENTRE, *everywhere)
    pierce = ionosphere.pierce_points(towards, fields[0].axes, parameters.screen_height_km)
    if not (parameters.direction_dependent and parameters.corruptions):
        pierce[:] = pierce[:, -1:]
    return ionosphere.draw(parameters.diffractive_scale_km, parameters.wind_km_s, rng), pierce


def _bad(
    parameters: SimulationParameters, fields: list[StationField], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which stations are dead, noisy, swapped; three (station,) bool. Each is another core field, not the first."""
    dead, noisy, swapped = np.zeros((3, len(fields)), dtype=bool)
    if len(fields) >= FEWEST_FOR_BAD:
        core = [i for i, f in enumerate(fields) if not f.is_remote and i > 0]
        first, second = rng.choice(core, 2, replace=False)
        third = rng.choice([i for i in core if i not in (first, second)])
        dead[first] = noisy[second] = parameters.bad_stations
        swapped[third] = parameters.swapped_station
    return dead, noisy, swapped


def slots(parameters: SimulationParameters) -> tuple[np.ndarray, np.ndarray]:
    """When the time slots are.

    Parameters
    ----------
    parameters : SimulationParameters

    Returns
    -------
    middles : (time,) s from the start
    scans : (time,) int

    Examples
    --------
    >>> middles, scans = slots(SimulationParameters(hours=0.5, scans=2, scan="8 s", interval="4 s"))
    >>> middles.tolist(), scans.tolist()
    ([2.0, 6.0, 1794.0, 1798.0], [0, 0, 1, 1])
    """
    interval = parameters.interval_s
    count = int(parameters.scan_s / interval + 1e-9)
    latest = parameters.hours * 3600 - count * interval
    starts = np.linspace(0, latest, parameters.scans) if parameters.scans > 1 else np.array([latest / 2])
    starts = np.round(starts / interval) * interval
    middles = starts[:, None] + (np.arange(count) + 0.5) * interval
    return middles.ravel(), np.repeat(np.arange(parameters.scans), count)


def channels_of(number: int, channels: int) -> np.ndarray:
    """Frequencies of a subband.

    Parameters
    ----------
    number : int
        Of the subband in the band.
    channels : int

    Returns
    -------
    (frequency,) Hz
        LOFAR's filter puts the 33rd of its 64 raw channels in the middle of the subband.

    Examples
    --------
    >>> (channels_of(179, 2) / 1e6).round(4).tolist()
    [134.9106, 135.0082]
    """
    middle = BAND_START_HZ + number * SUBBAND_HZ - RAW_CHANNEL_HZ / 2
    return middle + (np.arange(channels) - (channels - 1) / 2) * SUBBAND_HZ / channels


def layout(observation: Observation, frequencies: np.ndarray, parameters: SimulationParameters) -> Layout:
    """Layout of one subband's Measurement Set.

    Parameters
    ----------
    observation : Observation
    frequencies : (frequency,) Hz
    parameters : SimulationParameters

    Returns
    -------
    Layout

    Examples
    --------
    >>> parameters = SimulationParameters(stations=3, sources=0, scans=2)
    >>> made = layout(draw(parameters), channels_of(179, 16), parameters)
    >>> made.rows.shape, int(made.cross.sum()), made.interval, round(made.channel_width)
    ((24, 6), 3, 4.0, 12207)
    """
    count = (len(observation.times), len(observation.antenna1))
    return Layout(
        times=observation.times,
        antenna1=observation.antenna1,
        antenna2=observation.antenna2,
        rows=np.arange(count[0] * count[1]).reshape(count),
        frequencies=frequencies,
        stations=tuple(f.name for f in observation.fields),
        positions=observation.positions,
        phase_centre=sky.PHASE_CENTRE,
        interval=parameters.interval_s,
        channel_width=SUBBAND_HZ / parameters.channels,
    )


def disk_need(parameters: SimulationParameters) -> int:
    """Bytes on disk that an observation will take.

    Parameters
    ----------
    parameters : SimulationParameters

    Returns
    -------
    int

    Examples
    --------
    >>> round(disk_need(SimulationParameters()) / 1e9, 2)
    0.96
    """
    fields = parameters.stations or len(stations.dutch_hba())
    rows = len(slots(parameters)[0]) * fields * (fields + 1) // 2
    # Visibilities, flags, weights; uvw and station numbers.
    row = parameters.channels * 4 * (8 + 1 / 8 + 4) + 24 + 8
    return int(parameters.subbands * (1.002 * rows * row + 12e6))


def time_need(parameters: SimulationParameters, cores: int) -> float:
    """Seconds that an observation will take, about.

    Parameters
    ----------
    parameters : SimulationParameters
    cores : int
        That the subbands share.

    Returns
    -------
    float

    Examples
    --------
    >>> need = [time_need(SimulationParameters(subbands=4), cores) - START_S for cores in (1, 2, 8)]
    >>> [round(one / need[-1], 3) for one in need]  # 4 subbands keep 4 cores busy
    [4.0, 2.0, 1.0]
    """
    fields = parameters.stations or len(stations.dutch_hba())
    offsets, scan = slots(parameters)
    baselines = fields * (fields + 1) // 2
    sources = BRIGHT_SOURCES + parameters.sources + parameters.outskirts
    samples = len(offsets) * baselines * parameters.channels
    parts = len(beam.nodes(offsets, scan, parameters.beam_interval_s).times) if parameters.beam else 0
    slot = len(offsets) * (fields * sources * parameters.channels * TERM_S + baselines * sources * SMEAR_S)
    far = parameters.outskirts + (4 if parameters.a_team else 0)
    seconds = slot + samples * (SAMPLE_S + sources * SOURCE_S) + parts * fields * (GRID_S + far * FAR_S)
    return START_S + parameters.subbands * seconds / max(1, min(cores, parameters.subbands))


def _numbers(parameters: SimulationParameters) -> np.ndarray:
    """Numbers of the subbands in the band (subband,)."""
    middle = (parameters.frequency_hz - BAND_START_HZ) / SUBBAND_HZ
    reach = parameters.spread_hz / SUBBAND_HZ / 2 if parameters.subbands > 1 else 0.0
    numbers = np.round(np.linspace(middle - reach, middle + reach, parameters.subbands)).astype(int)
    if len(np.unique(numbers)) < len(numbers):
        raise UsageError(
            f"{parameters.subbands} subbands of 0.195 MHz do not fit in {parameters.spread}", "choose a wider spread"
        )
    return numbers
