"""What stations see towards the phase centre: gains that were solved without station beams hold it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.gains.correcting import of_hands
from lofarlake_nb.processing.sky import beam, telescopes

# Between evaluations, s: in this time a field's elevation changes by 2.5 degrees at the most.
INTERVAL = 600.0
# So many at the most: an attribute of an HDF5 file takes 64 kB.
MOST_MOMENTS = 64


@dataclass(frozen=True)
class Response:
    """What gains hold of the stations' beams towards the phase centre.

    Parameters
    ----------
    times : (moment,) float64
        MJD s, ascending.
    amplitude : (moment, station, 2) float64
        Of X and Y (or the right and left hand), for an unpolarised source, the dipoles' response not normalised. 1
        where beams were in the model: the gains are then the receivers' alone.

    Examples
    --------
    >>> setting = Response(np.array([0.0, 600.0]), np.array([1.0, 0.5]).reshape(2, 1, 1) * np.ones(2))
    >>> setting.at(np.array([-9.0, 300.0])).tolist()
    [[[1.0, 1.0]], [[0.75, 0.75]]]
    """

    times: np.ndarray
    amplitude: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Amplitudes (time, station, 2) at times (MJD s), on lines between the moments; NaN where nothing is seen."""
        last = len(self.times) - 1
        place = np.interp(times, self.times, np.arange(last + 1.0))
        before = np.floor(place).astype(int)
        part = (place - before)[:, None, None]
        found = self.amplitude[before] * (1 - part) + self.amplitude[np.minimum(before + 1, last)] * part
        return np.where(found > 0, found, np.nan)


def of_receivers(layout: Layout) -> Response:
    """What gains hold that were solved with beams in the model: nothing of them.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # of 8 stations
    >>> of_receivers(LAYOUT).amplitude.shape, float(of_receivers(LAYOUT).amplitude.max())
    ((1, 8, 2), 1.0)
    """
    return Response(layout.times[:1], np.ones((1, len(layout.stations), 2)))


def towards_centre(path: Path, layout: Layout, telescope: Any = None) -> Response | None:
    """What gains hold that were solved without beams; a task.

    Parameters
    ----------
    path : Path
        Measurement Set with LOFAR's antenna tables.
    layout : Layout
        Its own.
    telescope : everybeam.Telescope, optional
        As `beam.evaluate` takes it.

    Returns
    -------
    Response or None
        None where EveryBeam doesn't know the stations.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path = averaged.measurement_sets[0]
    >>> found = towards_centre(path, measurement_set.layout(path)).amplitude  # of half an hour near the zenith
    >>> found.shape, round(float(found.mean()), 2)
    ((4, 20, 2), 1.0)
    """
    engines.prepare()
    interval = max(INTERVAL, float(np.ptp(layout.times)) / (MOST_MOMENTS - 1))
    try:
        seen = beam.towards_centre(path, layout, interval, slice(None), telescope)
    except ProcessingError:
        return None
    return Response(seen.times, of_hands(seen.jones[:, :, 0].reshape(len(seen.times), -1, 4)).astype(float))


def seen(paths: Sequence[Path], layouts: Sequence[Layout]) -> list[Response | None]:
    """As `towards_centre`, of each Measurement Set; one task, as EveryBeam is slow to begin.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> [found] = seen(paths[:1], [measurement_set.layout(paths[0])])
    >>> found.amplitude.shape
    (4, 20, 2)
    """
    telescope = telescopes.known(paths[0], layouts[0])  # once: reading it takes longer than asking it
    return [towards_centre(path, layout, telescope) for path, layout in zip(paths, layouts, strict=True)]


def power(known: Response | None) -> float:
    """Power that a station's dipoles see, relative to the zenith.

    Returns
    -------
    float
        Mean of X and Y for an unpolarised source in the middle of the observation, of the first station; NaN where
        nothing is known.

    Examples
    --------
    >>> power(Response(np.array([0.0, 600.0]), np.array([1.25, 0.75]).reshape(2, 1, 1) * np.ones(2))), power(None)
    (1.0, nan)
    """
    if known is None:
        return float("nan")
    return float((known.at(known.times[[0, -1]].mean(keepdims=True))[0, 0] ** 2).mean())
