"""Where the observation samples the uv plane."""

from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.quality.figures.drawing import BLUE, saved
from lofarlake_nb.quality.visibility_views import Coverage
from lofarlake_nb.quality.visibility_views import coverage as uv_coverage

BINS = 500


def coverage(calibrated: Calibrated, place: Path) -> Image:
    """The uv plane: all of it, its inner part, and how many visibilities there are at which length.

    Parameters
    ----------
    calibrated : Calibrated
        Whose Measurement Sets are imaged.
    place : Path
        Folder that gets ``coverage.png``.

    Returns
    -------
    Image
        The picture, for a notebook to show.

    Examples
    --------
    >>> picture = coverage(calibrated, place)
    """
    seen = uv_coverage(calibrated.measurement_sets, calibrated.bad_stations)
    length = np.hypot(seen.u, seen.v)
    longest = float(length.max(initial=1.0)) * 1.03
    figure = Figure(figsize=(17, 5.4), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, reach, title in ((panels[0], longest, "uv coverage"), (panels[1], 0.1 * longest, "its inner tenth")):
        _plane(figure, axes, seen, reach, title)
    inner = max(float(length[length > 0].min(initial=longest)), 1.0)
    panels[2].hist(length, bins=np.geomspace(inner, longest, 60).tolist(), color=BLUE)
    panels[2].set_xscale("log")
    panels[2].set_xlabel("baseline (wavelengths)")
    panels[2].set_ylabel("visibilities (of those sampled for this picture)")
    panels[2].set_title("baseline lengths")
    return saved(figure, place / "coverage.png")


def _plane(figure: Figure, axes: Axes, seen: Coverage, reach: float, title: str) -> None:
    edges = np.linspace(-reach, reach, BINS + 1)
    # A baseline seen from its other end is its mirror image.
    u, v = np.concatenate([seen.u, -seen.u]), np.concatenate([seen.v, -seen.v])
    counts = np.histogram2d(v, u, bins=(edges, edges))[0]
    shown = np.where(counts > 0, counts, np.nan)
    extent = (-reach / 1e3, reach / 1e3, -reach / 1e3, reach / 1e3)
    drawn = axes.imshow(
        shown,
        origin="lower",
        extent=extent,
        cmap="viridis",
        norm=LogNorm(1, max(2.0, float(counts.max()))),
        interpolation="nearest",
    )
    axes.set_facecolor("white")
    axes.set_xlim(reach / 1e3, -reach / 1e3)  # east to the left, as in the image
    axes.set_xlabel("u (kλ)")
    axes.set_ylabel("v (kλ)")
    axes.set_title(title)
    figure.colorbar(drawn, ax=axes, label="visibilities", shrink=0.85)
