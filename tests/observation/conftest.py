"""A small Measurement Set in LOFAR's layout, with known values."""

from pathlib import Path

import numpy as np
import pytest

from lofarlake_nb.observation import stations, uvw, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.subtables import Identity

CHANNELS, SLOTS = 8, 6


@pytest.fixture(scope="session")
def small_layout() -> Layout:
    fields = stations.choose(stations.dutch_hba(), 6)
    antenna1, antenna2 = np.triu_indices(len(fields))
    times = 57008.09 * 86400 + np.array([2.0, 6.0, 10.0, 402.0, 406.0, 410.0])
    return Layout(
        times=times,
        antenna1=antenna1,
        antenna2=antenna2,
        rows=np.arange(SLOTS * len(antenna1)).reshape(SLOTS, -1),
        frequencies=135e6 + 24414.0625 * np.arange(CHANNELS),
        stations=tuple(f.name for f in fields),
        positions=np.stack([f.position for f in fields]),
        phase_centre=(2.1537, 0.8415),
        interval=4.0,
        channel_width=24414.0625,
    )


@pytest.fixture(scope="session")
def small_values(small_layout) -> dict[str, np.ndarray]:
    """DATA, FLAG, WEIGHT_SPECTRUM and UVW of the small Measurement Set, each (time, baseline, ...)."""
    rng = np.random.default_rng(3)
    shape = (SLOTS, len(small_layout.antenna1), CHANNELS, 4)
    ends = uvw.station_uvw(small_layout.times, small_layout.positions, small_layout.phase_centre)
    return {
        "DATA": rng.normal(size=(*shape, 2)).astype(np.float32).view(np.complex64)[..., 0],
        "FLAG": rng.random(shape) < 0.1,
        "WEIGHT_SPECTRUM": rng.random(shape, dtype=np.float32),
        "UVW": uvw.baseline_uvw(ends, small_layout.antenna1, small_layout.antenna2),
    }


@pytest.fixture
def small_set(tmp_path, small_layout, small_values) -> Path:
    path = tmp_path / "L123456_SAP001_SB042_uv.MS"
    identity = Identity("LC0_000", "123456", "3C196", path.name, 42, sap=1)
    fields = stations.choose(stations.dutch_hba(), 6)
    columns = {name: v for name, v in small_values.items() if name != "UVW"}
    scans = np.array([0, 0, 0, 1, 1, 1])
    with writer.create(path, small_layout, identity=identity, fields=fields, scans=scans) as out:
        for block in (slice(0, 4), slice(4, 6)):
            out.write(block.start, small_values["UVW"][block], **{k: v[block] for k, v in columns.items()})
    return path
