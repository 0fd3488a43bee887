"""Workers load by themselves what the steps need."""

import sys
import threading
import time

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, sky_model
from lofarlake_nb.processing.images import facet_tasks, facets
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.warming import Warming


def wait():
    """Until all is loaded; a worker that has just been restarted may not have begun."""
    end = time.monotonic() + 30
    while "lofarlake_nb.processing.kernels" not in sys.modules and time.monotonic() < end:
        time.sleep(0.05)
    for thread in threading.enumerate():
        if thread.name == Warming.name:
            thread.join()


def compiled():
    """How many kinds of arguments each kernel of this process is loaded for."""
    modules = [m for name, m in sorted(sys.modules.items()) if name.startswith("lofarlake_nb.processing.")]
    return {
        f"{kernel.py_func.__module__}.{kernel.__name__}": len(kernel.signatures)
        for module in modules
        for kernel in vars(module).values()
        if isinstance(kernel, CPUDispatcher)
    }


@pytest.fixture
def worker():
    with cluster.start(1) as client:
        yield client


def test_tasks_find_their_kernels_loaded(worker, observation, tmp_path):
    worker.run(wait)
    [before] = worker.run(compiled).values()
    paths = list(observation.measurement_sets)[:1]
    flagged = flagging.flag(paths, FlagParameters(), work=tmp_path, client=worker)
    averaged = averaging.average(flagged, AverageParameters(), work=tmp_path, client=worker)
    model = sky_model.load_for(paths, "3C196", FlagParameters())
    calibration.calibrate(averaged, model, CalibrationParameters(), work=tmp_path, client=worker)
    [after] = worker.run(compiled).values()
    assert sum(before.values()) > 10
    assert {name: n for name, n in after.items() if n != before[name]} == {}


def test_patches_of_an_image_find_their_kernels_loaded(worker, tmp_path):
    """Seen through beams that change with time and frequency, and phases that change with time."""
    worker.run(wait)
    [before] = worker.run(compiled).values()
    p, q = np.triu_indices(4, 1)
    rows, times, weight = 6 * len(p), np.repeat(np.arange(6) * 8.0, len(p)), np.ones((6 * len(p), 2), np.float32)
    stations = (np.tile(of, 6).astype(np.int16) for of in (p, q))
    uvw = np.random.default_rng(1).normal(size=(rows, 3)) * 1000
    chunk = Chunk(uvw, np.array([135e6, 136e6]), weight.astype(np.complex64), weight, times, *stations, np.zeros(4))
    seen = np.ones((2, 4, 3, 4), np.complex64)[:, :, 1]
    phases = {"phase_times": np.arange(3.0), "phases": np.zeros((3, 4), np.float32), "slope": seen}
    facet = Facet(0, 0, 32, 0.01, 0.01, np.array([0.0, 40.0]), seen, **phases)
    size = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))
    model = np.ones((1, 64, 64), np.float32)
    np.save(tmp_path / "model.npy", model)
    file = facets.put(tmp_path, [facet], 64)
    worker.submit(facet_tasks.means, chunk, file).result()
    worker.submit(facet_tasks.residual, chunk, None, tmp_path / "model.npy", size, 1e-4, file, 0).result()
    [after] = worker.run(compiled).values()
    assert before["lofarlake_nb.processing.images.facet_kernels.walk"]
    assert {name: n for name, n in after.items() if n != before[name]} == {}


def test_a_worker_that_is_restarted_loads_them_again(worker):
    worker.restart()
    worker.run(wait)
    assert all(found["lofarlake_nb.processing.gains.solver._solve"] for found in worker.run(compiled).values())


def test_tasks_do_not_wait(worker):
    assert worker.submit(sum, [1, 2]).result(timeout=10) == 3
