"""Station beams by EveryBeam: how each station sees each source."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.processing import engines

# Pixels of the grid on which EveryBeam computes beams: one of 0.2° is a sixteenth of the narrowest beam at 135 MHz, and
# cubic interpolation between them errs by less than 1e-3 of the peak.
GRID_PIXELS = 36
MARGIN_PIXELS = 3


def station_beams(
    layout: Layout, identity: Identity, fields: Sequence[StationField], times: np.ndarray, lm: np.ndarray
) -> np.ndarray:
    """Full Jones response of every station towards every source.

    LOFAR's stations are phased up towards the phase centre, so that their array factor is 1 there; the response of the
    dipoles (Hamaker's model) stays in the data, as it does in what the correlator writes.

    Parameters
    ----------
    layout : Layout
        Where the stations point, and the frequencies, of whose mean the beams are.
    identity : Identity
    fields : sequence of StationField
        One for each station.
    times : (time,) MJD UTC seconds
    lm : (source, 2)
        Direction cosines.

    Returns
    -------
    (time, station, source, 2, 2) complex64
        X and Y of the station by the two polarizations of the sky.
    """
    engines.prepare()
    import everybeam  # after its environment is set

    # EveryBeam knows a telescope only as a Measurement Set: a row a baseline is enough.
    brief = dataclasses.replace(layout, times=layout.times[:1])
    with tempfile.TemporaryDirectory() as folder:
        example = Path(folder) / "stations.MS"
        with writer.create(example, brief, identity=identity, fields=fields):
            pass
        telescope = everybeam.load_telescope(str(example), element_response_model="hamaker")
    reach = max(float(np.abs(lm).max(initial=0.0)), np.deg2rad(0.5))
    step = 2 * reach / (GRID_PIXELS - 2 * MARGIN_PIXELS)
    settings = everybeam.GridSettings()
    settings.width = settings.height = GRID_PIXELS
    settings.ra, settings.dec = layout.phase_centre
    settings.dl = settings.dm = step
    settings.l_shift = settings.m_shift = 0.0
    # EveryBeam's pixels run to the west, and to the north.
    weights, pixels = _cubic(GRID_PIXELS / 2 - lm[:, 0] / step, GRID_PIXELS / 2 + lm[:, 1] / step)
    beams = []
    for time in times:
        grid = np.asarray(telescope.gridded_response(settings, float(time), float(layout.frequencies.mean())))
        near = grid.reshape(len(grid), GRID_PIXELS**2, 2, 2)[:, pixels]  # station, source, 16, 2, 2
        beams.append(np.einsum("sk,askij->asij", weights, near))
    return np.asarray(beams, dtype=np.complex64)


def relative_amplitudes(beams: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """How strongly each station sees each source, relative to the phase centre.

    Parameters
    ----------
    beams : (time, station, source, 2, 2)
    centre : (time, station, 2, 2)
        Towards the phase centre.

    Returns
    -------
    (source, station) float64
        Mean over time, X and Y. The product of two stations' is what calibration on the phase centre leaves of the
        source's flux on their baseline.
    """
    overlap = np.einsum("tasij,taij->tasi", beams, centre.conj()).real
    power = np.einsum("taij,taij->tai", centre, centre.conj()).real
    return (overlap / power[:, :, None]).mean(axis=(0, 3)).T


def _cubic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lagrange weights (source, 16) and flat pixels (source, 16) around places (source,) on the grid."""
    weights, starts = [], []
    for place in (x, y):
        start = np.floor(place).astype(int) - 1
        d = place - start
        nodes = np.arange(4)
        factor = np.ones((len(place), 4))
        for i in nodes:
            for j in nodes[nodes != i]:
                factor[:, i] *= (d - j) / (i - j)
        weights.append(factor)
        starts.append(start)
    rows = starts[1][:, None, None] + np.arange(4)[None, :, None]
    columns = starts[0][:, None, None] + np.arange(4)[None, None, :]
    both = weights[1][:, :, None] * weights[0][:, None, :]
    return both.reshape(len(x), 16), (rows * GRID_PIXELS + columns).reshape(len(x), 16)
