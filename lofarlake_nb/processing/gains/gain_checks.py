"""Which stations' gains can't be believed, and which station the phases are referred to."""

from collections.abc import Callable, Sequence

import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.gains.solver import refer
from lofarlake_nb.processing.gains.verdict import errors, phase_rms
from lofarlake_nb.processing.noise import median

# Station fields of one kind differ by a few tens of percent (missing tiles); amplitudes beyond a factor 2 are faults.
AMPLITUDE = 2.0
# One solution may not leave its station's usual amplitude by more than this factor.
OUTLIER = 3.0
# A station whose phases don't come back on the next slot, where those of the others do.
PHASE_DEG = 60.0
PHASE_RATIO = 2.0
# A station towards which the model is wrong by this fraction, and more so than for others by PHASE_RATIO.
ERROR = 0.5


def _relative_amplitudes(gains: Sequence[np.ndarray]) -> np.ndarray:
    """Usual amplitude of each station's gains in units of the median station's.

    Parameters
    ----------
    gains : sequence of (interval, block, station, 2 or 4) complex
        Of each Measurement Set, the same stations in all.

    Returns
    -------
    (station, 2) float64
        NaN where a station has no solutions.
    """
    ratios = []
    for values in gains:
        amplitude = np.abs(values[..., [0, -1]])
        ratios.append((amplitude / median(amplitude, axis=2, keepdims=True)).reshape(-1, *amplitude.shape[2:]))
    return median(np.concatenate(ratios), axis=0)


def bad_stations(
    gains: Sequence[np.ndarray], solvable: Sequence[np.ndarray], held_out: Sequence[np.ndarray], layout: Layout
) -> dict[str, BadStation]:
    """Stations whose gains can't be believed.

    Parameters
    ----------
    gains : sequence of (interval, block, station, 2 or 4) complex
        Of each Measurement Set.
    solvable : sequence of (interval, block, 2) bool
        Where there were data.
    held_out : sequence of (4, 2, baseline) float64
        Sums as in `solving.Solved`.
    layout : Layout
        With the stations and baselines of all.

    Returns
    -------
    dict
        Name to BadStation, with reason and figure.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> gains, there, held_out = np.ones((4, 1, 8, 2)), np.ones((4, 1, 2), bool), np.zeros((4, 2, 28))
    >>> gains[:, :, 2] = 3
    >>> bad_stations([gains], [there], [held_out], LAYOUT)["CS002HBA0"].reason
    "X gain 3.00 of the median station's"
    """
    missing = _missing(gains, solvable)
    amplitude = _relative_amplitudes(gains)
    phase = _station_phases(np.sum(list(held_out), axis=0), layout)
    usual = float(median(phase, axis=0))
    error = _station_errors(np.sum(list(held_out), axis=0), layout)
    usual_error = float(median(error, axis=0))
    bad = {}
    for i, name in enumerate(layout.stations):
        hand = int(np.argmax(np.abs(np.log(np.where(amplitude[i] > 0, amplitude[i], 1)))))
        ratio = float(amplitude[i, hand])
        if missing[i] > 0.5:
            reason, figure = f"no solution in {100 * missing[i]:.0f} % of the intervals", float(missing[i])
        elif np.isnan(amplitude[i]).any():
            reason, figure = f"no solution of {'XY'[int(np.isnan(amplitude[i]).argmax())]} in any interval", 1.0
        elif not 1 / AMPLITUDE <= ratio <= AMPLITUDE:
            reason, figure = f"{'XY'[hand]} gain {ratio:.2f} of the median station's", ratio
        elif phase[i] > max(PHASE_DEG, PHASE_RATIO * usual):
            reason, figure = f"phase rms {phase[i]:.0f}° on held-out slots, others {usual:.0f}°", float(phase[i])
        elif error[i] > max(ERROR, PHASE_RATIO * usual_error):
            reason = (
                f"held-out visibilities off by {100 * error[i]:.0f} % of the model, others {100 * usual_error:.0f} %"
            )
            figure = float(error[i])
        else:
            continue
        bad[name] = BadStation(name, reason, figure)
    return bad


def _station_phases(held_out: np.ndarray, layout: Layout) -> np.ndarray:
    """Held-out phase rms over the baselines of each station, the worse of XX and YY.

    Parameters
    ----------
    held_out : (4, 2, baseline) float64
    layout : Layout

    Returns
    -------
    (station,) float64
        Degrees; NaN where there is nothing to tell from.
    """
    return _of_stations(held_out, layout, lambda sums: phase_rms(sums)[0])


def _station_errors(held_out: np.ndarray, layout: Layout) -> np.ndarray:
    """Held-out errors, relative to the model, over the baselines of each station, the worse of XX and YY.

    Parameters
    ----------
    held_out : (4, 2, baseline) float64
    layout : Layout

    Returns
    -------
    (station,) float64
        NaN where there is nothing to tell from.
    """
    return _of_stations(held_out, layout, errors)


def usable(gains: np.ndarray, bad: Sequence[int]) -> np.ndarray:
    """Gains without those of bad stations and without outliers.

    Parameters
    ----------
    gains : (interval, block, station, 2 or 4) complex
    bad : sequence of int
        Indices of bad stations.

    Returns
    -------
    same shape, complex
        NaN where a solution may not be used; both hands go together.

    Examples
    --------
    >>> gains = np.ones((5, 1, 3, 2))
    >>> gains[2, 0, 1] = 9
    >>> np.isfinite(usable(gains, [0])).sum(axis=(0, 1, 3)).tolist()
    [0, 8, 10]
    """
    amplitude = np.abs(gains[..., [0, -1]])
    ratio = amplitude / median(amplitude.reshape(-1, *amplitude.shape[2:]), axis=0)
    with np.errstate(invalid="ignore"):
        good = ((ratio < OUTLIER) & (ratio > 1 / OUTLIER)).all(axis=3)
    good[:, :, list(bad)] = False
    return np.where(good[..., None], gains, np.nan)


def reference_station(gains: Sequence[np.ndarray], layout: Layout) -> int:
    """Station that phases are referred to: of those with the most solutions, the one nearest to the array's middle.

    Parameters
    ----------
    gains : sequence of (interval, block, station, 2 or 4) complex
        Usable ones of each Measurement Set.
    layout : Layout
        With the stations of all.

    Returns
    -------
    int
        Index of the station.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT  # all on one spot
    >>> gains = np.ones((5, 1, 8, 2))
    >>> gains[3, 0, 0] = np.nan
    >>> reference_station([gains], LAYOUT)
    1
    """
    solved = sum(np.isfinite(values).sum(axis=(0, 1, 3)) for values in gains)
    distance = np.linalg.norm(layout.positions - np.median(layout.positions, axis=0), axis=1)
    return int(np.lexsort((distance, -np.asarray(solved)))[0])


def referred(gains: np.ndarray, reference: int) -> np.ndarray:
    """Gains whose phases are those relative to a station.

    Parameters
    ----------
    gains : (interval, block, station, 2 or 4) complex
        NaN where there is no solution.
    reference : int
        Index of the station; where it has no solution, the first that has one stands in.

    Returns
    -------
    same shape
        The phases of X and of Y are 0 at the reference station; of Jones matrices, whose hands belong together, that of
        XX.

    Examples
    --------
    >>> gains = 2 * np.exp([[[[0.1j, 0.2j], [0.4j, 0.3j]]]])  # of two stations, X and Y
    >>> np.angle(referred(gains, 0))[0, 0, 1].round(2).tolist()
    [0.3, 0.1]
    """
    if gains.shape[-1] == 2:
        return np.stack([refer(gains[..., hand], reference) for hand in (0, 1)], axis=-1)
    with np.errstate(invalid="ignore"):
        return gains * (refer(gains[..., 0], reference) / gains[..., 0])[..., None]


def _of_stations(
    held_out: np.ndarray, layout: Layout, figure: Callable[[np.ndarray], list[float | None]]
) -> np.ndarray:
    """(station,) the worse of a figure's values for XX and YY, over the baselines of each station."""
    worst = np.full(len(layout.stations), np.nan)
    for i in range(len(layout.stations)):
        its = (layout.antenna1 == i) | (layout.antenna2 == i)
        worst[i] = max((m for m in figure(held_out[:, :, its]) if m is not None), default=np.nan)
    return worst


def _missing(gains: Sequence[np.ndarray], solvable: Sequence[np.ndarray]) -> np.ndarray:
    """(station,) fraction of the solutions, where there were data, that a station lacks; 1 where there were none."""
    lacks = sum(
        (~np.isfinite(values[..., [0, -1]]) & there[:, :, None, :]).sum(axis=(0, 1, 3))
        for values, there in zip(gains, solvable, strict=True)
    )
    count = sum(int(there.sum()) for there in solvable)
    return np.asarray(lacks) / count if count else np.ones(gains[0].shape[2])
