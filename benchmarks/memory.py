"""All of stage 2 on an input six times as large as the workers' memory: ``make bench-memory``.

Ten subbands of the simulator's preset ``benchmark`` (12 GB), two workers of 1 GB each. What a worker holds at most is
the kernel's figure for the process since it began; the client's is told beside it, without a bound.
"""

import argparse
import resource
import tempfile
from pathlib import Path

from benchmarks.rows import HEADER, Row, compared, in_words, write
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, imaging, settings, sky_model
from lofarlake_nb.processing.simulate import in_words as observation_in_words
from lofarlake_nb.processing.simulate import simulate

WORKERS, MEMORY_MB = 2, 1000
IMAGE = {"field": "4 deg", "npix": 1024, "cell": "14 arcsec", "resolution": "42 arcsec", "more": ("interval=5 s",)}


def peak() -> float:
    """MB that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measured(paths: list[Path], work: Path) -> list[Row]:
    """Rows of the steps, one after the other on the same workers."""
    chosen, rows = settings.of(IMAGE), []

    def told(step: str) -> None:
        for who, most, bound in (
            ("a worker", max(client.run(peak).values()), MEMORY_MB),
            ("the client", peak(), None),
        ):
            rows.append(compared(f"{step}: {who}, at most", most, None, "MB", bound, faster=False))
            print(in_words(rows[-1]), flush=True)

    with cluster.start(WORKERS, memory=f"{MEMORY_MB} MB") as client:
        flagged = flagging.flag(paths, chosen.flag, work=work, client=client)
        told("flag")
        averaged = averaging.average(flagged, chosen.average, work=work, client=client)
        told("average")
        sky = sky_model.load_for(paths, "", chosen.flag)
        calibrated = calibration.calibrate(averaged, sky, chosen.calibrate, work=work, client=client)
        told("calibrate")
        imaging.image(calibrated, chosen.image, work=work, client=client)
        told("image")
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
