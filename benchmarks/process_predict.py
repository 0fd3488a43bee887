"""Predict a sky model with the station beams into a Measurement Set, by the simulator's kernels."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import measurement_set, stations, uvw, writer
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.simulate import beam, visibilities
from lofarlake_nb.processing.simulate.sky import Sky
from lofarlake_nb.processing.sky import sky_model_file

BLOCK = 16


def predict(path: Path, model: Path, interval: float) -> None:
    """Write MODEL_DATA.

    Parameters
    ----------
    path : Path
        Measurement Set.
    model : Path
        LOFAR sky model file.
    interval : float
        s, between beams.
    """
    layout = measurement_set.layout(path)
    sky = _sky(model)
    fields = {field.name: field for field in stations.dutch_hba()}
    identity = Identity("B", "1", "3C196", path.name, 0)
    nodes = beam.nodes(layout.times, np.zeros(len(layout.times), dtype=int), interval)
    here = [fields[name] for name in layout.stations]
    beams = beam.station_beams(layout, identity, here, nodes.times, *sky.positions())
    scene = visibilities.scene(sky, layout.frequencies)
    places = uvw.station_uvw(layout.times, layout.positions, layout.phase_centre)
    gain = np.ones((len(layout.stations), len(layout.frequencies), 2), dtype=np.complex64)
    writer.add_column(path, "MODEL_DATA")

    def slot(t: int) -> np.ndarray:
        return visibilities.predict(scene, places[t], layout.antenna1, layout.antenna2, nodes.at(beams, t), gain)

    with ThreadPoolExecutor(engines.cores()) as pool:
        for start in range(0, len(layout.times), BLOCK):
            found = np.stack(list(pool.map(slot, range(start, min(start + BLOCK, len(layout.times))))))
            writer.put(path, layout, "MODEL_DATA", start, found)


def _sky(path: Path) -> Sky:
    """A sky model as the simulator has it."""
    model = sky_model_file.read(path)
    count = len(model.ra)
    names = tuple(f"{k}" for k in range(count))
    return Sky(
        names=names,
        source=np.arange(count),
        source_names=names,
        ra=model.ra,
        dec=model.dec,
        flux=model.flux,
        index=model.index,
        major=model.major,
        minor=model.minor,
        angle=model.position_angle,
    )
