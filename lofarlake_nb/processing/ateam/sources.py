"""Cas A, Cyg A, Tau A and Vir A: where they are, how bright, and roughly how large.

Spectra are those of Perley and Butler (2017). Cas A's is of 2016, extrapolated from 200 MHz downwards; it fades
by about half a percent a year. The shapes are a few Gaussians each, good to some 20 % on the baselines of up to a
kilometre or so on which these sources are not resolved: enough to tell where they hurt, not to subtract them.
"""

from dataclasses import dataclass

import numpy as np

ARCSEC = np.pi / (180 * 3600)


@dataclass(frozen=True)
class Part:
    """A Gaussian part of a source.

    Examples
    --------
    >>> pair = Bright("pair", 0.0, 0.0, (1.0,), (Part(0.5, -50, 0, 1, 1, 0), Part(0.5, 50, 0, 1, 1, 0)))
    >>> fringe = 1 / (100 * ARCSEC)  # wavelengths at which a turn is as wide as the pair
    >>> pair.visibility(np.array([0.0, 0.5, 1.0]) * fringe, np.zeros(3)).round(2).tolist()
    [1.0, 0.0, 1.0]
    """

    fraction: float  # of the flux
    east: float  # arcsec from the source's position
    north: float
    major: float  # FWHM, arcsec
    minor: float
    angle: float  # position angle of the major axis, deg


@dataclass(frozen=True)
class Bright:
    """A source of the A-team.

    Examples
    --------
    >>> [(bright.name, round(bright.flux(150e6), -2)) for bright in ATEAM]
    [('Cas A', 9900.0), ('Cyg A', 10700.0), ('Tau A', 1400.0), ('Vir A', 1200.0)]
    """

    name: str
    ra_deg: float  # J2000
    dec_deg: float
    spectrum: tuple[float, ...]  # log10 S/Jy in powers of log10 frequency/GHz
    parts: tuple[Part, ...]

    @property
    def direction(self) -> tuple[float, float]:
        """Right ascension and declination, rad."""
        return float(np.deg2rad(self.ra_deg)), float(np.deg2rad(self.dec_deg))

    def flux(self, frequency: float) -> float:
        """Flux density in Jy at a frequency in Hz."""
        return float(10 ** np.polynomial.polynomial.polyval(np.log10(frequency / 1e9), self.spectrum))

    def visibility(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Size of the visibility relative to the flux, for u and v in wavelengths towards the source."""
        total = np.zeros(np.shape(u), dtype=np.complex128)
        for part in self.parts:
            sine, cosine = np.sin(np.deg2rad(part.angle)), np.cos(np.deg2rad(part.angle))
            along, across = u * sine + v * cosine, u * cosine - v * sine
            spread = (along * part.major) ** 2 + (across * part.minor) ** 2
            fall = np.exp(-(np.pi**2) * ARCSEC**2 * spread / (4 * np.log(2)))
            total += part.fraction * fall * np.exp(-2j * np.pi * ARCSEC * (u * part.east + v * part.north))
        return np.abs(total)


ATEAM = (
    Bright("Cas A", 350.8500, 58.8150, (3.3584, -0.7518, -0.0347, -0.0705), (Part(1.0, 0, 0, 210, 210, 0),)),
    Bright(
        "Cyg A",
        299.86815,
        40.73392,
        (3.3498, -1.0022, -0.2246, 0.0227, 0.0425),
        (Part(0.5, -48, 19, 30, 18, 109), Part(0.5, 48, -15, 30, 18, 109)),
    ),
    Bright("Tau A", 83.63320, 22.01440, (2.9516, -0.2173, -0.0473, -0.0674), (Part(1.0, 0, 0, 270, 180, 125),)),
    Bright(
        "Vir A",
        187.70593,
        12.39112,
        (2.4466, -0.8116, -0.0483),
        (Part(0.55, 0, 0, 45, 25, 110), Part(0.45, 0, 0, 480, 360, 0)),
    ),
)
