"""A catalogue that somebody gives to compare with: a FITS or CSV table, checked before it is believed."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Table
from astropy.units import UnitsWarning

from lofarlake_nb.errors import UsageError

# Names of columns in the catalogues of the field, without case: PyBDSF, TGSS, LoTSS, NVSS, VizieR, sky models, ours.
RA = ("ra", "raj2000", "_raj2000", "ra_deg", "ra_j2000")
DEC = ("dec", "dej2000", "_dej2000", "dec_deg", "decj2000", "dec_j2000")
FLUX = ("total_flux", "flux_jy", "stotal", "s_total", "sint", "int_flux", "flux", "i", "total_flux_mjy", "flux_mjy")
NAME = ("source_name", "name", "source_id", "id")
FREQUENCY = ("referencefrequency", "reference_frequency", "freq", "frequency", "restfrq")

LARGEST_BYTES = 500_000_000
MOST_ROWS = 3_000_000


@dataclass(frozen=True)
class Catalogue:
    """Sources whose positions and fluxes are known.

    Parameters
    ----------
    label : str
        What it is called in tables and figures.
    names : tuple of str
    ra_deg, dec_deg : (source,)
        ICRS.
    flux_jy : (source,)
        Integrated.
    frequency_hz : float or None
        That the fluxes hold for; None where the catalogue does not say, and the image's is taken.
    left_out : int
        Rows without a position or a flux.

    Examples
    --------
    >>> found = read(Path("sources.csv"))
    >>> found.label, found.flux_jy.tolist(), found.left_out
    ('sources', [83.1, 91.0], 0)
    """

    label: str
    names: tuple[str, ...]
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    flux_jy: np.ndarray
    frequency_hz: float | None = None
    left_out: int = 0


def read(path: Path) -> Catalogue:
    """Read a catalogue.

    Parameters
    ----------
    path : Path
        FITS or CSV table with columns for right ascension, declination and flux; their usual names are known. Units
        are those that the table says, else degrees (or sexagesimal text) and Jy; a name that ends with ``_mjy`` is in
        mJy.

    Returns
    -------
    Catalogue

    Raises
    ------
    UsageError
        When it is no such table, a column is missing, or no row can be used.

    Examples
    --------
    >>> read(Path("sources.csv")).names
    ('3C196', '3C295')
    """
    table = _table(Path(path))
    ra, dec = _angle(table, RA, path, hours=True), _angle(table, DEC, path, hours=False)
    flux = _flux(table, path)
    good = (
        np.isfinite(ra) & np.isfinite(dec) & np.isfinite(flux) & (flux > 0) & (np.abs(dec) <= 90) & (np.abs(ra) <= 360)
    )
    if not good.any():
        raise UsageError(
            f"{path}: none of {len(good)} rows has a position and a flux above 0", "give another catalogue"
        )
    name = _column(table, NAME)
    names = [str(v)[:64] for v in table[name]] if name else [str(i + 1) for i in range(len(table))]
    kept = tuple(n for n, ok in zip(names, good, strict=True) if ok)
    return Catalogue(
        Path(path).stem, kept, ra[good] % 360, dec[good], flux[good], _frequency(table), int((~good).sum())
    )


def _table(path: Path) -> Table:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError(f"{path} is no file", "give a FITS or CSV table")
        if size > LARGEST_BYTES:
            raise UsageError(f"{path}: {size / 1e6:.0f} MB, at most {LARGEST_BYTES / 1e6:.0f}", "cut out the field")
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitsWarning)
            warnings.simplefilter("ignore", VerifyWarning)
            is_fits = file.read(9) == b"SIMPLE  ="
            file.seek(0)
            table = Table.read(file, format="fits") if is_fits else _text(path)
    except UsageError:
        raise
    except Exception as error:  # whatever a reader makes of a broken or hostile file
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{path}: no catalogue that can be read ({said})", "give a FITS or CSV table") from error
    if not 0 < len(table) <= MOST_ROWS:
        raise UsageError(f"{path}: {len(table)} rows, expected 1 to {MOST_ROWS}", "give another catalogue")
    return table


def _text(path: Path) -> Table:
    """A CSV table; the line with the names may be a comment, as PyBDSF writes it."""
    lines = path.read_text(encoding="utf-8-sig", errors="strict").splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if start and lines[start:] and not re.search(r"[a-z_]{2,}", lines[start], re.IGNORECASE):
        named = next((i for i in range(start - 1, -1, -1) if "," in lines[i]), start)
        lines, start = [lines[named].lstrip("# "), *lines[start:]], 0
    return Table.read(lines[start:], format="ascii.csv", guess=False)


def _column(table: Table, known: tuple[str, ...]) -> str | None:
    have = {name.strip().lower(): name for name in table.colnames}
    return next((have[name] for name in known if name in have), None)


def _needed(table: Table, known: tuple[str, ...], path: Path) -> str:
    name = _column(table, known)
    if name is None or table[name].ndim != 1:
        raise UsageError(
            f"{path}: no column {known[0]}, it has {', '.join(table.colnames[:20])}",
            f"call it one of {', '.join(known)}",
        )
    return name


def _angle(table: Table, known: tuple[str, ...], path: Path, *, hours: bool) -> np.ndarray:
    name = _needed(table, known, path)
    column = table[name]
    if column.dtype.kind in "US":
        there = ~np.ma.getmaskarray(np.ma.asarray(column))
        angles = np.full(len(column), np.nan)
        try:
            angles[there] = Angle([str(v) for v in column[there]], unit=u.hourangle if hours else u.deg).deg
            return angles
        except (ValueError, TypeError, u.UnitsError) as error:
            raise UsageError(
                f"{path}: column {name} holds no angles ({error})", "write degrees, or 08:13:36"
            ) from error
    if column.dtype.kind not in "fiu":
        raise UsageError(f"{path}: column {name} holds no angles", "write degrees, or 08:13:36")
    unit = column.unit if column.unit is not None and column.unit.is_equivalent(u.deg) else u.deg
    return _numbers(column) * unit.to(u.deg)


def _flux(table: Table, path: Path) -> np.ndarray:
    name = _needed(table, FLUX, path)
    column = table[name]
    if column.dtype.kind not in "fiu":
        raise UsageError(f"{path}: column {name} holds no numbers", "give fluxes in Jy")
    known = column.unit is not None and column.unit.is_equivalent(u.Jy)
    factor = column.unit.to(u.Jy) if known else 1e-3 if name.lower().endswith("_mjy") else 1.0
    return _numbers(column) * factor


def _numbers(column: object) -> np.ndarray:
    """Float values of a column, NaN where it is masked."""
    values = np.ma.asarray(getattr(column, "value", column)).astype(np.float64)
    return np.asarray(np.ma.filled(values, np.nan))


def _frequency(table: Table) -> float | None:
    """Frequency in Hz that a table says in its head, or the same in every row."""
    said = {str(k).lower(): v for k, v in table.meta.items()}
    values = [said[name] for name in FREQUENCY if name in said]
    column = _column(table, FREQUENCY)
    if column and table[column].dtype.kind in "fiu":
        unit = table[column].unit
        factor = unit.to(u.Hz) if unit is not None and unit.is_equivalent(u.Hz) else 1.0
        known = _numbers(table[column])
        known = known[np.isfinite(known)]
        values += [float(np.median(known)) * factor] if known.size else []
    for value in values:
        try:
            found = float(value)
        except (TypeError, ValueError):
            continue
        if 1e6 < found < 1e12:
            return found
    return None
