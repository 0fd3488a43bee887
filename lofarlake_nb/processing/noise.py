"""Noise of each station, measured from the visibilities, whatever unit they are in and whatever the weights say."""

import numpy as np

# The median of |z|² of complex Gaussian noise is its variance times this.
MEDIAN_OF_POWER = np.log(2.0)
STEPS = 20
FEWEST_STATIONS = 4


def baseline_noise(data: np.ndarray, flag: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Noise power of each baseline, from differences of neighbours in frequency, or in time where there is one channel.

    The cross hands are used, for celestial signal is weak in them, where there are four polarizations.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex
        Visibilities.
    flag : (time, baseline, frequency) bool
        True = bad.
    weight : same shape as `flag`, float, optional
        Relative weights: then it is the noise power of a visibility of weight 1.

    Returns
    -------
    (baseline,) float64
        E\\|n\\|² of one complex visibility, in the data's unit squared; NaN where nothing can be said.

    Examples
    --------
    >>> parts = np.random.default_rng(1).normal(size=(2, 4, 3, 500, 2))  # XX and YY, of 1 Jy in either part
    >>> baseline_noise(parts[0] + 1j * parts[1], np.zeros((4, 3, 500), bool)).round(1).tolist()
    [2.0, 2.0, 2.0]
    """
    hands = data[..., 1:3] if data.shape[-1] == 4 else data
    axis = 2 if data.shape[2] > 1 else 0
    if data.shape[axis] < 2 or data.shape[1] == 0:
        return np.full(data.shape[1], np.nan)
    low = [slice(None)] * 3
    high = list(low)
    low[axis], high[axis] = slice(0, -1), slice(1, None)
    difference = hands[tuple(high)] - hands[tuple(low)]
    variance = (
        np.float32(2.0)
        if weight is None
        else 1 / np.maximum(weight[tuple(high)], 1e-30) + 1 / np.maximum(weight[tuple(low)], 1e-30)
    )
    power = (difference.real**2 + difference.imag**2) / np.asarray(variance)[..., None]
    bad = flag[tuple(high)] | flag[tuple(low)]
    if weight is not None:
        bad = bad | (weight[tuple(high)] <= 0) | (weight[tuple(low)] <= 0)
    power = np.where(bad[..., None], np.nan, power)
    return median(np.moveaxis(power, 1, 0).reshape(data.shape[1], -1), axis=1) / MEDIAN_OF_POWER


def station_noise(power: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, n_station: int) -> np.ndarray:
    """Factors whose products are the noise of the baselines: power of (p, q) = s_p s_q.

    Parameters
    ----------
    power : (baseline,) float64
        From `baseline_noise`; NaN is left out.
    antenna1, antenna2 : (baseline,) int
        Stations of each baseline, no autocorrelations.
    n_station : int
        Number of stations.

    Returns
    -------
    (station,) float64
        NaN for stations without baselines; all NaN where fewer than 4 stations have any.

    Examples
    --------
    >>> p, q = np.triu_indices(5, 1)
    >>> factors = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> station_noise(factors[p] * factors[q], p, q, 5).round(2).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    table = np.full((n_station, n_station), np.nan)
    good = np.isfinite(power) & (power > 0)
    p, q = antenna1[good], antenna2[good]
    table[p, q] = table[q, p] = np.log(power[good])
    there = np.isfinite(table).any(axis=1)
    if there.sum() < FEWEST_STATIONS:
        return np.full(n_station, np.nan)
    factor = np.where(there, 0.5 * median(table, axis=1), np.nan)
    for _ in range(STEPS):
        # Half a step: whole ones swing between two answers.
        factor = 0.5 * (factor + median(table - factor[None, :], axis=1))
    return np.exp(factor)


def relative(factors: np.ndarray) -> np.ndarray:
    """Station factors in units of the median station's; NaN stays.

    Examples
    --------
    >>> relative(np.array([2.0, np.nan, 4.0, 12.0])).tolist()
    [0.5, nan, 1.0, 3.0]
    """
    if not np.isfinite(factors).any():
        return factors
    return factors / np.nanmedian(factors)


def median(values: np.ndarray, axis: int, keepdims: bool = False) -> np.ndarray:
    """Median along an axis without NaN; NaN, and no warning, where there is nothing else.

    As `numpy.nanmedian`, which takes several times as long where there are many short rows.

    Examples
    --------
    >>> median(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), axis=1).tolist()
    [2.0, nan]
    """
    ordered = np.sort(values, axis=axis)  # NaN come last
    count = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    low, high = (np.take_along_axis(ordered, at, axis) for at in ((count - 1) // 2, count // 2))
    middle = 0.5 * (low + high)
    return middle if keepdims else middle.squeeze(axis)
