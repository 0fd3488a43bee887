"""Visibilities from Measurement Sets onto the workers, and their weights."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing.images import chunks, gridding
from lofarlake_nb.processing.images.bands import Bands
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.held import Held
from lofarlake_nb.processing.images.memory import Need
from lofarlake_nb.processing.images.parts import Part, plan
from lofarlake_nb.processing.images.primary_beam import ChunkBeam
from lofarlake_nb.processing.images.summing import tree_sum


def load(
    paths: Sequence[Path],
    layouts: Sequence[Layout],
    parameters: ImageParameters,
    geometry: Geometry,
    client: distributed.Client,
    *,
    need: Need,
    folder: Path,
    edges: np.ndarray,
    classes: tuple[int, ...] = (),
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
    need : Need
        How large chunks are, and where they stay.
    folder : Path
        That all workers see; made anew.
    edges : (group + 1,) float64
        Of the images over frequency, Hz, from `bands.bands`.
    classes : tuple of int
        Of stations, by what they see: baselines are parted by them; `seen_by` has that taken into account.

    Returns
    -------
    Held

    Raises
    ------
    ProcessingError
        When no visibility is left.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in calibrated.measurement_sets]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "loaded", "edges": np.array([0, np.inf])}
    >>> held = load(calibrated.measurement_sets, layouts, chosen.image, size, session.client, need=how, **where)
    >>> dirty, psfs = held.dirty_and_psf()
    >>> 80 < float(dirty.max()) < 100, float(psfs[0, 256, 256])  # Jy / beam: 3C196
    (True, 1.0)
    >>> held.close()
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reference = float(np.mean(np.concatenate([layout.frequencies for layout in layouts])))
    parts = plan(
        paths,
        layouts,
        most=need.chunk,
        spectrum=(parameters.spectral_index, reference),
        classes=classes,
        edges=edges,
    )
    weighed, cells = _weighed(parts, parameters, geometry, client, folder if need.on_disk else None)
    groups = np.array([part.group for part in parts for _ in part.pairs])
    each = client.gather([client.submit(chunks.sums, chunk, pure=False) for chunk in weighed])
    weights = np.bincount(groups, [one[0] for one in each], len(edges) - 1)
    if not weights.sum() > 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise ProcessingError(
            "no visibility is left to image: all are flagged, or outside of the range of baselines",
            "look at the flagged fractions, or ask for another resolution, minimum_uv or maximum_uv",
        )
    kept, into = _joined(edges, weights)
    groups = into[groups]
    sums = np.zeros((len(kept) - 1, 4))
    np.add.at(sums, groups, each)
    alike: list[ChunkBeam | None] = [None] * len(weighed)
    bands, its = Bands(kept, sums[:, 0]), groups.tolist()
    held = Held(
        weighed, its, alike, None, parts, cells, geometry, parameters, client, folder, sums, bands, gridding.COARSE
    )
    total, _, flux, _ = sums.sum(axis=0)
    return replace(held, accuracy=gridding.accuracy(flux / total, held.thermal))


def _joined(edges: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges where a group without weight has joined its neighbour, and which group each became."""
    used = np.flatnonzero(weights)
    kept = np.append(edges[used], edges[-1])
    kept[0] = edges[0]
    return kept, np.maximum(np.searchsorted(used, np.arange(len(weights)), side="right") - 1, 0)


def _weighed(
    parts: Sequence[Part],
    parameters: ImageParameters,
    geometry: Geometry,
    client: distributed.Client,
    folder: Path | None,
) -> tuple[list[distributed.Future], distributed.Future | None]:
    """Weighed chunks, in memory or in a folder, and the density of the natural weights where it is wanted."""
    robust, briggs = parameters.robust, parameters.weighting == "briggs"
    if folder is None:
        loaded = [client.submit(chunks.load, part, geometry, pure=False, priority=-n) for n, part in enumerate(parts)]
        densities = [
            client.submit(chunks.density, one, geometry, pure=False, priority=-n)
            for n, one in enumerate(loaded)
            if briggs
        ]
        cells = tree_sum(densities, client) if briggs else None
        del densities  # with a future's last reference its result goes, once it is summed
        return [
            client.submit(chunks.weigh_one, one, i, cells, robust, geometry, pure=False)
            for one, part in zip(loaded, parts, strict=True)
            for i in range(len(part.pairs))
        ], cells
    densities = [
        client.submit(chunks.density_of_part, part, geometry, pure=False, priority=-n)
        for n, part in enumerate(parts)
        if briggs
    ]
    cells = tree_sum(densities, client) if briggs else None
    del densities
    kept = []
    for n, part in enumerate(parts):
        places = [folder / f"chunk{n:05d}-{i}" for i in range(len(part.pairs))]
        stored = client.submit(chunks.weigh_on_disk, part, cells, robust, geometry, places, pure=False)
        kept += [client.submit(chunks.one_of, stored, i, pure=False) for i in range(len(places))]
    return kept, cells
