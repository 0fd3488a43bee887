"""Cleaning of the wide image, in facets where that helps, and of the cut-out."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains.solutions import Gains
from lofarlake_nb.processing.images.deconvolution import Deconvolved, deconvolve
from lofarlake_nb.processing.images.facets import Place, choose
from lofarlake_nb.processing.images.geometry import Geometry, cutout
from lofarlake_nb.processing.images.held import Held
from lofarlake_nb.processing.images.loading import load
from lofarlake_nb.processing.images.memory import Need
from lofarlake_nb.processing.images.responses import facets
from lofarlake_nb.processing.images.restoring import Beam, convolve, fit_beam
from lofarlake_nb.processing.images.station_beams import KeptBeams

logger = logging.getLogger(__name__)

# Most facets that are made without being asked for: 60 double the time of a major cycle of 4096² pixels.
MOST_FACETS = 100
# Part by which stations differ in what they see of a source away from the phase centre; where the sidelobes of such an
# error would be this part of the noise, a facet is worth its cost.
DIFFERENCE = 0.1
# The same where the ionosphere's phases differ between directions and gains follow them: by radians on long baselines.
DIFFERENCE_OF_PHASES = 1.0
SHOWS = 0.25
# Within this distance of the phase centre stations see the same, rad.
NEAR = np.deg2rad(0.1)
# Where phases differ, a source without a facet loses a sixth of its flux: a loss that is more than the noise of its
# flux from so many times the image's noise on.
LOSES = 25.0
# Major cycles until the sources that need facets are found; and how often they are looked for, as the errors of the
# brightest hide others.
FIND_CYCLES = 3
FIND_ROUNDS = 2


def clean(
    held: Held,
    dirty: np.ndarray,
    psfs: np.ndarray,
    beam: Beam,
    beams: KeptBeams | None,
    gains: Sequence[Gains],
) -> tuple[Deconvolved, Held]:
    """Clean, the bright sources in facets of their own where that helps.

    Parameters
    ----------
    held : Held
    dirty, psfs : (group, npix, npix) float32
        Jy / beam. `dirty` is used up.
    beam : Beam
    beams : KeptBeams or None
    gains : sequence of Gains
        That differ between directions, of each Measurement Set; may be empty.

    Returns
    -------
    Deconvolved
    Held
        The visibilities with those facets.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in calibrated.measurement_sets]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "cleaned", "edges": np.array([0, np.inf])}
    >>> asked = replace(chosen.image, major_cycles=2)
    >>> held = load(calibrated.measurement_sets, layouts, asked, size, session.client, need=how, **where)
    >>> dirty, psfs = held.dirty_and_psf()
    >>> noise, beam = float(dirty.std()), fit_beam(held.bands.mean(psfs), size.cell)
    >>> found, held = clean(held, dirty, psfs, beam, None, [])
    >>> 85 < float(found.model.sum()) < 105, float(found.residual.std()) < 0.1 * noise
    (True, True)
    >>> held.close()
    """
    parameters, size = held.parameters, held.geometry
    most = MOST_FACETS if parameters.facets == "auto" else int(parameters.facets)
    if not most or not parameters.iterations or (beams is None and not gains):
        return deconvolve(dirty, psfs, held.subtract, parameters, size, beam.major, held.bands), held
    # First only as far down as it takes to find them: the sidelobes of what the beams leave would be taken for sources.
    found, done, left = Deconvolved(np.zeros_like(dirty), dirty, 0), 0, parameters.major_cycles
    for _ in range(FIND_ROUNDS):
        rough = replace(parameters, major_cycles=min(FIND_CYCLES, left))
        found = deconvolve(found.residual, psfs, held.subtract, rough, size, beam.major, held.bands, found.model)
        done += found.major_cycles
        left -= found.major_cycles
        places = _places(held, found, psfs, beam, most, bool(gains))
        if len(places) <= len(held.facets):
            break
        opened = None if beams is None else beams.open()
        stations = len(opened.jones[0]) if opened is not None else gains[0].values.shape[-2]
        held = held.with_facets(facets(places, opened, gains, size, held.frequency, stations))
        del opened
        engines.give_back()
        found.residual[:] = held.subtract(found.model)
        done, left = done + 1, parameters.major_cycles
        if len(places) == most:
            break
    if left < 1:
        return replace(found, major_cycles=done), held
    rest = replace(parameters, major_cycles=left)
    found = deconvolve(found.residual, psfs, held.subtract, rest, size, beam.major, held.bands, found.model)
    return replace(found, major_cycles=done + found.major_cycles), held


def _places(held: Held, found: Deconvolved, psfs: np.ndarray, beam: Beam, most: int, with_gains: bool) -> list[Place]:
    """Patches around sources that are worth one."""
    smooth = convolve(held.bands.mean(found.model), beam, held.geometry.cell)
    least = 0.0
    if held.parameters.facets == "auto":
        sidelobes = held.bands.mean(psfs).std()
        least = SHOWS * held.thermal / ((DIFFERENCE_OF_PHASES if with_gains else DIFFERENCE) * sidelobes)
        least = min(least, LOSES * held.thermal) if with_gains else least
    least = max(least, 5 * float(held.bands.mean(found.residual).std()))
    apart = 0.0 if with_gains else NEAR
    places = choose(smooth, held.geometry, beam.major, least=least, most=most, apart=apart)
    if places:
        logger.info("%d facets around sources above %.2f Jy/beam", len(places), least)
    return places


def cut_out(
    wide: Held,
    model: np.ndarray,
    paths: tuple[Path, ...],
    layouts: list[Layout],
    needed: Need,
    beams: KeptBeams | None,
) -> tuple[Geometry, Beam, np.ndarray]:
    """A small image at full resolution, of the visibilities less what lies outside of it.

    Parameters
    ----------
    wide : Held
        Of the wide image.
    model : (group, npix, npix) float32, Jy / pixel
        Of the wide image.
    paths, layouts
        The Measurement Sets.
    needed : Need
        That the wide image was planned with, for the pixels of this one too.
    beams : KeptBeams or None
        That baselines were parted by.

    Returns
    -------
    Geometry
    Beam
    (npix, npix) float32, Jy / beam
        Restored.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> paths = calibrated.measurement_sets
    >>> layouts = [measurement_set.layout(path) for path in paths]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "wide", "edges": np.array([0, np.inf])}
    >>> asked = replace(chosen.image, cutout="0.1 deg", iterations=0)
    >>> held = load(paths, layouts, asked, size, session.client, need=how, **where)
    >>> fine, beam, image = cut_out(held, np.zeros((1, 512, 512), np.float32), paths, layouts, how, None)
    >>> image.shape, bool(beam.major < size.cell)  # finer than a pixel of the wide image
    ((336, 336), True)
    >>> held.close()
    """
    # The mask is of the wide image's pixels.
    parameters, size = replace(wide.parameters, mask=""), cutout(wide.parameters, layouts)
    around = model.copy()
    middle = [
        wide.geometry.npix // 2 + round(sign * c / wide.geometry.cell)
        for sign, c in zip((1, -1), np.subtract(size.centre, wide.geometry.centre)[::-1], strict=True)
    ]
    half = int(np.ceil(0.5 * size.npix * size.cell / wide.geometry.cell))
    rows, columns = (slice(max(0, c - half), max(0, c + half + 1)) for c in middle)
    around[:, rows, columns] = 0
    loaded = load(
        paths,
        layouts,
        parameters,
        size,
        wide.client,
        need=needed,
        folder=wide.folder / "cutout",
        edges=np.unique([part.band for part in wide.parts]),  # as the wide image's chunks were cut
        classes=() if beams is None else beams.classes,
    )
    held = loaded.less(wide, around)
    dirty, psfs = held.dirty_and_psf()
    beam = fit_beam(held.bands.mean(psfs), size.cell)
    found = deconvolve(dirty, psfs, held.subtract, parameters, size, beam.major, held.bands)
    smooth = convolve(held.bands.mean(found.model), beam, size.cell)
    return size, beam, (smooth + held.bands.mean(found.residual)).astype(np.float32)
