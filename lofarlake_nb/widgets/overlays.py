"""What is drawn on an image of the sky: DS9's region files, and catalogues of sources. All of it is read offline."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table
from astropy.visualization.wcsaxes import WCSAxes

from lofarlake_nb.errors import UsageError

_COLOUR = "#56B4E9"  # Okabe and Ito's sky blue: seen on dark and bright, and by colour-blind people
_RA = ("ra_deg", "ra", "raj2000", "_raj2000", "ra_icrs", "right_ascension")
_DEC = ("dec_deg", "dec", "dej2000", "_dej2000", "decj2000", "de_icrs", "dec_icrs", "declination")
_NAME = ("name", "source_name", "source", "id", "source_id")
_LARGEST = 10_000_000  # bytes of a region file
_MOST, _NAMED = 5000, 100  # sources that are drawn, and that are few enough to have their names beside them


@dataclass(frozen=True)
class Source:
    """A source of a catalogue: its name (or nothing) and where it is.

    Examples
    --------
    >>> catalogue("sources.csv")[1]
    Source(name='3C295', ra_deg=212.8, dec_deg=52.2)
    """

    name: str
    ra_deg: float
    dec_deg: float


def regions(path: str | Path) -> list[Any]:
    """Regions of a DS9 region file.

    Parameters
    ----------
    path : str or Path
        The file (``.reg``): circles, ellipses, boxes, polygons, lines, points, texts, on the sky or in pixels.

    Returns
    -------
    list of regions.Region

    Raises
    ------
    UsageError
        When it can't be read, or holds none.

    Examples
    --------
    >>> len(regions("bright.reg"))
    1
    """
    from regions import Regions

    path = Path(os.path.expanduser(path))
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: {path.stat().st_size} bytes are too many for a region file")
        found = list(Regions.read(str(path), format="ds9"))
    except UsageError:
        raise
    except Exception as error:  # whatever the parser stumbles over
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} is no region file: {said}", "save one in DS9's own format") from error
    if not found:
        raise UsageError(f"{path} holds no region", "save one in DS9's own format")
    return found


def draw_regions(axes: WCSAxes, found: Sequence[Any]) -> list[Any]:
    """Draw regions on sky axes, in DS9's colours, those that the image's projection has a place for; what was drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lofarlake_nb.widgets import fits_image
    >>> axes = Figure().add_subplot(projection=fits_image.read(Path("image.fits")).wcs)
    >>> [type(artist).__name__ for artist in draw_regions(axes, regions("bright.reg"))]
    ['Circle', 'Text']
    """
    drawn = []
    for region in found:
        try:
            with np.errstate(invalid="ignore"):
                on_pixels = region.to_pixel(axes.wcs) if hasattr(region, "to_pixel") else region
                box = on_pixels.bounding_box
        except ValueError:  # no numbers: it lies on the sky's other side
            continue
        artist = on_pixels.as_artist()
        axes.add_artist(artist)
        drawn.append(artist)
        if label := region.meta.get("text"):
            drawn.append(axes.text(box.ixmax, box.iymax, str(label), color=_COLOUR, fontsize=9, clip_on=True))
    return drawn


def catalogue(path: str | Path) -> list[Source]:
    """Sources of a catalogue.

    Parameters
    ----------
    path : str or Path
        A ``summary.json`` of stage 2, or a table that astropy reads (VOTable, FITS, CSV, ECSV) with columns for right
        ascension and declination in degrees.

    Returns
    -------
    list of Source
        Those that have a place.

    Raises
    ------
    UsageError
        When it can't be read, or has no such columns.

    Examples
    --------
    >>> catalogue("sources.csv")[0].name
    '3C196'
    """
    path = Path(os.path.expanduser(path))
    try:
        if path.suffix == ".json":
            told = json.loads(path.read_text())["sources"]
            return [Source(str(s.get("name", "")), float(s["ra_deg"]), float(s["dec_deg"])) for s in told]
        table = Table.read(path)
    except Exception as error:  # astropy's readers raise whatever they stumble over
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} is no catalogue: {said}", "give a VOTable, FITS, CSV or ECSV table") from error
    names = {name.lower(): name for name in table.colnames}
    ra, dec, name = (next((names[n] for n in some if n in names), None) for some in (_RA, _DEC, _NAME))
    if ra is None or dec is None:
        raise UsageError(
            f"{path}: no columns for right ascension and declination among {', '.join(table.colnames)}",
            f"call them {_RA[1]} and {_DEC[1]}",
        )
    labels = table[name] if name else [""] * len(table)
    try:
        places = [_degrees(table[column]) for column in (ra, dec)]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: {ra} and {dec} are no degrees ({error})", "give numbers, in degrees") from error
    rows = zip(labels, *places, strict=True)
    return [Source(str(label), float(x), float(y)) for label, x, y in rows if np.isfinite(x) and np.isfinite(y)]


def _degrees(column: Column) -> np.ndarray:
    """Angles (row,); NaN where a row has none."""
    return u.Quantity(np.ma.filled(np.ma.asarray(column).astype(float), np.nan), column.unit or u.deg).to_value(u.deg)


def draw_catalogue(axes: WCSAxes, sources: Sequence[Source]) -> list[Any]:
    """Draw sources on sky axes, those that are in the picture; what was drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lofarlake_nb.widgets import image
    >>> axes = image.draw(Figure(), image.read(Path("image.fits"))).axes
    >>> marks, name = draw_catalogue(axes, catalogue("sources.csv"))  # 3C295 is outside
    >>> name.get_text(), marks.get_xdata().round(3).tolist()
    ('3C196', [64.0])
    """
    if not sources:
        return []
    sky = SkyCoord([s.ra_deg for s in sources] * u.deg, [s.dec_deg for s in sources] * u.deg)
    x, y = axes.wcs.world_to_pixel(sky)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    inside = np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))[:_MOST]
    drawn: list[Any] = axes.plot(x[inside], y[inside], "o", ms=10, mfc="none", mec=_COLOUR, mew=1.2)
    for n in inside if len(inside) <= _NAMED else ():
        if name := sources[n].name:
            at = (x[n], y[n])
            note = axes.annotate(name, at, (6, 6), textcoords="offset points", color=_COLOUR, fontsize=9)
            note.set_clip_on(True)
            drawn.append(note)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    return drawn
