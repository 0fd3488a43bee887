"""Phase of the hands X and Y against each other, which parallel hands leave free: that of the cross hands.

Gains of X and of Y are solved apart, each up to a phase of all stations together. Referred to one station, both of its
phases are 0, which in truth they are not: what they differ by turns cross hands, and so Stokes U into V. An unpolarised
source has cross hands too, where dipoles don't see it at right angles: 1e-3 of it near the zenith, a tenth at 45
degrees. So the phase shows in them (as a calibrator's cross-hand phase in CASA, and LINC's polarisation alignment, de
Gasperin et al. 2019, A&A 622, A5):

- With station beams in the model, it is the phase of the cross hands against the model's.
- Without, it is that which leaves the least circular polarisation where the model's sources are, which at LOFAR's
  frequencies have next to none. It is known up to half a turn then, which Stokes V does not show: the smaller one is
  taken.

One phase is taken for a whole observation, as it is of cables and receivers; between subbands it may change slowly.
"""

from collections.abc import Sequence

import numba
import numpy as np

from lofarlake_nb.processing.gains.block import Block
from lofarlake_nb.processing.gains.correcting import inverted

# Subbands whose distance is within this, Hz, tell each other's phase: a cable of 1 m more for X than for Y turns it by
# 0.2 rad in it.
ALIKE_HZ = 5e6
# A phase that is known worse than this, in standard deviations of its cross hands, is left alone.
LEAST_SIGMA = 5.0
# Parts that an observation is cut into, of each of which the cross hands are real or imaginary as a whole.
PARTS = 64


def sums(block: Block, gains: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cross hands of calibrated visibilities against the model's, or against its Stokes I where it has none.

    Parameters
    ----------
    block : Block
    gains : (interval, block, station, 2) complex
        Of X and Y.
    factors : (station,) float64
        Of the noise power of calibrated visibilities of weight 1, Jy²; stations without one are left out.

    Returns
    -------
    crossed : (interval, block) complex128
        Sum of w (V_xy M_xy* + V_yx* M_yx), w being 1 / the noise power.
    power : (interval, block) float64
        Noise power of that. 0, as the sum, where nothing can be told.

    Examples
    --------
    >>> from lofarlake_nb.parameters import CalibrationParameters
    >>> from lofarlake_nb.processing.gains.block import make
    >>> from lofarlake_nb.processing.kernels import LAYOUT, SHAPE
    >>> read = {"DATA": np.tile(np.array([4, 1j, -1j, 4], "c8"), (*SHAPE[:3], 1)), "FLAG": np.zeros(SHAPE, bool),
    ...         "WEIGHT_SPECTRUM": np.ones(SHAPE, "f4"), "UVW": np.full((*SHAPE[:2], 3), 1e4)}
    >>> parameters = CalibrationParameters(slots=8, channels=8)
    >>> one = make(read, np.ones((*SHAPE[:3], 1), "c8"), LAYOUT, slice(0, 8), parameters)
    >>> crossed, power = sums(one, np.full((1, 1, 8, 2), 2.0), np.ones(8))
    >>> round(float(np.angle(crossed[0, 0], deg=True))), float(power[0, 0])
    (90, 3584.0)
    """
    shape = gains.shape[:2]
    crossed, power = np.zeros(shape, np.complex128), np.zeros(shape)
    if gains.shape[-1] == 2 and block.data.shape[3] == 4 and block.model.shape[3] != 2:
        usable = block.long & ~block.flag
        places = block.antenna1, block.antenna2, block.interval, block.channel_block
        _add(block.data, block.model, block.weight, usable, inverted(gains), factors, *places, crossed, power)
    return crossed, power


def turned(crossed: np.ndarray, gains: np.ndarray, referred: np.ndarray) -> np.ndarray:
    """Cross hands as gains that are referred to a station leave them.

    Parameters
    ----------
    crossed : (interval, block) complex
        From `sums`.
    gains, referred : (interval, block, station, 2) complex
        That they are of, and these with other phases of X and of Y.

    Returns
    -------
    (interval, block) complex128
        0 where no station has gains.

    Examples
    --------
    >>> gains = np.array([[[[1j, 1], [np.nan, np.nan]]]])
    >>> turned(np.array([[2.0]]), gains, np.abs(gains)).round(2).tolist()
    [[2j]]
    """
    with np.errstate(invalid="ignore"):
        turns = gains / referred
    there = np.isfinite(turns).all(axis=-1)
    first = np.take_along_axis(turns, there.argmax(axis=-1)[..., None, None], axis=2)[:, :, 0]
    there = there.any(axis=-1)
    return np.where(there, crossed * np.where(there, first[..., 0] * np.conj(first[..., 1]), 0), 0)


def phases(
    crossed: Sequence[np.ndarray], power: Sequence[np.ndarray], frequencies: np.ndarray, with_beam: bool
) -> list[float | None]:
    """Phase of X against Y at the station that gains are referred to.

    Parameters
    ----------
    crossed : sequence of (interval, block) complex
        Of each Measurement Set, `turned`.
    power : sequence of (interval, block) float64
        From `sums`.
    frequencies : (Measurement Set,) float64
        Hz.
    with_beam : bool
        Whether cross hands are held against those of a model with station beams.

    Returns
    -------
    list of float or None
        rad, of each Measurement Set; None where the noise hides it.

    Examples
    --------
    >>> seen, power = [np.full((4, 1), -9 * np.exp(0.5j))], [np.ones((4, 1))]
    >>> [[round(one, 2) for one in phases(seen, power, np.array([150e6]), beam)] for beam in (True, False)]
    [[-2.64], [0.5]]
    """
    totals, variances = [], []
    for values, its in zip(crossed, power, strict=True):
        edges = np.unique(np.linspace(0, len(values), PARTS + 1).astype(int)[:-1])
        parts = np.add.reduceat(values.sum(axis=1), edges)
        noise = np.add.reduceat(its.sum(axis=1), edges)
        # The square of complex noise is 0 in the mean, so that many parts of little say as much as few of more.
        totals.append(parts.sum() if with_beam else (parts**2).sum())
        variances.append(noise.sum() if with_beam else 2 * (noise**2).sum())
    near = np.exp(-0.5 * (np.subtract.outer(frequencies, frequencies) / ALIKE_HZ) ** 2)
    together, noise = near @ np.array(totals), np.sqrt(near**2 @ np.array(variances))
    known = (np.abs(together) > LEAST_SIGMA * noise) & (noise > 0)
    angles = np.angle(together) / (1 if with_beam else 2)
    return [float(angle) if there else None for angle, there in zip(angles, known, strict=True)]


# NaN has to stay what it is.
@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def _add(
    data: np.ndarray,
    model: np.ndarray,
    weight: np.ndarray,
    usable: np.ndarray,
    inverse: np.ndarray,
    factors: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    interval: np.ndarray,
    channel_block: np.ndarray,
    crossed: np.ndarray,
    power: np.ndarray,
) -> None:
    xy, yx = (1, 2) if model.shape[3] == 4 else (0, 0)
    for t in range(data.shape[0]):
        i = interval[t]
        for b in range(data.shape[1]):
            p, q = antenna1[b], antenna2[b]
            noise = factors[p] * factors[q]
            if not 0 < noise < np.inf:
                continue
            share = 1 / noise
            k, real, imaginary, square = channel_block[0], 0.0, 0.0, 0.0
            x, y = np.complex64(0), np.complex64(0)
            for f in range(data.shape[2]):
                if f == 0 or channel_block[f] != k:
                    crossed[i, k] += complex(share * real, share * imaginary)
                    power[i, k] += share * square
                    k, real, imaginary, square = channel_block[f], 0.0, 0.0, 0.0
                    x = inverse[i, k, p, 0] * np.conj(inverse[i, k, q, 1])
                    y = inverse[i, k, p, 1] * np.conj(inverse[i, k, q, 0])
                if not usable[t, b, f] or x == 0 or y == 0:
                    continue
                first, second = model[t, b, f, xy], model[t, b, f, yx]
                w, v = weight[t, b, f, 1], weight[t, b, f, 2]
                one = w * (data[t, b, f, 1] * x * np.conj(first))
                other = v * (data[t, b, f, 2] * y * np.conj(second))
                real += one.real + other.real
                imaginary += one.imag - other.imag
                square += w * (first.real * first.real + first.imag * first.imag)
                square += v * (second.real * second.real + second.imag * second.imag)
            crossed[i, k] += complex(share * real, share * imaginary)
            power[i, k] += share * square
