"""One piece of stage 2 in a process of its own: `python -m benchmarks.process_work`.

Takes a JSON object on the command line; answers with one on the last line of standard output. Steps that are finished
in the work folder are found again, those that are asked for are done anew.
"""

import json
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import distributed
import numpy as np

from benchmarks import process_predict
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import AverageParameters, CalibrationParameters, FlagParameters, ImageParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, imaging
from lofarlake_nb.processing.sky_model import load as load_sky_model
from lofarlake_nb.processing.warming import Warming

STEPS = ("flag", "average", "calibrate", "image")
FOLDERS = {"flag": "flags", "average": "averaged", "calibrate": "calibrated", "image": "images"}


def steps(task: dict[str, Any], client: distributed.Client) -> dict[str, Callable[[Any], Any]]:
    """The steps of stage 2, each taking what the one before it gave."""
    paths, work = [Path(p) for p in task["paths"]], Path(task["work"])
    centre = measurement_set.layout(paths[0]).phase_centre
    image = ImageParameters(**task.get("image", {}))
    return {
        "flag": lambda _: flagging.flag(paths, FlagParameters(), work=work, client=client),
        "average": lambda found: averaging.average(found, AverageParameters(), work=work, client=client),
        "calibrate": lambda found: calibration.calibrate(
            found, load_sky_model("3C196", centre), CalibrationParameters(), work=work, client=client
        ),
        "image": lambda found: imaging.image(found, image, work=work, client=client),
    }


def do_steps(task: dict[str, Any], client: distributed.Client) -> tuple[float, Any]:
    """Seconds of the steps from `first` to `last`, and what the last one gave."""
    wanted = STEPS[STEPS.index(task["first"]) : STEPS.index(task["last"]) + 1]
    for name in wanted:
        shutil.rmtree(Path(task["work"]) / FOLDERS[name], ignore_errors=True)
    found, seconds = None, 0.0
    for name, step in list(steps(task, client).items())[: STEPS.index(task["last"]) + 1]:
        start = time.monotonic()
        found = step(found)
        seconds += time.monotonic() - start if name in wanted else 0.0
    return seconds, found


def do_predict(task: dict[str, Any], client: distributed.Client) -> tuple[float, Any]:
    """Seconds of a prediction into MODEL_DATA."""
    start = time.monotonic()
    process_predict.predict(Path(task["path"]), Path(task["copy"]), Path(task["model"]), task["interval"], client)
    return time.monotonic() - start, None


def _usage() -> tuple[float, float]:
    """CPU seconds and peak memory in MB of this process."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, int(line.split()[1]) / 1024


def main() -> None:
    """Do it, and say what it took."""
    task = json.loads(sys.argv[1])
    do = do_predict if task["do"] == "predict" else do_steps
    begun = time.monotonic()
    with cluster.start(task.get("workers", 2)) as client:
        if not task.get("cold"):
            client.run(_warm)
        before = [_usage(), *client.run(_usage).values()]
        seconds, found = do(task, client)
        after = [_usage(), *client.run(_usage).values()]
    if task.get("cold"):
        seconds = time.monotonic() - begun
    told = {k: v for k, v in vars(found).items() if isinstance(v, (int, float, str))} if found is not None else {}
    told |= {k: [str(p) for p in v] for k, v in vars(found).items() if k.endswith("s") and _paths(v)} if found else {}
    told |= {k: str(v) for k, v in vars(found).items() if isinstance(v, Path)} if found else {}
    cost = {
        "seconds": seconds,
        "cpu_seconds": float(np.sum([a[0] - b[0] for a, b in zip(after, before, strict=True)])),
        "peak_mb": float(np.sum([a[1] for a in after])),
    }
    print(json.dumps({**cost, "found": told}))


def _warm() -> None:
    """Wait until a worker has loaded what it loads by itself, in the seconds in which a person reads the notebook."""
    for thread in threading.enumerate():
        if thread.name == Warming.name:
            thread.join()


def _paths(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, Path) for one in value)


if __name__ == "__main__":
    main()
