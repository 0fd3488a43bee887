"""What is true of a simulated observation, kept beside it and never inside."""

import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.processing.simulate.gains import Gains, noise_sigma
from lofarlake_nb.processing.simulate.interference import Interference
from lofarlake_nb.processing.simulate.sky import REFERENCE_HZ, Sky
from lofarlake_nb.steps import write_json


@dataclass(frozen=True)
class Truth:
    """All that was put into an observation, whose noise is the only thing left out."""

    times: np.ndarray  # (time,) MJD UTC s
    frequencies: np.ndarray  # (subband, frequency) Hz
    stations: np.ndarray  # (station,) str
    positions: np.ndarray  # (station, 3) m, ITRF
    sefd: np.ndarray  # (subband, station) Jy, of X or Y, a noisy station's included
    dead: np.ndarray  # (station,) bool: zeros only
    noisy: np.ndarray  # (station,) bool
    interval: float  # s
    channel_width: float  # Hz
    source_names: np.ndarray  # (source,) str
    ra: np.ndarray  # (source,) rad, J2000
    dec: np.ndarray  # (source,) rad
    flux: np.ndarray  # (source,) Jy at the mean frequency, intrinsic
    beam: np.ndarray  # (source, station) mean amplitude relative to the phase centre
    centre_beam: np.ndarray  # (station, 2) mean amplitude of X and Y towards the phase centre: calibration finds it too
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
        """Gains (time, station, frequency, 2) of the receivers and the path to them; station beams come on top."""
        causes = Gains(self.amplitude, self.phase, self.clock, self.tec, self.ripple, self.roll_off)
        return causes.at(self.frequencies[subband])

    def interference(self, subband: int) -> Interference:
        """Transmitters in a subband."""
        return Interference(self.rfi_strength[subband], self.rfi_turn[subband], self.rfi_rate[subband])

    def rfi_mask(self, subband: int, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
        """Samples (time, baseline, frequency) whose interference is stronger than their noise."""
        lengths = np.linalg.norm(self.positions[antenna2] - self.positions[antenna1], axis=1)
        return self.interference(subband).mask(lengths, self.sigma(subband, antenna1, antenna2))

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
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            values = {f.name: kept[f.name] for f in fields(Truth)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ObservationError(
            f"{path}: no truth of a simulation ({error})", "simulate the observation again"
        ) from error
    return Truth(**{name: value.item() if value.ndim == 0 else value for name, value in values.items()})


def apparent_fluxes(truth: Truth, weights: np.ndarray | None = None) -> np.ndarray:
    """Flux densities that an image calibrated on the phase centre shows before it is corrected for the beam.

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
    """
    count = len(truth.stations)
    weights = np.ones((count, count)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (count, count):
        raise ValueError(f"weights: expected {(count, count)}, got {weights.shape}")
    alive = (~(truth.dead | truth.noisy)).astype(float)
    used = (weights + weights.T) * (1 - np.eye(count)) * alive[:, None] * alive
    if not used.sum() > 0:
        raise ValueError("weights: no baseline of working stations has any")
    return truth.flux * np.einsum("sp,pq,sq->s", truth.beam, used, truth.beam) / used.sum()


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
        }
        for i, name in enumerate(truth.source_names)
    ]
    return write_json(
        path,
        {
            "frequency_hz": float(truth.frequencies.mean()),
            "dead_stations": [str(s) for s in truth.stations[truth.dead]],
            "noisy_stations": [str(s) for s in truth.stations[truth.noisy]],
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


def read_summary(path: Path) -> dict:
    """What `write_summary` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
    """
    return json.loads(path.read_text())


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
