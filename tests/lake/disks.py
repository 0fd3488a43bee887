"""A small disk in the place of a folder, for one process: full when a test fills it, and nobody else's.

A name space of its own needs no rights on most machines; others see the disk through the process's root.
"""

import ctypes
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import faults
import pytest

from lofarlake_nb.lake import client, ingest, plan, retrieve
from lofarlake_nb.lake.embedded import storage
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.parameters import IngestParameters

BALLAST = "ballast"
_NEW_USER, _NEW_MOUNTS, _PRIVATE = 0x10000000, 0x00020000, 0x44000  # clone(2), mount(2): MS_REC | MS_PRIVATE


class SmallDisk:
    """A process that sees a small empty disk in the place of a folder.

    Parameters
    ----------
    folder : Path
        Where the disk is.
    orders : Connection
        To the process.
    pid : int
        Of the process.
    """

    def __init__(self, folder: Path, orders: Connection, pid: int) -> None:
        self.folder = folder
        self.seen = Path(f"/proc/{pid}/root{folder}")  # the disk, from here
        self._orders = orders

    def do(self, function: Callable, *given: object) -> object:
        """What a function of this module returns or raises there."""
        self._orders.send((function, given))
        worked, answer = self._orders.recv()
        if not worked:
            raise answer
        return answer

    def files(self) -> list[str]:
        """Names of all files on it but the ballast."""
        return sorted(p.name for p in self.seen.rglob("*") if p.is_file() and p.name != BALLAST)

    def make_room(self) -> None:
        (self.seen / BALLAST).unlink()

    def keep(self) -> None:
        """Copy what is on it to where others see it."""
        shutil.copytree(self.seen, self.folder, dirs_exist_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: float) -> Iterator[SmallDisk]:
    """Such a disk, while it lasts."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("a small disk needs a user namespace, which this machine refuses")
    ours, its = faults._CONTEXT.Pipe()
    process = faults._CONTEXT.Process(target=_work, args=(its, folder, megabytes))
    process.start()
    its.close()
    try:
        assert ours.recv() == "ready"
        yield SmallDisk(folder, ours, process.pid)
    finally:
        process.kill()
        process.join()
        ours.close()


def fill(folder: Path) -> None:
    """Write until nothing fits any more."""
    with open(folder / BALLAST, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def ingested(home: Path, files: list[Path], parameters: IngestParameters, filled: Path | None = None) -> int:
    """Ingest; of a folder, its disk fills up while the second file is on its way. How many files are there."""
    real = plan.Item.blocks

    def blocks(item: plan.Item) -> Iterator:
        for n, block in enumerate(real(item)):
            if filled and n == 1 and item.source == files[1]:
                fill(filled)
            yield block

    plan.Item.blocks = blocks
    try:
        return ingest.ingest(client.connect(home), files, parameters).files
    finally:
        plan.Item.blocks = real


def retrieved(home: Path, dataset: str, to: Path, filled: tuple[int, int] | None = None) -> int:
    """Retrieve; the target's disk fills up in a file, after so many of its blocks. How many files are there."""
    real, begun = Progress.count, []

    def count(self: Progress, blocks: Iterator, site: str = "") -> Iterator:
        begun.append(site)
        for n, block in enumerate(real(self, blocks, site), 1):
            yield block
            if (len(begun), n) == filled:
                fill(to)

    Progress.count = count
    try:
        return retrieve.retrieve(client.connect(home), dataset, to, streams=1).files
    finally:
        Progress.count = real


def noted(folder: Path) -> int:
    """How many files a journal knows to be in the catalogue. SQLite finds its way out of a process's root."""
    if not (folder / "ingest.sqlite").is_file():
        return 0
    with closing(sqlite3.connect(folder / "ingest.sqlite")) as book:
        assert book.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not book.execute("SELECT 1 FROM sqlite_master WHERE name = 'files'").fetchone():
            return 0
        return book.execute("SELECT count(*) FROM files WHERE state = 'described'").fetchone()[0]


def served(home: Path) -> None:
    """Serve a lake's sites, until the process ends."""
    threading.Thread(target=storage.serve, args=(Home(home),), daemon=True).start()


def _work(orders: Connection, folder: Path, megabytes: float) -> None:
    _confine(folder, megabytes)
    orders.send("ready")
    with suppress(EOFError):
        while True:
            function, given = orders.recv()
            try:
                orders.send((True, function(*given)))
            except Exception as error:
                orders.send((False, error))


def _confine(folder: Path, megabytes: float) -> None:
    """From here on, this process sees a small disk in the place of a folder. It must have one thread only."""
    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    _done(system.unshare(_NEW_USER | _NEW_MOUNTS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _done(system.mount(None, b"/", None, ctypes.c_ulong(_PRIVATE), None))
    options = f"size={int(megabytes * 1024)}k".encode()
    _done(system.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(0), options))


def _done(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
