"""Size of an image: pixels, their size, the beam that is asked for, and the baselines that it can hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import astropy.units as u
import ducc0
import numpy as np

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters, place, quantity
from lofarlake_nb.parameters.processing import PIXELS_A_BEAM
from lofarlake_nb.processing.images.restoring import Beam
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# The beam may be much wider than the longest baseline's: most are short. More pixels a beam than this cost time and
# memory and show nothing (the rehearsal's image has the same noise and fluxes with 3.5 as with 4.1) ...
ENOUGH_PIXELS_A_BEAM = 3.5
# ... but where long baselines would have to go, as a snapshot's, as many as this are kept for them.
WIDE_PIXELS_A_BEAM = 5.0
# Size that `auto` stops at: two of the gridder's planes of it fit into half a gigabyte.
MOST_PIXELS = 3072
# Width of the gridder's kernel, in cells and planes, at the accuracy that images need.
KERNEL = 7
# Baselines where a taper leaves less than this of their weight are left out.
TAPERED = 0.01


@dataclass(frozen=True)
class Geometry:
    """What the image's pixels are.

    Parameters
    ----------
    npix : int
        Pixels per side, even, of small prime factors.
    cell : float
        Rad.
    taper : float
        FWHM on the sky of the Gaussian that visibilities are tapered to, rad; 0 for none.
    maximum_uv : float
        Longest baseline that is imaged, wavelengths: well within the 1 / (2 cell) at which the gridder wraps.
    minimum_uv : float
        Shortest one.
    phase_centre : tuple of float
        Right ascension and declination, rad.
    centre : tuple of float
        Direction cosines l (east) and m (north) of pixel npix / 2, from the phase centre.

    Examples
    --------
    >>> small, large = (Geometry(npix, 1e-4, 0.0, 3000.0, 0.0, (2.1, 0.8)) for npix in (64, 4096))
    >>> small.planes, large.planes  # the sky's curvature matters in the large one
    (7, 103)
    """

    npix: int
    cell: float
    taper: float
    maximum_uv: float
    minimum_uv: float
    phase_centre: tuple[float, float]
    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def planes(self) -> int:
        """About how many planes of constant w the gridder transforms, where w is half of the baseline at most."""
        l, m = (abs(c) + self.npix * self.cell / 2 for c in self.centre)  # noqa: E741
        if not np.isfinite(self.maximum_uv):
            return KERNEL
        depth = 1 - np.sqrt(max(0.0, 1 - l * l - m * m))
        return KERNEL + round(1.5 * depth * self.maximum_uv / 2)


def geometry(parameters: ImageParameters, layouts: Sequence[Layout]) -> Geometry:
    """Size of the image from what is asked for and from the data.

    Parameters
    ----------
    parameters : ImageParameters
    layouts : sequence of Layout
        Of the Measurement Sets.

    Returns
    -------
    Geometry
        Where pixels and their size are both given, the field is theirs.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layouts = [measurement_set.layout(path) for path in paths]
    >>> size = geometry(ImageParameters(field="3 deg", resolution="40 arcsec"), layouts)
    >>> size.npix, round(float(np.rad2deg(size.cell)) * 3600, 2)
    (960, 11.43)
    """
    first = layouts[0]
    baseline = np.linalg.norm(first.positions[first.antenna1] - first.positions[first.antenna2], axis=1).max()
    longest = baseline * max(layout.frequencies.max() for layout in layouts) / LIGHT_M_S
    finest = 1 / longest
    field = quantity("field", parameters.field, u.rad).value
    resolution = _given(parameters.resolution, "resolution") or finest
    if parameters.resolution == "auto":
        pixels = parameters.npix or MOST_PIXELS
        resolution = max(resolution, PIXELS_A_BEAM * field / pixels)
        if parameters.cell != "auto":
            resolution = max(resolution, PIXELS_A_BEAM * _given(parameters.cell, "cell"))
    cell = _given(parameters.cell, "cell")
    if not cell:
        cell = field / parameters.npix if parameters.npix else resolution / PIXELS_A_BEAM
    taper = resolution if resolution > 1.05 * finest else 0.0
    # The uv distance at which a Gaussian taper has fallen to TAPERED.
    reach = np.sqrt(-np.log(TAPERED) * 4 * np.log(2)) / (np.pi * taper) if taper else np.inf
    return Geometry(
        npix=_good_size(parameters.npix or max(64, round(field / cell))),
        cell=cell,
        taper=taper,
        maximum_uv=float(min(reach, 0.49 / cell, parameters.maximum_uv or np.inf)),
        minimum_uv=parameters.minimum_uv,
        phase_centre=first.phase_centre,
    )


def cutout(parameters: ImageParameters, layouts: Sequence[Layout]) -> Geometry:
    """A small image at the finest resolution of the data, around a place of its own.

    Parameters
    ----------
    parameters : ImageParameters
        With its `cutout` and `cutout_centre`.
    layouts : sequence of Layout

    Returns
    -------
    Geometry

    Raises
    ------
    UsageError
        When the centre lies more than 90 degrees away.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> asked = ImageParameters(cutout="0.1 deg", cutout_centre="08h13m36s +49d13m03s")  # one degree north
    >>> round(cutout(asked, [measurement_set.layout(path) for path in paths]).centre[1], 4)
    0.0175
    """
    centre = (0.0, 0.0)
    if parameters.cutout_centre:
        ra0, dec0 = layouts[0].phase_centre
        wanted = place("cutout_centre", parameters.cutout_centre).icrs
        ra, dec = wanted.ra.rad - ra0, wanted.dec.rad
        if np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra) <= 0:
            raise UsageError(f"cutout_centre: {parameters.cutout_centre} is not in the sky of this observation")
        centre = (
            float(np.cos(dec) * np.sin(ra)),
            float(np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra)),
        )
    fine = replace(parameters, field=parameters.cutout, resolution="auto", cell="auto", npix=0)
    finest = geometry(replace(fine, field="0.001 deg"), layouts).cell
    width = quantity("cutout", parameters.cutout, u.rad).value
    npix = _good_size(max(64, round(width / finest)))
    return replace(geometry(replace(fine, cell=f"{float(finest)!r} rad"), layouts), npix=npix, centre=centre)


def matched(geometry: Geometry, beam: Beam) -> Geometry:
    """Geometry with coarser pixels where the beam that the data give is much wider than the one hoped for.

    Parameters
    ----------
    geometry : Geometry
        From `geometry`, of parameters that leave pixels and resolution open.
    beam : Beam
        Of the data, with that geometry.

    Returns
    -------
    Geometry
        The same one where nothing has to change.

    Examples
    --------
    >>> fine = Geometry(1024, 1e-5, 0.0, 40_000.0, 0.0, (2.1, 0.8))
    >>> wider = matched(fine, Beam(2e-4, 1e-4, 0.0))
    >>> wider.npix, wider.cell, round(wider.maximum_uv)
    (512, 2e-05, 24500)
    >>> matched(replace(fine, maximum_uv=15_000.0), Beam(2e-4, 1e-4, 0.0)).npix  # no baseline is lost
    360
    """
    # Pixels that hold all baselines, or five a beam.
    cell = max(beam.minor / WIDE_PIXELS_A_BEAM, min(beam.minor / ENOUGH_PIXELS_A_BEAM, 0.49 / geometry.maximum_uv))
    if cell < 1.1 * geometry.cell:  # not worth reading everything again
        return geometry
    npix = _good_size(max(64, round(geometry.npix * geometry.cell / cell)))
    return replace(geometry, npix=npix, cell=cell, maximum_uv=min(geometry.maximum_uv, 0.49 / cell))


def _given(value: str, name: str) -> float:
    """Rad, 0 for ``auto``."""
    return 0.0 if value == "auto" else float(quantity(name, value, u.rad).value)


def _good_size(npix: int) -> int:
    """Next even number of small prime factors."""
    return 2 * int(ducc0.fft.good_size(-(-npix // 2)))
