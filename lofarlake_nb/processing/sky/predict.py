"""Visibilities of a sky model: the analytic Fourier transform of its points and Gaussians, through station beams."""

from dataclasses import dataclass

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.sky.beam import Beam
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.extended import add_extended
from lofarlake_nb.processing.sky.points import add_points, station_uvw

LIGHT_M_S = 299_792_458.0


def direction_cosines(
    ra: np.ndarray, dec: np.ndarray, phase_centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction cosines l (east), m (north) and n - 1 of directions.

    Parameters
    ----------
    ra, dec : (component,) float64, rad
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    tuple of (component,) float64

    Examples
    --------
    >>> east = direction_cosines(np.deg2rad([1.0]), np.zeros(1), (0.0, 0.0))
    >>> [round(float(cosine[0]), 6) for cosine in east]
    [0.017452, 0.0, -0.000152]
    """
    ra0, dec0 = phase_centre
    l = np.cos(dec) * np.sin(ra - ra0)  # noqa: E741 - the field's name
    m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    n = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    return l, m, n - 1.0


def axes(model: SkyModel, phase_centre: tuple[float, float]) -> np.ndarray:
    """Axes of Gaussians, as vectors along u, v and w: what a baseline sees of one is its product with the baseline.

    As DP3's `Simulator` turns the baselines towards a source whose orientation is absolute.

    Parameters
    ----------
    model : SkyModel
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    (component, 2, 3) float64
        Major and minor, as long as the FWHM, rad.

    Examples
    --------
    >>> from dataclasses import replace
    >>> one = replace(model.chosen(np.array([0])), ra=np.array([0.0]), dec=np.array([np.pi / 2]), major=np.array([2.0]))
    >>> axes(replace(one, position_angle=np.zeros(1)), (0.0, 0.0))[0, 0].round(6).tolist()  # north is away from us
    [0.0, 0.0, -2.0]
    """
    turn = np.where(model.absolute, model.ra - phase_centre[0], 0.0)
    dec, dec0 = np.where(model.absolute, model.dec, phase_centre[1]), phase_centre[1]
    # Change of l, m, n to the east and to the north of the source.
    east = np.stack([np.cos(turn), np.sin(dec0) * np.sin(turn), -np.cos(dec0) * np.sin(turn)])
    north = np.stack(
        [
            -np.sin(dec) * np.sin(turn),
            np.cos(dec) * np.cos(dec0) + np.sin(dec) * np.sin(dec0) * np.cos(turn),
            np.cos(dec) * np.sin(dec0) - np.sin(dec) * np.cos(dec0) * np.cos(turn),
        ]
    )
    sine, cosine = np.sin(model.position_angle), np.cos(model.position_angle)
    major, minor = model.major * (sine * east + cosine * north), model.minor * (cosine * east - sine * north)
    return np.stack([major.T, minor.T], axis=1)


@dataclass(frozen=True)
class Predictor:
    """A sky model as one Measurement Set sees it.

    Parameters
    ----------
    model : SkyModel
    layout : Layout
        Of the Measurement Set.
    beam : Beam or None
        Towards the components of the model, in their order.

    Examples
    --------
    >>> layout = flagged.sources[0].layout()
    >>> seen = Predictor(model, layout).visibilities(np.zeros((1, len(layout.antenna1), 3)), slice(0, 1))
    >>> seen.shape, bool(np.allclose(seen[0, 0, :, 0], model.fluxes(layout.frequencies).sum(axis=0)))
    ((1, 210, 16, 1), True)
    """

    model: SkyModel
    layout: Layout
    beam: Beam | None = None

    def chosen(self, components: np.ndarray) -> "Predictor":
        """Predictor of some components only: indices, or (component,) bool."""
        seen = None if self.beam is None else Beam(self.beam.times, self.beam.jones[:, :, components])
        return Predictor(self.model.chosen(components), self.layout, seen)

    def visibilities(self, uvw: np.ndarray, times: slice) -> np.ndarray:
        """Visibilities that an instrument with these beams, and perfect otherwise, would measure.

        Parameters
        ----------
        uvw : (time, baseline, 3) float64, m
            As LOFAR's Measurement Sets have them: a source at l, m has the phase
            ``+2 pi (u l + v m + w (n - 1)) / lambda``.
        times : slice
            Slots of the layout that they are of.

        Returns
        -------
        (time, baseline, frequency, 1) complex64, Jy
            Stokes I, which X and Y see alike; with a beam (..., 4): XX, XY, YX, YY.
        """
        model, layout = self.model, self.layout
        lmn = np.stack(direction_cosines(model.ra, model.dec, layout.phase_centre), axis=-1)
        flux = model.fluxes(layout.frequencies)
        large = (model.major > 0) | (model.minor > 0)
        shape = axes(model.chosen(large), layout.phase_centre)
        wave = 2 * np.pi * layout.frequencies / LIGHT_M_S
        one = np.ones((len(layout.stations), len(flux), 1, 1), np.complex64)
        hands = 1 if self.beam is None else 2
        result = np.zeros((*uvw.shape[:2], len(wave), hands**2), np.complex64)
        stations = None if large.all() else station_uvw(uvw, layout)
        for t, time in enumerate(layout.times[times]):
            jones = one if self.beam is None else self.beam.at(float(time))
            if stations is not None:
                add_points(stations[t], lmn[~large], flux[~large], jones[:, ~large], wave, layout, result[t])
            if large.any():
                add_extended(
                    uvw[t],
                    lmn[large],
                    flux[large],
                    np.ascontiguousarray(jones[:, large]),
                    shape,
                    wave,
                    layout.antenna1,
                    layout.antenna2,
                    result[t],
                )
        return result


def visibilities(
    model: SkyModel, uvw: np.ndarray, frequencies: np.ndarray, phase_centre: tuple[float, float]
) -> np.ndarray:
    """Stokes I visibilities that a perfect instrument would measure, on any baselines.

    Parameters
    ----------
    model : SkyModel
    uvw : (..., 3) float64, m
    frequencies : (frequency,) float64, Hz
    phase_centre : tuple of float
        Right ascension and declination, rad.

    Returns
    -------
    (..., frequency) complex64, Jy

    Examples
    --------
    >>> from lofarlake_nb.processing.sky_model import calibrator
    >>> perfect = visibilities(calibrator("3C196"), np.zeros((1, 3)), np.array([150e6, 135e6]), (2.154, 0.8416))
    >>> perfect.real.astype(float).round(2).tolist()  # Jy, of stations in one place
    [[83.08, 89.39]]
    """
    flat = np.ascontiguousarray(uvw.reshape(-1, 3), dtype=np.float64)
    lmn = np.stack(direction_cosines(model.ra, model.dec, phase_centre), axis=-1)
    shape = axes(model, phase_centre)
    result = np.zeros((len(flat), len(frequencies), 1), np.complex64)
    here = np.zeros(len(flat), np.int64)
    one = np.ones((1, len(lmn), 1, 1), np.complex64)
    wave = 2 * np.pi * np.asarray(frequencies) / LIGHT_M_S
    add_extended(flat, lmn, model.fluxes(frequencies), one, shape, wave, here, here, result)
    return result[..., 0].reshape(*uvw.shape[:-1], len(frequencies))
