"""What the correlator would see of a sky: sums over sources of station terms, and over extended sources per baseline.

A visibility of stations p and q is the sum over sources of G_p J_p S exp(2 pi i (u l + v m + w (n - 1)) / wavelength)
J_q^H G_q^H, with uvw from p to q. A point source's term splits into one factor for each station, so that all baselines
of a slot and channel are one matrix product; an extended one, whose envelope does not split, is summed apart. The
product is compiled here and not left to a BLAS, whose threads fight those of the caller (20 times slower on two cores).

Each sample is the mean over its slot and channel: per baseline and source, the visibility in the middle times sin x / x
for half the turn of its phase over the slot, and over the channel. That is exact for a phase that turns evenly. Over a
slot of T seconds the fringe bends by (omega T)^2 / 8 of the phase, omega the Earth's: 2e-4 rad for a source 3 degrees
out on 120 km at 5 s, 0.01 rad for one at 60 degrees, so that amplitudes are right to 1e-4 of the source. Oversampling
slot and channel to the same would take 10 to 1000 times as long. Beam, gains and ionosphere are those of the middle.
"""

from dataclasses import dataclass

import numba
import numpy as np

from lofarlake_nb.processing.simulate.ionosphere import TECU_PHASE
from lofarlake_nb.processing.simulate.scene import Scene

LIGHT_SPEED = 299792458.0
# exp(-ENVELOPE (FWHM baseline / wavelength)^2) is the visibility of a Gaussian.
ENVELOPE = np.pi**2 / (4 * np.log(2))
# A component that adds less than this to a baseline is left out there: most of the A-team's, on all but the shortest.
NEGLIGIBLE_JY = 1e-6


@dataclass(frozen=True)
class Sample:
    """How long and wide a sample is.

    Examples
    --------
    >>> from lofarlake_nb.processing.simulate.scene import scene_of
    >>> from lofarlake_nb.processing.simulate.sky import outskirts
    >>> seen, uvw = scene_of(outskirts(1, np.random.default_rng(1)), np.array([150e6])), 3e3 * np.eye(2, 3, -1)
    >>> alike = np.array([0]), np.array([1]), np.ones((2, 1, 2, 2), np.complex64), np.ones((2, 1, 2), np.complex64)
    >>> sharp, wide = (predict(seen, uvw, *alike, sample=Sample(0 * uvw, width)) for width in (0.0, 195e3))
    >>> round(float(np.abs(wide / sharp)[0, 0, 0]), 2)  # what a channel of 195 kHz leaves on 3 km
    0.94
    """

    turn: np.ndarray  # (station, 3) m, change of uvw from the start of the slot to its end
    width: float  # Hz, of a channel


def predict(
    scene: Scene,
    uvw: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    beams: np.ndarray,
    gains: np.ndarray,
    tec: np.ndarray | None = None,
    sample: Sample | None = None,
) -> np.ndarray:
    """Noiseless visibilities of one time slot.

    Parameters
    ----------
    scene : Scene
    uvw : (station, 3) m
    antenna1, antenna2 : (baseline,) int
    beams : (station, source, 2, 2) complex64
    gains : (station, frequency, 2) complex64
    tec : (station, source) TECU, optional
        Of the ionosphere towards each source, more than towards the phase centre.
    sample : Sample, optional
        Without it, the visibilities are those in the middles: there is no smearing.

    Returns
    -------
    (baseline, frequency, 4) complex64, Jy
        XX, XY, YX, YY.

    Examples
    --------
    >>> from lofarlake_nb.processing.simulate.scene import scene_of
    >>> from lofarlake_nb.processing.simulate.sky import outskirts
    >>> sky, same = outskirts(1, np.random.default_rng(1)), np.broadcast_to(np.eye(2, dtype=np.complex64), (2, 1, 2, 2))
    >>> where = np.zeros((2, 3)), np.array([0]), np.array([1])  # two stations in one place
    >>> seen = predict(scene_of(sky, np.array([150e6])), *where, same, np.ones((2, 1, 2), np.complex64))
    >>> (seen[0, 0].real.astype(float) / sky.flux[0]).round(4).tolist()  # XX, XY, YX, YY
    [1.0, 0.0, 0.0, 1.0]
    """
    out = np.zeros((len(antenna1), len(scene.frequencies), 4), dtype=np.complex64)
    tec = np.zeros(beams.shape[:2], dtype=np.float32) if tec is None else tec
    sample = sample or Sample(np.zeros_like(uvw), 0.0)
    middle = scene.frequencies.mean()
    if len(scene.points):
        beam, electrons = (np.ascontiguousarray(x[:, scene.point_source]) for x in (beams, tec))
        real, imaginary = _station_terms(uvw, scene.points, scene.frequencies, scene.point_root, beam, gains, electrons)
        along_band = (uvw @ scene.points.T * (np.pi * sample.width / LIGHT_SPEED)).astype(np.float32)
        along_slot = (sample.turn @ scene.points.T * (np.pi * middle / LIGHT_SPEED)).astype(np.float32)
        _multiply(real, imaginary, antenna1, antenna2, along_band, along_slot, out)
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
            tec,
            sample.turn,
            sample.width,
            out,
        )
    return out


def smearing(
    lmn: np.ndarray, uvw: np.ndarray, turn: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray, band: np.ndarray
) -> np.ndarray:
    """What is left of sources on each baseline when a slot and a channel are averaged, as `predict` has it.

    Parameters
    ----------
    lmn : (source, 3)
    uvw, turn : (time, station, 3) m
        Coordinates, and their change over a slot.
    antenna1, antenna2 : (baseline,) int
    band : frequency and channel width, Hz

    Returns
    -------
    (baseline, source) float64
        Mean over the times.

    Examples
    --------
    >>> uvw, still = np.array([[[0.0, 0.0, 0.0], [10_000.0, 0.0, 0.0]]]), np.zeros((1, 2, 3))
    >>> a_degree = np.array([[np.sin(np.deg2rad(1)), 0.0, np.cos(np.deg2rad(1)) - 1]])
    >>> smearing(a_degree, uvw, still, np.array([0]), np.array([1]), np.array([150e6, 195e3])).round(3).tolist()
    [[0.979]]
    """
    left = np.zeros((len(antenna1), len(lmn)))
    for place, change in zip(uvw, turn, strict=True):
        delay, drift = place @ lmn.T / LIGHT_SPEED, change @ lmn.T / LIGHT_SPEED
        left += np.sinc((delay[antenna2] - delay[antenna1]) * band[1]) * np.sinc(
            (drift[antenna2] - drift[antenna1]) * band[0]
        )
    return left / len(uvw)


@numba.njit(nogil=True, cache=True)
def _sinc(x: float) -> float:
    """Of sin(x) / x."""
    square = x * x
    if square < 1.0:  # to 1e-8
        return 1.0 - square * (1 / 6 - square * (1 / 120 - square * (1 / 5040 - square / 362880)))
    return np.sin(x) / x


@numba.njit(nogil=True, cache=True)
def _station_terms(
    uvw: np.ndarray,
    lmn: np.ndarray,
    frequencies: np.ndarray,
    root: np.ndarray,
    beam: np.ndarray,
    gains: np.ndarray,
    tec: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of stations (frequency, station, 2, 2 source) float32: real and imaginary parts."""
    stations, sources, channels = len(uvw), len(lmn), len(frequencies)
    real = np.empty((channels, stations, 2, 2 * sources), dtype=np.float32)
    imaginary = np.empty_like(real)
    step = frequencies[1] - frequencies[0] if channels > 1 else 0.0
    middle = frequencies.mean()
    for p in range(stations):
        for s in range(sources):
            path = uvw[p, 0] * lmn[s, 0] + uvw[p, 1] * lmn[s, 1] + uvw[p, 2] * lmn[s, 2]
            turn = -2.0 * np.pi * path / LIGHT_SPEED
            # Over a subband the ionosphere's 1 / frequency is a line, to 1e-4 rad.
            bend = TECU_PHASE * tec[p, s] / middle
            start = turn * frequencies[0] + bend * (2.0 - frequencies[0] / middle)
            every = turn * step - bend * step / middle
            wave = complex(np.cos(start), np.sin(start))
            turning = complex(np.cos(every), np.sin(every))
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
    real: np.ndarray,
    imaginary: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    along_band: np.ndarray,
    along_slot: np.ndarray,
    out: np.ndarray,
) -> None:
    """Products of stations' factors, smeared, summed over sources: the four correlations of every baseline, channel."""
    count = real.shape[3]
    left = np.empty(count, dtype=np.float32)
    pr, pi = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    for b in range(len(antenna1)):
        p, q = antenna1[b], antenna2[b]
        for s in range(count // 2):
            smeared = _sinc(along_band[q, s] - along_band[p, s]) * _sinc(along_slot[q, s] - along_slot[p, s])
            left[2 * s] = left[2 * s + 1] = smeared
        for f in range(real.shape[0]):
            xr, xi, yr, yi = real[f, q, 0], imaginary[f, q, 0], real[f, q, 1], imaginary[f, q, 1]
            for a in range(2):
                for k in range(count):
                    pr[k] = real[f, p, a, k] * left[k]
                    pi[k] = imaginary[f, p, a, k] * left[k]
                sums = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for k in range(count):
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
    tec: np.ndarray,
    change: np.ndarray,
    width: float,
    out: np.ndarray,
) -> None:
    """Add the components that have a size."""
    channels = len(frequencies)
    step = frequencies[1] - frequencies[0] if channels > 1 else 0.0
    low, middle = frequencies[0], frequencies.mean()
    for b in range(len(antenna1)):
        p, q = antenna1[b], antenna2[b]
        u, v, w = uvw[q, 0] - uvw[p, 0], uvw[q, 1] - uvw[p, 1], uvw[q, 2] - uvw[p, 2]
        du, dv, dw = change[q, 0] - change[p, 0], change[q, 1] - change[p, 1], change[q, 2] - change[p, 2]
        for c in range(len(lmn)):
            s = source[c]
            jp, jq = beams[p, s], beams[q, s]
            path = (u * lmn[c, 0] + v * lmn[c, 1] + w * lmn[c, 2]) / LIGHT_SPEED
            drift = (du * lmn[c, 0] + dv * lmn[c, 1] + dw * lmn[c, 2]) / LIGHT_SPEED
            along = (u * np.sin(shape[c, 2]) + v * np.cos(shape[c, 2])) * shape[c, 0] / LIGHT_SPEED
            across = (u * np.cos(shape[c, 2]) - v * np.sin(shape[c, 2])) * shape[c, 1] / LIGHT_SPEED
            size = ENVELOPE * (along * along + across * across)
            left = np.exp(-size * low * low) * _sinc(np.pi * path * width) * _sinc(np.pi * drift * middle)
            if abs(left) * flux[c, 0] * np.sqrt(_power(jp) * _power(jq)) < NEGLIGIBLE_JY:
                continue
            # Over a subband the envelope's exponent is a line, as the ionosphere's phase is.
            narrowing = np.exp(-2.0 * size * middle * step)
            bend = TECU_PHASE * (tec[p, s] - tec[q, s]) / middle
            start = 2.0 * np.pi * path * low + bend * (2.0 - low / middle)
            every = 2.0 * np.pi * path * step - bend * step / middle
            wave = left * complex(np.cos(start), np.sin(start))
            turning = narrowing * complex(np.cos(every), np.sin(every))
            xx = jp[0, 0] * np.conj(jq[0, 0]) + jp[0, 1] * np.conj(jq[0, 1])
            xy = jp[0, 0] * np.conj(jq[1, 0]) + jp[0, 1] * np.conj(jq[1, 1])
            yx = jp[1, 0] * np.conj(jq[0, 0]) + jp[1, 1] * np.conj(jq[0, 1])
            yy = jp[1, 0] * np.conj(jq[1, 0]) + jp[1, 1] * np.conj(jq[1, 1])
            for f in range(channels):
                there = np.complex64(wave * flux[c, f])
                gx, gy = there * gains[p, f, 0], there * gains[p, f, 1]
                hx, hy = np.conj(gains[q, f, 0]), np.conj(gains[q, f, 1])
                out[b, f, 0] += gx * hx * xx
                out[b, f, 1] += gx * hy * xy
                out[b, f, 2] += gy * hx * yx
                out[b, f, 3] += gy * hy * yy
                wave *= turning


@numba.njit(nogil=True, cache=True)
def _power(jones: np.ndarray) -> float:
    """Of a response, the sum over its elements."""
    total = 0.0
    for i in range(2):
        for j in range(2):
            total += jones[i, j].real ** 2 + jones[i, j].imag ** 2
    return total
