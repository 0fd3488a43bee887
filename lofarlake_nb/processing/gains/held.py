"""Visibilities held on the workers, from loading to the last major cycle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing.images import chunks, gridding
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.restoring import Beam, fit_beam

PREVIEW_PIXELS = 512


@dataclass(frozen=True)
class Held:
    """Chunks of weighted visibilities on the workers.

    Parameters
    ----------
    chunks : list of Future
        Of `chunks.Chunk`.
    geometry : Geometry
        Of the image that they are for.
    client : distributed.Client
    total : float
        Sum of weights.
    thermal : float
        Noise that the weights leave in the image, Jy / beam.
    frequency : float
        Weighted mean, Hz.
    count : int
        Visibilities with weight.
    """

    chunks: list[distributed.Future]
    geometry: Geometry
    client: distributed.Client
    total: float
    thermal: float
    frequency: float
    count: int

    def preview(self) -> Beam:
        """Main lobe of the point spread function, from a small image of it."""
        small = replace(self.geometry, npix=min(PREVIEW_PIXELS, self.geometry.npix))
        futures = [self.client.submit(gridding.psf, chunk, small, pure=False) for chunk in self.chunks]
        return fit_beam(gridding.tree_sum(futures, self.client).result() / self.total, small.cell)

    def dirty_and_psf(self) -> tuple[np.ndarray, np.ndarray]:
        """Dirty image and point spread function, each (npix, npix) float32, Jy / beam."""
        size = self.geometry
        futures = [self.client.submit(gridding.dirty_and_psf, chunk, size, pure=False) for chunk in self.chunks]
        dirty, psf = gridding.tree_sum(futures, self.client).result() / self.total
        # The psf's peak is 1 but for the gridder's error; radler wants it exact.
        psf /= psf[size.npix // 2, size.npix // 2]
        return dirty.astype(np.float32), psf.astype(np.float32)

    def subtract(self, model: np.ndarray) -> np.ndarray:
        """Image (npix, npix), Jy / beam, of what a model (npix, npix), Jy / pixel, leaves of the visibilities."""
        sent = self.client.scatter(model.copy(), hash=False)
        futures = [
            self.client.submit(gridding.residual, chunk, sent, self.geometry, pure=False) for chunk in self.chunks
        ]
        return gridding.tree_sum(futures, self.client).result() / self.total


def load(
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    parameters: ImageParameters,
    geometry: Geometry,
    client: distributed.Client,
) -> Held:
    """Load visibilities onto the workers and weigh them.

    Parameters
    ----------
    paths : sequence of Path
        Calibrated Measurement Sets.
    layouts : sequence of Layout
        Theirs.
    parameters : ImageParameters
        For the weighting.
    geometry : Geometry
        Of the image.
    client : distributed.Client

    Returns
    -------
    Held

    Raises
    ------
    ProcessingError
        When no visibility is left.
    """
    loaded = [client.submit(chunks.load, part, geometry, pure=False) for part in chunks.plan(paths, layouts)]
    cells = None
    if parameters.weighting == "briggs":
        densities = [client.submit(chunks.density, chunk, geometry, pure=False) for chunk in loaded]
        cells = gridding.tree_sum(densities, client)
    weighed = [client.submit(chunks.weigh, chunk, cells, parameters.robust, geometry, pure=False) for chunk in loaded]
    sums = client.gather([client.submit(chunks.sums, chunk, pure=False) for chunk in weighed])
    total, variance, moment, count = np.sum(sums, axis=0)
    if not total > 0:
        raise ProcessingError(
            "no visibility is left to image: all are flagged, or outside of the range of baselines",
            "look at the flagged fractions, or ask for another resolution or minimum_uv",
        )
    thermal, frequency = float(np.sqrt(variance) / total), float(moment / total)
    return Held(weighed, geometry, client, float(total), thermal, frequency, int(count))
