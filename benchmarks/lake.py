"""Stage 1 against ``cp -r`` and Rucio's own clients: a table, and ``benchmarks/lake.json``; ``make bench-lake``.

Each figure is a median of repeats; ours and the peer's take turns, so that a busy machine is busy for both.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import catalogue, made, peers
from benchmarks.rows import HEADER, Row, compared, in_words, write
from lofarlake_nb.lake.embedded import supervisor


@dataclass(frozen=True)
class Size:
    """How much is moved."""

    sets: int
    set_bytes: int
    files: int  # small ones
    peer_files: int  # of those, for the peer, which takes about 0.1 s each
    growth: tuple[int, int]
    rows: int
    repeats: int = 3


QUICK = Size(sets=4, set_bytes=50_000_000, files=200, peer_files=20, growth=(50, 500), rows=1000)
FULL = Size(sets=8, set_bytes=500_000_000, files=5000, peer_files=100, growth=(100, 10_000), rows=100_000)
CHANGED = {
    "sets": "Measurement Sets",
    "set_bytes": "bytes of each",
    "files": "small files",
    "rows": "rows of the big catalogue",
    "repeats": "of each figure, at least three for a verdict",
}


class Bench:
    """A lake to measure on.

    Parameters
    ----------
    scratch : Path
        An empty folder on the disk that is measured.
    size : Size
        How much is moved.
    """

    def __init__(self, scratch: Path, size: Size) -> None:
        self.scratch, self.size = scratch, size
        self.home = scratch / "lake"
        self.rows: list[Row] = []
        self._number = 0
        supervisor.start(self.home)
        self.by_https = scratch / "rucio.cfg"
        told = (self.home / "client" / "rucio.cfg").read_text()
        certificate = f"[client]\nclient_x509_proxy = {self.home / 'tls' / 'client.pem'}"
        self.by_https.write_text(told.replace("[client]", certificate, 1))
        self.by_https.chmod(0o600)

    def number(self) -> int:
        """One that was not used yet: names in the lake are used once."""
        self._number += 1
        return self._number

    @property
    def bytes(self) -> int:
        """Of all Measurement Sets, about."""
        return self.size.sets * self.size.set_bytes

    def work(self, do: str, **task: Any) -> dict[str, Any]:
        """Do our part in a process of its own; what it took, `whole` with Python's start and the log-in."""
        task = {"do": do, "lake": str(self.home), **task}
        start = os.times().elapsed
        command = [sys.executable, "-m", "benchmarks.work", json.dumps(task)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return {**json.loads(done.stdout.splitlines()[-1]), "whole": os.times().elapsed - start}

    @property
    def site(self) -> Path:
        """Where the bytes of the lake are."""
        return self.home / "storage" / peers.SITE / "lofar"

    def sets(self) -> Path:
        """A folder of Measurement Sets."""
        folder = self.scratch / "sets"
        if not folder.exists():
            made.measurement_sets(folder, self.size.sets, self.size.set_bytes)
        return folder

    def clear(self, *folders: Path) -> None:
        """Make room: bytes at the site, and folders."""
        for folder in (self.site, *folders):
            shutil.rmtree(folder, ignore_errors=True)

    def row(self, name: str, ours: float, peer: float | None, unit: str, bound: float | None, faster: bool) -> None:
        """Keep a figure and print it; `faster`: more is better."""
        row = compared(name, ours, peer, unit, bound, faster=faster)
        self.rows.append(row)
        print(in_words(row), flush=True)


def copies(bench: Bench, *, cold: bool) -> None:
    """Measurement Sets in and out by the mounted protocol, against ``cp -r``, both flushed to the disk.

    `cold`: what is read comes from the disk, as data that fill a day do; else from the system's cache.
    """
    source = bench.sets()
    ready = peers.forget if cold else peers.recall
    ours_in, ours_out, peer, costs = [], [], [], []
    for _ in range(bench.size.repeats):
        number = bench.number()
        named = bench.scratch / "named"
        named.mkdir()
        for old in sorted(source.iterdir()):
            old.rename(named / f"L{1000 + number}_{old.name.partition('_')[2]}")
        paths = sorted(named.iterdir())
        task = {"dataset": f"lofar:sets{number}", "settle": bench.bytes}
        ready(named)
        done = bench.work("ingest", paths=[str(p) for p in paths], **task)
        ours_in.append(done["count"] / done["seconds"] / 1e6)
        costs.append(done)
        to = bench.scratch / "retrieved"
        ready(bench.site)
        back = bench.work("retrieve", to=str(to), **task)
        ours_out.append(back["count"] / back["seconds"] / 1e6)
        bench.clear(to)
        copied = bench.scratch / "copied"
        ready(named)
        peers.settle(bench.bytes)
        peer.append(done["count"] / peers.copy(paths, copied) / 1e6)
        bench.clear(copied)
        shutil.rmtree(source)
        named.rename(source)
    how = "from the disk" if cold else "from the cache"
    for name, ours in ("ingest", ours_in), ("retrieve", ours_out):
        bench.row(f"{name} against cp -r, fsync, {how}", median(ours), median(peer), "MB/s", 0.8, True)
    gigabytes = costs[0]["count"] / 1e9
    cpu = median(c["cpu_seconds"] for c in costs) / gigabytes
    bench.row(f"ingest: CPU, {how}", cpu, None, "s/GB", None, False)
    bench.row(f"ingest: peak memory, {how}", median(c["peak_mb"] for c in costs), None, "MB", None, False)


def clients(bench: Bench, scheme: str, bound: float) -> None:
    """Ready tars in and out against Rucio's own clients by the same protocol, whole commands, no fsync, from the cache.

    By the mounted protocol `rucio download` is a copy by the kernel, so ours is held against the machine's limit too:
    the start of the command, and the same bytes read, summed and written by nothing else.
    """
    rucio = peers.Rucio(bench.home, scheme)
    lake = str(bench.home if scheme == "file" else bench.by_https)
    figures: dict[str, list[float]] = {key: [] for key in ("in", "out", "peer in", "peer out", "limit")}
    total = bench.bytes / 1e6
    for _ in range(bench.size.repeats):
        number = bench.number()
        folders = [_tars(bench, f"{who}{number}") for who in ("ours", "peers")]
        task = {"dataset": f"lofar:tars{number}", "lake": lake, "fsync": False}
        peers.recall(bench.scratch / "ready")
        peers.settle(bench.bytes)
        figures["in"].append(total / bench.work("ingest", paths=[str(folders[0])], **task)["whole"])
        to = bench.scratch / "retrieved"
        peers.recall(bench.site)
        peers.settle(bench.bytes)
        done = bench.work("retrieve", to=str(to), unpack=False, **task)
        figures["out"].append(total / done["whole"])
        shutil.rmtree(to)
        if scheme == "file":
            peers.recall(bench.site)
            peers.settle(bench.bytes)
            bytes_alone = peers.bytes_alone(sorted(bench.site.rglob("*.tar")), to, streams=4)
            figures["limit"].append(total / (done["whole"] - done["seconds"] + bytes_alone))
        bench.clear(to)
        peers.settle(bench.bytes)
        figures["peer in"].append(total / rucio.upload(folders[1]))
        dids = [f"lofar:{path.name}" for path in sorted(folders[1].iterdir())]
        peers.recall(bench.site)
        peers.settle(bench.bytes)
        figures["peer out"].append(total / rucio.download(dids, to))
        bench.clear(to, *folders)
    got = {key: median(values) for key, values in figures.items() if values}
    bench.row(f"ingest of tars against rucio upload, {scheme}", got["in"], got["peer in"], "MB/s", bound, True)
    bench.row(f"retrieve of tars against rucio download, {scheme}", got["out"], got["peer out"], "MB/s", bound, True)
    if scheme == "file":
        bench.row("retrieve of tars against the machine's limit", got["out"], got["limit"], "MB/s", 0.9, True)


def _tars(bench: Bench, prefix: str) -> Path:
    """A folder of the same bytes under names that the lake does not know yet."""
    ready = bench.scratch / "ready"
    if not ready.exists():
        ready.mkdir()
        for path in sorted(bench.sets().iterdir()):
            subprocess.run(
                ["tar", "-C", path.parent, "-cf", ready / f"{path.name.partition('_')[2]}.tar", path.name], check=True
            )
    folder = bench.scratch / prefix
    folder.mkdir()
    for path in ready.iterdir():
        os.link(path, folder / f"{prefix}_{path.name}")
    return folder


def small(bench: Bench) -> None:
    """Small files against Rucio's own client by the mounted protocol: seconds a file, whole commands, no fsync."""
    rucio = peers.Rucio(bench.home, "file")
    ours, peer, costs = [], [], []
    for _ in range(bench.size.repeats):
        number = bench.number()
        folder = made.small_files(bench.scratch / "small", f"small{number}", bench.size.files)
        done = bench.work("ingest", paths=[str(folder)], dataset=f"lofar:small{number}", fsync=False)
        costs.append(done)
        ours.append(done["whole"] / bench.size.files * 1e3)
        few = made.small_files(bench.scratch / "few", f"few{number}", bench.size.peer_files)
        peer.append(rucio.upload(few) / bench.size.peer_files * 1e3)
        bench.clear(folder, few)
    name = f"ingest of {bench.size.files} files of 10 kB against rucio upload, file"
    bench.row(name, median(ours), median(peer), "ms/file", 20, False)
    each = median(c["catalogue_seconds"] / c["calls"] for c in costs)
    bench.row("ingest of small files: time of a catalogue call", each * 1e3, None, "ms", None, False)


def growth(bench: Bench) -> None:
    """What a file costs when there are many."""
    few, many = bench.size.growth
    figures: dict[int, list[dict[str, Any]]] = {few: [], many: []}
    for _ in range(bench.size.repeats):
        for count in (few, many):
            name = f"grow{bench.number()}"
            folder = made.small_files(bench.scratch / "grow", name, count)
            figures[count].append(bench.work("ingest", paths=[str(folder)], dataset=f"lofar:{name}"))
            bench.clear(folder)

    def of(count: int, value: Callable[[dict[str, Any]], float]) -> float:
        return median(value(done) for done in figures[count])

    each = {count: of(count, lambda done, n=count: done["seconds"] / n * 1e3) for count in (few, many)}
    bench.row(f"ingest: time of a file, of {many} against of {few}", each[many], each[few], "ms/file", 1.0, False)
    memory = {count: of(count, lambda done: done["peak_mb"]) for count in (few, many)}
    bench.row(f"ingest: peak memory, of {many} against of {few}", memory[many], memory[few], "MB", None, False)
    calls = of(many, lambda done: done["calls"]) / many
    bench.row(f"ingest: catalogue calls a file, of {many}", calls, None, "calls/file", 0.02, False)


PIECES: dict[str, Callable[[Bench], None]] = {
    "cached": lambda bench: copies(bench, cold=False),
    "cold": lambda bench: copies(bench, cold=True),
    "file": lambda bench: clients(bench, "file", 3),
    "https": lambda bench: clients(bench, "https", 2),
    "small": small,
    "growth": growth,
    "catalogue": catalogue.measure,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes, small sizes: no verdict")
    for name, what in CHANGED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=what)
    parser.add_argument("--only", default=",".join(PIECES), help=f"of {', '.join(PIECES)}; other rows stay as they are")
    parser.add_argument("--scratch", type=Path, help="folder on the disk to measure (default: for temporary files)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    chosen = parser.parse_args()
    wanted = chosen.only.split(",")
    if unknown := set(wanted) - PIECES.keys():
        parser.error(f"--only: expected some of {', '.join(PIECES)}, got {', '.join(sorted(unknown))}")
    size = QUICK if chosen.quick else FULL
    size = replace(size, **{name: value for name in CHANGED if (value := getattr(chosen, name)) is not None})
    scratch = Path(tempfile.mkdtemp(prefix="bench-lake-", dir=chosen.scratch))
    bench = None
    try:
        bench = Bench(scratch, size)
        print(HEADER)
        for piece in wanted:
            PIECES[piece](bench)
    finally:
        if bench is not None:
            write(chosen.output, bench.rows, beside=len(wanted) < len(PIECES))
        supervisor.reset(scratch / "lake")
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
