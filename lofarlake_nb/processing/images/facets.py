"""Facets: patches of the image around bright sources, each seen through its own station beams and gains.

What a station sees of a source away from the phase centre depends on the station, the time and the direction, and one
image of all visibilities has one flux for a source. So the model's patches are turned into visibilities apart, each
multiplied by what its stations see; of what is left, each patch is imaged with the visibilities turned back by the
phase of that (van Weeren et al. 2016, ApJS 223, 2). Amplitudes stay, as in the image around it: so the noise is the
same, and the point spread function is nearly the image's, which is what the clean works with. A patch's plane touches
the sphere at its centre (Kogan and Greisen 2009, AIPS memo 113), so that it needs no w-terms while it is small, and
neighbouring visibilities can be averaged for it (`facet_cells`).

Nearly: a clean takes a source for one that all baselines see alike, so where a baseline sees r times their mean of it,
a major cycle leaves 1 - r of what there was. Far out in beams of two sizes r is beyond 2 for the small stations'
baselines, and errors of their scales would grow from cycle to cycle. So what a baseline sees counts as 1.25 times the
mean at the most (`facet_cells.MOST_SEEN`) when a patch is imaged; the model is taken off in full.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ducc0
import numpy as np
import scipy.ndimage

from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.mapped import mapped

# Where the workers find the facets, in the work folder.
FILE = "facets.pickle"
# Pixels that a patch reaches from its brightest source: the gridder takes no fewer than 32 a side.
LEAST_REACH = 20
BEAMS_REACH = 8


@dataclass(frozen=True)
class Facet:
    """A patch of the image, and how it is seen.

    Parameters
    ----------
    x, y : int
        Its first pixel.
    size : int
        Pixels a side, even.
    l, m : float
        Direction cosines of its pixel size / 2.
    beam_times : (time,) float64
        MJD UTC seconds.
    jones : (time, station, 4) complex64
        Beams, XX, XY, YX, YY at these times (straight lines between them), relative to the phase centre.
    phase_times : (time,) float64 or None
        MJD UTC seconds; None where no phases are known.
    phases : (time, station) float32 or None
        The ionosphere's, rad at `frequency` and in inverse proportion to it (straight lines between times), relative to
        those towards the phase centre.
    frequency : float
        Hz.
    scale : float
        Mean over the visibilities of what they see of it: flux in the image over flux on the sky.
    beam_frequency : float
        Hz, of `jones`.
    slope : (time, station, 4) complex64 or None
        Change of `jones` with the logarithm of the frequency; None where there is none.

    Examples
    --------
    >>> Facet(16, 8, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4))).window
    (slice(8, 40, None), slice(16, 48, None))
    """

    x: int
    y: int
    size: int
    l: float  # noqa: E741
    m: float
    beam_times: np.ndarray
    jones: np.ndarray
    phase_times: np.ndarray | None = None
    phases: np.ndarray | None = None
    frequency: float = 1.0
    scale: float = 1.0
    beam_frequency: float = 1.0
    slope: np.ndarray | None = None

    @property
    def window(self) -> tuple[slice, slice]:
        """Of its pixels in the image."""
        return slice(self.y, self.y + self.size), slice(self.x, self.x + self.size)


@dataclass(frozen=True)
class Place:
    """A patch that has been chosen: its first pixel, its size, its centre, and the flux of its brightest pixel.

    Examples
    --------
    >>> smooth = np.zeros((64, 64), np.float32)
    >>> smooth[40, 20] = 5
    >>> choose(smooth, Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), 3e-4, least=1.0, most=5, apart=0.0)
    [Place(x=0, y=16, size=48, l=0.0008, m=0.0008, flux=5.0)]
    """

    x: int
    y: int
    size: int
    l: float  # noqa: E741
    m: float
    flux: float


def choose(
    smooth: np.ndarray, geometry: Geometry, beam: float, *, least: float, most: int, apart: float
) -> list[Place]:
    """Patches around the brightest sources.

    Parameters
    ----------
    smooth : (npix, npix) float32, Jy / beam
        Model through the beam.
    geometry : Geometry
    beam : float
        FWHM, rad.
    least : float
        Sources fainter than this do without, Jy / beam.
    most : int
        Patches.
    apart : float
        Distance from the phase centre within which the visibilities are calibrated already, rad.

    Returns
    -------
    list of Place
        Brightest first.

    Examples
    --------
    >>> smooth = np.zeros((256, 256), np.float32)
    >>> smooth[[40, 45, 100, 200], [20, 25, 100, 200]] = 5, 4, 0.5, 8  # the second lies in the first one's patch
    >>> size = Geometry(256, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    >>> [patch.flux for patch in choose(smooth, size, 3e-4, least=1.0, most=5, apart=0.0)]
    [8.0, 5.0]
    """
    reach = max(LEAST_REACH, int(np.ceil(BEAMS_REACH * beam / geometry.cell)))
    size = min(2 * int(ducc0.fft.good_size(reach)), geometry.npix)
    rows, columns = np.nonzero(
        (smooth >= least) & (smooth == scipy.ndimage.maximum_filter(smooth, 2 * (reach // 2) + 1))
    )
    order = np.argsort(-smooth[rows, columns])
    places: list[Place] = []
    for row, column in zip(rows[order], columns[order], strict=True):
        y = int(np.clip(row - size // 2, 0, geometry.npix - size))
        x = int(np.clip(column - size // 2, 0, geometry.npix - size))
        east = geometry.centre[0] - (x + size // 2 - geometry.npix // 2) * geometry.cell
        north = geometry.centre[1] + (y + size // 2 - geometry.npix // 2) * geometry.cell
        inside = any(p.x + 2 < column < p.x + p.size - 2 and p.y + 2 < row < p.y + p.size - 2 for p in places)
        if not inside and np.hypot(east, north) > apart and len(places) < most:
            places.append(Place(x, y, size, east, north, float(smooth[row, column])))
    return places


def owners(facets: Sequence[Facet], npix: int) -> np.ndarray:
    """Which patch each pixel belongs to (npix, npix) uint8: 0 for none, else 1 and more; the brighter one's first.

    A patch's own first column and row are nobody's: the gridder has them for the other edge too.

    Examples
    --------
    >>> bright, faint = (Facet(i, i, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4))) for i in (0, 16))
    >>> owners([bright, faint], 64)[[0, 20, 40], [0, 20, 40]].tolist()
    [0, 1, 2]
    """
    owner = np.zeros((npix, npix), np.uint8)
    for i, facet in enumerate(facets, 1):
        part = owner[facet.y + 1 : facet.y + facet.size, facet.x + 1 : facet.x + facet.size]
        part[part == 0] = i
    return owner


def put(folder: Path, facets: Sequence[Facet], npix: int) -> Path:
    """Leave facets where the workers find them: the file.

    Examples
    --------
    >>> file = put(Path(), [Facet(0, 0, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4)))], 64)
    >>> file.name, np.load("owners.npy").shape
    ('facets.pickle', (64, 64))
    """
    np.save(folder / "owners.npy", owners(facets, npix))
    path = folder / FILE
    path.write_bytes(pickle.dumps(list(facets)))
    return path


def take(path: Path) -> tuple[list[Facet], np.ndarray]:
    """Facets and their `owners`, as `put` left them.

    Examples
    --------
    >>> file = put(Path(), [Facet(0, 0, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4)), scale=0.5)], 64)
    >>> (facet,), owner = take(file)
    >>> facet.scale, int((owner == 1).sum())
    (0.5, 961)
    """
    # Written a moment ago by this very run, in its own work folder.
    return pickle.loads(path.read_bytes()), mapped(path.parent / "owners.npy")


def inserted(image: np.ndarray, patches: Sequence[np.ndarray], facets: Sequence[Facet]) -> np.ndarray:
    """Residual (npix, npix) with its patches in their places, all normalised by the sum of weights.

    A patch shows a source's flux times `scale`, as the image around it does (less what `facet_cells.MOST_SEEN` takes).

    Examples
    --------
    >>> facet = Facet(0, 0, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4)))
    >>> image = inserted(np.zeros((64, 64)), [np.full((32, 32), 2.0)], [facet])
    >>> image[0, 0].tolist(), image[31, 31].tolist(), image[32, 32].tolist()
    (0.0, 2.0, 0.0)
    """
    owner = owners(facets, len(image))
    for i, (facet, patch) in enumerate(zip(facets, patches, strict=True), 1):
        mine = owner[facet.window] == i
        image[facet.window][mine] = patch[mine]
    return image
