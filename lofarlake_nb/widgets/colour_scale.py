"""Colour scales of images: which values they span, and how colours are spread over them."""

from collections.abc import Callable

import numpy as np
from astropy.stats import mad_std
from astropy.visualization import (
    AsinhStretch,
    BaseStretch,
    ImageNormalize,
    LinearStretch,
    LogStretch,
    MinMaxInterval,
    PercentileInterval,
    SqrtStretch,
    ZScaleInterval,
)

from lofarlake_nb.parameters import check_scale

# Each from the part of the scale that the noise takes: asinh is linear up to some times of that.
STRETCHES: dict[str, Callable[[float], BaseStretch]] = {
    "asinh": lambda noise: AsinhStretch(min(max(5 * noise, 1e-5), 1.0)),
    "linear": lambda noise: LinearStretch(),
    "log": lambda noise: LogStretch(),
    "sqrt": lambda noise: SqrtStretch(),
}
INTERVALS = {
    "99.9 %": PercentileInterval(99.9),
    "99 %": PercentileInterval(99.0),
    "zscale": ZScaleInterval(),
    "minmax": MinMaxInterval(),
}


def norm_of(values: np.ndarray, stretch: str, interval: str) -> ImageNormalize:
    """Colour scale of an image.

    Parameters
    ----------
    values : (y, x) float
        In any unit; without a finite one among them the scale is from 0 to 1.
    stretch : str
        One of `STRETCHES`.
    interval : str
        Of the values that it spans: one of `INTERVALS`.

    Raises
    ------
    UsageError
        When there is no such stretch or interval.

    Examples
    --------
    >>> norm = norm_of(np.array([[0.0, 1.0], [np.nan, 4.0]]), "linear", "minmax")
    >>> float(norm.vmin), float(norm.vmax), float(norm(1.0))
    (0.0, 4.0, 0.25)
    """
    check_scale(stretch, interval)
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = INTERVALS[interval].get_limits(finite) if finite.size else (0.0, 1.0)
    high = high if high > low else low + 1
    noise = float(mad_std(finite)) / (high - low) if finite.size else 0.0
    return ImageNormalize(vmin=low, vmax=high, stretch=STRETCHES[stretch](noise))
