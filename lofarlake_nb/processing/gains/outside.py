"""Sources of a model that an image of the field won't hold: subtracted, as their sidelobes reach into it.

They are far from the phase centre, so that a slot and a channel smear them: each baseline's visibility is that in the
middle times sin x / x for half the turn of its phase over the slot, and over the channel.
"""

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numba
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters, seconds
from lofarlake_nb.parameters.quantities import quantity
from lofarlake_nb.processing.gains import direction_solver, screen, solutions
from lofarlake_nb.processing.gains.correcting import corrected, missing, of_hands
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.components import Model, SkyModel
from lofarlake_nb.processing.sky.extended import ENVELOPE
from lofarlake_nb.processing.sky.predict import LIGHT_M_S, axes, direction_cosines

# Turn of the Earth, rad / s.
EARTH = 7.292115e-5


@dataclass(frozen=True)
class Outside:
    """What is to be subtracted.

    Parameters
    ----------
    model : SkyModel
        Sources outside of the field only.
    direction_file : Path or None
        Gains that differ between directions, of this Measurement Set.
    beam_interval : float or None
        Between evaluations of the station beams, s; None where there are none in the model.

    Examples
    --------
    >>> away = Outside(model, None, beam_interval=120.0)
    >>> round(float(away.model.flux.sum()), 1)
    83.1
    """

    model: SkyModel
    direction_file: Path | None
    beam_interval: float | None


def chosen(
    model: Model,
    phase_centre: tuple[float, float],
    direction_file: Path | None,
    parameters: CalibrationParameters,
    with_beam: bool,
) -> Outside | None:
    """What is to be subtracted; None where there is nothing.

    Parameters
    ----------
    model : SkyModel, ModelColumn or NoModel
        Of a column no source can be told apart.
    phase_centre : tuple of float
        Rad.
    direction_file : Path or None
    parameters : CalibrationParameters
        For the field; from data that are calibrated already nothing is subtracted without the beams.
    with_beam : bool

    Examples
    --------
    >>> from lofarlake_nb.processing.gains import outside
    >>> outside.chosen(model, (2.15, 0.84), None, CalibrationParameters(), False) is None
    True
    >>> len(outside.chosen(model, (2.3, 0.84), None, CalibrationParameters(), False).model.flux)
    4
    """
    if not isinstance(model, SkyModel) or not parameters.field:
        return None
    if not parameters.solves and not with_beam:
        return None  # it isn't known through which beams these data see them
    l, m, depth = direction_cosines(model.ra, model.dec, phase_centre)  # noqa: E741 - the field's name
    edge = np.sin(quantity("field", parameters.field, u.rad).value / 2)
    away = (np.maximum(np.abs(l), np.abs(m)) > edge) | (depth < -1)
    if not away.any():
        return None
    interval = seconds("beam_interval", parameters.beam_interval) if with_beam else None
    return Outside(model.chosen(away), direction_file, interval)


@dataclass(frozen=True)
class Seen:
    """How what is to be subtracted is seen in some slots.

    Parameters
    ----------
    model : SkyModel
    layout : Layout
    jones : (time, station, component, 2, 2) complex64
    centre : (time, station, 4) complex64 or None
        Towards the phase centre, which visibilities are corrected for.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path = averaged.measurement_sets[0]
    >>> one = seen(Outside(model, None, None), path, measurement_set.layout(path), slice(0, 1))
    >>> stokes_i = one.visibilities(np.zeros((1, 190, 3)), slice(0, 1))[0, 0, 0, 0]
    >>> round(float(stokes_i.real)), round(float(model.fluxes(one.layout.frequencies[:1]).sum()))
    (90, 90)
    """

    model: SkyModel
    layout: Layout
    jones: np.ndarray
    centre: np.ndarray | None

    def subtract(self, data: np.ndarray, uvw: np.ndarray, slots: slice) -> None:
        """Take it off corrected visibilities.

        Parameters
        ----------
        data : (time, baseline, frequency, 2 or 4) complex64, Jy
            Changed, but where they are missing.
        uvw : (time, baseline, 3) float64, m
        slots : slice
            Of these, which the visibilities are of.
        """
        data -= np.where(missing(data)[..., None], 0, self.visibilities(uvw, slots))

    def visibilities(self, uvw: np.ndarray, slots: slice) -> np.ndarray:
        """Visibilities (time, baseline, frequency, 2 or 4) complex64, Jy; parameters as of `subtract`."""
        model, layout = self.model, self.layout
        lmn = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre), axis=-1)
        shape = axes(model, layout.phase_centre)
        result = np.zeros((*uvw.shape[:2], len(layout.frequencies), 4), np.complex64)
        flux = model.fluxes(layout.frequencies).astype(np.float32)
        waves, width = layout.frequencies / LIGHT_M_S, layout.channel_width / LIGHT_M_S
        for t, jones in enumerate(self.jones[slots]):
            turn = _turn(uvw[t], layout)
            _add(uvw[t], turn, lmn, flux, shape, jones, waves, width, layout.antenna1, layout.antenna2, result[t])
        four = len(layout.correlations) == 4
        result = result if four else result[..., [0, 3]]
        if self.centre is None:
            return result
        centre = self.centre[slots] if four else of_hands(self.centre[slots])
        everywhere = np.broadcast_to(centre[:, None], (len(centre), len(waves), *centre.shape[1:]))
        return corrected(result, everywhere, layout.antenna1, layout.antenna2)


def seen(outside: Outside, path: Path, layout: Layout, times: slice) -> Seen:
    """How what is to be subtracted is seen in some slots.

    Parameters
    ----------
    outside : Outside
    path : Path
        Measurement Set with LOFAR's antenna tables.
    layout : Layout
        Its own.
    times : slice

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path = averaged.measurement_sets[0]
    >>> seen(Outside(model, None, None), path, measurement_set.layout(path), slice(0, 2)).jones.shape
    (2, 20, 4, 2, 2)
    """
    jones, centre = _jones(outside, path, layout, times), None
    if outside.beam_interval is not None:
        towards = beam.towards_centre(path, layout, outside.beam_interval, times)
        centre = np.stack([towards.at(float(time))[:, 0].reshape(-1, 4) for time in layout.times[times]])
    return Seen(outside.model, layout, jones, centre)


def _jones(outside: Outside, path: Path, layout: Layout, times: slice) -> np.ndarray:
    """What stations see of each component (time, station, component, 2, 2) complex64."""
    model, moments = outside.model, layout.times[times]
    lm = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre)[:2], axis=-1)
    result = np.zeros((len(moments), len(layout.stations), len(lm), 2, 2), np.complex64)
    if outside.beam_interval is None:
        result[..., [0, 1], [0, 1]] = 1
    else:
        places = np.stack([model.ra, model.dec], axis=-1)
        beams = beam.evaluate(path, layout, lm, places, outside.beam_interval, times)
        result[:] = [beams.at(float(moment)) for moment in moments]
    if outside.direction_file is not None:
        gains = solutions.read(outside.direction_file)
        for i, one in enumerate(screen.towards_all(gains, model.ra, model.dec)):
            result[:, :, i] *= direction_solver.line(gains.times, one, moments)[..., None, None]
    return result


def _turn(uvw: np.ndarray, layout: Layout) -> np.ndarray:
    """Change (baseline, 3) of coordinates over a slot, m (Thompson, Moran and Swenson 2017, section 4.1)."""
    u_, v, w = uvw.T
    sine, cosine = np.sin(layout.phase_centre[1]), np.cos(layout.phase_centre[1])
    return EARTH * layout.interval * np.stack([w * cosine - v * sine, u_ * sine, -u_ * cosine], axis=-1)


@numba.njit(nogil=True, cache=True, fastmath=True)
def _sinc(x: float) -> float:
    """Of sin(pi x) / (pi x)."""
    y = np.pi * x
    return 1.0 - y * y / 6 if abs(y) < 1e-2 else np.sin(y) / y


@numba.njit(nogil=True, cache=True, fastmath=True)
def _add(uvw, turn, lmn, flux, shape, jones, waves, width, antenna1, antenna2, out):  # type: ignore[no-untyped-def]
    """Add components (baseline, frequency, 4) in one slot."""
    n_frequency = len(waves)
    for b in range(len(uvw)):
        u_, v, w = uvw[b]
        for c in range(len(lmn)):
            path = u_ * lmn[c, 0] + v * lmn[c, 1] + w * lmn[c, 2]
            drift = turn[b, 0] * lmn[c, 0] + turn[b, 1] * lmn[c, 1] + turn[b, 2] * lmn[c, 2]
            along = u_ * shape[c, 0, 0] + v * shape[c, 0, 1] + w * shape[c, 0, 2]
            across = u_ * shape[c, 1, 0] + v * shape[c, 1, 1] + w * shape[c, 1, 2]
            middle = waves[n_frequency // 2]
            left = _sinc(path * width) * _sinc(drift * middle)
            left *= np.exp(-ENVELOPE * (along * along + across * across) * middle * middle)
            p, q = jones[antenna1[b], c], jones[antenna2[b], c]
            xx = p[0, 0] * np.conj(q[0, 0]) + p[0, 1] * np.conj(q[0, 1])
            xy = p[0, 0] * np.conj(q[1, 0]) + p[0, 1] * np.conj(q[1, 1])
            yx = p[1, 0] * np.conj(q[0, 0]) + p[1, 1] * np.conj(q[0, 1])
            yy = p[1, 0] * np.conj(q[1, 0]) + p[1, 1] * np.conj(q[1, 1])
            for f in range(n_frequency):
                angle = path * waves[f]
                angle = np.float32(2 * np.pi * (angle - np.rint(angle)))
                there = np.complex64(complex(np.cos(angle), np.sin(angle))) * np.float32(left * flux[c, f])
                out[b, f, 0] += there * xx
                out[b, f, 1] += there * xy
                out[b, f, 2] += there * yx
                out[b, f, 3] += there * yy
