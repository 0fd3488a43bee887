"""All of stage 2 on an input six times as large as the workers' memory: ``make bench-memory``.

Ten subbands of the simulator's preset ``benchmark`` (12 GB), two workers of 1 GB each. What a worker holds at most is
the kernel's figure since it began, as it stood after each step. Dask may kill none, which would do its work again. The
client's is told beside it, without a bound.
"""

import argparse
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.rows import HEADER, Row, compared, in_words, write
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, imaging, settings, sky_model
from lofarlake_nb.processing.simulate import in_words as observation_in_words
from lofarlake_nb.processing.simulate import simulate

WORKERS, MEMORY_MB = 2, 1000
IMAGE = {"field": "4 deg", "npix": 1024, "cell": "14 arcsec", "resolution": "42 arcsec", "more": ("interval=5 s",)}


class Watch(threading.Thread):
    """What this process and the workers that it started hold at most, the kernel's figure, while they live.

    Not ``ru_maxrss``: a worker that is started later inherits it from this process.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: dict[int, float] = {}  # MB, of each process
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        me = psutil.Process()
        while not self._stopped.wait(0.1):
            self._look(me)
            for one in me.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if one.cmdline() != me.cmdline():  # else it is a copy of this process that starts another program
                        self._look(one)

    def _look(self, one: psutil.Process) -> None:
        self.found[one.pid] = max(self.found.get(one.pid, 0.0), peak(one.pid))

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self.join()


def peak(pid: int) -> float:
    """MB that a process held at most; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return max((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), default=0.0)


def measured(paths: list[Path], work: Path) -> list[Row]:
    """Rows of the steps, one after the other on the same workers."""
    chosen, rows, watch = settings.of(IMAGE), [], Watch()

    def told(step: str) -> None:
        alive = list(client.run(os.getpid).values())
        others = max(most for pid, most in watch.found.items() if pid != os.getpid())
        for name, most, unit, bound in (
            ("a worker, at most", others, "MB", MEMORY_MB),
            ("workers that were killed", WORKERS - len(set(first) & set(alive)), "", 0),
            ("the client, at most", watch.found[os.getpid()], "MB", None),
        ):
            rows.append(compared(f"{step}: {name}", most, None, unit, bound, faster=False))
            print(in_words(rows[-1]), flush=True)

    with cluster.start(WORKERS, memory=f"{MEMORY_MB} MB") as client:
        first = list(client.run(os.getpid).values())
        watch.start()
        flagged = flagging.flag(paths, chosen.flag, work=work, client=client)
        told("flag")
        averaged = averaging.average(flagged, chosen.average, work=work, client=client)
        told("average")
        sky = sky_model.load_for(paths, "", chosen.flag)
        calibrated = calibration.calibrate(averaged, sky, chosen.calibrate, work=work, client=client)
        told("calibrate")
        imaging.image(calibrated, chosen.image, work=work, client=client)
        told("image")
        watch.stop()
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scratch", type=Path, help="folder whose observation is used again (default: a temporary one)"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as temporary:
        parameters = SimulationParameters.preset("benchmark")
        print(observation_in_words(parameters), flush=True)
        observation = simulate((chosen.scratch or Path(temporary)) / "observation", parameters)
        print(HEADER)
        write(chosen.output, measured(sorted(observation.measurement_sets), Path(temporary) / "work"))


if __name__ == "__main__":
    main()
