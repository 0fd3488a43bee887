"""How much of a far and bright source is left in averaged visibilities: beam, shape, and smearing."""

from pathlib import Path

import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation import uvw
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.ateam.sources import Bright
from lofarlake_nb.processing.sky import beam, telescopes
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# The beam's sidelobes drift over a source in minutes.
BEAM_INTERVAL = 60.0
RATE_STEP = 5.0  # s, over which the rate of a delay is taken


class NoBeam(ProcessingError):
    """EveryBeam knows no station beams for this telescope.

    Examples
    --------
    >>> print(NoBeam("L1.MS: EveryBeam knows no station beams", "leave the A-team in"))
    L1.MS: EveryBeam knows no station beams; leave the A-team in
    """


def sampled(times: np.ndarray, step: float = BEAM_INTERVAL) -> np.ndarray:
    """Times (n,) at which the beam is computed, `step` s apart or the slots themselves, all within the observation.

    Examples
    --------
    >>> sampled(np.arange(0.0, 200.0, 10.0), step=60.0).tolist()
    [0.0, 70.0, 130.0, 190.0]
    """
    count = 1 + int((times[-1] - times[0]) / step)
    return np.unique(times[np.searchsorted(times, np.linspace(times[0], times[-1], count))])


def responses(path: Path, layout: Layout, times: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Full Jones response of every station.

    Parameters
    ----------
    path : Path
        Measurement Set, with the telescope's own tables.
    layout : Layout
        Its stations; its frequencies, of whose mean the beams are; its correlations, of whose hands they are.
    times : (time,) MJD UTC seconds
    directions : (direction, 2) rad
        Right ascension and declination.

    Returns
    -------
    (time, station, direction, 2, 2) complex128

    Raises
    ------
    NoBeam
        When EveryBeam knows none.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> found = responses(paths[0], layout, layout.times[:1], np.array([layout.phase_centre]))
    >>> found.shape, round(float(np.abs(found).max()), 1)
    ((1, 20, 1, 2, 2), 0.7)
    """
    try:
        found = beam.one_by_one(telescopes.of_field(path, layout), path, layout, directions, times)
    except (RuntimeError, AttributeError, TypeError, ValueError, IndexError) as error:
        raise NoBeam(f"{path}: EveryBeam knows no station beams ({' '.join(str(error).split())})") from error
    return beam.in_hands(found, layout.correlations)


def apparent(jones: np.ndarray, centre: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
    """What the beams leave of a source, relative to one at the phase centre.

    Parameters
    ----------
    jones, centre : (time, station, 2, 2) complex
        Towards the source and the phase centre.
    antenna1, antenna2 : (baseline,) int

    Returns
    -------
    (time, baseline) float64
        The stronger of the parallel hands.

    Examples
    --------
    >>> centre = np.ones((1, 2, 1, 1)) * np.eye(2)  # two stations, in one slot
    >>> apparent(0.1 * centre, centre, np.array([0]), np.array([1])).round(3).tolist()
    [[0.01]]
    """
    usual = np.sqrt((np.abs(centre) ** 2).sum(axis=-1).mean(axis=(1, 2)))  # of one station's voltage
    product = (jones[:, antenna1] * jones[:, antenna2].conj()).sum(axis=-1)
    return np.abs(product).max(axis=-1) / usual[:, None] ** 2


def left(source: Bright, layout: Layout, times: np.ndarray) -> np.ndarray:
    """What shape and smearing leave of a source.

    Parameters
    ----------
    source : Bright
    layout : Layout
        Of the averaged data: their slots and channels smear.
    times : (time,) MJD UTC seconds

    Returns
    -------
    (time, baseline) float64
        0 to 1.

    Examples
    --------
    >>> from lofarlake_nb.processing.ateam.sources import ATEAM
    >>> layout = flagged.sources[0].layout()
    >>> seen = left(ATEAM[0], layout, layout.times[:1])[0]  # Cas A, which long baselines resolve
    >>> seen[~layout.cross].min().round(6).tolist(), bool(seen[layout.cross].min() < 1e-6)
    (1.0, True)
    """
    p, q, frequency = layout.antenna1, layout.antenna2, float(layout.frequencies.mean())
    towards = uvw.baseline_uvw(uvw.station_uvw(times, layout.positions, source.direction), p, q)
    delay = _delay(source, layout, times, towards)
    later = uvw.baseline_uvw(uvw.station_uvw(times + RATE_STEP, layout.positions, source.direction), p, q)
    rate = (_delay(source, layout, times + RATE_STEP, later) - delay) / RATE_STEP
    smeared = np.sinc(layout.channel_width * delay) * np.sinc(frequency * rate * layout.interval)
    wavelengths = towards * frequency / LIGHT_M_S
    return source.visibility(wavelengths[..., 0], wavelengths[..., 1]) * np.abs(smeared)


def _delay(source: Bright, layout: Layout, times: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """(time, baseline) s: of the source after the delay towards the phase centre was taken out."""
    stations = uvw.station_uvw(times, layout.positions, layout.phase_centre)
    centre = uvw.baseline_uvw(stations, layout.antenna1, layout.antenna2)
    return (towards[..., 2] - centre[..., 2]) / LIGHT_M_S
