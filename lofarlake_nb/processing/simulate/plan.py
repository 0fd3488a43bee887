"""What is observed, by whom and when: everything about a simulated observation that its subbands share."""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import stations, uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import gains, sky

# The night of the observation: MJD of 2014-12-17, when 3C196 passes the meridian at two o'clock.
NIGHT_MJD = 57008
CLOCK_HZ = 200e6
SUBBAND_HZ = CLOCK_HZ / 1024
RAW_CHANNEL_HZ = SUBBAND_HZ / 64
# In the 110 to 190 MHz band the subbands count from 100 MHz.
BAND_START_HZ = 100e6
FEWEST_FOR_BAD = 8


@dataclass(frozen=True)
class Observation:
    """All that the subbands share."""

    fields: list[StationField]
    times: np.ndarray  # (time,) MJD UTC s
    scan: np.ndarray  # (time,) int
    uvw: np.ndarray  # (time, station, 3) m
    antenna1: np.ndarray  # (baseline,)
    antenna2: np.ndarray  # (baseline,)
    numbers: np.ndarray  # (subband,) number in the band
    sky: sky.Sky
    gains: gains.Gains
    dead: np.ndarray  # (station,) bool
    noisy: np.ndarray  # (station,) bool

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
    """
    streams = [np.random.default_rng([parameters.seed, i]) for i in range(3)]
    fields = stations.choose(stations.dutch_hba(), parameters.stations)
    positions = np.stack([f.position for f in fields])
    offsets, scan = slots(parameters)
    middle = uvw.transit(NIGHT_MJD * 86400.0, positions[0], sky.PHASE_CENTRE)
    start = np.round((middle - parameters.hours * 1800) / parameters.interval_s) * parameters.interval_s
    times = start + offsets
    antenna1, antenna2 = np.triu_indices(len(fields))
    dead, noisy = np.zeros((2, len(fields)), dtype=bool)
    if parameters.bad_stations and len(fields) >= FEWEST_FOR_BAD:
        core = [i for i, f in enumerate(fields) if not f.is_remote and i > 0]
        first, second = streams[2].choice(core, 2, replace=False)
        dead[first] = noisy[second] = True
    return Observation(
        fields=fields,
        times=times,
        scan=scan,
        uvw=uvw.station_uvw(times, positions, sky.PHASE_CENTRE),
        antenna1=antenna1,
        antenna2=antenna2,
        numbers=_numbers(parameters),
        sky=sky.field_of_3c196(parameters.sources, streams[0]),
        gains=gains.draw(fields, times, streams[1])
        if parameters.corruptions
        else gains.perfect(len(fields), len(times)),
        dead=dead,
        noisy=noisy,
    )


def slots(parameters: SimulationParameters) -> tuple[np.ndarray, np.ndarray]:
    """When the time slots are.

    Parameters
    ----------
    parameters : SimulationParameters

    Returns
    -------
    middles : (time,) s from the start
    scans : (time,) int
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
    """
    fields = parameters.stations or len(stations.dutch_hba())
    rows = len(slots(parameters)[0]) * fields * (fields + 1) // 2
    # Visibilities, flags, weights; uvw and station numbers.
    row = parameters.channels * 4 * (8 + 1 / 8 + 4) + 24 + 8
    return int(parameters.subbands * (1.02 * rows * row + 20e6))


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
