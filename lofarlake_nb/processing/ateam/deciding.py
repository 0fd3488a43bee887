"""Which sources of the A-team hurt an observation, and what is done about them."""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation import uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters
from lofarlake_nb.processing.ateam import amplitudes
from lofarlake_nb.processing.ateam.amplitudes import NoBeam
from lofarlake_nb.processing.ateam.sources import ATEAM, Bright
from lofarlake_nb.processing.averages.smearing import beams_to_edge
from lofarlake_nb.processing.flags.searching import Source

# What LOFAR's own pipeline takes for the high and the low band.
LEVEL_HIGH_JY, LEVEL_LOW_JY, LOW_BAND_HZ = 5.0, 50.0, 100e6
# Samples that `auto` sacrifices at most.
MOST_CLIPPED = 0.3
DECIDING_TIMES = 12
LEFT, CLIPPED, NOTHING = "left in", "clipped", "nothing to do"


@dataclass(frozen=True)
class AteamVerdict:
    """What was decided about one source, and why.

    Parameters
    ----------
    name : str
    elevation_deg : float
        Highest during the observation.
    distance_deg : float
        From the phase centre.
    flux_jy : float
        At the observation's frequency, before the beam.
    apparent_jy : float or None
        After the beam, on the baseline and at the time where it is strongest; None where it was not computed.
    above_fraction : float or None
        Of the averaged samples, those in which it is stronger than the level.
    decision : str
        ``clipped``, ``left in`` or ``nothing to do``.
    reason : str
        In words.

    Examples
    --------
    >>> [(one.name, one.decision, one.reason) for one in averaged.ateam if one.elevation_deg < 15]
    [('Cyg A', 'nothing to do', 'nowhere stronger than 5 Jy')]
    """

    name: str
    elevation_deg: float
    distance_deg: float
    flux_jy: float
    apparent_jy: float | None
    above_fraction: float | None
    decision: str
    reason: str


def level(parameters: AverageParameters, layout: Layout) -> float:
    """Strength in Jy above which a sample is clipped.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> level(AverageParameters(), layout), level(AverageParameters(ateam_level=2.0), layout)
    (5.0, 2.0)
    """
    usual = LEVEL_HIGH_JY if layout.frequencies.mean() > LOW_BAND_HZ else LEVEL_LOW_JY
    return parameters.ateam_level or usual


def decide(
    source: Source, target: Layout, parameters: AverageParameters, asked: tuple[Bright, ...] = ATEAM
) -> tuple[AteamVerdict, ...]:
    """Decide about sources of the A-team; a task.

    Parameters
    ----------
    source : Source
        Measurement Set before averaging.
    target : Layout
        After averaging.
    parameters : AverageParameters
    asked : tuple of Bright
        All of them where none is named.

    Returns
    -------
    tuple of AteamVerdict
        One for each source.

    Examples
    --------
    >>> from lofarlake_nb.processing.averages import resolution
    >>> target = resolution.target(flagged.sources[0].layout(), chosen.average)
    >>> [(one.name, round(one.distance_deg)) for one in decide(flagged.sources[0], target, chosen.average)]
    [('Cas A', 66), ('Cyg A', 91), ('Tau A', 41), ('Vir A', 64)]
    """
    times = target.times[np.unique(np.linspace(0, len(target.times) - 1, DECIDING_TIMES).round().astype(int))]
    limit, radius = level(parameters, target), np.rad2deg(beams_to_edge(parameters, [target])[0])
    seen = [_seen(bright, target, times) for bright in asked]
    far = [bright for bright, its in zip(asked, seen, strict=True) if its[1] > 0 and its[2] >= radius]
    try:
        # Together: beams towards the phase centre, which each is compared with, are asked for once.
        strengths, no_beam = dict(zip(far, predicted(source, target, far, times), strict=True)), ""
    except NoBeam as error:
        strengths, no_beam = {}, error.message
    verdicts = []
    for bright, its in zip(asked, seen, strict=True):
        if bright in strengths:
            verdicts.append(_judged(its, strengths[bright], limit, parameters))
        elif bright in far:
            verdicts.append(AteamVerdict(*its, None, None, LEFT, no_beam))
        else:
            reason = "below the horizon" if its[1] <= 0 else "inside the field: it is to be imaged"
            verdicts.append(AteamVerdict(*its, None, None, NOTHING, reason))
    return tuple(verdicts)


def clipped_samples(source: Source, target: Layout, names: tuple[str, ...], limit: float) -> np.ndarray:
    """Averaged samples in which some sources of the A-team are together stronger than a level.

    Parameters
    ----------
    source : Source
        Measurement Set before averaging.
    target : Layout
        After averaging.
    names : tuple of str
        Of the sources.
    limit : float
        Jy.

    Returns
    -------
    (time, baseline) bool

    Examples
    --------
    >>> source, layout = flagged.sources[0], flagged.sources[0].layout()
    >>> [bool(clipped_samples(source, layout, ("Tau A",), limit).any()) for limit in (0.0, 1e9)]
    [True, False]
    """
    chosen = [bright for bright in ATEAM if bright.name in names]
    if not chosen:
        return np.zeros((len(target.times), len(target.antenna1)), dtype=bool)
    times = amplitudes.sampled(target.times)
    total = sum(strength for strength, _ in predicted(source, target, chosen, times))
    nearest = np.abs(target.times[:, None] - times[None]).argmin(axis=1)
    return np.asarray(total > limit)[nearest]


def predicted(
    source: Source, target: Layout, chosen: list[Bright], times: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Strength of sources in averaged visibilities.

    Returns
    -------
    list of (array, array)
        For each source (time, baseline) in Jy: what is left in the visibilities, and what the beam alone leaves.

    Examples
    --------
    >>> source, layout = flagged.sources[0], flagged.sources[0].layout()
    >>> [(left, beam)] = predicted(source, layout, [ATEAM[2]], layout.times[:1])
    >>> left.shape, bool((left <= beam).all()), bool(beam.max() < ATEAM[2].flux(135e6))
    ((1, 210), True, True)
    """
    if not chosen:
        return []
    directions = np.array([target.phase_centre, *(bright.direction for bright in chosen)])
    jones = amplitudes.responses(source.path, target, times, directions)
    found = []
    for i, bright in enumerate(chosen, 1):
        seen = amplitudes.apparent(jones[:, :, i], jones[:, :, 0], target.antenna1, target.antenna2)
        seen = seen * bright.flux(float(target.frequencies.mean()))
        found.append((seen * amplitudes.left(bright, target, times), seen))
    return found


def _seen(bright: Bright, target: Layout, times: np.ndarray) -> tuple[str, float, float, float]:
    """Name, highest elevation and distance from the phase centre in deg, flux in Jy."""
    # To a thousandth: casacore's nutation is interpolated from what a worker asked before, which makes 3e-8 deg.
    elevation = round(float(np.rad2deg(uvw.elevations(times, target.positions[0], bright.direction).max())), 3)
    flux = bright.flux(float(target.frequencies.mean()))
    return bright.name, elevation, target.distance(bright.direction), flux


def _judged(
    seen: tuple[str, float, float, float],
    strengths: tuple[np.ndarray, np.ndarray],
    limit: float,
    parameters: AverageParameters,
) -> AteamVerdict:
    """What is decided by what `predicted` says of a source."""
    strength, beam = strengths
    apparent = float(beam.max())
    above = float((strength > limit).mean())
    told = f"stronger than {limit:g} Jy in {100 * above:.1f} % of the averaged samples"
    if above == 0:
        return AteamVerdict(*seen, apparent, above, NOTHING, f"nowhere stronger than {limit:g} Jy")
    if parameters.ateam == "auto" and above > MOST_CLIPPED:
        return AteamVerdict(*seen, apparent, above, LEFT, f"{told}: too many to clip, it should be demixed")
    return AteamVerdict(*seen, apparent, above, CLIPPED, told)
