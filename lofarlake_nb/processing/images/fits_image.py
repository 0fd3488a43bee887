"""Images as FITS, with the header that CARTA, DS9 and PyBDSF read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time

from lofarlake_nb import __version__
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.restoring import Beam

# Values of a STOKES axis (FITS standard 4.0, table 29).
STOKES = {"I": 1.0, "V": 4.0}


@dataclass(frozen=True)
class Origin:
    """Where an image comes from.

    Parameters
    ----------
    target, telescope, start : str
        Name of the field, of the telescope, and UTC of the first slot (ISO 8601).
    frequency, bandwidth : float
        That fluxes are brought to, and the span of all channels, Hz.

    Examples
    --------
    >>> size = Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (np.pi, 0.8))
    >>> about = Origin("3C196", "LOFAR", "2018-09-01T10:00:00", frequency=135e6, bandwidth=2e6)
    >>> header = fits.getheader(write(Path("clean.fits"), np.zeros((64, 64)), size, about, unit="JY/PIXEL"))
    >>> header["OBJECT"], header["CRVAL3"], round(header["MJD-OBS"], 3)
    ('3C196', 135000000.0, 58362.417)
    """

    target: str
    telescope: str
    start: str
    frequency: float
    bandwidth: float


@dataclass(frozen=True)
class Products:
    """Where images are written, with what they share.

    Parameters
    ----------
    folder : Path
    geometry : Geometry
    origin : Origin
    beam : Beam
        Of those in Jy / beam.

    Examples
    --------
    >>> size, beam = Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (2.1, 0.8)), Beam(np.deg2rad(0.05), 5e-4, 0.0)
    >>> products = Products(Path("images"), size, Origin("3C196", "LOFAR", "2018-09-01T10:00:00", 135e6, 2e6), beam)
    >>> file = products.write("dirty", np.zeros((64, 64)))
    >>> file.name, round(fits.getheader(file)["BMAJ"], 3)
    ('dirty.fits', 0.05)
    """

    folder: Path
    geometry: Geometry
    origin: Origin
    beam: Beam

    def write(self, name: str, pixels: np.ndarray, *, unit: str = "JY/BEAM", stokes: str = "I") -> Path:
        """Write an image (npix, npix) float32: the file, `name` with ``.fits``."""
        beam = self.beam if unit == "JY/BEAM" else None
        path = self.folder / f"{name}.fits"
        return write(path, pixels, self.geometry, self.origin, unit=unit, beam=beam, stokes=stokes)


def origin(path: Path, layouts: Sequence[Layout], frequency: float) -> Origin:
    """Where an image comes from that is made of several Measurement Sets.

    Parameters
    ----------
    path : Path
        The first of them.
    layouts : sequence of Layout
        Of all.
    frequency : float
        Of the image, Hz.

    Examples
    --------
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> origin(path, [measurement_set.layout(path)], 135e6)
    Origin(target='3C196', telescope='LOFAR', start='2017-04-27T08:53:20.000Z',
           frequency=135000000.0, bandwidth=195312.5)
    """
    described = measurement_set.describe(path)
    low = min(layout.frequencies.min() - 0.5 * layout.channel_width for layout in layouts)
    high = max(layout.frequencies.max() + 0.5 * layout.channel_width for layout in layouts)
    return Origin(described.target, described.telescope, described.start, frequency, float(high - low))


def write(
    path: Path,
    image: np.ndarray,
    geometry: Geometry,
    origin: Origin,
    *,
    unit: str,
    beam: Beam | None = None,
    stokes: str = "I",
) -> Path:
    """Write an image.

    Parameters
    ----------
    path : Path
        Replaced when there.
    image : (npix, npix) float32
        North up, east left.
    geometry : Geometry
    origin : Origin
    unit : str
        As ``JY/BEAM``.
    beam : Beam, optional
        Its restoring beam.
    stokes : str
        ``I`` or ``V``.

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> size = Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (np.pi, 0.8))
    >>> about = Origin("3C196", "LOFAR", "2018-09-01T10:00:00", 135e6, 2e6)
    >>> file = write(Path("circular.fits"), np.zeros((64, 64)), size, about, unit="JY/BEAM", stokes="V")
    >>> header = fits.getheader(file)
    >>> header["CRVAL1"], header["CRPIX1"], round(header["CDELT1"], 3), header["CRVAL4"]
    (180.0, 33.0, -0.01, 4.0)
    """
    header = _header(geometry, origin)
    header["BUNIT"] = unit
    header["CRVAL4"] = STOKES[stokes]
    if beam is not None:
        header["BMAJ"] = (np.rad2deg(beam.major), "deg")
        header["BMIN"] = (np.rad2deg(beam.minor), "deg")
        header["BPA"] = (np.rad2deg(beam.position_angle), "deg")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, image[None, None].astype(np.float32), header, overwrite=True)
    return path


def read(path: Path) -> np.ndarray:
    """Pixels (npix, npix) float32 of an image that `write` wrote.

    Examples
    --------
    >>> size = Geometry(64, np.deg2rad(0.01), 0.0, np.inf, 0.0, (np.pi, 0.8))
    >>> about = Origin("3C196", "LOFAR", "2018-09-01T10:00:00", 135e6, 2e6)
    >>> pixels = read(write(Path("image.fits"), np.full((64, 64), 0.5), size, about, unit="JY/BEAM"))
    >>> pixels.shape, float(pixels[0, 0])
    ((64, 64), 0.5)
    """
    return fits.getdata(path)[0, 0].astype(np.float32)


def _header(geometry: Geometry, origin: Origin) -> fits.Header:
    """What holds for every image: its axes and where it comes from."""
    header = fits.Header()
    cell = np.rad2deg(geometry.cell)
    ra, dec = np.rad2deg(geometry.phase_centre)
    # The phase centre, which need not be in the image: it is where the projection touches the sky.
    x, y = (geometry.npix // 2 + 1 + sign * c / geometry.cell for sign, c in zip((1, -1), geometry.centre, strict=True))
    for axis, (kind, value, step, pixel, axis_unit) in enumerate(
        (
            ("RA---SIN", ra % 360, -cell, x, "deg"),
            ("DEC--SIN", dec, cell, y, "deg"),
            ("FREQ", origin.frequency, origin.bandwidth, 1, "Hz"),
            ("STOKES", 1.0, 1.0, 1, ""),
        ),
        1,
    ):
        header[f"CTYPE{axis}"] = kind
        header[f"CRVAL{axis}"] = value
        header[f"CDELT{axis}"] = step
        header[f"CRPIX{axis}"] = float(pixel)
        header[f"CUNIT{axis}"] = axis_unit
    header["RADESYS"] = "ICRS"
    header["SPECSYS"] = "TOPOCENT"
    header["RESTFRQ"] = origin.frequency
    header["BTYPE"] = "Intensity"
    header["OBJECT"] = _ascii(origin.target)
    header["TELESCOP"] = _ascii(origin.telescope)
    header["DATE-OBS"] = origin.start.removesuffix("Z")
    header["MJD-OBS"] = Time(origin.start.removesuffix("Z"), scale="utc").mjd
    header["TIMESYS"] = "UTC"
    header["ORIGIN"] = f"lofarlake {__version__}"
    return header


def _ascii(text: str) -> str:
    """With ? for what a FITS header can't hold."""
    return text.encode("ascii", "replace").decode()
