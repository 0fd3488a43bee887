"""Kernels over samples of visibilities: which are known to be bad, as AOFlagger wants them, counted, compared."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def known_bad(data: np.ndarray, flag: np.ndarray) -> np.ndarray:
    """Samples that came flagged, or that a correlator writes where it has nothing.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    flag : same shape, bool

    Returns
    -------
    (time, baseline, frequency) bool
        True where any polarization is flagged, or a parallel hand is exactly 0; cross hands of 0 are what a model of an
        unpolarised sky has.
    """
    n_time, n_baseline, n_channel, n_polarization = data.shape
    last = n_polarization - 1
    bad = np.empty((n_time, n_baseline, n_channel), dtype=np.bool_)
    for t in range(n_time):
        for b in range(n_baseline):
            for f in range(n_channel):
                found = data[t, b, f, 0] == 0 or data[t, b, f, last] == 0
                for p in range(n_polarization):
                    found = found or flag[t, b, f, p]
                bad[t, b, f] = found
    return bad


@numba.njit(nogil=True, cache=True)
def images(data: np.ndarray, level: np.ndarray, baselines: np.ndarray) -> np.ndarray:
    """Dynamic spectra of baselines.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    level : (frequency,) float32
        By which each channel is divided.
    baselines : (n,) int
        Wanted ones.

    Returns
    -------
    (n, 2 × polarization, frequency, time) float32
        Real and imaginary part of each polarization.
    """
    n_time, _, n_channel, n_polarization = data.shape
    spectra = np.empty((len(baselines), 2 * n_polarization, n_channel, n_time), dtype=np.float32)
    for i in range(len(baselines)):
        b = baselines[i]
        for t in range(n_time):
            for f in range(n_channel):
                for p in range(n_polarization):
                    value = data[t, b, f, p]
                    spectra[i, 2 * p, f, t] = value.real / level[f]
                    spectra[i, 2 * p + 1, f, t] = value.imag / level[f]
    return spectra


@numba.njit(nogil=True, cache=True)
def fill(spectra: np.ndarray, bad: np.ndarray) -> None:
    """Put into bad samples what their nearest good neighbours have: in frequency, or else in time.

    Parameters
    ----------
    spectra : (n, 2 × polarization, frequency, time) float32
        From `images`; changed in place.
    bad : (n, time, frequency) bool
        Of the same baselines. A sample stays where neither its slot nor its channel has a good one.
    """
    n, n_part, n_channel, n_time = spectra.shape
    for i in range(n):
        for t in range(n_time):
            for f in range(n_channel):
                if not bad[i, t, f]:
                    continue
                low, high = f - 1, f + 1
                while low >= 0 and bad[i, t, low]:
                    low -= 1
                while high < n_channel and bad[i, t, high]:
                    high += 1
                first, last = t, t
                if low < 0 and high == n_channel:
                    low, high, first, last = f, f, t - 1, t + 1
                    while first >= 0 and bad[i, first, f]:
                        first -= 1
                    while last < n_time and bad[i, last, f]:
                        last += 1
                has_first = low >= 0 and first >= 0
                has_last = high < n_channel and last < n_time
                for p in range(n_part):
                    if has_first and has_last:
                        spectra[i, p, f, t] = (spectra[i, p, low, first] + spectra[i, p, high, last]) / 2
                    elif has_first:
                        spectra[i, p, f, t] = spectra[i, p, low, first]
                    elif has_last:
                        spectra[i, p, f, t] = spectra[i, p, high, last]


@numba.njit(nogil=True, cache=True)
def count(flag: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flagged samples by baseline, channel and slot.

    Parameters
    ----------
    flag : (time, baseline, frequency) bool
    wanted : (baseline,) bool
        Baselines that count; the others get 0.

    Returns
    -------
    tuple of int64 array
        (baseline,), (frequency,), (time,).
    """
    n_time, n_baseline, n_channel = flag.shape
    by_baseline = np.zeros(n_baseline, dtype=np.int64)
    by_channel = np.zeros(n_channel, dtype=np.int64)
    by_time = np.zeros(n_time, dtype=np.int64)
    for t in range(n_time):
        for b in range(n_baseline):
            if wanted[b]:
                for f in range(n_channel):
                    if flag[t, b, f]:
                        by_baseline[b] += 1
                        by_channel[f] += 1
                        by_time[t] += 1
    return by_baseline, by_channel, by_time


@numba.njit(nogil=True, cache=True)
def coherent_power(data: np.ndarray, flag: np.ndarray, baselines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power of what neighbouring channels have in common: the sky's, free of the noise's.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
        With one channel, neighbours in time are taken: give it no pause then, over which the sky has moved.
    flag : (time, baseline, frequency) bool
    baselines : (n,) int
        Wanted ones.

    Returns
    -------
    power : (n, polarization) float64
        Sum over pairs of Re(v v'*).
    pairs : (n,) int64
        How many were summed.
    """
    n_time, _, n_channel, n_polarization = data.shape
    power = np.zeros((len(baselines), n_polarization), dtype=np.float64)
    pairs = np.zeros(len(baselines), dtype=np.int64)
    over_time = 1 if n_channel == 1 else 0
    over_channel = 1 - over_time
    for i in range(len(baselines)):
        b = baselines[i]
        for t in range(n_time - over_time):
            for f in range(n_channel - over_channel):
                if flag[t, b, f] or flag[t + over_time, b, f + over_channel]:
                    continue
                pairs[i] += 1
                for p in range(n_polarization):
                    one, other = data[t, b, f, p], data[t + over_time, b, f + over_channel, p]
                    power[i, p] += one.real * other.real + one.imag * other.imag
    return power, pairs
