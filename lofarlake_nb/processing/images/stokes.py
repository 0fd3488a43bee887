"""Stokes parameters of visibilities from linear or circular feeds."""

import numpy as np

from lofarlake_nb.errors import ProcessingError

# Two correlations and the factors whose sum is the Stokes parameter (IAU: XX = I + Q, XY = U + iV, YX = U - iV,
# YY = I - Q; RR = I + V, LL = I - V).
PAIRS = {
    ("I", "XX", "YY"): (0.5, 0.5),
    ("I", "RR", "LL"): (0.5, 0.5),
    ("V", "XY", "YX"): (-0.5j, 0.5j),
    ("V", "RR", "LL"): (0.5, -0.5),
}


def has(parameter: str, correlations: tuple[str, ...]) -> bool:
    """Whether a Stokes parameter can be had from these correlations.

    Examples
    --------
    >>> has("V", ("XX", "XY", "YX", "YY")), has("V", ("XX", "YY"))
    (True, False)
    """
    return parameter in correlations or _pair(parameter, correlations) is not None


def stokes(
    parameter: str, data: np.ndarray, flag: np.ndarray, weight: np.ndarray, correlations: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """One Stokes parameter; both of the correlations that it is made of must be there.

    Parameters
    ----------
    parameter : str
        ``I`` or ``V``.
    data : (time, baseline, frequency, polarization) complex64
    flag : same shape, bool
    weight : same shape, float32
        1 / σ².
    correlations : tuple of str
        Names of the polarizations, such as ``XX``.

    Returns
    -------
    visibilities : (time, baseline, frequency) complex64
        0 where flagged.
    weight : (time, baseline, frequency) float32
        1 / σ² of it, 0 where flagged.

    Raises
    ------
    ProcessingError
        When it can't be had from these correlations.

    Examples
    --------
    >>> data, flag = np.array([[[[3, 5]]]], np.complex64), np.zeros((1, 1, 1, 2), bool)
    >>> value, weight = stokes("I", data, flag, np.ones((1, 1, 1, 2), np.float32), ("XX", "YY"))
    >>> value.item(), weight.item()
    ((4+0j), 2.0)
    """
    if parameter in correlations:
        i = correlations.index(parameter)
        good = ~flag[..., i] & (weight[..., i] > 0)
        return np.where(good, data[..., i], 0), np.where(good, weight[..., i], 0).astype(np.float32)
    pair = _pair(parameter, correlations)
    if pair is None:
        raise ProcessingError(
            f"Stokes {parameter} can't be had from {', '.join(correlations)}",
            "give Measurement Sets with both parallel hands (I), or with all four correlations (V)",
        )
    i, j = (correlations.index(name) for name in pair)
    factors = PAIRS[(parameter, *pair)]
    first, second = weight[..., i], weight[..., j]
    good = ~(flag[..., i] | flag[..., j]) & (first > 0) & (second > 0)
    total = np.where(good, first + second, 1)
    combined = np.where(good, 4 * first * second / total, 0).astype(np.float32)
    value = np.where(good, factors[0] * data[..., i] + factors[1] * data[..., j], 0)
    return value.astype(np.complex64), combined


def _pair(parameter: str, correlations: tuple[str, ...]) -> tuple[str, str] | None:
    for name, first, second in PAIRS:
        if name == parameter and first in correlations and second in correlations:
            return first, second
    return None
