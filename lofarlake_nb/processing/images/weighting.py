"""Imaging weights: natural or Briggs (1995), and a Gaussian taper."""

import numpy as np

from lofarlake_nb.processing.images.geometry import Geometry

# Density is counted in cells this many times as wide as those that the image can tell apart. Scans with pauses leave
# most of the narrow ones empty, and every visibility alone in its cell: then no weighting can bring up the long
# baselines (measured on twelve scans in 2 h: 16 gives half the beam width of 1, at the same thermal noise).
SUPER = 16


def cell_of(uvw: np.ndarray, waves: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, int]:
    """Cell of the uv plane that each visibility is in, with its conjugate folded over.

    Parameters
    ----------
    uvw : (row, 3) float64, m
    waves : (frequency,) float64
        Wave numbers, 1 / m.
    geometry : Geometry
        Of the image; cells are SUPER / (npix cell) wide.

    Returns
    -------
    index : (row, frequency) int64
        Into a flat grid of the half plane; clipped for baselines that are not imaged.
    size : int
        Of that grid.

    Examples
    --------
    >>> size = Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> index, count = cell_of(np.array([[2500.0, 0, 0], [-2500.0, 0, 0], [0, 2500.0, 0]]), np.ones(1), size)
    >>> index.ravel().tolist(), count
    ([4, 4, 10], 28)
    """
    width = geometry.npix * geometry.cell / SUPER
    half = int(np.ceil(geometry.maximum_uv * width)) + 1
    u = np.rint(uvw[:, :1] * waves * width).astype(np.int64)
    v = np.rint(uvw[:, 1:2] * waves * width).astype(np.int64)
    fold = np.where((v < 0) | ((v == 0) & (u < 0)), -1, 1)
    u, v = np.clip(u * fold, -half, half), np.clip(v * fold, 0, half)
    return v * (2 * half + 1) + (u + half), (half + 1) * (2 * half + 1)


def empty(geometry: Geometry) -> np.ndarray:
    """`density` of nothing (cell,).

    Examples
    --------
    >>> empty(Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))).tolist() == [0.0] * 28
    True
    """
    return np.zeros(cell_of(np.empty((0, 3)), np.empty(0), geometry)[1])


def density(uvw: np.ndarray, waves: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Sum of weights in each cell of the uv plane.

    Parameters
    ----------
    uvw : (row, 3) float64, m
    waves : (frequency,) float64, 1 / m
    weight : (row, frequency) float32
    geometry : Geometry

    Returns
    -------
    (cell,) float64

    Examples
    --------
    >>> uvw, size = np.array([[2500.0, 0, 0], [-2500.0, 0, 0]]), Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> cells = density(uvw, np.ones(1), np.array([[1.0], [2.0]]), size)
    >>> float(cells[4]), float(cells.sum())
    (3.0, 3.0)
    """
    index, size = cell_of(uvw, waves, geometry)
    return np.bincount(index.ravel(), weights=weight.ravel(), minlength=size)


def briggs(
    uvw: np.ndarray, waves: np.ndarray, weight: np.ndarray, cells: np.ndarray, robust: float, geometry: Geometry
) -> np.ndarray:
    """Briggs weights (D. Briggs, 1995, PhD thesis, New Mexico Tech, eq. 3.23).

    Parameters
    ----------
    uvw : (row, 3) float64, m
    waves : (frequency,) float64, 1 / m
    weight : (row, frequency) float32
        Natural weights, 1 / σ².
    cells : (cell,) float64
        Sum of `density` over all data.
    robust : float
        −2 (uniform) to 2 (natural).
    geometry : Geometry

    Returns
    -------
    (row, frequency) float32

    Examples
    --------
    >>> uvw, one = np.array([[0.0, 0, 0], [0, 0, 0], [0, 2500, 0]]), np.ones((3, 1), np.float32)
    >>> size = Geometry(64, 1e-4, 0.0, 3000.0, 0.0, (0.0, 0.8))
    >>> weight = briggs(uvw, np.ones(1), one, density(uvw, np.ones(1), one, size), -2.0, size)
    >>> (weight / weight[2]).round(3).ravel().tolist()  # two share a cell
    [0.5, 0.5, 1.0]
    """
    if not cells.any():
        return weight
    index, _ = cell_of(uvw, waves, geometry)
    factor = (5 * 10.0**-robust) ** 2 / ((cells**2).sum() / cells.sum())
    return (weight / (1 + cells[index] * factor)).astype(np.float32)


def taper(uvw: np.ndarray, waves: np.ndarray, fwhm: float) -> np.ndarray:
    """Gaussian fall of the weights with baseline length.

    Parameters
    ----------
    uvw : (row, 3) float64, m
    waves : (frequency,) float64, 1 / m
    fwhm : float
        Of the beam that evenly filled baselines would get by it, rad; 0 for no taper.

    Returns
    -------
    (row, frequency) float32

    Examples
    --------
    >>> [round(float(part), 3) for part in taper(np.array([[0.0, 0, 0], [1000, 0, 0]]), np.ones(1), 1e-3).ravel()]
    [1.0, 0.028]
    """
    square = (uvw[:, :1] ** 2 + uvw[:, 1:2] ** 2) * waves**2
    return np.exp(-((np.pi * fwhm) ** 2) / (4 * np.log(2)) * square).astype(np.float32)
