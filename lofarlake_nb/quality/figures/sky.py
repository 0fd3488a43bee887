"""The image, its brightest source enlarged, what the model leaves, and Stokes V."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.visualization import AsinhStretch, ImageNormalize
from astropy.visualization.wcsaxes import WCSAxes
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Ellipse

from lofarlake_nb.quality.figures.drawing import BLUE, ORANGE, saved
from lofarlake_nb.quality.sources import Picture, read_picture

ZOOM_BEAMS = 12.0  # half the width of the enlarged part, in beams: the source and its first sidelobes
SCREEN = 1000  # pixels per side that the whole field is drawn with
# Lengths of a scale bar, arcsec.
BARS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000)
RESIDUAL_SIGMA = 8.0  # of the colour scale of what is left


def field(place: Path, summary: Mapping[str, Any], title: str = "") -> Image:
    """Picture of the whole field, and of its brightest source enlarged.

    Parameters
    ----------
    place : Path
        Folder with ``image.fits``, that gets ``image.png``.
    summary : mapping
        Of the run: its noise sets the colour scale, linear up to a few times of it and logarithmic above; its sources
        are marked.
    title : str
        Above the picture; the name of the field by default.

    Returns
    -------
    Image
        The picture, for a notebook to show.

    Examples
    --------
    >>> picture = field(place, recorded.value)
    """
    picture = read_picture(place / "image.fits")
    rms = summary["image"]["rms_jy_per_beam"] or _spread(picture.pixels)  # a colour scale has no room for none
    figure = Figure(figsize=(19, 8.6), layout="constrained")
    panels = figure.add_gridspec(1, 2)
    whole = _panel(figure, panels[0], picture, rms, brightest=100 * rms, pool=_pool(picture))
    for source in summary["sources"]:
        _mark(whole, picture, source)
    frequency = summary["image"].get("frequency_hz") or picture.header.get("CRVAL3")
    named = title or str(picture.header.get("OBJECT", ""))
    whole.set_title(named + (f", {frequency / 1e6:.1f} MHz" if frequency else ""))
    _scale_bar(whole, picture, (-0.5, picture.pixels.shape[1] - 0.5), (-0.5, picture.pixels.shape[0] - 0.5))
    _brightest(figure, panels[1], _finest(place, picture), summary)
    return saved(figure, place / "image.png")


def residual(place: Path, summary: Mapping[str, Any]) -> Image:
    """Picture of what the model leaves, of Stokes V where there is one, and of how their pixels are distributed.

    Parameters
    ----------
    place : Path
        Folder with ``residual.fits`` and perhaps ``stokes-v.fits``, that gets ``residual.png``.
    summary : mapping
        Of the run, for the noise.

    Returns
    -------
    Image
        The picture, for a notebook to show.

    Examples
    --------
    >>> picture = residual(place, recorded.value)
    """
    shown = {"residual": read_picture(place / "residual.fits")}
    if (place / "stokes-v.fits").is_file():
        shown["Stokes V"] = read_picture(place / "stokes-v.fits")
    thermal = summary["image"]["thermal_rms_jy_per_beam"]
    figure = Figure(figsize=(7.5 * len(shown) + 6, 7), layout="constrained")
    panels = figure.add_gridspec(1, len(shown) + 1, width_ratios=[7.5] * len(shown) + [6])
    for index, (name, picture) in enumerate(shown.items()):
        limit = RESIDUAL_SIGMA * _spread(picture.pixels)
        axes = figure.add_subplot(panels[index], projection=picture.wcs)
        pixels, extent = _pooled(picture, _pool(picture))
        drawn = axes.imshow(
            pixels, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", extent=extent
        )
        _sky_axes(axes)
        axes.set_title(name + " (each dot: the strongest of its pixels)")
        figure.colorbar(drawn, ax=axes, label="Jy/beam", shrink=0.8, extend="both")
    _histogram(figure.add_subplot(panels[len(shown)]), shown, thermal)
    return saved(figure, place / "residual.png")


def _finest(place: Path, picture: Picture) -> Picture:
    """The cut-out at full resolution where there is one, else the image itself."""
    cutout = place / "cutout.fits"
    return read_picture(cutout) if cutout.is_file() else picture


def _brightest(figure: Figure, spec: SubplotSpec, picture: Picture, summary: Mapping[str, Any]) -> None:
    """The brightest source enlarged, with the beam and a scale bar."""
    rms = _spread(picture.pixels)
    axes = _panel(figure, spec, picture, rms, brightest=float(np.nanmax(picture.pixels)))
    peak = SkyCoord(summary["image"]["peak_ra_deg"] * u.deg, summary["image"]["peak_dec_deg"] * u.deg)
    x, y = (float(v) for v in picture.wcs.world_to_pixel(peak))
    half = ZOOM_BEAMS * picture.beam_major_arcsec / picture.cell_arcsec
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(y - half, y + half)
    near = [s for s in summary["sources"] if _separation(s, peak) < picture.beam_major_arcsec]
    name = f"{near[0]['name']}, enlarged" if near else "the brightest source, enlarged"
    beam = f"beam {picture.beam_major_arcsec:.1f}″ × {picture.beam_minor_arcsec:.1f}″"
    axes.set_title(f"{name}: peak {np.nanmax(picture.pixels):.2f} Jy/beam, {beam}")
    _add_beam(axes, picture, (x - 0.85 * half, y - 0.85 * half))
    _scale_bar(axes, picture, (x - half, x + half), (y - half, y + half))


def _separation(source: Mapping[str, Any], place: SkyCoord) -> float:
    return float(SkyCoord(source["ra_deg"] * u.deg, source["dec_deg"] * u.deg).separation(place).arcsec)


def _pool(picture: Picture) -> int:
    """Pixels per side that one pixel of the screen stands for."""
    return max(1, round(max(picture.pixels.shape) / SCREEN))


def _pooled(picture: Picture, pool: int) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The strongest of the pixels behind one of the screen, with its sign, and where they lie."""
    ny, nx = (size // pool * pool for size in picture.pixels.shape)
    blocks = picture.pixels[:ny, :nx].reshape(ny // pool, pool, nx // pool, pool)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.where(high >= -low, high, low), (-0.5, nx - 0.5, -0.5, ny - 0.5)


def _panel(
    figure: Figure, spec: SubplotSpec, picture: Picture, rms: float, *, brightest: float, pool: int = 1
) -> WCSAxes:
    axes = figure.add_subplot(spec, projection=picture.wcs)
    low, high = -4 * rms, max(brightest, 20 * rms)
    norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(min(1.0, 4 * rms / (high - low))), clip=True)
    ny, nx = (size // pool * pool for size in picture.pixels.shape)
    # The brightest of the pixels behind one of the screen: a point source must not fall between two of them.
    shown = picture.pixels[:ny, :nx].reshape(ny // pool, pool, nx // pool, pool).max(axis=(1, 3))
    # Nearest: smoothing would hide a fringe that is finer than the screen.
    drawn = axes.imshow(
        shown,
        origin="lower",
        cmap="inferno",
        norm=norm,
        interpolation="nearest",
        extent=(-0.5, nx - 0.5, -0.5, ny - 0.5),
    )
    _sky_axes(axes)
    bar = figure.colorbar(drawn, ax=axes, label="Jy/beam", shrink=0.8, extend="max" if pool > 1 else "neither")
    ticks = _ticks(norm, low, high)
    bar.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    return axes


def _sky_axes(axes: WCSAxes) -> None:
    axes.set_xlabel("right ascension (ICRS)")
    axes.set_ylabel("declination (ICRS)")
    axes.coords.grid(color="grey", alpha=0.25)


def _ticks(norm: ImageNormalize, low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, with their negatives and 0, where the scale has room for them."""
    decades = range(int(np.floor(np.log10(-low))) - 1, int(np.ceil(np.log10(high))) + 1)
    steps = [factor * 10.0**n for n in decades for factor in (1, 2, 5)]
    kept = [0.0]
    for value in [*reversed([s for s in steps if s <= high]), *[-s for s in reversed(steps) if s <= -low]]:
        if all(abs(float(norm(value)) - float(norm(other))) > 0.06 for other in kept):
            kept.append(value)
    return sorted(kept)


def _mark(axes: Axes, picture: Picture, source: Mapping[str, Any]) -> None:
    x, y = picture.wcs.world_to_pixel(SkyCoord(source["ra_deg"] * u.deg, source["dec_deg"] * u.deg))
    size = 12 * picture.beam_major_arcsec / picture.cell_arcsec
    axes.add_patch(Ellipse((float(x), float(y)), size, size, fill=False, edgecolor="cyan", linewidth=0.8))
    axes.annotate(source["name"], (float(x), float(y) + 0.6 * size), color="cyan", ha="center", va="bottom", fontsize=9)


def _add_beam(axes: Axes, picture: Picture, corner: tuple[float, float]) -> None:
    axes.add_patch(
        Ellipse(
            corner,
            picture.beam_minor_arcsec / picture.cell_arcsec,
            picture.beam_major_arcsec / picture.cell_arcsec,
            angle=picture.beam_angle_deg,  # from north through east, which is to the left
            facecolor="white",
            edgecolor="black",
            alpha=0.9,
        )
    )


def _scale_bar(axes: Axes, picture: Picture, x: tuple[float, float], y: tuple[float, float]) -> None:
    """A bar of a round length, about a fifth of the panel, in its lower right corner."""
    width = (x[1] - x[0]) * picture.cell_arcsec
    length = max((bar for bar in BARS if bar <= 0.25 * width), default=BARS[0])
    text = f"{length / 3600:g}°" if length >= 3600 else f"{length / 60:g}′" if length >= 60 else f"{length}″"
    right, level = x[1] - 0.05 * (x[1] - x[0]), y[0] + 0.06 * (y[1] - y[0])
    left = right - length / picture.cell_arcsec
    axes.plot([left, right], [level, level], color="white", linewidth=2)
    axes.text(0.5 * (left + right), level + 0.012 * (y[1] - y[0]), text, color="white", ha="center", va="bottom")


def _spread(pixels: np.ndarray) -> float:
    """Standard deviation of most pixels, from their median deviation."""
    good = pixels[np.isfinite(pixels)]
    return float(1.4826 * np.median(np.abs(good - np.median(good)))) or 1e-9


def _histogram(axes: Axes, shown: Mapping[str, Picture], thermal: float | None) -> None:
    widest = max(_spread(picture.pixels) for picture in shown.values())
    edges = np.linspace(-6 * widest, 6 * widest, 121)
    for (name, picture), colour in zip(shown.items(), (BLUE, ORANGE), strict=False):
        good = picture.pixels[np.isfinite(picture.pixels)]
        counts = np.histogram(good, edges)[0] / good.size / (edges[1] - edges[0])
        label = f"{name}, σ = {1e3 * _spread(good):.2f} mJy/beam"
        axes.stairs(counts / 1e3, 1e3 * edges, color=colour, label=label)
    if thermal:
        middle = 0.5 * (edges[1:] + edges[:-1])
        bell = np.exp(-0.5 * (middle / thermal) ** 2) / (thermal * np.sqrt(2 * np.pi))
        axes.plot(1e3 * middle, bell / 1e3, color="black", linestyle="--", label=f"thermal noise, {1e3 * thermal:.2f}")
    axes.set_yscale("log")
    axes.set_ylim(1e-6, 3e-3 / min(widest, thermal or widest))
    axes.set_xlabel("mJy/beam")
    axes.set_ylabel("fraction of the pixels per mJy/beam")
    axes.set_title("how the pixels are distributed")
    axes.legend(fontsize=9, loc="upper right")
