"""Which sources an image is known to hold: those of a simulation's truth, or the calibrator."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.processing.simulate import truth as simulated
from lofarlake_nb.processing.sky.components import ARCSEC, Model, SkyModel
from lofarlake_nb.quality.catalogue import Catalogue
from lofarlake_nb.quality.catalogue import read as read_catalogue
from lofarlake_nb.quality.sources import KnownSource

# Apparent flux, Jy, from which a source of the truth is listed.
LISTED = 1.0

# Components closer than this to the brightest one are one source.
TOGETHER = 60 * ARCSEC


def of_truth(truth: simulated.Truth, *, apparent: bool) -> list[KnownSource]:
    """Bright sources of a simulated observation.

    Parameters
    ----------
    truth : Truth
    apparent : bool
        Fluxes as an image shows them that is not corrected for the beam, with all baselines of one weight.

    Returns
    -------
    list of KnownSource
        Brightest first; all with an apparent flux above `LISTED`.

    Examples
    --------
    >>> truth = simulated.load(paths[0].with_name("L667520_truth.npz"))
    >>> [(source.name, round(source.true_flux_jy)) for source in of_truth(truth, apparent=True)][0]
    ('3C196', 89)
    """
    seen = simulated.apparent_fluxes(truth)
    flux = seen if apparent else truth.flux
    listed = [i for i in np.argsort(-seen) if seen[i] >= LISTED]
    return [
        KnownSource(
            str(truth.source_names[i]),
            float(np.rad2deg(truth.ra[i])),
            float(np.rad2deg(truth.dec[i])),
            true_flux_jy=float(flux[i]),
        )
        for i in listed
    ]


def of_model(model: Model) -> list[KnownSource]:
    """The source that a sky model is brightest at; its true flux is not known.

    Parameters
    ----------
    model : SkyModel, ModelColumn or NoModel
        That the observation was calibrated on.

    Returns
    -------
    list of KnownSource
        One; none of a column, which says nothing of its sources.

    Examples
    --------
    >>> [source.name for source in of_model(model)]
    ['3C196']
    """
    if not isinstance(model, SkyModel):
        return []
    brightest = int(np.argmax(model.flux))
    # A source may lie on both sides of 0 h.
    later = (model.ra - model.ra[brightest] + np.pi) % (2 * np.pi) - np.pi
    near = np.hypot(later * np.cos(model.dec[brightest]), model.dec - model.dec[brightest]) < TOGETHER
    weight = np.abs(model.flux[near]) / np.abs(model.flux[near]).sum()
    east, dec = float(later[near] @ weight), float(model.dec[near] @ weight)
    away = np.hypot((later[near] - east) * np.cos(dec), model.dec[near] - dec) + model.major[near]
    ra = float(np.rad2deg(model.ra[brightest] + east)) % 360
    return [KnownSource(model.name, ra, float(np.rad2deg(dec)), float(np.max(away) / ARCSEC))]


@dataclass(frozen=True)
class References:
    """What the sources of an image are compared with, read and checked before anything is worked on.

    Parameters
    ----------
    truth : Truth or None
        Of a simulated observation.
    catalogue : Catalogue or None
        That somebody gave.

    Examples
    --------
    >>> given = references("", "sources.csv")
    >>> given.truth, [known.label for known in given.catalogues(apparent=False)]
    (None, ['sources'])
    """

    truth: simulated.Truth | None
    catalogue: Catalogue | None

    def catalogues(self, *, apparent: bool) -> list[Catalogue]:
        """The truth, then the given catalogue, where there are any; `apparent` as in `catalogue_of_truth`."""
        made = [catalogue_of_truth(self.truth, apparent=apparent)] if self.truth else []
        return [*made, *([self.catalogue] if self.catalogue else [])]


def references(truth: str, catalogue: str) -> References:
    """Read what the sources of an image are to be compared with.

    Parameters
    ----------
    truth : str
        File that the simulator left beside an observation; empty for none.
    catalogue : str
        FITS or CSV table; empty for none.

    Returns
    -------
    References

    Raises
    ------
    ObservationError
        When the file holds no truth.
    UsageError
        When the catalogue can't be used.

    Examples
    --------
    >>> known = references("", "sources.csv")
    >>> known.catalogue.names
    ('3C196', '3C295')
    """
    truth, catalogue = os.path.expanduser(truth), os.path.expanduser(catalogue)
    return References(
        simulated.load(Path(truth)) if truth else None, read_catalogue(Path(catalogue)) if catalogue else None
    )


def catalogue_of_truth(truth: simulated.Truth, *, apparent: bool) -> Catalogue:
    """All sources of a simulated observation, as a catalogue.

    Parameters
    ----------
    truth : Truth
    apparent : bool
        Fluxes as an image shows them that is not corrected for the beam.

    Returns
    -------
    Catalogue

    Examples
    --------
    >>> truth = simulated.load(paths[0].with_name("L667520_truth.npz"))
    >>> [round(float(catalogue_of_truth(truth, apparent=seen).flux_jy[1] / truth.flux[1]), 1) for seen in (False, True)]
    [1.0, 0.8]
    """
    flux = simulated.apparent_fluxes(truth) if apparent else truth.flux
    names = tuple(str(name) for name in truth.source_names)
    return Catalogue("truth", names, np.rad2deg(truth.ra) % 360, np.rad2deg(truth.dec), np.asarray(flux, dtype=float))
