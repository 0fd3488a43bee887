"""Self-calibration: the sources of an image join the sky model, gains are solved again, and a better image is kept."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lofarlake_nb.processing import calibration, imaging
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.cluster import Session
from lofarlake_nb.processing.imaging import Imaged
from lofarlake_nb.processing.settings import Settings
from lofarlake_nb.processing.sky.components import Model, SkyModel
from lofarlake_nb.quality import finding
from lofarlake_nb.quality.comparison import SIGNIFICANT, SPECTRAL_INDEX
from lofarlake_nb.quality.finding import SourceList

logger = logging.getLogger(__name__)

# A found source this near to a component of the model is the model's own.
OWN_ARCSEC = 90.0


@dataclass(frozen=True)
class Refined:
    """What self-calibration ended with.

    Parameters
    ----------
    calibrated : Calibrated
    imaged : Imaged
    said : tuple of str
        What each round did.

    Examples
    --------
    >>> replace(refined, said=())
    no self-calibration was asked for
    """

    calibrated: Calibrated
    imaged: Imaged
    said: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.said) or "no self-calibration was asked for"


def refine(
    calibrated: Calibrated,
    averaged: Averaged,
    imaged: Imaged,
    model: Model,
    chosen: Settings,
    *,
    work: Path,
    session: Session,
) -> Refined:
    """Calibrate on what the image shows, image again, and go on until that makes nothing better.

    A round is kept only where held-out visibilities come closer to the new model (`calibration.improve`) and the image
    has less noise in its residual.

    Parameters
    ----------
    calibrated : Calibrated
        The first solutions.
    averaged : Averaged
        That they were made from.
    imaged : Imaged
        The first image.
    model : SkyModel, ModelColumn or NoModel
        The first model; a column can't be added to.
    chosen : Settings
        Parameters of the steps, and how many rounds at the most.
    work : Path
        Folder of the run.
    session : Session
        With the workers.

    Returns
    -------
    Refined
        Never worse than what it began with.

    Examples
    --------
    >>> refined = refine(calibrated, averaged, imaged, model, chosen, work=work, session=session)
    >>> refined.calibrated.verdict
    'good'
    """
    said: list[str] = []
    for number in range(1, chosen.rounds + 1):
        if not chosen.calibrate.solves:
            said.append("the data are calibrated already: no gains are solved again")
            break
        if not isinstance(model, SkyModel):
            said.append("the model is a column of the data: found sources can't be added to it")
            break
        place = Path(work) / f"round{number}"
        found = finding.find(imaged.image, place / "sources", imaged.key, beam=imaged.primary_beam)
        if found.catalogue is None:
            said.append(f"round {number}: {found.note}")
            break
        listed = finding.read(found.catalogue)
        wider = with_sources(model, listed, imaged.frequency_hz)
        # Fluxes that are not corrected for the beam are as the stations see them already.
        parameters = chosen.calibrate if found.beam_corrected else replace(chosen.calibrate, beam="never")
        again = calibration.improve(calibrated, averaged, wider, parameters, work=place, client=session.client)
        added = f"round {number}: {len(wider.flux) - len(model.flux)} sources added"
        if again.key == calibrated.key:
            said.append(f"{added}: held-out visibilities came no closer")
            break
        image = imaging.image(again, chosen.image, work=place, client=session.client)
        change = f"residual noise {1e3 * imaged.rms_jy_per_beam:.2f} to {1e3 * image.rms_jy_per_beam:.2f} mJy/beam"
        if not image.rms_jy_per_beam < imaged.rms_jy_per_beam:
            said.append(f"{added}: {change}, not kept")
            break
        said.append(f"{added}: {change}")
        calibrated, imaged = again, image
    for line in said:
        logger.info("%s", line)
    return Refined(calibrated, imaged, tuple(said))


def with_sources(model: SkyModel, found: SourceList, frequency: float) -> SkyModel:
    """A sky model and the found sources that are not among its own, as points.

    Parameters
    ----------
    model : SkyModel
    found : SourceList
        Those with peaks above 10 σ are taken.
    frequency : float
        That their fluxes hold for, Hz.

    Returns
    -------
    SkyModel

    Examples
    --------
    >>> rows = [[123.4, 125], [48.2175, 48], [88, 2], [1, 1], [80, 2], [0.1, 0.1], [0, 0], [0, 0]]  # 3C196, and another
    >>> wider = with_sources(model, SourceList(*np.array(rows)), 135e6)
    >>> len(wider.flux) - len(model.flux), float(wider.flux[-1]), wider.source
    (1, 2.0, 'Scaife & Heald (2012), and 1 sources of the image')
    """
    places = SkyCoord(found.ra_deg * u.deg, found.dec_deg * u.deg)
    own = SkyCoord(model.ra * u.rad, model.dec * u.rad)
    _, away, _ = places.match_to_catalog_sky(own)
    new = (away.arcsec > OWN_ARCSEC) & (found.peak_jy_per_beam > SIGNIFICANT * found.rms_jy_per_beam)
    count = int(new.sum())
    index = np.zeros((count, model.index.shape[1]))
    index[:, 0] = SPECTRAL_INDEX
    nothing = np.zeros(count)
    return replace(
        model,
        source=f"{model.source}, and {count} sources of the image",
        ra=np.concatenate([model.ra, np.deg2rad(found.ra_deg[new])]),
        dec=np.concatenate([model.dec, np.deg2rad(found.dec_deg[new])]),
        flux=np.concatenate([model.flux, found.flux_jy[new]]),
        reference=np.concatenate([model.reference, np.full(count, frequency)]),
        index=np.concatenate([model.index, index]),
        logarithmic=np.concatenate([model.logarithmic, np.ones(count, bool)]),
        major=np.concatenate([model.major, nothing]),
        minor=np.concatenate([model.minor, nothing]),
        position_angle=np.concatenate([model.position_angle, nothing]),
        absolute=np.concatenate([model.absolute, np.ones(count, bool)]),
    )
