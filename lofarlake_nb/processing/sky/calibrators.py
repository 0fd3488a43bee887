"""The six LOFAR calibrators on the flux scale of Scaife & Heald (2012, MNRAS 423, L30).

The flux density is ``A0 10^(sum An log10(nu / 150 MHz)^n)``. Where a source is resolved on Dutch baselines it has its
components: 3C196 as in V. N. Pandey's LOFAR model, scaled by one factor to Scaife & Heald's total at 150 MHz (at
135 MHz the totals then agree to 1e-4), 3C295 as two equal points, its lobes. The positions of the others are those of
the ICRF and VLA calibrator lists, J2000.
"""

from dataclasses import dataclass

REFERENCE_HZ = 150e6


@dataclass(frozen=True)
class Component:
    """A point, or a Gaussian, of a source.

    Parameters
    ----------
    ra, dec : str
        J2000, as ``08:13:35.925`` and ``+48:13:00.061``.
    flux : float
        Jy at 150 MHz.
    index : tuple of float
        Coefficients of the logarithmic polynomial.
    major, minor : float
        FWHM, arcsec.
    position_angle : float
        Degrees, north to east.

    Examples
    --------
    >>> [(one.flux, one.major) for one in CALIBRATORS["3C295"]]  # two lobes, points both
    [(48.8815, 0.0), (48.8815, 0.0)]
    """

    ra: str
    dec: str
    flux: float
    index: tuple[float, ...]
    major: float = 0.0
    minor: float = 0.0
    position_angle: float = 0.0


# Total of 3C196 at 150 MHz: Scaife & Heald's over that of the four components as published.
SCALE_3C196 = 83.084 / (33.5514 + 12.3129 + 14.6030 + 22.6653)
INDEX_3C295 = (-0.582, -0.298, 0.583, -0.363)

CALIBRATORS: dict[str, tuple[Component, ...]] = {
    "3C48": (Component("01:37:41.2994", "+33:09:35.133", 64.768, (-0.387, -0.420, 0.181)),),
    "3C147": (Component("05:42:36.1379", "+49:51:07.234", 66.738, (-0.022, -1.012, 0.549)),),
    "3C196": (
        Component("08:13:35.925", "+48:13:00.061", 33.5514 * SCALE_3C196, (-0.572, -0.042), 1.476, 1.091, 135.27),
        Component("08:13:35.772", "+48:13:02.507", 12.3129 * SCALE_3C196, (-0.973, -0.319), 2.738, 1.754, 93.30),
        Component("08:13:36.182", "+48:13:04.725", 14.6030 * SCALE_3C196, (-0.557, -0.270), 1.034, 0.248, 124.03),
        Component("08:13:36.389", "+48:13:02.735", 22.6653 * SCALE_3C196, (-0.840, -0.288), 1.456, 2.159, 324.58),
    ),
    "3C286": (Component("13:31:08.2880", "+30:30:32.959", 27.477, (-0.158, 0.032, -0.180)),),
    "3C295": (
        Component("14:11:20.49", "+52:12:10.70", 0.5 * 97.763, INDEX_3C295),
        Component("14:11:20.79", "+52:12:07.90", 0.5 * 97.763, INDEX_3C295),
    ),
    "3C380": (Component("18:29:31.7809", "+48:44:46.161", 77.352, (-0.767,)),),
}
