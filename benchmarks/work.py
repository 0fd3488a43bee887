"""One piece of work in a process of its own, so that its memory and its time are its own: `python -m benchmarks.work`.

Takes a JSON object on the command line; answers with one on the last line of standard output.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import catalogue, peers
from lofarlake_nb.lake import client, ingest, retrieve, verify
from lofarlake_nb.parameters import IngestParameters


def do_ingest(lake: client.Lake, task: dict[str, Any]) -> int:
    """Bring paths into the lake; bytes."""
    paths = [path for place in task["paths"] for path in _expanded(Path(place))]
    parameters = IngestParameters(dataset=task["dataset"], rse="SARA", replicate_to="", streams=task.get("streams", 4))
    return ingest.ingest(lake, paths, parameters).bytes


def do_retrieve(lake: client.Lake, task: dict[str, Any]) -> int:
    """Bring a dataset here; bytes."""
    to = Path(task["to"])
    return retrieve.retrieve(
        lake, task["dataset"], to, streams=task.get("streams", 4), unpack=task.get("unpack", True)
    ).bytes


def do_verify(lake: client.Lake, task: dict[str, Any]) -> int:
    """Look at all copies; their number."""
    return len(verify.verify(lake, task["dataset"], deep=False).rows)


DOINGS: dict[str, Callable[[client.Lake, dict[str, Any]], int]] = {
    "ingest": do_ingest,
    "retrieve": do_retrieve,
    "verify": do_verify,
    "noted": catalogue.do_noted,
    "journal": catalogue.do_journal,
    "reconcile": catalogue.do_reconcile,
    "listing": catalogue.do_listing,
    "find": catalogue.do_find,
}


def _expanded(place: Path) -> list[Path]:
    """Ready files of a folder; a Measurement Set as it is."""
    if place.is_dir() and not (place / "table.dat").exists():
        return sorted(place.iterdir())
    return [place]


def _peak_mb() -> float:
    """Of this program: what `resource` tells holds the memory of who started it too."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Do it, and say what it took."""
    task = json.loads(sys.argv[1])
    if not task.get("fsync", True):
        os.fsync = lambda descriptor: None  # as Rucio's own clients: they leave it to the kernel
    spent = [0.0]
    send: Callable[..., Any] = client.CountingClient._send_request

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = time.monotonic()
        try:
            return send(self, *args, **kwargs)
        finally:
            spent[0] += time.monotonic() - start

    client.CountingClient._send_request = timed  # type: ignore[method-assign]
    lake = client.connect(task["lake"])
    if "settle" in task:
        peers.settle(task["settle"])
    calls, spent[0], start = lake.calls, 0.0, time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF)
    count = DOINGS[task["do"]](lake, task)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    answer = {
        "seconds": seconds,
        "count": count,
        "calls": lake.calls - calls,
        "catalogue_seconds": spent[0],
        "peak_mb": _peak_mb(),
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
