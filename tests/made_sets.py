"""A small Measurement Set of a point source and noise, to be turned into other dialects."""

from pathlib import Path

import numpy as np
from casacore.tables import makearrcoldesc, maketabdesc, table

from lofarlake_nb.observation import measurement_set, stations, uvw, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.subtables import Identity

SLOTS, CHANNELS, STATIONS = 24, 16, 8
FLUX, NOISE = 10.0, 1.0


def plain(
    path: Path,
    *,
    seed: int = 1,
    correlations=("XX", "XY", "YX", "YY"),
    shape=(SLOTS, STATIONS, CHANNELS),
    phase_centre=(2.1537, 0.8415),
    add=None,
) -> Path:
    """A source of `FLUX` Jy at the phase centre and noise of `NOISE` Jy in each sample, some weights halved.

    `add` is given the layout, and returns what is added to the visibilities (time, baseline, frequency, polarization).
    """
    slots, count, channels = shape
    fields = stations.choose(stations.dutch_hba(), count)
    antenna1, antenna2 = np.triu_indices(count)
    times = 57008.09 * 86400 + 4.0 * np.arange(slots)
    layout = Layout(
        times=times,
        antenna1=antenna1,
        antenna2=antenna2,
        rows=np.arange(slots * len(antenna1)).reshape(slots, -1),
        frequencies=135e6 + 12207.03125 * np.arange(channels),
        stations=tuple(f.name for f in fields),
        positions=np.stack([f.position for f in fields]),
        phase_centre=phase_centre,
        interval=4.0,
        channel_width=12207.03125,
        correlations=correlations,
    )
    rng = np.random.default_rng(seed)
    shape = (slots, len(antenna1), channels, len(correlations))
    data = NOISE * np.sqrt(0.5) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    data[..., 0] += FLUX
    if len(correlations) > 1:
        data[..., -1] += FLUX
    if add is not None:
        data += add(layout)
    weight = np.where(rng.random(shape[:3]) < 0.5, 1.0, 0.5)[..., None] * np.ones(shape[3])
    ends = uvw.station_uvw(times, layout.positions, layout.phase_centre)
    identity = Identity("LC0_000", "123456", "3C196", path.name, 42)
    with writer.create(path, layout, identity=identity, fields=fields) as out:
        out.write(
            0,
            uvw.baseline_uvw(ends, antenna1, antenna2),
            DATA=data.astype(np.complex64),
            WEIGHT_SPECTRUM=weight.astype(np.float32),
        )
    return path


def change(path: Path, subtable: str, edit) -> None:
    """Change a table of a Measurement Set; empty for the main one."""
    with table(str(path / subtable) if subtable else str(path), readonly=False, ack=False) as t:
        edit(t)


def chosen_rows(path: Path, target: Path, rows: np.ndarray) -> Path:
    """Copy with chosen rows, in that order."""
    with table(str(path), ack=False) as ms, ms.selectrows(rows) as some:
        some.copy(str(target), deep=True).close()
    return target


def compressed(path: Path) -> None:
    """Visibilities and weights by Dysco, as the LOFAR archive has them."""
    specification = {
        "dataBitCount": 10,
        "weightBitCount": 12,
        "distribution": "TruncatedGaussian",
        "distributionTruncation": 2.5,
        "normalization": "AF",
        "studentTNu": 0.0,
        "staticSeed": 0,
    }

    def compress(t):
        for name, zero, kind in (("DATA", 0j, "complex"), ("WEIGHT_SPECTRUM", 0.0, "float")):
            values = t.getcol(name)
            t.removecols(name)
            column = makearrcoldesc(name, zero, options=5, ndim=2, shape=list(values.shape[1:]), valuetype=kind)
            manager = {"NAME": f"Dysco{name}", "TYPE": "DyscoStMan", "COLUMNS": [name], "SPEC": specification}
            t.addcols(maketabdesc([column]), {"*1": manager})
            t.putcol(name, values)

    change(path, "", compress)


def doubled(path: Path, column: str, subtable: str) -> None:
    """Rows twice: the second ones of another field or spectral window, with other visibilities."""

    def add(t):
        rows = t.nrows()
        t.copyrows(t)
        t.putcol(column, np.ones(rows, dtype=np.int32), rows, rows)
        t.putcol("DATA", 5 * t.getcol("DATA", rows, rows), rows, rows)

    change(path, "", add)
    change(path, subtable, lambda t: t.copyrows(t))


def two_windows(path: Path) -> None:
    """`doubled`, the second rows of another spectral window."""
    doubled(path, "DATA_DESC_ID", "DATA_DESCRIPTION")
    change(path, "DATA_DESCRIPTION", lambda t: t.putcell("SPECTRAL_WINDOW_ID", 1, 1))
    change(path, "SPECTRAL_WINDOW", lambda t: t.copyrows(t))


def averages(averaged, index: int = 0) -> dict[str, np.ndarray]:
    """Columns of an averaged Measurement Set, and its layout, baselines sorted by the numbers of their stations."""
    path = averaged.measurement_sets[index]
    layout = measurement_set.layout(path)
    block = measurement_set.read(path, layout, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
    order = np.lexsort((layout.antenna2, layout.antenna1))
    return {name: values[:, order] for name, values in block.items()} | {"layout": layout}
