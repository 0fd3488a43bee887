"""Pictures of a run, as PNG files that a notebook shows too."""

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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.quality.sources import Picture, read_picture

ZOOM_BEAMS = 12.0  # half the width of the enlarged centre, in beams: the source and its first sidelobes
SCREEN = 1000  # pixels per side that the whole field is drawn with


def field(image: Path, output: Path, *, summary: Mapping[str, Any], title: str = "") -> Image:
    """Picture of the whole field, and of its centre enlarged.

    Parameters
    ----------
    image : Path
        FITS image.
    output : Path
        PNG file to write.
    summary : mapping
        Of the run: its noise sets the colour scale, linear up to a few times of it and logarithmic above; its sources
        are marked.
    title : str
        Above the picture.

    Returns
    -------
    Image
        The picture, for a notebook to show.
    """
    picture, rms = read_picture(image), summary["image"]["rms_jy_per_beam"]
    figure = Figure(figsize=(19, 8.6), layout="constrained")
    whole = _panel(figure, 1, picture, rms, brightest=100 * rms, pool=_pool(picture))
    for source in summary["sources"]:
        _mark(whole, picture, source)
    whole.set_title(title or str(picture.header.get("OBJECT", "")))
    centre = _panel(figure, 2, picture, rms, brightest=float(picture.pixels.max()))
    middle = np.array(picture.pixels.shape[::-1]) / 2
    half = ZOOM_BEAMS * picture.beam_major_arcsec / picture.cell_arcsec
    centre.set_xlim(middle[0] - half, middle[0] + half)
    centre.set_ylim(middle[1] - half, middle[1] + half)
    centre.set_title("centre, with the beam")
    _add_beam(centre, picture, middle - 0.85 * half)
    return _saved(figure, output)


def _pool(picture: Picture) -> int:
    """Pixels per side that one pixel of the screen stands for."""
    return max(1, round(max(picture.pixels.shape) / SCREEN))


def _panel(figure: Figure, index: int, picture: Picture, rms: float, *, brightest: float, pool: int = 1) -> WCSAxes:
    axes = figure.add_subplot(1, 2, index, projection=picture.wcs)
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
    axes.set_xlabel("right ascension (ICRS)")
    axes.set_ylabel("declination (ICRS)")
    axes.coords.grid(color="white", alpha=0.15)
    figure.colorbar(drawn, ax=axes, label="Jy/beam", shrink=0.8)
    return axes


def _mark(axes: Axes, picture: Picture, source: Mapping[str, Any]) -> None:
    x, y = picture.wcs.world_to_pixel(SkyCoord(source["ra_deg"] * u.deg, source["dec_deg"] * u.deg))
    size = 12 * picture.beam_major_arcsec / picture.cell_arcsec
    axes.add_patch(Ellipse((float(x), float(y)), size, size, fill=False, edgecolor="cyan", linewidth=0.8))
    axes.annotate(source["name"], (float(x), float(y) + 0.6 * size), color="cyan", ha="center", va="bottom", fontsize=9)


def _add_beam(axes: Axes, picture: Picture, corner: np.ndarray) -> None:
    axes.add_patch(
        Ellipse(
            (float(corner[0]), float(corner[1])),
            picture.beam_minor_arcsec / picture.cell_arcsec,
            picture.beam_major_arcsec / picture.cell_arcsec,
            angle=picture.beam_angle_deg,  # from north through east, which is to the left
            facecolor="none",
            edgecolor="white",
        )
    )


def flagged(found: Flagged, output: Path) -> Image:
    """What was flagged, a bar for each station.

    Parameters
    ----------
    found : Flagged
        What flagging found.
    output : Path
        PNG file to write.

    Returns
    -------
    Image
        The picture, for a notebook to show; bad stations are in another colour, and hatched.
    """
    fractions, bad = found.station_fractions, {station.name for station in found.bad_stations}
    figure = Figure(figsize=(15, 3.6), layout="constrained")
    axes = figure.add_subplot()
    names = list(fractions)
    bars = axes.bar(range(len(names)), [100 * fractions[n] for n in names], color="#0072b2")
    for name, bar in zip(names, bars, strict=True):
        if name in bad:
            bar.set(color="#d55e00", hatch="//")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_xlim(-1, len(names))
    axes.set_ylabel("flagged (%)")
    axes.set_title("flagged samples per station" + (" (hatched: bad)" if bad else ""))
    return _saved(figure, output)


def gains(calibrated: Calibrated, output: Path) -> Image:
    """Gain amplitudes and phases of every station over time, of the first Measurement Set's middle channel, XX.

    Parameters
    ----------
    calibrated : Calibrated
        With solutions.
    output : Path
        PNG file to write.

    Returns
    -------
    Image
        The picture, for a notebook to show.
    """
    stations = measurement_set.layout(calibrated.measurement_sets[0]).stations
    solved = solutions.read(calibrated.solution_files[0]).values
    values = solved[:, solved.shape[1] // 2, :, 0]
    figure = Figure(figsize=(15, 0.16 * len(stations) + 2), layout="constrained")
    amplitude = np.abs(values.T)
    usual = np.nanmedian(amplitude) if np.isfinite(amplitude).any() else 1.0
    phase_label = f"phase (deg) against {calibrated.reference_station}"
    panels = (
        (amplitude / usual, "amplitude / median", "viridis", (0.0, 2.0)),
        (np.degrees(np.angle(values.T)), phase_label, "twilight", (-180, 180)),
    )
    for index, (shown, label, colours, (low, high)) in enumerate(panels):
        axes = figure.add_subplot(1, 2, index + 1)
        drawn = axes.imshow(shown, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
        axes.set_yticks(range(len(stations)), stations, fontsize=6)
        axes.set_xlabel("solution interval")
        figure.colorbar(drawn, ax=axes, label=label)
    return _saved(figure, output)


def _saved(figure: Figure, output: Path) -> Image:
    output.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(output), metadata={"Software": None})
    return Image(filename=str(output))
