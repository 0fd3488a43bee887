"""Gains in h5parm files, the layout that LoSoTo and DP3 read."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout

AXES = "time,freq,ant,pol"
VERSION = "1.0"


@dataclass(frozen=True)
class Gains:
    """Diagonal gains of one Measurement Set.

    Parameters
    ----------
    values : (interval, block, station, 2) complex128
        Of XX and YY; NaN where there is no solution that may be used.
    times : (interval,) float64
        Centre of each interval, MJD s.
    frequencies : (block,) float64
        Centre of each block of channels, Hz.
    """

    values: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray


def write(path: Path, gains: Gains, layout: Layout) -> Path:
    """Write gains as an h5parm.

    Parameters
    ----------
    path : Path
        The file; replaced when there.
    gains : Gains
    layout : Layout
        For the stations and the direction.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    good = np.isfinite(gains.values)
    with h5py.File(path, "w") as file:
        solutions = file.create_group("sol000")
        solutions.attrs["h5parm_version"] = np.bytes_(VERSION)
        station = np.dtype([("name", "S16"), ("position", np.float32, 3)])
        pairs = zip(layout.stations, layout.positions, strict=True)
        solutions["antenna"] = np.array([(n.encode()[:16], p) for n, p in pairs], dtype=station)
        source = np.dtype([("name", "S128"), ("dir", np.float32, 2)])
        solutions["source"] = np.array([(b"pointing", layout.phase_centre)], dtype=source)
        for name, values in (("amplitude", np.abs(gains.values)), ("phase", np.angle(gains.values))):
            table = solutions.create_group(f"{name}000")
            table.attrs["TITLE"] = np.bytes_(name)
            table["time"] = gains.times
            table["freq"] = gains.frequencies
            table["ant"] = np.array([n.encode()[:16] for n in layout.stations])
            table["pol"] = np.array([b"XX", b"YY"])
            table["val"] = np.where(good, values, 1.0 if name == "amplitude" else 0.0)
            table["weight"] = good.astype(np.float32)
            for dataset in ("val", "weight"):
                table[dataset].attrs["AXES"] = np.bytes_(AXES)
    return path


def read(path: Path) -> Gains:
    """Read what `write` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Gains
    """
    with h5py.File(path) as file:
        amplitude, phase = file["sol000/amplitude000"], file["sol000/phase000"]
        values = amplitude["val"][:] * np.exp(1j * phase["val"][:])
        values[amplitude["weight"][:] == 0] = np.nan
        return Gains(values, amplitude["time"][:], amplitude["freq"][:])
