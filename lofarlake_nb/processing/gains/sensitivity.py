"""How sensitive LOFAR's stations are known to be: the noise of calibrated visibilities tells their flux scale.

Solving gains gives the visibilities whatever flux scale the model has. Their noise goes with it, and the system
equivalent flux density (SEFD) of LOFAR's stations is known to some tens of percent: a flux scale that is off by two
shows. The published figures are those towards the zenith; elsewhere the dipoles see less.
"""

import re

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains.block import Block

# SEFD of a core field of 24 tiles, van Haarlem et al. (2013), their table B.4; one of 48 tiles has half of it.
SEFD_HZ = (120e6, 150e6, 180e6)
SEFD_CORE_JY = (3600.0, 2800.0, 3200.0)
CORE_TILES = 24
# Power gain of a core field towards the zenith in units of LOFAR's Blue Gene correlator, which worked until 2013, per
# Jy: from the scans L102085 and L114220 of 3C295 and 3C48, that agree to 20 %.
BLUE_GENE_GAIN = 2.5e-6
BLUE_GENE_UNTIL = 56658 * 86400.0  # 2014-01-01, MJD s
# Gains that are further than this factor from it are in other units.
SAME_UNITS = 10.0


def measured(data: np.ndarray, flag: np.ndarray, weight: np.ndarray, block: Block) -> np.ndarray:
    """SEFD of each station together with the others', from the noise of calibrated visibilities.

    Parameters
    ----------
    data : (time, baseline, frequency, polarization) complex, Jy
        Calibrated. The cross hands are used where there are any, as celestial signal is weak in them.
    flag : (time, baseline, frequency) bool
    weight : same shape, float
        Relative; the largest of a baseline is that of a sample with nothing flagged.
    block : Block
        That they are of.

    Returns
    -------
    (station,) float64
        √(S_p S), S the usual SEFD of the others, in Jy; NaN where it can't be had.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> p, q = np.triu_indices(4, 1)
    >>> noise = np.random.default_rng(1).normal(size=(2, 4, 6, 500, 2))  # XX and YY, of 1 Jy in either part
    >>> seen = SimpleNamespace(n_station=4, antenna1=p, antenna2=q, exposure=5e5)  # what a Block has; Hz s
    >>> measured(noise[0] + 1j * noise[1], np.zeros((4, 6, 500), bool), np.ones((4, 6, 500)), seen).round(-2).tolist()
    [1000.0, 1000.0, 1000.0, 1000.0]
    """
    hands = data[..., 1:3] if data.shape[-1] == 4 else data
    axis = 2 if data.shape[2] > 1 else 0
    result = np.full(block.n_station, np.nan)
    if data.shape[axis] < 2:
        return result
    flag = flag | (weight <= 0)
    most = np.where(flag, 0, weight).max(axis=(0, 2), keepdims=True)
    share = np.divide(weight, most, out=np.ones_like(weight), where=~flag)  # of the exposure that is unflagged
    first, second = (tuple([slice(None)] * axis + [part]) for part in (slice(0, -1), slice(1, None)))
    difference = hands[second] - hands[first]
    power = (difference.real**2 + difference.imag**2) / (1 / share[second] + 1 / share[first])[..., None]
    power = np.where((flag[second] | flag[first])[..., None], np.nan, power)
    for p in range(block.n_station):
        its = power[:, (block.antenna1 == p) | (block.antenna2 == p)]
        its = its[np.isfinite(its)]
        if len(its):
            # E|n|² = S_p S_q / (bandwidth × time); the median of |n|² is ln 2 of that.
            result[p] = np.sqrt(np.median(its) / np.log(2) * block.exposure)
    return result


def expected(layout: Layout, antenna_set: str) -> np.ndarray:
    """Published SEFD of LOFAR's HBA stations towards the zenith.

    Parameters
    ----------
    layout : Layout
        With the stations' names.
    antenna_set : str
        As ``HBA_DUAL_INNER``, of whose remote stations only the inner 24 tiles are used.

    Returns
    -------
    (station,) float64
        Jy, of X or Y; NaN for what is no LOFAR HBA station.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> named = replace(LAYOUT, stations=("CS002HBA0", "RS106HBA", "DE601HBA", "CS002LBA"))
    >>> expected(named, "HBA_DUAL_INNER").round().tolist()
    [2800.0, 2800.0, 700.0, nan]
    """
    tiles = np.array([_tiles(name, antenna_set) for name in layout.stations])
    return float(np.interp(layout.frequencies.mean(), SEFD_HZ, SEFD_CORE_JY)) * CORE_TILES / tiles


def flux_scale(sefd: np.ndarray, nominal: np.ndarray, power: float) -> float | None:
    """Flux scale of calibrated visibilities in units of the right one, as their noise tells.

    Parameters
    ----------
    sefd : (station,) float64
        From `measured`.
    nominal : (station,) float64
        From `expected`.
    power : float
        From `response.power`; 1 where the model has the beam in it.

    Returns
    -------
    float or None
        About 1; None where it isn't known.

    Examples
    --------
    >>> flux_scale(np.array([1900.0, 2000.0, 2100.0]), np.full(3, 1000.0), 1.0)
    2.0
    """
    usual = np.sqrt(nominal * np.nanmedian(nominal)) if np.isfinite(nominal).any() else nominal
    ratio = sefd / usual * power
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)) if len(ratio) else None


def gain_scale(gains: np.ndarray, nominal: np.ndarray, power: float, layout: Layout) -> float | None:
    """Scale of the gains' power in units of the usual one, where that is known.

    Parameters
    ----------
    gains : (interval, block, station, polarization) complex
    nominal : (station,) float64
        From `expected`.
    power : float
        From `response.power`; 1 where the model has the beam in it.
    layout : Layout

    Returns
    -------
    float or None
        About 1; None but for raw data of LOFAR's Blue Gene correlator.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # of before 2014
    >>> round(gain_scale(np.full((1, 1, 8, 2), 2e-3), np.full(8, 2800.0), 1.0, LAYOUT), 2)
    1.6
    """
    core = np.isfinite(nominal) & (nominal >= np.nanmax(nominal, initial=0))
    if not core.any() or not np.isfinite(power) or layout.times[0] > BLUE_GENE_UNTIL:
        return None
    values = np.abs(gains[:, :, core][..., [0, -1]])
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    scale = float(np.median(values) ** 2 / power / BLUE_GENE_GAIN)
    return scale if 1 / SAME_UNITS < scale < SAME_UNITS else None


def _tiles(name: str, antenna_set: str) -> float:
    if not re.fullmatch(r"(CS|RS)\d{3}HBA[01]?|[A-Z]{2}\d{3}HBA", name):
        return np.nan
    if name.startswith("CS"):
        return 24 if name[-1] in "01" else 48
    if name.startswith("RS"):
        return 24 if "INNER" in antenna_set else 48
    return 96
