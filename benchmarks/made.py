"""What the benchmark moves: Measurement Sets of a given size, small files."""

import math
import shutil
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity

STATIONS, CHANNELS = 30, 64
CORE = np.array([3826577.0, 461022.0, 5064892.0])  # m, ITRF, about
VISIBILITY_BYTES = 8 + 4 + 1 / 8  # of DATA, WEIGHT_SPECTRUM and FLAG


def measurement_sets(folder: Path, count: int, size: int) -> list[Path]:
    """Measurement Sets in LOFAR's layout, with noise in them, so that no disk can make them smaller.

    Parameters
    ----------
    folder : Path
        Where they are made.
    count : int
        Subbands.
    size : int
        Bytes of each, about.

    Returns
    -------
    list of Path
        By subband.
    """
    first = _measurement_set(folder / name(1, 0), size)
    others = [folder / name(1, subband) for subband in range(1, count)]
    for other in others:
        shutil.copytree(first, other)
    return [first, *others]


def name(observation: int, subband: int) -> str:
    """Of a Measurement Set, in LOFAR's form."""
    return f"L{observation}_SAP000_SB{subband:03d}_uv.MS"


def _measurement_set(path: Path, size: int) -> Path:
    first, second = np.triu_indices(STATIONS)
    baselines = len(first)
    slots = max(1, math.ceil(size / (baselines * CHANNELS * 4 * VISIBILITY_BYTES)))
    fields = [
        StationField(f"CS{n:03d}HBA0", CORE + 100.0 * n, np.eye(3), np.zeros((24, 3)), np.zeros((16, 3)), 0.0)
        for n in range(1, STATIONS + 1)
    ]
    layout = Layout(
        times=5.0e9 + 2.0 * np.arange(slots) + 1.0,
        antenna1=first,
        antenna2=second,
        rows=np.arange(slots * baselines).reshape(slots, -1),
        frequencies=135e6 + 3051.7578125 * (np.arange(CHANNELS) - CHANNELS / 2),
        stations=tuple(field.name for field in fields),
        positions=np.array([field.position for field in fields]),
        phase_centre=(np.deg2rad(123.4), np.deg2rad(48.2)),
        interval=2.0,
        channel_width=3051.7578125,
    )
    random = np.random.default_rng(1)
    with writer.create(path, layout, identity=Identity("LC0_000", "1", "3C196", path.name, 0), fields=fields) as rows:
        for slot in range(slots):
            noise = random.normal(size=(1, baselines, CHANNELS, 4, 3)).astype(np.float32)
            data = noise[..., 0] + 1j * noise[..., 1]
            rows.write(slot, np.zeros((1, baselines, 3)), DATA=data, WEIGHT_SPECTRUM=abs(noise[..., 2]))
    return path


def small_files(folder: Path, prefix: str, count: int, size: int = 10_000) -> Path:
    """A folder of small files with noise in them; the folder."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng().bytes(size * count)
    for n in range(count):
        (folder / f"{prefix}_{n:06d}.dat").write_bytes(noise[n * size : (n + 1) * size])
    return folder
