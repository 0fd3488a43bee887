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


@dataclass(frozen=True)
class Interference:
    """Transmitters in one subband."""

    strength: np.ndarray  # (time, frequency) float32, Jy at zero baseline
    turn: np.ndarray  # (station,) rad
    rate: np.ndarray  # (station,) rad/s: fringes are stopped for the sky, so the ground turns

    def attenuation(self, lengths: np.ndarray) -> np.ndarray:
        """Strength (baseline,) relative to a zero baseline, for lengths in m."""
        return np.exp(-lengths / REACH_M) + FLOOR

    def mask(self, lengths: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Contaminated samples.

        Parameters
        ----------
        lengths : (baseline,) m
        sigma : (baseline,) Jy

        Returns
        -------
        (time, baseline, frequency) bool
        """
        threshold = NOTICED_SIGMA * sigma / self.attenuation(lengths)
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
    times: np.ndarray, scan: np.ndarray, channels: int, stations: int, sigma: float, rng: np.random.Generator
) -> Interference:
    """Interference of a quiet evening: 1 to 3 % of the samples.

    A carrier that stays on one channel for some of the scans; broad-band impulses, one slot long; short bursts on one
    channel; a transmitter that sweeps over the subband within one scan.

    Parameters
    ----------
    times : (time,) s
    scan : (time,) int
    channels : int
    stations : int
    sigma : float
        Jy, typical noise of a sample, by which strengths are scaled.
    rng : Generator

    Returns
    -------
    Interference
    """
    count = len(times)
    strength = np.zeros((count, channels), dtype=np.float64)
    scans = np.unique(scan)
    on = np.isin(scan, rng.choice(scans, max(1, round(0.25 * len(scans))), replace=False))
    strength[on, rng.integers(channels)] += sigma * rng.uniform(5, 15)
    impulses = rng.choice(count, max(1, round(0.004 * count)), replace=False)
    strength[impulses] += sigma * rng.lognormal(2.3, 0.6, (len(impulses), 1))
    for start in rng.choice(count, max(1, round(0.015 * count)), replace=False):
        length = int(rng.integers(1, 5))
        strength[start : start + length, rng.integers(channels)] += sigma * rng.lognormal(2.3, 0.6)
    slots = np.flatnonzero(scan == rng.choice(scans))
    swept = np.linspace(0, channels - 1, len(slots)).round().astype(int)
    strength[slots, swept if rng.random() < 0.5 else swept[::-1]] += sigma * 10
    return Interference(strength.astype(np.float32), rng.uniform(0, 2 * np.pi, stations), rng.normal(0, 0.05, stations))
