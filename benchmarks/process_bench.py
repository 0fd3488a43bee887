"""What the pieces of `benchmarks.process` measure on, and how they are told: observations, costs, rows."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process_peers import Cost, Peers
from benchmarks.rows import Row, compared, in_words
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing.simulate import in_words as observation_in_words
from lofarlake_nb.processing.simulate import simulate


@dataclass(frozen=True)
class Size:
    """What is processed."""

    subbands: int
    hours: float
    stations: int  # 0 for all 62 fields
    npix: int
    cell: float  # arcsec; a beam of three
    iterations: int
    repeats: int = 3


class Bench:
    """Observations to measure on.

    Parameters
    ----------
    scratch : Path
        Folder on the disk that is measured; what is finished in it is used again.
    size : Size
    peers : Peers
    """

    def __init__(self, scratch: Path, size: Size, peers: Peers) -> None:
        self.scratch, self.size, self.peers = scratch, size, peers
        scratch.mkdir(exist_ok=True)
        self.rows: list[Row] = []
        # Bad stations are left out of the comparison: a plain script has no notion of them.
        parameters = SimulationParameters.preset(
            "benchmark",
            subbands=size.subbands,
            hours=size.hours,
            scan=f"{3600 * size.hours:g} s",
            stations=size.stations,
            bad_stations=False,
            swapped_station=False,
        )
        print(observation_in_words(parameters), flush=True)
        self.observation = simulate(scratch / "observation", parameters)
        self.paths = list(self.observation.measurement_sets)
        self.image = {
            "field": f"{size.npix * size.cell / 3600} deg",
            "npix": size.npix,
            "cell": f"{size.cell} arcsec",
            "resolution": f"{3 * size.cell} arcsec",
        }

    def longer(self) -> "Bench":
        """Twice as many subbands, whose rows come among these."""
        other = Bench(self.scratch / "longer", replace(self.size, subbands=2 * self.size.subbands), self.peers)
        other.rows = self.rows
        return other

    def work(self, do: str, **task: Any) -> tuple[Cost, dict[str, Any]]:
        """Do our part in a process of its own; what it took, and what it found."""
        command = [sys.executable, "-m", "benchmarks.process_work", json.dumps({"do": do, **task})]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        return Cost(told["seconds"], told["cpu_seconds"], told["peak_mb"]), told["found"]

    def steps(self, first: str, last: str, paths: list[Path] | None = None, **task: Any) -> tuple[Cost, dict[str, Any]]:
        """Our steps of stage 2, from one to another."""
        where = {"paths": [str(p) for p in paths or self.paths], "work": str(self.scratch / "work")}
        return self.work("steps", first=first, last=last, **{**where, "image": self.image, **task})

    def turns(self, ours: Callable[[], Cost], peers: dict[str, Callable[[], Cost]]) -> tuple[Cost, dict[str, Cost]]:
        """Medians of turns."""
        mine, theirs = [], {name: [] for name in peers}  # type: tuple[list[Cost], dict[str, list[Cost]]]
        for _ in range(self.size.repeats):
            mine.append(ours())
            for name, peer in peers.items():
                theirs[name].append(peer())
        return middle(mine), {name: middle(costs) for name, costs in theirs.items()}

    def row(self, name: str, ours: float, peer: float | None, unit: str, bound: float | None = None) -> None:
        """Keep a figure, of which less is better, and print it."""
        row = compared(name, ours, peer, unit, bound, faster=False)
        self.rows.append(row)
        print(in_words(row), flush=True)

    def costs(self, name: str, ours: Cost, peer: Cost, bound: float | None = None) -> None:
        """Rows of a comparison: seconds, CPU seconds, memory."""
        self.row(name, ours.seconds, peer.seconds, "s", bound)
        self.row(f"{name}: CPU", ours.cpu_seconds, peer.cpu_seconds, "s")
        self.row(f"{name}: peak memory", ours.peak_mb, peer.peak_mb, "MB")

    def copies(self, name: str, paths: list[Path]) -> list[Path]:
        """Fresh copies of Measurement Sets, for a peer that writes into them."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in paths:
            shutil.copytree(path, folder / path.name)
        return [folder / path.name for path in paths]


def middle(costs: list[Cost]) -> Cost:
    """Medians."""
    return Cost(*(median(getattr(c, name) for c in costs) for name in ("seconds", "cpu_seconds", "peak_mb")))


def total(costs: list[Cost]) -> Cost:
    """Of one command after another."""
    return sum(costs[1:], costs[0])
