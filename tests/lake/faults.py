"""Ingests in processes of their own, which a test kills."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

from lofarlake_nb.lake import client, ingest, storage
from lofarlake_nb.parameters import IngestParameters

# Where an ingest can be cut off, in this order: each is the call before which it dies.
POINTS = {
    "bytes half written": None,
    "before the rename": (os, "replace"),
    "before the replica": (client.CountingClient, "add_replicas"),
    "before the attachment": (client.CountingClient, "attach_dids_to_dids"),
    "before the metadata": (client.CountingClient, "set_dids_metadata_bulk"),
    "before the rule": (client.CountingClient, "add_replication_rule"),
}

# Forked from one that has imported what takes seconds; it finds installed modules only, so not this one.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["lofarlake_nb.lake.ingest", "lofarlake_nb.lake.retrieve"])


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(lake: Path, files: list[Path], parameters: IngestParameters, point: str = "", ready: object = None) -> None:
    """The ingest; of a point, kill -9 in its place."""
    connected = client.connect(lake)
    if point == "bytes half written":
        write = storage.Mounted.write

        def half(self: object, address: str, blocks: object, size: int) -> str:
            def first() -> object:
                yield next(iter(blocks))
                _die()

            return write(self, address, first(), size)

        storage.Mounted.write = half
    elif point:
        owner, name = POINTS[point]
        real = getattr(owner, name)
        mine = threading.get_native_id()

        def before(*given: object, **options: object) -> object:
            if name == "replace" and not str(given[0]).endswith("content") and threading.get_native_id() == mine:
                return real(*given, **options)  # of a file that is not the lake's
            return _die()

        setattr(owner, name, before)
    if ready is not None:
        ready.set()
    ingest.ingest(connected, files, parameters)


def started(*given: object, **options: object) -> multiprocessing.Process:
    process = _CONTEXT.Process(target=run, args=given, kwargs=options)
    process.start()
    return process


def killed_at(point: str, lake: Path, files: list[Path], parameters: IngestParameters) -> int:
    """Exit status of an ingest that dies at a point."""
    process = started(lake, files, parameters, point)
    process.join(60)
    return process.exitcode


def killed_after(seconds: float, lake: Path, files: list[Path], parameters: IngestParameters) -> int:
    """Exit status of an ingest that is killed so many seconds after it began."""
    ready = _CONTEXT.Event()
    process = started(lake, files, parameters, ready=ready)
    assert ready.wait(60)
    time.sleep(seconds)
    process.kill()
    process.join(60)
    return process.exitcode


def running(lake: Path, files: list[Path], parameters: IngestParameters) -> multiprocessing.Process:
    """An ingest that has begun."""
    ready = _CONTEXT.Event()
    process = started(lake, files, parameters, ready=ready)
    assert ready.wait(60)
    return process
