"""Fluxes and positions of the sources that were found, against those that are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lofarlake_nb.quality.comparison import Comparison
from lofarlake_nb.quality.figures.drawing import BLUE, saved

WEAK = "0.7"


def fluxes(comparisons: Sequence[Comparison], place: Path, *, beam_arcsec: float) -> Image | None:
    """Flux ratios over flux, position offsets, and flux ratios on the sky.

    Parameters
    ----------
    comparisons : sequence of Comparison
        A row of the picture for each that has matches.
    place : Path
        Folder that gets ``fluxes.png``.
    beam_arcsec : float
        Minor axis of the beam: a tenth of it is drawn.

    Returns
    -------
    Image or None
        The picture, for a notebook to show; None where there is nothing to compare.

    Examples
    --------
    >>> fluxes(recorded.comparisons, place, beam_arcsec=40.0) is None  # there was nothing to compare with
    True
    """
    shown = [compared for compared in comparisons if compared.names]
    if not shown:
        return None
    figure = Figure(figsize=(18, 5.4 * len(shown)), layout="constrained")
    for (ratio_axes, offset_axes, sky_axes), compared in zip(
        figure.subplots(len(shown), 3, squeeze=False), shown, strict=True
    ):
        _ratios(ratio_axes, compared)
        _offsets(offset_axes, compared, beam_arcsec / 10)
        _on_the_sky(figure, sky_axes, compared)
    return saved(figure, place / "fluxes.png")


def _on_the_sky(figure: Figure, sky_axes: Axes, compared: Comparison) -> None:
    ratio = compared.flux_jy / compared.known_flux_jy
    east = (compared.ra_deg - np.median(compared.ra_deg) + 180) % 360 - 180
    drawn = sky_axes.scatter(
        east * np.cos(np.deg2rad(compared.dec_deg)),
        compared.dec_deg - np.median(compared.dec_deg),
        c=ratio,
        s=np.clip(20 * np.sqrt(compared.known_flux_jy / np.median(compared.known_flux_jy)), 8, 300),
        cmap="RdBu_r",
        vmin=0.7,
        vmax=1.3,
        edgecolors="0.3",
        linewidths=0.4,
    )
    sky_axes.invert_xaxis()
    sky_axes.set_aspect("equal", adjustable="datalim")
    sky_axes.set_xlabel("east of the middle (deg)")
    sky_axes.set_ylabel("north of the middle (deg)")
    sky_axes.set_title("flux ratio on the sky (size: flux)")
    figure.colorbar(drawn, ax=sky_axes, label="found / known flux", extend="both", shrink=0.85)


def _ratios(axes: Axes, compared: Comparison) -> None:
    ratio, strong = compared.flux_jy / compared.known_flux_jy, compared.significant
    for chosen, colour, label in ((strong, BLUE, "peak above 10 σ"), (~strong, WEAK, "weaker, not in the statistics")):
        if chosen.any():
            axes.errorbar(
                compared.known_flux_jy[chosen],
                ratio[chosen],
                yerr=(compared.flux_error_jy / compared.known_flux_jy)[chosen],
                fmt=".",
                color=colour,
                elinewidth=0.7,
                label=label,
            )
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.axhspan(0.97, 1.03, color="black", alpha=0.08, label="3 %")
    axes.set_xscale("log")
    axes.set_ylim(0.4, 1.8)
    axes.set_xlabel(f"flux, {compared.label} (Jy)")
    axes.set_ylabel("found / known")
    axes.set_title("integrated fluxes")
    axes.legend(fontsize=8)


def _offsets(axes: Axes, compared: Comparison, tenth: float) -> None:
    east, north, strong = 3600 * compared.ra_offset_deg, 3600 * compared.dec_offset_deg, compared.significant
    axes.plot(east[~strong], north[~strong], ".", color=WEAK)
    axes.plot(east[strong], north[strong], ".", color=BLUE)
    axes.add_patch(Circle((0, 0), tenth, fill=False, color="black", linestyle="--"))
    reach = 1.15 * max(tenth, float(np.abs(np.concatenate([east, north])).max(initial=tenth)))
    axes.set_xlim(reach, -reach)  # east to the left
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.axvline(0, color="0.6", linewidth=0.6)
    axes.set_xlabel("found − known, right ascension (arcsec)")
    axes.set_ylabel("found − known, declination (arcsec)")
    axes.set_title("positions (dashed: a tenth of the beam)")
