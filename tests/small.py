"""A small Measurement Set in LOFAR's layout."""

from pathlib import Path

import numpy as np

from lofarlake_nb.observation import writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity

CORE = np.array([3826577.0, 461022.0, 5064892.0])  # m, ITRF, about


def measurement_set(folder: Path, observation: int, subband: int = 0, *, slots: int = 4, channels: int = 4) -> Path:
    """Three stations, four slots; noise that is different at each call."""
    random = np.random.default_rng()
    fields = [
        StationField(f"CS00{n}HBA0", CORE + 100.0 * n, np.eye(3), np.zeros((24, 3)), np.zeros((16, 3)), 0.0)
        for n in (1, 2, 3)
    ]
    first, second = np.triu_indices(3)
    layout = Layout(
        times=5.0e9 + 2.0 * np.arange(slots) + 1.0,
        antenna1=first,
        antenna2=second,
        rows=np.arange(slots * len(first)).reshape(slots, -1),
        frequencies=135e6 + 0.1953125e6 * subband + 195312.5 / channels * (np.arange(channels) - (channels - 1) / 2),
        stations=tuple(field.name for field in fields),
        positions=np.array([field.position for field in fields]),
        phase_centre=(np.deg2rad(123.4), np.deg2rad(48.2)),
        interval=2.0,
        channel_width=195312.5 / channels,
    )
    name = f"L{observation}_SAP000_SB{subband:03d}_uv.MS"
    identity = Identity("LC0_000", str(observation), "3C196", name, subband)
    with writer.create(folder / name, layout, identity=identity, fields=fields) as rows:
        data = random.normal(size=(slots, len(first), channels, 4, 2)).view(complex)[..., 0]
        rows.write(0, np.zeros((slots, len(first), 3)), DATA=data, FLAG=data.real > 3)
    return folder / name
