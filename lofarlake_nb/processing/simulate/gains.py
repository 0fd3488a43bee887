"""What stands between the sky and the correlator: clocks, ionosphere, receivers, bandpass, and their noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.processing.simulate.ionosphere import TECU_PHASE

# System equivalent flux density of a core field of 24 tiles, from van Haarlem et al. (2013); a remote field has
# 48 tiles and half of it.
SEFD_HZ = (120e6, 150e6, 180e6)
SEFD_CORE_JY = (3600.0, 2800.0, 3200.0)
NOISY_FACTOR = 100.0
# The loss at a subband's edge falls off with this power of the distance from its middle.
STEEPNESS = 40


@dataclass(frozen=True)
class Gains:
    """Station gains as their physical causes, that hold for any frequency.

    Examples
    --------
    >>> from dataclasses import replace
    >>> late = replace(perfect(1, 1), clock=np.array([[1e-9]]))
    >>> np.angle(late.at(np.array([125e6, 250e6])), deg=True).round(2)[0, 0, :, 0].tolist()
    [45.0, 90.0]
    """

    amplitude: np.ndarray  # (time, station, 2), X and Y
    phase: np.ndarray  # (station, 2) rad
    clock: np.ndarray  # (time, station) s
    tec: np.ndarray  # (time, station) TECU, towards the phase centre, first station 0
    ripple: np.ndarray  # (station, 2, 3): relative amplitude, period in Hz and phase in rad of a cable's standing wave
    roll_off: float  # relative loss in amplitude at a subband's edge

    def at(self, frequencies: np.ndarray) -> np.ndarray:
        """Gains at the channels of one subband.

        Parameters
        ----------
        frequencies : (frequency,) Hz

        Returns
        -------
        (time, station, frequency, 2) complex64
        """
        nu = np.asarray(frequencies)
        phase = 2 * np.pi * nu * self.clock[..., None] + TECU_PHASE * self.tec[..., None] / nu
        return (self._magnitude(nu) * np.exp(1j * (phase[..., None] + self.phase[None, :, None, :]))).astype(
            np.complex64
        )

    def _magnitude(self, nu: np.ndarray) -> np.ndarray:
        strength, period, turn = (self.ripple[..., k] for k in range(3))
        wave = strength[:, None] * np.sin(2 * np.pi * nu[None, :, None] / period[:, None] + turn[:, None])
        # The filter is flat but for the outermost two or three of 64 channels; a channel has its mean.
        edges = np.linspace(-1, 1, len(nu) + 1)
        edge = 1 - self.roll_off * np.diff(edges ** (STEEPNESS + 1)) / ((STEEPNESS + 1) * np.diff(edges))
        return self.amplitude[:, :, None, :] * (1 + wave)[None] * edge[None, None, :, None]


def draw(fields: Sequence[StationField], times: np.ndarray, tec: np.ndarray, rng: np.random.Generator) -> Gains:
    """Gains of an ordinary night.

    The core shares one clock; remote clocks are off by tens of ns and drift.

    Parameters
    ----------
    fields : sequence of StationField
    times : (time,) s
    tec : (time, station) TECU
        Of the ionosphere towards the phase centre.
    rng : Generator

    Returns
    -------
    Gains

    Examples
    --------
    >>> from lofarlake_nb.observation import stations
    >>> drawn = draw(stations.dutch_hba(), np.arange(4.0), np.zeros((4, 62)), np.random.default_rng(1))
    >>> drawn.at(np.array([135e6, 136e6])).shape
    (4, 62, 2, 2)
    >>> [bool(np.abs(drawn.clock[:, its]).max() > 5e-9) for its in (slice(48), slice(48, 62))]  # core, remote stations
    [False, True]
    """
    stations = len(fields)
    since = times - times[0]
    remote = np.array([f.is_remote for f in fields])
    offset = np.where(remote, rng.normal(0, 40e-9, stations), rng.normal(0, 0.5e-9, stations))
    drift = np.where(remote, rng.normal(0, 2e-12, stations), 0.0)  # s/s
    swing = 1 + 0.03 * np.sin(
        2 * np.pi * since[:, None, None] / rng.uniform(2500, 9000, (1, stations, 2))
        + rng.uniform(0, 2 * np.pi, (1, stations, 2))
    )
    ripple = np.stack(
        [
            rng.uniform(0, 0.02, (stations, 2)),
            rng.uniform(2e6, 6e6, (stations, 2)),
            rng.uniform(0, 2 * np.pi, (stations, 2)),
        ],
        axis=-1,
    )
    return Gains(
        amplitude=(1 + 0.08 * np.clip(rng.normal(size=(1, stations, 2)), -3, 3)) * swing,
        phase=rng.normal(0, 0.3, (stations, 2)),
        clock=offset + drift * since[:, None],
        tec=tec - tec[:, :1],
        ripple=ripple,
        roll_off=0.15,
    )


def perfect(stations: int, count: int) -> Gains:
    """Gains of 1.

    Parameters
    ----------
    stations, count : int
        How many stations, and time slots.

    Returns
    -------
    Gains

    Examples
    --------
    >>> gains = perfect(2, 3).at(np.array([135e6]))
    >>> gains.shape, bool((gains == 1).all())
    ((3, 2, 1, 2), True)
    """
    still = np.zeros((count, stations))
    ripple = np.zeros((stations, 2, 3))
    ripple[..., 1] = 1.0
    return Gains(np.ones((count, stations, 2)), np.zeros((stations, 2)), still, still, ripple, 0.0)


def sefd(fields: Sequence[StationField], frequency: float) -> np.ndarray:
    """System equivalent flux densities.

    Parameters
    ----------
    fields : sequence of StationField
    frequency : float
        Hz.

    Returns
    -------
    (station,) Jy, of X or Y alone

    Examples
    --------
    >>> from lofarlake_nb.observation import stations
    >>> fields = stations.dutch_hba()
    >>> sefd([fields[0], fields[-1]], 150e6).tolist()  # a core and a remote field
    [2800.0, 1400.0]
    """
    core = float(np.interp(frequency, SEFD_HZ, SEFD_CORE_JY))
    return np.array([core * 24 / len(f.tile_offsets) for f in fields])


def noise_sigma(sefd1: np.ndarray, sefd2: np.ndarray, bandwidth: float, interval: float) -> np.ndarray:
    """Thermal noise of a cross-correlation of one polarization.

    Parameters
    ----------
    sefd1, sefd2 : array, Jy
        Of the two stations.
    bandwidth : float
        Hz.
    interval : float
        s.

    Returns
    -------
    array, Jy
        Standard deviation of the real part, and of the imaginary part.

    Examples
    --------
    >>> round(float(noise_sigma(2800.0, 2800.0, bandwidth=12207.0, interval=4.0)), 2)
    8.96
    """
    return np.sqrt(sefd1 * sefd2 / (2 * bandwidth * interval))
