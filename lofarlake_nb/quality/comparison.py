"""Fluxes and positions of found sources against those that are known."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.stats import sigma_clip

from lofarlake_nb.quality.catalogue import Catalogue
from lofarlake_nb.quality.finding import SourceList

# Usual spectral index of a source, to bring a catalogue to the frequency of the image.
SPECTRAL_INDEX = -0.7
# Weaker sources are found where noise lifts them: their ratios are biased high.
SIGNIFICANT = 10.0
# A known source with another of a tenth of its flux so near, in beams, has no flux of its own in the image.
CROWDED_BEAMS = 2.0
CROWDED_FLUX = 0.1
FEWEST = 3  # sources that a scatter is given for


@dataclass(frozen=True)
class Comparison:
    """Found sources beside known ones; each array is (match,), strongest known first.

    Parameters
    ----------
    label : str
        What is compared with.
    names : tuple of str
    flux_jy, flux_error_jy, known_flux_jy : array
        Integrated; the known one at the frequency of the image.
    ra_deg, dec_deg : array
        Of the known source.
    ra_offset_deg, dec_offset_deg : array
        Found minus known, on the sky (right ascension times cos declination).
    peak_to_noise : array
        Peak over local noise.
    radius_arcsec : float
        Farthest that a match may be.

    Examples
    --------
    >>> found = SourceList(*np.array([[123.401], [48.2], [80.0], [1.0], [70.0], [0.1], [0.0], [0.0]]))
    >>> known = Catalogue("3C", ("3C196",), np.array([123.4]), np.array([48.2]), np.array([83.1]))
    >>> compared = compare(found, known, beam_arcsec=40.0, frequency_hz=135e6)
    >>> compared.significant.tolist(), compared.statistics()["meanRatio"]  # one source is too few for a mean
    ([True], None)
    """

    label: str
    names: tuple[str, ...]
    flux_jy: np.ndarray
    flux_error_jy: np.ndarray
    known_flux_jy: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    ra_offset_deg: np.ndarray
    dec_offset_deg: np.ndarray
    peak_to_noise: np.ndarray
    radius_arcsec: float

    @property
    def significant(self) -> np.ndarray:
        """(match,) bool: those that the statistics are made of."""
        return self.peak_to_noise >= SIGNIFICANT

    def statistics(self) -> dict[str, Any]:
        """Ratios (found over known) and offsets, under the names that LSMTool and Rapthor use; null where too few."""
        used = self.significant
        series = {
            "{}Ratio": self.flux_jy[used] / self.known_flux_jy[used],
            "{}RAOffsetDeg": self.ra_offset_deg[used],
            "{}DecOffsetDeg": self.dec_offset_deg[used],
        }
        found: dict[str, Any] = {"comparison": self.label, "nmatched": len(self.names), "ncompared": int(used.sum())}
        for name, values in series.items():
            clipped = np.ma.compressed(sigma_clip(values, sigma=3.0)) if values.size else values
            for what, chosen in (("", values), ("Clipped", clipped)):
                enough = chosen.size >= FEWEST
                found[name.format(f"mean{what}")] = float(np.mean(chosen)) if enough else None
                found[name.format(f"std{what}")] = float(np.std(chosen)) if enough else None
        return found


def compare(found: SourceList, known: Catalogue, *, beam_arcsec: float, frequency_hz: float) -> Comparison:
    """Match found sources with known ones.

    Each known source that stands alone takes the nearest found one within half a beam, where that one has no nearer
    known source.

    Parameters
    ----------
    found : SourceList
    known : Catalogue
        Fluxes as the image shows them.
    beam_arcsec : float
        Major axis of the beam, FWHM.
    frequency_hz : float
        Of the image.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> found = SourceList(*np.array([[123.401], [48.2], [80.0], [1.0], [70.0], [0.1], [0.0], [0.0]]))
    >>> known = Catalogue("3C", ("3C196",), np.array([123.4]), np.array([48.2]), np.array([83.1]))
    >>> compared = compare(found, known, beam_arcsec=40.0, frequency_hz=135e6)
    >>> compared.names, (3600 * compared.ra_offset_deg).round(2).tolist()
    (('3C196',), [2.4])
    """
    radius = max(0.5 * beam_arcsec, 5.0)
    places, wanted = _sky(found.ra_deg, found.dec_deg), _sky(known.ra_deg, known.dec_deg)
    rows, its = _matched(places, wanted, radius)
    alone = ~_crowded(wanted, known.flux_jy, CROWDED_BEAMS * beam_arcsec)[rows]
    rows, its = rows[alone], its[alone]
    order = np.argsort(-known.flux_jy[rows], kind="stable")
    rows, its = rows[order], its[order]
    scale = (frequency_hz / known.frequency_hz) ** SPECTRAL_INDEX if known.frequency_hz else 1.0
    east = (found.ra_deg[its] - known.ra_deg[rows] + 180) % 360 - 180
    return Comparison(
        label=known.label,
        names=tuple(known.names[i] for i in rows),
        flux_jy=found.flux_jy[its],
        flux_error_jy=found.flux_error_jy[its],
        known_flux_jy=known.flux_jy[rows] * scale,
        ra_deg=known.ra_deg[rows],
        dec_deg=known.dec_deg[rows],
        ra_offset_deg=east * np.cos(np.deg2rad(known.dec_deg[rows])),
        dec_offset_deg=found.dec_deg[its] - known.dec_deg[rows],
        peak_to_noise=found.peak_jy_per_beam[its] / found.rms_jy_per_beam[its],
        radius_arcsec=radius,
    )


def _sky(ra_deg: np.ndarray, dec_deg: np.ndarray) -> SkyCoord:
    return SkyCoord(ra_deg * u.deg, dec_deg * u.deg)


def _matched(places: SkyCoord, wanted: SkyCoord, radius_arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """(match,) indices of known sources, and of the found ones: each the other's nearest, within a radius."""
    if not len(places) or not len(wanted):
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    nearest, away, _ = wanted.match_to_catalog_sky(places)
    back, _, _ = places.match_to_catalog_sky(wanted)
    rows = np.flatnonzero((away.arcsec <= radius_arcsec) & (back[nearest] == np.arange(len(wanted))))
    return rows, nearest[rows]


def _crowded(places: SkyCoord, flux: np.ndarray, radius_arcsec: float) -> np.ndarray:
    """(source,) bool: another source is near that is not negligible."""
    crowded = np.zeros(len(places), dtype=bool)
    one, other, _, _ = places.search_around_sky(places, radius_arcsec * u.arcsec)
    near = one != other
    crowded[one[near & (flux[other] > CROWDED_FLUX * flux[one])]] = True
    return crowded
