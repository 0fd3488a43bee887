"""The sky around 3C196 at LOFAR's HBA frequencies: 3C196 itself, its bright neighbours, and a field of sources."""

from dataclasses import dataclass

import numpy as np
from astropy.coordinates import Angle

PHASE_CENTRE = (np.deg2rad(15 * (8 + 13 / 60 + 36.0 / 3600)), np.deg2rad(48 + 13 / 60 + 3.0 / 3600))
REFERENCE_HZ = 150e6
FIELD_RADIUS_DEG = 3.0
# Sources outside the main lobe, through whose side lobes they are seen: brighter than 1 Jy, out to 8 degrees, beyond
# the first side lobe of a core field (6.6 degrees at 135 MHz).
OUTSKIRTS_DEG, OUTSKIRTS_FAINTEST_JY = 8.0, 1.0
TARGET = "3C196"
# Scaife and Heald (2012): flux density at 150 MHz in Jy, and the exponents of log10(frequency / 150 MHz).
SCAIFE_HEALD_3C196 = (83.084, (-0.699, -0.110))
# V. N. Pandey's model as LOFAR's pipelines carry it: name, RA, Dec, Jy at 150 MHz, spectral index terms, FWHM in arcsec
# (major, minor), position angle in degrees from north to east.
COMPONENTS_3C196 = (
    ("3C196_A1", "8h13m35.925s", "48d13m00.061s", 33.5514, (-0.572, -0.042), 1.476, 1.091, 135.27),
    ("3C196_A2", "8h13m35.772s", "48d13m02.507s", 12.3129, (-0.973, -0.319), 2.738, 1.754, 93.30),
    ("3C196_B1", "8h13m36.182s", "48d13m04.725s", 14.6030, (-0.557, -0.270), 1.034, 0.248, 124.03),
    ("3C196_B2", "8h13m36.389s", "48d13m02.735s", 22.6653, (-0.840, -0.288), 2.159, 1.456, 54.58),
)
# Places are the catalogues'; flux densities are round numbers of the order that 3C, 4C and 6C give, and sizes are
# typical of such sources: a simulated truth, not a measurement.
NEIGHBOURS = (
    ("4C+48.21", "8h06m47.0s", "48d41m48s", 4.0, (-0.75,), 10.0, 5.0, 40.0),
    ("3C197.1", "8h21m33.6s", "47d02m37s", 9.5, (-0.75,), 12.0, 6.0, 5.0),
    ("4C+46.17", "8h14m30.3s", "45d56m40s", 5.0, (-0.80,), 4.0, 3.0, 120.0),
    ("6C B075752.1+501806", "8h01m35.4s", "50d09m46s", 5.5, (-0.75,), 8.0, 5.0, 75.0),
)
# Counts of sources at 150 MHz: N(>S) falls as S^-0.9 up to 0.5 Jy and as S^-1.5, Euclid's slope, above; about 6.5 per
# square degree above 50 mJy. Round numbers near the counts of the 7C and LOFAR's surveys, not a fit.
FAINTEST_JY, BREAK_JY, BRIGHTEST_JY = 0.05, 0.5, 3.0
FAINT_SLOPE, BRIGHT_SLOPE = 0.9, 1.5
CLEAR_OF_BRIGHT_DEG = 0.05


@dataclass(frozen=True)
class Sky:
    """Unpolarised sources: elliptical Gaussians, points where the size is 0.

    Examples
    --------
    >>> sky = field_of_3c196(0, np.random.default_rng(1))
    >>> len(sky.names), len(sky.source_names), round(float(sky.fluxes(np.array([150e6]))[sky.source == 0].sum()), 2)
    (8, 5, 83.08)
    """

    names: tuple[str, ...]  # of the components
    source: np.ndarray  # (component,) int, index into `source_names`
    source_names: tuple[str, ...]
    ra: np.ndarray  # (component,) rad, J2000
    dec: np.ndarray  # (component,) rad
    flux: np.ndarray  # (component,) Jy at REFERENCE_HZ
    index: np.ndarray  # (component, term) exponents of log10(frequency / REFERENCE_HZ)
    major: np.ndarray  # (component,) rad, FWHM
    minor: np.ndarray  # (component,) rad, FWHM
    angle: np.ndarray  # (component,) rad, north to east

    def fluxes(self, frequencies: np.ndarray) -> np.ndarray:
        """Flux densities (component, frequency) in Jy."""
        x = np.log10(np.atleast_1d(frequencies) / REFERENCE_HZ)
        powers = np.stack([x ** (k + 1) for k in range(self.index.shape[1])])
        return self.flux[:, None] * 10 ** (self.index @ powers)

    def lmn(self, centre: tuple[float, float] = PHASE_CENTRE) -> np.ndarray:
        """Direction cosines (component, 3) from a phase centre: l to the east, m to the north, n - 1."""
        turn = self.ra - centre[0]
        east = np.cos(self.dec) * np.sin(turn)
        north = np.sin(self.dec) * np.cos(centre[1]) - np.cos(self.dec) * np.sin(centre[1]) * np.cos(turn)
        up = np.sin(self.dec) * np.sin(centre[1]) + np.cos(self.dec) * np.cos(centre[1]) * np.cos(turn)
        squared = east**2 + north**2
        # Exact near the centre too; beyond 90 degrees there is nothing to lose.
        depth = np.where(up > 0, -squared / (1 + np.abs(up)), up - 1)
        return np.stack([east, north, depth], axis=-1)

    def source_lm(self) -> np.ndarray:
        """Direction cosines (source, 2) of the sources' flux-weighted centres."""
        lmn, weight = self.lmn(), np.bincount(self.source, self.flux)
        return np.stack([np.bincount(self.source, self.flux * lmn[:, k]) / weight for k in range(2)], axis=-1)

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Flux-weighted centres of the sources, (source,) ra and dec in rad."""
        weight = np.bincount(self.source, self.flux)
        return np.bincount(self.source, self.flux * self.ra) / weight, np.bincount(
            self.source, self.flux * self.dec
        ) / weight


def together(*skies: Sky) -> Sky:
    """One sky of several.

    Parameters
    ----------
    *skies : Sky

    Returns
    -------
    Sky
        Components and sources in the order that they are given in.

    Examples
    --------
    >>> field, far = field_of_3c196(0, np.random.default_rng(1)), outskirts(2, np.random.default_rng(1))
    >>> both = together(field, far)
    >>> both.source.tolist(), both.source_names[-2:]
    ([0, 0, 0, 0, 1, 2, 3, 4, 5, 6], ('B000', 'B001'))
    """
    terms = max(sky.index.shape[1] for sky in skies)
    starts = np.cumsum([0, *(len(sky.source_names) for sky in skies[:-1])])
    joined = {
        name: np.concatenate([getattr(sky, name) for sky in skies])
        for name in ("ra", "dec", "flux", "major", "minor", "angle")
    }
    return Sky(
        names=tuple(name for sky in skies for name in sky.names),
        source=np.concatenate([sky.source + start for sky, start in zip(skies, starts, strict=True)]),
        source_names=tuple(name for sky in skies for name in sky.source_names),
        index=np.concatenate([np.pad(sky.index, ((0, 0), (0, terms - sky.index.shape[1]))) for sky in skies]),
        **joined,
    )


def outskirts(count: int, rng: np.random.Generator) -> Sky:
    """Sources outside the main lobe, between `FIELD_RADIUS_DEG` and `OUTSKIRTS_DEG` from the phase centre.

    Parameters
    ----------
    count : int
    rng : Generator

    Returns
    -------
    Sky
        Points of 1 to 3 Jy, by Euclid's slope.

    Examples
    --------
    >>> far = outskirts(50, np.random.default_rng(1))
    >>> degrees = np.rad2deg(np.arcsin(np.hypot(*far.lmn().T[:2])))
    >>> bool(degrees.min() > 3), bool(degrees.max() < 8), bool(far.flux.min() >= 1)
    (True, True, True)
    """
    none = np.zeros(0)
    ra, dec = _strewn(count, none, none, rng, (FIELD_RADIUS_DEG, OUTSKIRTS_DEG))
    least = (BRIGHTEST_JY / OUTSKIRTS_FAINTEST_JY) ** -BRIGHT_SLOPE
    flux = OUTSKIRTS_FAINTEST_JY * rng.uniform(least, 1.0, count) ** (-1 / BRIGHT_SLOPE)
    return _points("B", ra, dec, flux, rng)


def field_of_3c196(count: int, rng: np.random.Generator) -> Sky:
    """3C196, its neighbours within 2.8 degrees, and a random field.

    Parameters
    ----------
    count : int
        Sources of the random field, within 3 degrees.
    rng : Generator

    Returns
    -------
    Sky
        Sources: 3C196, the neighbours, then the random ones. 3C196's components are scaled together to the total of
        Scaife and Heald at 135 MHz (by 0.9995).

    Examples
    --------
    >>> sky = field_of_3c196(30, np.random.default_rng(1))
    >>> sky.source_names[:3], len(sky.source_names)
    (('3C196', '4C+48.21', '3C197.1'), 35)
    """
    rows = [*COMPONENTS_3C196, *NEIGHBOURS]
    flux = np.array([row[3] for row in rows])
    index = np.zeros((len(rows), 2))
    for i, row in enumerate(rows):
        index[i, : len(row[4])] = row[4]
    x = np.log10(135e6 / REFERENCE_HZ)
    inner = len(COMPONENTS_3C196)
    total, terms = SCAIFE_HEALD_3C196
    wanted = total * 10 ** (terms[0] * x + terms[1] * x**2)
    flux[:inner] *= wanted / np.sum(flux[:inner] * 10 ** (index[:inner] @ [x, x**2]))
    ra, dec = (np.array([Angle(row[k]).rad for row in rows]) for k in (1, 2))
    arcsec = np.deg2rad(1 / 3600)
    bright = Sky(
        names=tuple(row[0] for row in rows),
        source=np.concatenate([np.zeros(inner, dtype=int), np.arange(1, len(NEIGHBOURS) + 1)]),
        source_names=(TARGET, *(row[0] for row in NEIGHBOURS)),
        ra=ra,
        dec=dec,
        flux=flux,
        index=index,
        major=np.array([row[5] for row in rows]) * arcsec,
        minor=np.array([row[6] for row in rows]) * arcsec,
        angle=np.deg2rad([row[7] for row in rows]),
    )
    places = _strewn(count, ra, dec, rng, (0.0, FIELD_RADIUS_DEG))
    return together(bright, _points("F", *places, random_fluxes(count, rng), rng))


def random_fluxes(count: int, rng: np.random.Generator) -> np.ndarray:
    """Flux densities drawn from the source counts.

    Parameters
    ----------
    count : int
    rng : Generator

    Returns
    -------
    (source,) Jy at 150 MHz, 0.05 to 3

    Examples
    --------
    >>> drawn = random_fluxes(100_000, np.random.default_rng(1))
    >>> [round(float((drawn > flux).mean()), 2) for flux in (0.05, 0.1, 0.5)]
    [1.0, 0.53, 0.12]
    """
    at_break = (BREAK_JY / FAINTEST_JY) ** -FAINT_SLOPE
    least = at_break * (BRIGHTEST_JY / BREAK_JY) ** -BRIGHT_SLOPE
    beyond = rng.uniform(least, 1.0, count)  # N(>S) / N(>faintest)
    faint = FAINTEST_JY * beyond ** (-1 / FAINT_SLOPE)
    bright = BREAK_JY * (beyond / at_break) ** (-1 / BRIGHT_SLOPE)
    return np.where(beyond > at_break, faint, bright)


def _points(prefix: str, ra: np.ndarray, dec: np.ndarray, flux: np.ndarray, rng: np.random.Generator) -> Sky:
    """Points with spectra as such sources have them."""
    count = len(flux)
    names, none = tuple(f"{prefix}{i:03d}" for i in range(count)), np.zeros(count)
    index = np.zeros((count, 2))
    index[:, 0] = rng.normal(-0.75, 0.15, count)
    return Sky(names, np.arange(count), names, ra, dec, flux, index, none, none, none)


def _strewn(
    count: int, ra: np.ndarray, dec: np.ndarray, rng: np.random.Generator, reach: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Random places in a ring (degrees), clear of the bright sources: they are what the image is judged by."""
    inner, outer = (np.sin(np.deg2rad(x)) for x in reach)
    found_ra: list[float] = []
    found_dec: list[float] = []
    while len(found_ra) < count:
        radius = np.sqrt(inner**2 + (outer**2 - inner**2) * rng.random())
        turn = 2 * np.pi * rng.random()
        east, north = radius * np.cos(turn), radius * np.sin(turn)
        up = np.sqrt(1 - east**2 - north**2)
        d = np.arcsin(north * np.cos(PHASE_CENTRE[1]) + up * np.sin(PHASE_CENTRE[1]))
        r = PHASE_CENTRE[0] + np.arctan2(east, up * np.cos(PHASE_CENTRE[1]) - north * np.sin(PHASE_CENTRE[1]))
        clear = np.hypot((ra - r) * np.cos(d), dec - d).min(initial=1.0)
        if clear > np.deg2rad(CLEAR_OF_BRIGHT_DEG):
            found_ra.append(r)
            found_dec.append(d)
    return np.array(found_ra), np.array(found_dec)
