"""What the correlator would see of a sky: sums over sources of station terms, and over extended sources per baseline.

A visibility of stations p and q is the sum over sources of G_p J_p S exp(2 pi i (u l + v m + w (n - 1)) / wavelength)
J_q^H G_q^H, with uvw from p to q. A point source's term splits into one factor for each station, so that all baselines
of a slot and channel are one matrix product; an extended one, whose envelope does not split, is summed apart. Each
sample is the visibility in the middle of its slot and channel: there is no smearing. The product is compiled here and
not left to a BLAS, whose threads fight those of the caller (20 times slower on two busy cores).
"""

from dataclasses import dataclass

import numba
import numpy as np

from lofarlake_nb.processing.simulate.sky import Sky

LIGHT_SPEED = 299792458.0
# exp(-ENVELOPE (FWHM baseline / wavelength)^2) is the visibility of a Gaussian.
ENVELOPE = np.pi**2 / (4 * np.log(2))


@dataclass(frozen=True)
class Scene:
    """A sky as one subband sees it, ready for the sums."""

    frequencies: np.ndarray  # (frequency,) Hz, evenly spaced
    points: np.ndarray  # (point, 3) l, m, n - 1
    point_source: np.ndarray  # (point,) int, index of the beam
    point_root: np.ndarray  # (point, frequency) float32, root of the flux density in Jy
    extended: np.ndarray  # (component, 3) l, m, n - 1
    extended_source: np.ndarray  # (component,) int
    extended_flux: np.ndarray  # (component, frequency) Jy
    shape: np.ndarray  # (component, 3) major and minor FWHM, position angle, rad


def scene(sky: Sky, frequencies: np.ndarray) -> Scene:
    """Sky at the channels of a subband.

    Parameters
    ----------
    sky : Sky
    frequencies : (frequency,) Hz, evenly spaced

    Returns
    -------
    Scene
    """
    lmn, flux = sky.lmn(), sky.fluxes(frequencies)
    large = sky.major > 0
    return Scene(
        frequencies=np.asarray(frequencies, dtype=np.float64),
        points=lmn[~large],
        point_source=sky.source[~large],
        point_root=np.sqrt(flux[~large]).astype(np.float32),
        extended=lmn[large],
        extended_source=sky.source[large],
        extended_flux=flux[large],
        shape=np.stack([sky.major, sky.minor, sky.angle], axis=-1)[large],
    )


def predict(
    scene: Scene, uvw: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, beams: np.ndarray, gains: np.ndarray
) -> np.ndarray:
    """Noiseless visibilities of one time slot.

    Parameters
    ----------
    scene : Scene
    uvw : (station, 3) m
    antenna1, antenna2 : (baseline,) int
    beams : (station, source, 2, 2) complex64
    gains : (station, frequency, 2) complex64

    Returns
    -------
    (baseline, frequency, 4) complex64, Jy
        XX, XY, YX, YY.
    """
    out = np.zeros((len(antenna1), len(scene.frequencies), 4), dtype=np.complex64)
    if len(scene.points):
        beam = np.ascontiguousarray(beams[:, scene.point_source])
        real, imaginary = _station_terms(uvw, scene.points, scene.frequencies, scene.point_root, beam, gains)
        _multiply(real, imaginary, antenna1, antenna2, out)
    if len(scene.extended):
        _add_extended(
            uvw,
            antenna1,
            antenna2,
            scene.frequencies,
            scene.extended,
            scene.extended_source,
            scene.extended_flux,
            scene.shape,
            beams,
            gains,
            out,
        )
    return out


@numba.njit(nogil=True, cache=True)
def _station_terms(
    uvw: np.ndarray,
    lmn: np.ndarray,
    frequencies: np.ndarray,
    root: np.ndarray,
    beam: np.ndarray,
    gains: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of stations (frequency, station, 2, 2 source) float32: real and imaginary parts."""
    stations, sources, channels = len(uvw), len(lmn), len(frequencies)
    real = np.empty((channels, stations, 2, 2 * sources), dtype=np.float32)
    imaginary = np.empty_like(real)
    step = frequencies[1] - frequencies[0] if channels > 1 else 0.0
    for p in range(stations):
        for s in range(sources):
            path = uvw[p, 0] * lmn[s, 0] + uvw[p, 1] * lmn[s, 1] + uvw[p, 2] * lmn[s, 2]
            turn = -2.0 * np.pi * path / LIGHT_SPEED
            wave = complex(np.cos(turn * frequencies[0]), np.sin(turn * frequencies[0]))
            turning = complex(np.cos(turn * step), np.sin(turn * step))
            for f in range(channels):
                there = np.complex64(wave) * root[s, f]
                for a in range(2):
                    for b in range(2):
                        term = there * gains[p, f, a] * beam[p, s, a, b]
                        real[f, p, a, 2 * s + b] = term.real
                        imaginary[f, p, a, 2 * s + b] = term.imag
                wave *= turning
    return real, imaginary


@numba.njit(nogil=True, cache=True, fastmath=True)
def _multiply(
    real: np.ndarray, imaginary: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, out: np.ndarray
) -> None:
    """Products of stations' factors, summed over sources: the four correlations of every baseline and channel."""
    for f in range(real.shape[0]):
        for b in range(len(antenna1)):
            p, q = antenna1[b], antenna2[b]
            xr, xi, yr, yi = real[f, q, 0], imaginary[f, q, 0], real[f, q, 1], imaginary[f, q, 1]
            for a in range(2):
                pr, pi = real[f, p, a], imaginary[f, p, a]
                sums = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for k in range(real.shape[3]):
                    sums = (
                        sums[0] + pr[k] * xr[k] + pi[k] * xi[k],
                        sums[1] + pi[k] * xr[k] - pr[k] * xi[k],
                        sums[2] + pr[k] * yr[k] + pi[k] * yi[k],
                        sums[3] + pi[k] * yr[k] - pr[k] * yi[k],
                    )
                out[b, f, 2 * a] = complex(sums[0], sums[1])
                out[b, f, 2 * a + 1] = complex(sums[2], sums[3])


@numba.njit(nogil=True, cache=True)
def _add_extended(
    uvw: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    frequencies: np.ndarray,
    lmn: np.ndarray,
    source: np.ndarray,
    flux: np.ndarray,
    shape: np.ndarray,
    beams: np.ndarray,
    gains: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add the components that have a size."""
    channels = len(frequencies)
    step = frequencies[1] - frequencies[0] if channels > 1 else 0.0
    for b in range(len(antenna1)):
        p, q = antenna1[b], antenna2[b]
        u, v, w = uvw[q, 0] - uvw[p, 0], uvw[q, 1] - uvw[p, 1], uvw[q, 2] - uvw[p, 2]
        for c in range(len(lmn)):
            turn = 2.0 * np.pi * (u * lmn[c, 0] + v * lmn[c, 1] + w * lmn[c, 2]) / LIGHT_SPEED
            wave = complex(np.cos(turn * frequencies[0]), np.sin(turn * frequencies[0]))
            turning = complex(np.cos(turn * step), np.sin(turn * step))
            along = (u * np.sin(shape[c, 2]) + v * np.cos(shape[c, 2])) * shape[c, 0] / LIGHT_SPEED
            across = (u * np.cos(shape[c, 2]) - v * np.sin(shape[c, 2])) * shape[c, 1] / LIGHT_SPEED
            width = ENVELOPE * (along * along + across * across)
            jp, jq = beams[p, source[c]], beams[q, source[c]]
            xx = jp[0, 0] * np.conj(jq[0, 0]) + jp[0, 1] * np.conj(jq[0, 1])
            xy = jp[0, 0] * np.conj(jq[1, 0]) + jp[0, 1] * np.conj(jq[1, 1])
            yx = jp[1, 0] * np.conj(jq[0, 0]) + jp[1, 1] * np.conj(jq[0, 1])
            yy = jp[1, 0] * np.conj(jq[1, 0]) + jp[1, 1] * np.conj(jq[1, 1])
            for f in range(channels):
                there = np.complex64(wave * flux[c, f] * np.exp(-width * frequencies[f] * frequencies[f]))
                gx, gy = there * gains[p, f, 0], there * gains[p, f, 1]
                hx, hy = np.conj(gains[q, f, 0]), np.conj(gains[q, f, 1])
                out[b, f, 0] += gx * hx * xx
                out[b, f, 1] += gx * hy * xy
                out[b, f, 2] += gy * hx * yx
                out[b, f, 3] += gy * hy * yy
                wave *= turning
