"""Phases of many subbands as those of one ionosphere."""

import numpy as np

STEPS = 5


def joined(phases: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Phases of all subbands by one electron content: they go with 1 / frequency.

    Parameters
    ----------
    phases : (subband, ...) float64
        Rad, as solved in each; NaN where there is none.
    frequencies : (subband,) float64
        Hz.

    Returns
    -------
    (subband, ...) float64
        Rad; NaN where no subband has any.

    Examples
    --------
    >>> joined(np.array([[0.4, 0.8], [0.3, np.nan]]), np.array([120e6, 160e6])).round(2).tolist()
    [[0.4, 0.8], [0.3, 0.6]]
    """
    scale = (frequencies.mean() / frequencies).reshape(-1, *[1] * (phases.ndim - 1))
    there = np.isfinite(phases)
    turns = np.where(there, np.exp(1j * np.nan_to_num(phases)), 0)
    content = np.angle(turns.sum(axis=0))
    for _ in range(STEPS):
        off = np.angle(turns * np.exp(-1j * content * scale)) * there
        content = content + (off * scale).sum(axis=0) / np.maximum((scale**2 * there).sum(axis=0), 1e-30)
    return np.where(there.any(axis=0), content * scale, np.nan)
