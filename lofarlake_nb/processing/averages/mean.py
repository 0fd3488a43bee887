"""The weighted mean over slots and channels."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def weighted_mean(
    data: np.ndarray, flag: np.ndarray, weight: np.ndarray, starts: np.ndarray, channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted mean over groups of slots and channels.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex64
    flag : (time, baseline, frequency) bool
    weight : (time, baseline, frequency, polarization) float32
        Not more than 0 counts as flagged.
    starts : (group,) int
        First slot of each group.
    channels : int
        Channels in a group.

    Returns
    -------
    data : (group, baseline, frequency / channels, polarization) complex64
        0 where all is flagged.
    flag : (group, baseline, frequency / channels) bool
        Where of some polarization nothing unflagged is left.
    weight : (group, baseline, frequency / channels, polarization) float32
        Sum of the weights of what is unflagged.

    Examples
    --------
    >>> data = np.array([1, 3, 100], np.complex64).reshape(3, 1, 1, 1)
    >>> flag, weight = np.array([False, False, True]).reshape(3, 1, 1), np.float32([3, 1, 1]).reshape(3, 1, 1, 1)
    >>> mean, empty, total = weighted_mean(data, flag, weight, np.array([0]), 1)
    >>> mean.item(), empty.item(), total.item()
    ((1.5+0j), False, 4.0)
    """
    n_time, n_baseline, n_channel, n_polarization = data.shape
    n_group, n_out = len(starts), n_channel // channels
    mean = np.zeros((n_group, n_baseline, n_out, n_polarization), dtype=np.complex64)
    total = np.zeros((n_group, n_baseline, n_out, n_polarization), dtype=np.float32)
    empty = np.zeros((n_group, n_baseline, n_out), dtype=np.bool_)
    summed = np.zeros(n_polarization, dtype=np.complex128)
    weights = np.zeros(n_polarization, dtype=np.float64)
    for g in range(n_group):
        end = starts[g + 1] if g + 1 < n_group else n_time
        for b in range(n_baseline):
            for c in range(n_out):
                summed[:] = 0
                weights[:] = 0
                for t in range(starts[g], end):
                    for f in range(c * channels, (c + 1) * channels):
                        if flag[t, b, f]:
                            continue
                        for p in range(n_polarization):
                            if weight[t, b, f, p] > 0:
                                weights[p] += weight[t, b, f, p]
                                summed[p] += weight[t, b, f, p] * data[t, b, f, p]
                if weights.min() > 0:
                    for p in range(n_polarization):
                        mean[g, b, c, p] = summed[p] / weights[p]
                        total[g, b, c, p] = weights[p]
                else:
                    empty[g, b, c] = True
    return mean, empty, total
