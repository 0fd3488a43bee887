"""Gains of a calibrator's scan for another target: what is the stations' own, without the ionosphere of its direction.

As LINC does it (de Gasperin et al. 2019, A&A 622, A5): the bandpass is the usual amplitude of X and Y at each
frequency; the polarisation alignment the usual phase of X against Y; the clock what goes with frequency in the phases
of X, when what goes with 1 / frequency, the ionosphere's electron content, is fitted beside it and left out.

Amplitudes are the receivers' alone: what the calibrator's gains hold of the dipoles' response at its elevation is
divided out, and where an observation's own gains hold it, that at its own elevation is put in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.gains.gain_checks import referred
from lofarlake_nb.processing.gains.response import Response
from lofarlake_nb.processing.noise import median

# Phase in rad of 1 TECU at 1 Hz (electrons advance the phase).
TECU_PHASE = -8.4479745e9
# Below this span of frequencies a clock and an electron content look the same, as stations have a phase of their own.
LEAST_SPAN_HZ = 20e6
# Searched on a grid that is finer than half a turn over the band, then by least squares.
CLOCKS_S = np.linspace(-250e-9, 250e-9, 501)
CONTENTS_TECU = np.linspace(-0.5, 0.5, 101)
MOST_TIMES = 30
_GIVE = "give an h5parm with one set of gains for all directions, or a folder with one for each subband"


@dataclass(frozen=True)
class Transferred:
    """Gains of stations that hold for any direction and time.

    Parameters
    ----------
    stations : tuple of str
    frequencies : (frequency,) float64
        Hz, ascending.
    amplitude : (frequency, station, 2) float64
    alignment : (frequency, station) float64
        Phase of X against Y, rad.
    clock : (station,) float64
        s, against the reference station; 0 where it can't be told from the ionosphere.
    beams_known : bool
        Whether the calibrator's solutions say what they hold of the stations' beams. Where they don't, it is nothing.
    response : Response or None
        What an observation's own gains are to hold of its stations' beams: see `through`.

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> known = np.array([150e6]), np.full((1, 1, 2), 3.0), np.array([[0.5]]), np.zeros(1)
    >>> gains = Transferred(("CS000HBA0",), *known).at(LAYOUT)
    >>> np.abs(gains[0, :2, 0]).tolist(), np.angle(gains[0, 0]).round(2).tolist()
    ([3.0, nan], [0.0, -0.5])
    """

    stations: tuple[str, ...]
    frequencies: np.ndarray
    amplitude: np.ndarray
    alignment: np.ndarray
    clock: np.ndarray
    beams_known: bool = True
    response: Response | None = None

    def at(self, layout: Layout) -> np.ndarray:
        """Gains (frequency, station, 2) of an observation's stations at its frequencies.

        Parameters
        ----------
        layout : Layout

        Returns
        -------
        (frequency, station, 2) complex128
            NaN for stations that the calibrator's scan lacks, or has no solutions of. Between the frequencies at which
            a station has some, they lie on a line; outside of these they are those of the edge.
        """
        wanted = layout.frequencies
        result = np.full((len(wanted), len(layout.stations), 2), np.nan, np.complex128)
        for i, name in enumerate(layout.stations):
            if name not in self.stations:
                continue
            j = self.stations.index(name)
            solved = np.isfinite(self.amplitude[:, j]).all(axis=-1)  # without X or Y there is no alignment either
            if not solved.any():
                continue
            known = self.frequencies[solved]
            turn = np.interp(wanted, known, np.unwrap(self.alignment[solved, j]))
            delay = 2 * np.pi * wanted * self.clock[j]
            for hand, phase in ((0, delay), (1, delay - turn)):
                size = np.interp(wanted, known, self.amplitude[solved, j, hand])
                result[:, i, hand] = size * np.exp(1j * phase)
        return result

    def during(self, layout: Layout, times: np.ndarray) -> np.ndarray:
        """Gains (time, frequency, station, 2) at some times (MJD s), with the `response`; else as `at`."""
        gains = self.at(layout)
        whole = np.broadcast_to(gains, (len(times), *gains.shape))
        return whole if self.response is None else whole * self.response.at(times)[:, None]


def through(transferred: Transferred, response: Response | None) -> Transferred:
    """Gains for an observation whose model has no beams in it, so that its gains hold what its stations see; a task.

    Parameters
    ----------
    transferred : Transferred
    response : Response or None
        Of the observation's stations, in its layout's order, towards its phase centre; None where it is not known.

    Returns
    -------
    Transferred

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> known = np.array([150e6]), np.full((1, 1, 2), 3.0), np.array([[0.5]]), np.zeros(1)
    >>> seen = through(Transferred(("CS000HBA0",), *known), Response(np.zeros(1), np.full((1, 8, 2), 0.5)))
    >>> np.abs(seen.during(LAYOUT, LAYOUT.times[:1])[0, 0, 0]).tolist()
    [1.5, 1.5]
    """
    return replace(transferred, response=response)


def together(
    transferred: Transferred, solved: np.ndarray, layout: Layout, channel_block: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Gains that were solved after transferred ones were corrected for, with those in them.

    Parameters
    ----------
    transferred : Transferred
    solved : (interval, block, station, 2 or 4) complex
    layout : Layout
    channel_block : (frequency,) int
        Block of each channel.
    times : (interval,) float64
        Middle of each interval, MJD s.

    Returns
    -------
    (interval, frequency, station, 2 or 4) complex

    Examples
    --------
    >>> from lofarlake_nb.processing.kernels import LAYOUT
    >>> two = np.full((1, 8, 2), 2.0)
    >>> before = Transferred(LAYOUT.stations, np.array([150e6]), two, np.zeros((1, 8)), np.zeros(8))
    >>> together(before, np.full((1, 1, 8, 2), 3.0), LAYOUT, np.zeros(8, int), np.zeros(1))[0, :, 0, 0].real.tolist()
    [6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]
    """
    rows = [0, 1] if solved.shape[-1] == 2 else [0, 0, 1, 1]
    return solved[:, channel_block] * transferred.during(layout, times)[..., rows]


def notes(transferred: Transferred | None) -> tuple[str, ...]:
    """What is to be said of gains of another scan, or of none.

    Examples
    --------
    >>> notes(None)
    ()
    >>> known = np.array([150e6]), np.full((1, 1, 2), 3.0), np.array([[0.5]]), np.zeros(1)
    >>> notes(Transferred(("CS000HBA0",), *known, beams_known=False))[0][:60]
    "the calibrator's solutions don't say what they hold of its b"
    """
    if transferred is None or transferred.beams_known:
        return ()
    return ("the calibrator's solutions don't say what they hold of its beam: taken as corrected for, as LINC does it",)


def load(place: str) -> Transferred:
    """What can be transferred of solutions in files.

    Parameters
    ----------
    place : str
        h5parm with amplitudes and phases, or a folder with one for each subband.

    Returns
    -------
    Transferred

    Raises
    ------
    UsageError
        When there is none, one is no h5parm or of several directions, or they are of different stations.

    Examples
    --------
    >>> found = load("gains.h5")
    >>> found.stations, found.amplitude[0, :, 0].round(3).tolist()
    (('CS001HBA0', 'CS002HBA0', 'CS003HBA0'), [2.0, 4.0, 2.0])
    """
    path = Path(place)
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    files = [f for f in files if not f.stem.endswith("_directions")]
    if not files or not all(f.is_file() for f in files):
        raise UsageError(f"solutions: no h5parm at {place}", "give an h5parm, or a folder with one for each subband")
    found = [_read(f) for f in files]
    names = found[0][1]
    if any(others != names for _, others in found):
        raise UsageError(f"solutions: the files in {place} are of different stations", "give those of one observation")
    return separate([gains for gains, _ in found], names)


def _read(file: Path) -> tuple[solutions.Gains, tuple[str, ...]]:
    try:
        gains, names = solutions.read(file), solutions.stations(file)
    except (OSError, KeyError, ValueError) as error:
        what = _tables(file) if isinstance(error, KeyError) else str(error)
        raise UsageError(f"solutions: {file} is no h5parm with amplitudes and phases: {what}", _GIVE) from error
    if len(gains.directions) == 1:  # that of all: DP3 can write it so
        gains = replace(gains, values=gains.values[0], directions=())
    if gains.directions:
        raise UsageError(f"solutions: {file} holds gains of {len(gains.directions)} directions", _GIVE)
    return gains, names


def _tables(file: Path) -> str:
    """What is in a file that lacks something."""
    with h5py.File(file) as opened:
        there = [f"{name}/{table}" for name, of in opened.items() if isinstance(of, h5py.Group) for table in of]
    return f"expected sol000/amplitude000 and sol000/phase000, there are {', '.join(there) or 'none'}"


def separate(gains: Sequence[solutions.Gains], stations: tuple[str, ...]) -> Transferred:
    """Bandpass, alignment and clock of diagonal gains.

    Parameters
    ----------
    gains : sequence of Gains
        Of each subband, of the same stations.
    stations : tuple of str

    Returns
    -------
    Transferred

    Examples
    --------
    >>> values = np.array([[2, 2], [4, 4j]])[None, None]  # of two stations, X and Y
    >>> found = separate([solutions.Gains(values, np.array([5e9]), np.array([150e6]))], ("RS106HBA", "RS205HBA"))
    >>> found.amplitude[0].tolist(), found.alignment[0].round(2).tolist(), found.clock.tolist()
    ([[2.0, 2.0], [4.0, 4.0]], [0.0, -1.57], [0.0, 0.0])
    """
    frequencies = np.concatenate([g.frequencies for g in gains])
    order = np.argsort(frequencies)
    reference = int(np.argmax(sum(np.isfinite(g.values).sum(axis=(0, 1, 3)) for g in gains)))
    amplitude, alignment = [], []
    for one in gains:
        values = referred(one.values[..., [0, -1]], reference)
        held = 1.0 if one.response is None else one.response.at(one.times)[:, None]
        amplitude.append(median(np.abs(values) / held, axis=0))
        against = values[..., 0] * np.conj(values[..., 1])
        against = np.where(np.isfinite(against), against, 0)
        against = against / np.maximum(np.abs(against), 1e-30)
        alignment.append(np.angle(against.sum(axis=0)))
    bandpass = np.concatenate(amplitude)[order]
    turned = np.concatenate(alignment)[order]
    known = all(one.response is not None for one in gains)
    return Transferred(stations, frequencies[order], bandpass, turned, _clocks(gains, reference), known)


def _clocks(gains: Sequence[solutions.Gains], reference: int) -> np.ndarray:
    """(station,) s; 0 where the band is too narrow, or there are no solutions."""
    count = gains[0].values.shape[2]
    frequencies = np.array([g.frequencies.mean() for g in gains])
    if not _spans(frequencies):
        return np.zeros(count)
    n_time = min(len(g.values) for g in gains)
    chosen = np.unique(np.linspace(0, n_time - 1, MOST_TIMES).round().astype(int))
    turns = np.stack([_turn(referred(g.values[chosen], reference)) for g in gains])  # subband, time, station
    clocks = np.zeros(count)
    for station in range(count):
        # At each time of the subbands that have some: one without must not cost a station its clock.
        there = [(its, its != 0) for its in turns[:, :, station].T]
        found = [_clock(its[has], frequencies[has]) for its, has in there if _spans(frequencies[has])]
        clocks[station] = np.median(found) if found else 0.0
    return clocks


def _spans(frequencies: np.ndarray) -> bool:
    """Whether a clock and an electron content can be told apart over these frequencies."""
    return len(frequencies) > 2 and bool(np.ptp(frequencies) >= LEAST_SPAN_HZ)


def _turn(values: np.ndarray) -> np.ndarray:
    """(time, station) phase of X, as a unit number, of gains (time, block, station, 2); 0 for none."""
    total = np.where(np.isfinite(values[..., 0]), values[..., 0], 0).sum(axis=1)  # over the blocks
    return total / np.maximum(np.abs(total), 1e-30)


def _clock(turns: np.ndarray, frequencies: np.ndarray) -> float:
    """Clock, s, of unit phases (subband,)."""
    delays = np.exp(-2j * np.pi * CLOCKS_S[:, None] * frequencies)
    contents = np.exp(-1j * TECU_PHASE * CONTENTS_TECU[:, None] / frequencies)
    fit = np.abs((delays * turns) @ contents.T)
    i, j = np.unravel_index(int(np.argmax(fit)), fit.shape)
    columns = np.stack([2 * np.pi * frequencies, TECU_PHASE / frequencies, np.ones(len(frequencies))], axis=1)
    size = np.linalg.norm(columns, axis=0)
    left = turns * delays[i] * contents[j]
    angles = np.angle(left * np.exp(-1j * np.angle(left.sum())))
    return float(CLOCKS_S[i] + (np.linalg.lstsq(columns / size, angles, rcond=None)[0] / size)[0])
