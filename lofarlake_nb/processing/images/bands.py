"""Images over frequency: how many, and how they are put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters

# Visibilities are flattened by a spectral index, and what is left of a source's, 0.3 say, changes its flux by 1 % over
# this part of its frequency at either end: sidelobes of that stay below the noise but for the brightest.
WIDE = 0.07
MOST = 6


@dataclass(frozen=True)
class Bands:
    """Images over frequency that are cleaned together.

    Parameters
    ----------
    edges : (group + 1,) float64
        Frequencies where they meet, Hz.
    weights : (group,) float64
        Sums of the imaging weights.

    Examples
    --------
    >>> images = np.array([[[0.0]], [[4.0]]], np.float32)
    >>> Bands(np.array([120e6, 130e6, 140e6]), np.array([1.0, 3.0])).mean(images).tolist()
    [[3.0]]
    """

    edges: np.ndarray
    weights: np.ndarray

    def mean(self, images: np.ndarray) -> np.ndarray:
        """Weighted mean (npix, npix) float32 of images (group, npix, npix)."""
        if len(images) == 1:
            return images[0]
        return np.tensordot((self.weights / self.weights.sum()).astype(np.float32), images, 1)


def bands(parameters: ImageParameters, layouts: Sequence[Layout]) -> np.ndarray:
    """Edges of the images over frequency, from the bandwidth, or as many as are asked for.

    Parameters
    ----------
    parameters : ImageParameters
        With its `channels`.
    layouts : sequence of Layout
        Of the Measurement Sets.

    Returns
    -------
    (group + 1,) float64
        Hz, ascending; channels are spread over them evenly. One group where the channels are too few.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout("observation/L990100_SAP000_SB000_uv.MS")  # four channels around 135 MHz
    >>> (bands(ImageParameters(channels=2), [layout]) / 1e6).round(4).tolist()
    [134.9023, 135.0, 135.0977]
    """
    every = np.sort(np.concatenate([layout.frequencies for layout in layouts]))
    width = max(layout.channel_width for layout in layouts)
    span = float(every[-1] - every[0]) / float(every.mean())
    count = parameters.channels or (min(int(np.ceil(span / WIDE)) + 1, MOST) if span > WIDE else 1)
    channels = np.unique(every)
    count = min(count, len(channels))
    cuts = [0]  # the channel that each image begins with: one at least is left for each
    for i in range(1, count):
        even = int(np.searchsorted(channels, every[i * len(every) // count]))
        cuts.append(int(np.clip(even, cuts[-1] + 1, len(channels) - count + i)))
    return np.append(channels[cuts], every[-1] + width).astype(np.float64) - 0.5 * width
