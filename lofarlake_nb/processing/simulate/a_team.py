"""The A-team: the brightest sources of the northern sky, that LOFAR sees through its far side lobes."""

import numpy as np
from astropy.coordinates import Angle

from lofarlake_nb.processing.simulate.sky import REFERENCE_HZ, Sky

# Perley and Butler (2017, ApJS 230, 7): log10 of Jy as a polynomial in log10 of GHz. Scaife and Heald have none of
# these four; the two scales agree to a few percent at 150 MHz.
SPECTRA = {
    "Cas A": (3.3584, -0.7518, -0.035, -0.071),
    "Cyg A": (3.3498, -1.0022, -0.2246, 0.0227, 0.0425),
    "Tau A": (2.9516, -0.2173, -0.0473, -0.0674),
    "Vir A": (2.4466, -0.8116, -0.0483),
}
CENTRES = {
    "Cas A": ("23h23m24.0s", "58d48m54s"),
    "Cyg A": ("19h59m28.4s", "40d44m02s"),
    "Tau A": ("05h34m31.9s", "22d00m52s"),
    "Vir A": ("12h30m49.4s", "12d23m28s"),
}
# Each as a few Gaussians of about its shape, not a measurement: share of the flux, offsets to the east and north and
# FWHM (major, minor) in arcsec, position angle in degrees. Cas A is a shell of 5', Cyg A two lobes 2' apart, Tau A an
# ellipse of 7' by 5', Vir A a core in a halo of 14'.
SHAPES: dict[str, tuple[tuple[float, float, float, float, float, float], ...]] = {
    "Cas A": (
        (0.20, 0.0, 100.0, 90.0, 90.0, 0.0),
        (0.20, 95.0, 31.0, 90.0, 90.0, 0.0),
        (0.20, 59.0, -81.0, 90.0, 90.0, 0.0),
        (0.20, -59.0, -81.0, 90.0, 90.0, 0.0),
        (0.20, -95.0, 31.0, 90.0, 90.0, 0.0),
    ),
    "Cyg A": ((0.53, -52.0, 19.0, 24.0, 15.0, 110.0), (0.47, 52.0, -19.0, 24.0, 15.0, 110.0)),
    "Tau A": ((0.70, 0.0, 0.0, 260.0, 180.0, 125.0), (0.30, -25.0, 20.0, 120.0, 90.0, 125.0)),
    "Vir A": ((0.55, 0.0, 0.0, 45.0, 20.0, 110.0), (0.45, 0.0, 0.0, 420.0, 300.0, 30.0)),
}
ARCSEC = np.deg2rad(1 / 3600)


def a_team() -> Sky:
    """Cas A, Cyg A, Tau A and Vir A.

    Returns
    -------
    Sky
        11 components of 4 sources.

    Examples
    --------
    >>> sky = a_team()
    >>> [(name, round(flux, -2)) for name, flux in zip(sky.source_names, np.bincount(sky.source, sky.flux).tolist())]
    [('Cas A', 9900.0), ('Cyg A', 10700.0), ('Tau A', 1400.0), ('Vir A', 1200.0)]
    """
    rows = [(source, *component) for source, components in SHAPES.items() for component in components]
    share, east, north, major, minor, angle = np.array([row[1:] for row in rows]).T
    sources = list(SHAPES)
    index = np.array([sources.index(row[0]) for row in rows])
    ra = np.array([Angle(CENTRES[s][0]).rad for s in sources])[index]
    dec = np.array([Angle(CENTRES[s][1]).rad for s in sources])[index]
    spectra = np.array([_around_reference(SPECTRA[s]) for s in sources])[index]
    return Sky(
        names=tuple(f"{row[0]} {k}" for k, row in enumerate(rows)),
        source=index,
        source_names=tuple(sources),
        ra=ra + east * ARCSEC / np.cos(dec),
        dec=dec + north * ARCSEC,
        flux=share * 10 ** spectra[:, 0],
        index=spectra[:, 1:],
        major=major * ARCSEC,
        minor=minor * ARCSEC,
        angle=np.deg2rad(angle),
    )


def _around_reference(terms: tuple[float, ...]) -> np.ndarray:
    """The same polynomial in log10(frequency / REFERENCE_HZ), (5,)."""
    shifted = np.polynomial.Polynomial(terms)(np.polynomial.Polynomial([np.log10(REFERENCE_HZ / 1e9), 1.0]))
    return np.pad(shifted.coef, (0, 5 - len(terms)))
