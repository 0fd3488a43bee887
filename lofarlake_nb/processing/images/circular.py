"""The image of Stokes V, that nothing waits for: made where workers have nothing else to do."""

from collections.abc import Sequence
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.images import gridding, stokes
from lofarlake_nb.processing.images.fits_image import Products
from lofarlake_nb.processing.images.held import Held
from lofarlake_nb.processing.images.summing import add_pairs, tree_sum


def begin(held: Held, layouts: Sequence[Layout]) -> distributed.Future | None:
    """Sum of the images of all parts, behind the dirty image and the psf, and whatever else is submitted.

    Parameters
    ----------
    held : Held
    layouts : sequence of Layout
        Of the Measurement Sets.

    Returns
    -------
    Future or None
        For `finish`; None where V is not wanted, or the correlations have none.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> from lofarlake_nb.processing.images.fits_image import origin
    >>> from lofarlake_nb.processing.images.geometry import Geometry
    >>> from lofarlake_nb.processing.images.loading import Need, load
    >>> from lofarlake_nb.processing.images.restoring import Beam
    >>> paths = calibrated.measurement_sets
    >>> layouts = [measurement_set.layout(path) for path in paths]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "circular", "edges": np.array([0, np.inf])}
    >>> held = load(paths, layouts, chosen.image, size, session.client, need=how, **where)
    >>> begun = begin(held, layouts)
    >>> made = Products(work, size, origin(paths[0], layouts, held.frequency), Beam(2e-4, 1e-4, 0.0))
    >>> file, rms, thermal = finish(begun, held, made)
    >>> file.name, 0.5 < rms / thermal < 2
    ('circular.fits', True)
    >>> held.close()
    """
    if not (held.parameters.circular and all(stokes.has("V", layout.correlations) for layout in layouts)):
        return None
    if held.cells is not None:
        held.client.replicate([held.cells])  # else the parts wait for the one worker that has it
    arguments, behind = ("V", held.cells, held.parameters.robust, held.geometry), 2 * len(held.chunks)
    futures = [
        held.client.submit(gridding.image_of_part, part, *arguments, pure=False, priority=-behind - n)
        for n, part in enumerate(held.parts)
    ]
    return tree_sum(futures, held.client, add_pairs)


def finish(begun: distributed.Future | None, held: Held, made: Products) -> tuple[Path, float, float] | None:
    """The image, written; its rms, and what thermal noise alone would be, both in Jy / beam.

    Parameters
    ----------
    begun : Future or None
        From `begin`.
    held : Held
        That it was begun of.
    made : Products
        Writes it.

    Returns
    -------
    file : Path
    rms, thermal : float
    None
        Where none was begun, or no visibility has a V.

    Examples
    --------
    >>> finish(None, None, None) is None  # V was not wanted; else see `begin`
    True
    """
    if begun is None:
        return None
    image, sums = held.brought(begun)
    if not sums[0] > 0:
        return None
    image = image / image.dtype.type(sums[0])
    return made.write("circular", image, stokes="V"), float(image.std()), float(np.sqrt(sums[1]) / sums[0])
