"""Interference of several kinds, as transmitters on the ground that short baselines see best."""

from dataclasses import dataclass

import numpy as np

# Strength falls with the length of a baseline, to a floor: a transmitter near the core is far from the remote stations.
REACH_M = 15_000.0
FLOOR = 0.02
# Strength of XX, XY, YX and YY.
POLARIZATION = np.array([1.0, 0.5, 0.5, 0.8], dtype=np.float32)
# A sample is contaminated where the interference is stronger than this many standard deviations of its noise.
NOTICED_SIGMA = 1.0
# Strengths are stated in the noise of a sample of this size.
REFERENCE_HZ, REFERENCE_S = 12_207.03125, 4.0
# Bandwidth of a carrier, and of a burst.
CARRIER_HZ, BURST_HZ = 1_000.0, 3_000.0
# How long a carrier stays, or a sweep takes.
STRETCH_S = 600.0


@dataclass(frozen=True)
class Interference:
    """Transmitters in one subband.

    Examples
    --------
    >>> seen = Interference(np.float32([[10.0]]), np.zeros(2), np.zeros(2))
    >>> seen.mask(np.array([0.0, 100_000.0]), np.array([1.0, 1.0])).ravel().tolist()  # close by, and far away
    [True, False]
    """

    strength: np.ndarray  # (time, frequency) float32, Jy at zero baseline
    turn: np.ndarray  # (station,) rad
    rate: np.ndarray  # (station,) rad/s: fringes are stopped for the sky, so the ground turns

    def attenuation(self, lengths: np.ndarray) -> np.ndarray:
        """Strength (baseline,) relative to a zero baseline, for lengths in m."""
        return np.exp(-lengths / REACH_M) + FLOOR

    def mask(self, lengths: np.ndarray, sigma: np.ndarray, least: float = NOTICED_SIGMA) -> np.ndarray:
        """Contaminated samples.

        Parameters
        ----------
        lengths : (baseline,) m
        sigma : (baseline,) Jy
        least : float
            Interference that is stronger than this many sigma is meant.

        Returns
        -------
        (time, baseline, frequency) bool
        """
        threshold = least * sigma / self.attenuation(lengths)
        return self.strength[:, None, :] > threshold[None, :, None]

    def visibilities(
        self, slots: slice, since: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """What it adds.

        Parameters
        ----------
        slots : slice
        since : (time,) s
            Of all slots.
        antenna1, antenna2 : (baseline,) int
        lengths : (baseline,) m

        Returns
        -------
        (time, baseline, frequency) complex64, Jy
            Of the slots; times `POLARIZATION`.
        """
        phase = self.turn + self.rate * since[slots, None]
        wave = self.attenuation(lengths) * np.exp(1j * (phase[:, antenna1] - phase[:, antenna2]))
        return (wave[:, :, None] * self.strength[slots, None, :]).astype(np.complex64)


def draw(
    times: np.ndarray,
    interval: float,
    frequencies: np.ndarray,
    width: float,
    noise: np.ndarray,
    rng: np.random.Generator,
) -> Interference:
    """Interference of a quiet evening: 1 to 3 % of the samples of 12 kHz and 4 s.

    A carrier that is there a quarter of the time; broad-band impulses of a second; short narrow bursts; a transmitter
    that sweeps over the subband. A sample has the mean over its slot and channel, so that a narrow transmitter fades in
    a wide channel.

    Parameters
    ----------
    times : (time,) s
    interval : float
        s, of a slot.
    frequencies : (frequency,) Hz
    width : float
        Hz, of a channel.
    noise : (station,) Jy
        Typical noise of a sample of `REFERENCE_HZ` and `REFERENCE_S` of each station, by whose median strengths are
        scaled.
    rng : Generator

    Returns
    -------
    Interference

    Examples
    --------
    >>> times, frequencies = 4.0 * np.arange(900), 135e6 + 12207.0 * np.arange(16)
    >>> drawn = draw(times, 4.0, frequencies, 12207.0, np.ones(62), np.random.default_rng(1))
    >>> bool(0.005 < (drawn.strength > 1).mean() < 0.05), drawn.turn.shape
    (True, (62,))
    """
    sigma = float(np.median(noise))
    starts = times - interval / 2
    low, band = float(frequencies[0] - width / 2), width * len(frequencies)
    strength = np.zeros((len(times), len(frequencies)))

    def add(begin: float, length: float, place: float, broad: float, jansky: float) -> None:
        """Transmit a while, around a frequency in a band."""
        when = _share(starts, interval, begin, length)
        where = _share(frequencies - width / 2, width, place - broad / 2, broad)
        near = np.flatnonzero(when)
        strength[near] += jansky * when[near, None] * where

    def lognormal() -> float:
        return sigma * float(rng.lognormal(2.3, 0.6))

    stretch = np.floor((times - times[0]) / STRETCH_S).astype(int)
    stretches = np.unique(stretch)
    place = low + band * rng.random()
    jansky = sigma * rng.uniform(5, 15) * REFERENCE_HZ / CARRIER_HZ
    for which in rng.choice(stretches, max(1, round(0.25 * len(stretches))), replace=False):
        here = starts[stretch == which]
        add(here[0], here[-1] + interval - here[0], place, CARRIER_HZ, jansky)
    observed = len(times) * interval
    for _ in range(max(1, round(observed / 1000.0))):
        add(rng.choice(starts) + interval * rng.random(), 1.0, low + band / 2, 2 * band, lognormal() * REFERENCE_S)
    for _ in range(max(1, round(observed / 267.0))):
        begin, length = rng.choice(starts) + interval * rng.random(), rng.uniform(4.0, 16.0)
        add(begin, length, low + band * rng.random(), BURST_HZ, lognormal() * REFERENCE_HZ / BURST_HZ)
    slots = np.flatnonzero(stretch == rng.choice(stretches))
    step = band / len(slots) * (1 if rng.random() < 0.5 else -1)
    begin = low if step > 0 else low + band
    for k, slot in enumerate(slots):
        # Within a slot it passes over its step of the band, which has its energy in proportion.
        broad = max(abs(step), CARRIER_HZ)
        jansky = 10 * sigma * REFERENCE_HZ / broad
        add(starts[slot], interval, begin + (k + 0.5) * step, broad, jansky)
    turn, rate = rng.uniform(0, 2 * np.pi, len(noise)), rng.normal(0, 0.05, len(noise))
    return Interference(strength.astype(np.float32), turn, rate)


def _share(starts: np.ndarray, step: float, begin: float, length: float) -> np.ndarray:
    """Which share of each of the cells that start there something covers."""
    return np.clip(np.minimum(starts + step, begin + length) - np.maximum(starts, begin), 0, None) / step
