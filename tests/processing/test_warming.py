"""Workers load by themselves what the steps need."""

import sys
import threading
import time

import pytest
from numba.core.registry import CPUDispatcher

from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, sky_model
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


def test_a_worker_that_is_restarted_loads_them_again(worker):
    worker.restart()
    worker.run(wait)
    assert all(found["lofarlake_nb.processing.gains.solver._solve"] for found in worker.run(compiled).values())


def test_tasks_do_not_wait(worker):
    assert worker.submit(sum, [1, 2]).result(timeout=10) == 3
