"""What is true of a simulated observation, kept beside it and never inside."""

import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.processing.simulate.gains import Gains, noise_sigma
from lofarlake_nb.processing.simulate.interference import NOTICED_SIGMA, Interference
from lofarlake_nb.processing.simulate.ionosphere import TECU_PHASE, Screen
from lofarlake_nb.processing.simulate.sky import REFERENCE_HZ, Sky
from lofarlake_nb.steps import write_json

# What numpy says of a file that is none of its own, or a damaged one.
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
FLUX_SCALE = "Scaife and Heald (2012); Cas A, Cyg A, Tau A and Vir A by Perley and Butler (2017)"


@dataclass(frozen=True)
class Truth:
    """All that was put into an observation, whose noise is the only thing left out.

    Examples
    --------
    >>> truth = load(paths[0].with_name("L667520_truth.npz"))
    >>> truth.gains(0).shape, str(truth.source_names[0]), truth.interval
    ((30, 20, 16, 2), '3C196', 4.0)
    """

    times: np.ndarray  # (time,) MJD UTC s
    frequencies: np.ndarray  # (subband, frequency) Hz
    stations: np.ndarray  # (station,) str
    positions: np.ndarray  # (station, 3) m, ITRF
    sefd: np.ndarray  # (subband, station) Jy, of X or Y, a noisy station's included
    dead: np.ndarray  # (station,) bool: zeros only
    noisy: np.ndarray  # (station,) bool
    swapped: np.ndarray  # (station,) bool: X is called Y, and Y X, after all else
    interval: float  # s
    channel_width: float  # Hz
    source_names: np.ndarray  # (source,) str
    ra: np.ndarray  # (source,) rad, J2000
    dec: np.ndarray  # (source,) rad
    flux: np.ndarray  # (source,) Jy at the mean frequency, intrinsic
    in_field: np.ndarray  # (source,) bool: not of the A-team
    smearing: np.ndarray  # (source, station, station) float32, what slots and channels leave, mean over time
    beam: np.ndarray  # (source, station) mean amplitude relative to the phase centre
    centre_beam: np.ndarray  # (station, 2) mean amplitude of X and Y towards the phase centre: calibration finds it too
    beam_times: np.ndarray  # (node,) MJD UTC s, at which beams were computed
    beam_nodes: np.ndarray  # (3, time) first and second node of a slot, weight of the second
    centre_jones: np.ndarray  # (subband, node, station, 2, 2) complex64, towards the phase centre
    screen_wave: np.ndarray  # the ionosphere, see Screen
    screen_strength: np.ndarray
    screen_turn: np.ndarray
    screen_velocity: np.ndarray
    ground: np.ndarray  # (station, 2) km
    pierce: np.ndarray  # (time, source + 1, 3), the phase centre last
    amplitude: np.ndarray  # the causes of the gains, see Gains
    phase: np.ndarray
    clock: np.ndarray
    tec: np.ndarray
    ripple: np.ndarray
    roll_off: float
    rfi_strength: np.ndarray  # (subband, time, frequency) Jy at zero baseline
    rfi_turn: np.ndarray  # (subband, station) rad
    rfi_rate: np.ndarray  # (subband, station) rad/s

    def gains(self, subband: int) -> np.ndarray:
        """Gains (time, station, frequency, 2) of receivers and path towards the phase centre, without station beams."""
        causes = Gains(self.amplitude, self.phase, self.clock, self.tec, self.ripple, self.roll_off)
        return causes.at(self.frequencies[subband])

    def centre_gains(self, subband: int) -> np.ndarray:
        """Jones matrices (time, station, frequency, 2, 2) towards the phase centre, with the station beams."""
        first, second = self.beam_nodes[:2].astype(int)
        weight = self.beam_nodes[2][:, None, None, None]
        jones = self.centre_jones[subband]
        between = (1 - weight) * jones[first] + weight * jones[second]
        return (self.gains(subband)[..., None] * between[:, :, None]).astype(np.complex64)

    def extra_tec(self, source: int) -> np.ndarray:
        """TECU (time, station) towards a source, more than towards the phase centre."""
        screen = Screen(self.screen_wave, self.screen_strength, self.screen_turn, self.screen_velocity)
        tec = screen.tec(self.times - self.times[0], self.ground, self.pierce[:, [source, -1]])
        return tec[..., 0] - tec[..., 1]

    def direction_gains(self, subband: int, source: int) -> np.ndarray:
        """What the ionosphere adds to `gains` towards a source: (time, station, frequency), of amplitude 1."""
        phase = TECU_PHASE * self.extra_tec(source)[..., None] / self.frequencies[subband]
        return np.exp(1j * phase).astype(np.complex64)

    def interference(self, subband: int) -> Interference:
        """Transmitters in a subband."""
        return Interference(self.rfi_strength[subband], self.rfi_turn[subband], self.rfi_rate[subband])

    def rfi_mask(
        self, subband: int, antenna1: np.ndarray, antenna2: np.ndarray, least: float = NOTICED_SIGMA
    ) -> np.ndarray:
        """Samples (time, baseline, frequency) whose interference is stronger than `least` times their noise."""
        lengths = np.linalg.norm(self.positions[antenna2] - self.positions[antenna1], axis=1)
        return self.interference(subband).mask(lengths, self.sigma(subband, antenna1, antenna2), least)

    def sigma(self, subband: int, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
        """Thermal noise (baseline,) of a sample's real or imaginary part in Jy, at gains of 1."""
        sefd = self.sefd[subband]
        return noise_sigma(sefd[antenna1], sefd[antenna2], self.channel_width, self.interval)

    def save(self, path: Path) -> Path:
        """Write to an ``.npz`` file.

        Parameters
        ----------
        path : Path

        Returns
        -------
        Path
            `path`.
        """
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return path


def load(path: Path) -> Truth:
    """Truth of an observation.

    Parameters
    ----------
    path : Path
        ``.npz`` file that the simulator left.

    Returns
    -------
    Truth

    Raises
    ------
    ObservationError
        When it is no such file.

    Examples
    --------
    >>> truth = load(paths[0].with_name("L667520_truth.npz"))
    >>> int(truth.dead.sum()), int(truth.noisy.sum()), len(truth.source_names)
    (1, 1, 9)
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            values = {f.name: kept[f.name] for f in fields(Truth)}
    except _UNREADABLE as error:
        raise ObservationError(
            f"{path}: no truth of a simulation ({error})", "simulate the observation again"
        ) from error
    return Truth(**{name: value.item() if value.ndim == 0 else value for name, value in values.items()})


def apparent_fluxes(truth: Truth, weights: np.ndarray | None = None) -> np.ndarray:
    """Flux densities that an image calibrated on the phase centre shows before it is corrected for the beam.

    They are integrated ones: smearing spreads a source and keeps its flux. Those of the A-team are 0: far outside any
    image of the field, they are seen as what their side lobes do there.

    Parameters
    ----------
    truth : Truth
    weights : (station, station), optional
        Sum of the imaging weights of each baseline; the diagonal is ignored, and (p, q) and (q, p) are added. Without
        it, all baselines of working stations weigh the same.

    Returns
    -------
    (source,) Jy at the mean frequency

    Raises
    ------
    ValueError
        When no baseline has any weight.

    Examples
    --------
    >>> truth = load(paths[0].with_name("L667520_truth.npz"))
    >>> seen = apparent_fluxes(truth) / truth.flux
    >>> bool(seen[0] > 0.999), bool(seen[1:].max() < 0.9)  # 3C196 is at the phase centre
    (True, True)
    """
    used = _used(truth, weights)
    seen = np.einsum("sp,pq,sq->s", truth.beam, used, truth.beam) / used.sum()
    return truth.flux * seen * truth.in_field


def peak_left(truth: Truth, weights: np.ndarray | None = None) -> np.ndarray:
    """Share of a source's peak that time and bandwidth smearing leave in the data as they are.

    Parameters
    ----------
    truth : Truth
    weights : (station, station), optional
        As for `apparent_fluxes`: the weights decide which baselines, and so which resolution.

    Returns
    -------
    (source,) float64
        1 at the phase centre.

    Examples
    --------
    >>> left = peak_left(load(paths[0].with_name("L667520_truth.npz")))
    >>> round(float(left[0]), 3), bool(left.min() < 0.99)
    (1.0, True)
    """
    used = _used(truth, weights)
    seen = np.einsum("sp,pq,sq,spq->s", truth.beam, used, truth.beam, truth.smearing)
    return seen / np.einsum("sp,pq,sq->s", truth.beam, used, truth.beam)


def _used(truth: Truth, weights: np.ndarray | None) -> np.ndarray:
    """Weights (station, station) of the baselines of working stations."""
    count = len(truth.stations)
    weights = np.ones((count, count)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (count, count):
        raise ValueError(f"weights: expected {(count, count)}, got {weights.shape}")
    alive = (~(truth.dead | truth.noisy)).astype(float)
    used = (weights + weights.T) * (1 - np.eye(count)) * alive[:, None] * alive
    if not used.sum() > 0:
        raise ValueError("weights: no baseline of working stations has any")
    return used


def write_summary(path: Path, truth: Truth) -> Path:
    """The truth as people and other programs read it: sources, bad stations, noise.

    Parameters
    ----------
    path : Path
        JSON file.
    truth : Truth

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> import json
    >>> written = write_summary(Path("told.json"), load(paths[0].with_name("L667520_truth.npz")))
    >>> kept = json.loads(written.read_text())
    >>> kept["sources"][0]["name"], round(kept["sources"][0]["flux_jy"], 1)
    ('3C196', 89.4)
    """
    apparent = apparent_fluxes(truth)
    antenna1, antenna2 = np.triu_indices(len(truth.stations), 1)
    contaminated = [float(truth.rfi_mask(i, antenna1, antenna2).mean()) for i in range(len(truth.frequencies))]
    sources = [
        {
            "name": str(name),
            "ra_deg": float(np.rad2deg(truth.ra[i])),
            "dec_deg": float(np.rad2deg(truth.dec[i])),
            "flux_jy": float(truth.flux[i]),
            "apparent_flux_jy": float(apparent[i]),
            "in_field": bool(truth.in_field[i]),
        }
        for i, name in enumerate(truth.source_names)
    ]
    return write_json(
        path,
        {
            "frequency_hz": float(truth.frequencies.mean()),
            "dead_stations": [str(s) for s in truth.stations[truth.dead]],
            "noisy_stations": [str(s) for s in truth.stations[truth.noisy]],
            "swapped_stations": [str(s) for s in truth.stations[truth.swapped]],
            "flux_scale": FLUX_SCALE,
            "sefd_jy": {str(s): float(v) for s, v in zip(truth.stations, truth.sefd.mean(axis=0), strict=True)},
            "rfi_fraction": float(np.mean(contaminated)),
            "sources": sources,
        },
    )


def write_sky_model(path: Path, sky: Sky) -> Path:
    """The sky in LOFAR's sky model format, as makesourcedb and DP3 read it, intrinsic fluxes.

    Parameters
    ----------
    path : Path
    sky : Sky

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> from lofarlake_nb.processing.simulate.sky import field_of_3c196
    >>> written = write_sky_model(Path("field.skymodel"), field_of_3c196(0, np.random.default_rng(1)))
    >>> print(written.read_text().splitlines()[-1])
    6C_B075752.1+501806, GAUSSIAN, 08:01:35.400000, +50.09.46.00000, 5.500000, 8.0000, 5.0000, 75.0000, , [-0.75], true
    """
    lines = [
        "FORMAT = Name, Type, Ra, Dec, I, MajorAxis, MinorAxis, Orientation, "
        f"ReferenceFrequency='{REFERENCE_HZ:g}', SpectralIndex='[]', LogarithmicSI",
        "",
    ]
    for i, name in enumerate(sky.names):
        kind = "GAUSSIAN" if sky.major[i] > 0 else "POINT"
        size = (np.rad2deg(sky.major[i]) * 3600, np.rad2deg(sky.minor[i]) * 3600, np.rad2deg(sky.angle[i]))
        terms = ", ".join(f"{x:.6g}" for x in np.trim_zeros(sky.index[i], "b"))
        lines.append(
            f"{name.replace(' ', '_')}, {kind}, {_hours(sky.ra[i])}, {_degrees(sky.dec[i])}, {sky.flux[i]:.6f}, "
            f"{size[0]:.4f}, {size[1]:.4f}, {size[2]:.4f}, , [{terms}], true"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def _hours(radian: float) -> str:
    hours, minutes, seconds = _sexagesimal(np.rad2deg(radian) / 15, 6)
    return f"{hours:02d}:{minutes:02d}:{seconds:09.6f}"


def _degrees(radian: float) -> str:
    # LOFAR's sky models separate degrees, minutes and seconds by dots.
    degrees, minutes, seconds = _sexagesimal(abs(np.rad2deg(radian)), 5)
    return f"{'-' if radian < 0 else '+'}{degrees:02d}.{minutes:02d}.{seconds:08.5f}"


def _sexagesimal(value: float, digits: int) -> tuple[int, int, float]:
    """Whole units, minutes, and seconds that don't round up to 60."""
    ticks = round(value * 3600 * 10**digits)
    minutes, rest = divmod(ticks, 60 * 10**digits)
    return minutes // 60, minutes % 60, rest / 10**digits
