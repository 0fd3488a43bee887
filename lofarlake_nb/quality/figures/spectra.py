"""Dynamic spectra: how strong the visibilities are over time and frequency, before and after flagging."""

from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.quality.figures.drawing import label_slots, saved
from lofarlake_nb.quality.visibility_views import DynamicSpectrum, dynamic_spectra

# Of the colour scale, in units of the usual amplitude of a channel; the upper end follows the data.
LOWEST, LEAST_HIGHEST, HIGHEST = 0.8, 2.0, 50.0
TICKS = (0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
NOTHING = "0.8"
FEWEST_SLOTS = 4


def spectra(flagged: Flagged, place: Path) -> Image | None:
    """Mean amplitude of all good baselines over time and frequency, as recorded and without what was flagged.

    Parameters
    ----------
    flagged : Flagged
        What flagging found.
    place : Path
        Folder that gets ``spectra.png``.

    Returns
    -------
    Image or None
        The picture, for a notebook to show; None where the slots are too few for one.

    Examples
    --------
    >>> picture = spectra(flagged, place)
    """
    shown = dynamic_spectra(flagged)
    if len(shown[0].times) < FEWEST_SLOTS:
        return None
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    recorded = np.concatenate([s.recorded for s in shown])
    strong = np.nanpercentile(recorded, 99.9) if np.isfinite(recorded).any() else LEAST_HIGHEST
    highest = float(np.clip(strong, LEAST_HIGHEST, HIGHEST))
    for axes, name in zip(panels, ("as recorded", "without what was flagged (grey: nearly all of it)"), strict=True):
        pixels = recorded if name == "as recorded" else np.concatenate([s.kept for s in shown])
        axes.set_facecolor(NOTHING)
        drawn = axes.imshow(
            pixels,
            origin="lower",
            aspect="auto",
            cmap="magma",
            interpolation="nearest",
            norm=LogNorm(LOWEST, highest),
        )
        axes.set_title(name)
        _label_subbands(axes, shown)
        bar = figure.colorbar(drawn, ax=axes, label="amplitude / median of the channel", extend="both")
        ticks = [tick for tick in TICKS if tick <= highest]
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks], minor=False)
        bar.minorticks_off()
    label_slots(panels[1], shown[0].times)
    return saved(figure, place / "spectra.png")


def _label_subbands(axes: object, shown: list[DynamicSpectrum]) -> None:
    """A line between Measurement Sets, and the middle frequency of each."""
    edges = np.cumsum([0, *(len(s.frequencies) for s in shown)])
    for edge in edges[1:-1]:
        axes.axhline(edge - 0.5, color="white", linewidth=1.2)  # type: ignore[attr-defined]
    middle = 0.5 * (edges[1:] + edges[:-1]) - 0.5
    axes.set_yticks(middle, [f"{s.frequencies.mean() / 1e6:.2f}" for s in shown])  # type: ignore[attr-defined]
    axes.set_ylabel("frequency (MHz)")  # type: ignore[attr-defined]
