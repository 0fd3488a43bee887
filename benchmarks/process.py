"""Stage 2 against DP3, AOFlagger and WSClean: a table, and ``benchmarks/process.json``; ``make bench-process``.

The same simulated Measurement Sets, two cores for everybody, results held equal before times are compared. Each figure
is a median of repeats; ours and the peer's take turns. Ours is timed on workers that run already, as a notebook has
them, the peers' commands as a whole; where all of stage 2 is compared, ours starts its workers within the time.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import process_equal, process_peers
from benchmarks.process_bench import Bench, Size, middle, total
from benchmarks.process_peers import Cost
from benchmarks.rows import HEADER, write
from lofarlake_nb.processing import engines

QUICK = Size(subbands=2, hours=0.1, stations=30, npix=1024, cell=12.0, iterations=2000)
FULL = Size(subbands=2, hours=0.5, stations=0, npix=2048, cell=6.0, iterations=20_000)
# Of our images, what WSClean makes by the script: no patches with beams of their own, no primary beam, no Stokes V.
PLAIN = {"facets": "0", "primary_beam": False, "circular": False}
CHANGED = ("subbands", "stations", "npix", "iterations", "repeats")
BEAM_INTERVAL = 60.0
SOURCES = 200


def flag(bench: Bench) -> None:
    """Interference, with I/O, by the same strategy."""
    peers: dict[str, Callable[[], Cost]] = {}
    places = {name: bench.copies(name, bench.paths) for name in ("dp3", "aoflagger") if getattr(bench.peers, name)}

    def fresh(name: str, do: Callable[[Path], Cost]) -> Cost:
        for path in places[name]:
            process_equal.clear_flags(path)
        return total([do(path) for path in places[name]])

    if bench.peers.dp3:
        peers["dp3"] = lambda: fresh("dp3", bench.peers.flag)
    if bench.peers.aoflagger:
        peers["aoflagger"] = lambda: fresh("aoflagger", bench.peers.flag_by_command)
    found: dict[str, Any] = {}

    def ours() -> Cost:
        cost, told = bench.steps("flag", "flag")
        found.update(told)
        return cost

    mine, theirs = bench.turns(ours, peers)
    ours_found = [Path(p) for p in found["flag_files"]]
    for name in peers:
        bench.row(
            f"flags that differ from {name}'s", float(1 - process_equal.flags(places[name], ours_found)), None, "", 0.05
        )
        told = process_equal.interference(bench.observation.truth, places[name], ours_found)
        for what, (here, there) in told.items():
            bench.row(f"flags: {what}, {name}", float(100 * here), float(100 * there), "%", 1.0)
        shutil.rmtree(places[name][0].parent)
    if "dp3" in theirs:
        bench.costs("flag against DP3's aoflagger step", mine, theirs["dp3"], 1.0)
    if "aoflagger" in theirs:
        bench.costs("flag against AOFlagger's command", mine, theirs["aoflagger"], 2.0)


def calibrate(bench: Bench) -> None:
    """Diagonal gains, solved and applied, with I/O."""
    if not bench.peers.dp3:
        return
    _, averaged = bench.steps("average", "average")
    inputs = [Path(p) for p in averaged["measurement_sets"]]
    model = process_equal.calibrator_model(bench.observation.sky_model, bench.scratch / "3c196.skymodel")
    folder = bench.scratch / "gaincal"
    found: dict[str, Any] = {}

    def ours() -> Cost:
        cost, told = bench.steps("calibrate", "calibrate")
        found.update(told)
        return cost

    def peer() -> Cost:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return total([bench.peers.calibrate(p, folder / p.name, model, folder / f"{p.stem}.h5") for p in inputs])

    mine, theirs = bench.turns(ours, {"dp3": peer})
    errors = [
        process_equal.gain_error(bench.observation.truth, files)
        for files in ([Path(p) for p in found["solution_files"]], sorted(folder.glob("*.h5")))
    ]
    bench.row("gains: phase error", errors[0][0], errors[1][0], "deg", 0.95)
    bench.row("gains: amplitude error", 100 * errors[0][1], 100 * errors[1][1], "%", 0.95)
    bench.costs("calibrate against DP3's gaincal", mine, theirs["dp3"], 2.0)
    shutil.rmtree(folder)


def predict(bench: Bench) -> None:
    """A field of sources through the station beams, into MODEL_DATA of one averaged Measurement Set."""
    if not bench.peers.dp3:
        return
    _, averaged = bench.steps("average", "average")
    model = process_equal.field_model(bench.observation.sky_model, bench.scratch / "field.skymodel", SOURCES)
    path = [Path(averaged["measurement_sets"][0])]
    mine, theirs = bench.copies("predict-ours", path)[0], bench.copies("predict-dp3", path)[0]
    task = {"path": str(path[0]), "copy": str(mine), "model": str(model), "interval": BEAM_INTERVAL}
    cost, costs = bench.turns(
        lambda: bench.work("predict", **task)[0],
        {"dp3": lambda: bench.peers.predict(theirs, model, BEAM_INTERVAL)},
    )
    # The beams are interpolated in time here, and held for the interval there: they part by half an interval's turn.
    bench.row("predict: rms difference, of the rms", process_equal.model_difference(mine, theirs), None, "", 1e-2)
    bench.costs(f"predict {SOURCES} sources with the beam against DP3", cost, costs["dp3"], 3.0)
    for place in (mine, theirs):
        shutil.rmtree(place.parent)


def dirty(bench: Bench) -> None:
    """Dirty image and PSF of all subbands, with I/O and weights."""
    _imaged(bench, 0, "dirty image and PSF against WSClean", 1.5)


def clean(bench: Bench) -> None:
    """Deconvolved image, by the same settings."""
    _imaged(bench, bench.size.iterations, "deconvolved image against WSClean", 1.3)


def _imaged(bench: Bench, iterations: int, name: str, bound: float) -> None:
    if not bench.peers.wsclean:
        return
    _, calibrated = bench.steps("calibrate", "calibrate")
    inputs = [Path(p) for p in calibrated["measurement_sets"]]
    place = bench.scratch / "wsclean"
    place.mkdir(exist_ok=True)
    size, found = bench.size, {}  # type: tuple[Size, dict[str, Any]]

    def ours() -> Cost:
        plain = PLAIN if iterations else {}
        cost, told = bench.steps("image", "image", image={**bench.image, "iterations": iterations, **plain})
        found.update(told)
        return cost

    def peer() -> Cost:
        return bench.peers.image(inputs, place / "w", "CORRECTED_DATA", size.npix, size.cell, iterations)

    if not iterations:
        # By natural weights: Briggs's hang on which of the wide cells a visibility at their border is counted in.
        _, told = bench.steps("image", "image", image={**bench.image, "iterations": 0, "weighting": "natural"})
        bench.peers.image(inputs, place / "n", "CORRECTED_DATA", size.npix, size.cell, 0, natural=True)
        difference = process_equal.images(Path(told["dirty"]), place / "n-dirty.fits")
        bench.row("dirty image: largest difference, of the peak", difference, None, "", 5e-3)
    cost, costs = bench.turns(ours, {"wsclean": peer})
    if iterations:
        figures = process_equal.cleaned(Path(found["image"]), Path(found["residual"]), place / "w")
        for what, (mine, theirs, unit) in figures.items():
            bench.row(f"deconvolved: {what}", mine, theirs, unit)
    bench.costs(name, cost, costs["wsclean"], bound)
    shutil.rmtree(place)


def whole(bench: Bench) -> None:
    """All of stage 2 against a straight script, both from nothing: the script's images, then all that we make."""
    if not (bench.peers.dp3 and bench.peers.wsclean):
        return
    folder, size = bench.scratch / "script", bench.size
    model = process_equal.calibrator_model(bench.observation.sky_model, bench.scratch / "3c196.skymodel")

    found: dict[str, Any] = {}

    def ours(**more: Any) -> Cost:
        shutil.rmtree(bench.scratch / "work", ignore_errors=True)
        wanted = {**bench.image, "iterations": size.iterations, **more}
        cost, told = bench.steps("flag", "image", cold=True, image=wanted)
        found[str(more)] = told
        return cost

    def peer() -> Cost:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        costs = []
        for path in bench.paths:
            averaged, out = folder / f"a_{path.name}", folder / f"c_{path.name}"
            costs.append(bench.peers.flag_and_average(path, averaged))
            costs.append(bench.peers.calibrate(averaged, out, model, folder / f"{path.stem}.h5"))
        outputs = sorted(folder.glob("c_*.MS"))
        costs.append(bench.peers.image(outputs, folder / "w", "DATA", size.npix, size.cell, size.iterations))
        return total(costs)

    cost, costs = bench.turns(lambda: ours(**PLAIN), {"script": peer, "all": ours})
    told = found[str(PLAIN)]
    figures = process_equal.cleaned(Path(told["image"]), Path(told["residual"]), folder / "w")
    for what, (mine, theirs, unit) in figures.items():
        bench.row(f"stage 2: {what}", mine, theirs, unit)
    bench.costs("stage 2, the script's products, against the script", cost, costs["script"], 1.5)
    bench.costs("stage 2 with facets, primary beam and Stokes V, against the script", costs["all"], costs["script"])
    shutil.rmtree(folder)


def workers(bench: Bench) -> None:
    """Two workers of one thread instead of one, and twice the subbands, from flags to a dirty image.

    On twice as many subbands as the rest: what the client does once, it does for two subbands as for ten.
    """
    bench = bench.longer()
    image = {**bench.image, "iterations": 0}
    half, rest = bench.paths[: len(bench.paths) // 2], bench.paths[len(bench.paths) // 2 :]
    figures: dict[str, list[Cost]] = {"one": [], "two": [], "half": [], "apart": []}

    def apart(paths: list[Path], name: str) -> Cost:
        return bench.steps("flag", "image", paths, workers=1, image=image, work=str(bench.scratch / name))[0]

    for _ in range(bench.size.repeats):
        figures["one"].append(bench.steps("flag", "image", workers=1, image=image)[0])
        figures["two"].append(bench.steps("flag", "image", image=image)[0])
        other = str(bench.scratch / "half")
        figures["half"].append(bench.steps("flag", "image", half, image=image, work=other)[0])
        with ThreadPoolExecutor(2) as both:  # what the machine has to give: two runs that know nothing of each other
            figures["apart"].append(max(both.map(apart, (half, rest), ("half", "rest")), key=lambda cost: cost.seconds))
    got = {name: middle(costs).seconds for name, costs in figures.items()}
    bench.row("flag to dirty image, two workers against one", got["two"], got["one"], "s", 1.7)
    bench.row("flag to dirty image, two runs of one worker and half the subbands each", got["apart"], got["one"], "s")
    bench.row("flag to dirty image, twice the subbands", got["two"], got["half"], "s", 1 / 2.1)
    for name in ("half", "rest", "work"):
        shutil.rmtree(bench.scratch / name)


PIECES = {
    "flag": flag,
    "calibrate": calibrate,
    "predict": predict,
    "dirty": dirty,
    "clean": clean,
    "whole": whole,
    "workers": workers,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes, small sizes: no verdict")
    for name in CHANGED:
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--only", default=",".join(PIECES), help=f"of {', '.join(PIECES)}")
    parser.add_argument("--dp3", default="", help="DP3's command (default: DP3 or DP3.py on PATH or beside Python)")
    parser.add_argument("--scratch", type=Path, help="folder that is kept, and used again (default: a temporary one)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    chosen = parser.parse_args()
    wanted = chosen.only.split(",") if chosen.only else []
    if unknown := set(wanted) - set(PIECES):
        parser.error(f"--only: expected some of {', '.join(PIECES)}, got {', '.join(sorted(unknown))}")
    size = QUICK if chosen.quick else FULL
    size = replace(size, **{name: value for name in CHANGED if (value := getattr(chosen, name)) is not None})
    engines.prepare()
    peers = process_peers.find(chosen.dp3)
    for name, place in vars(peers).items():
        print(f"{name}: {place or 'not there, left out'}")
    scratch = chosen.scratch or Path(tempfile.mkdtemp(prefix="bench-process-"))
    try:
        bench = Bench(scratch, size, peers)
        print(HEADER)
        for name in wanted:
            PIECES[name](bench)
            write(chosen.output, bench.rows, beside=True)
    finally:
        if not chosen.scratch:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
