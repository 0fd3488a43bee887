"""The tools that people use today, timed as whole commands: ``cp -r``, ``rucio upload``, ``rucio download``."""

import fcntl
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lofarlake_nb.lake import client
from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.observation import disk

SITE = "SARA"


def copy(sources: Sequence[Path], to: Path) -> float:
    """``cp -r``, then every file flushed to the disk; seconds."""
    to.mkdir(parents=True)
    start = time.monotonic()
    subprocess.run(["cp", "-r", *sources, to], check=True)
    flush(to)
    return time.monotonic() - start


def settle(size: int) -> None:
    """The same start for each: nothing waits to be written, and so many bytes of memory are there to write to.

    A virtual machine gives memory that is free back to its host, page by page, and gets it back at a third of the
    speed of a copy. Who comes after a large folder was removed would find memory that the other had to wait for.
    """
    os.sync()
    touch = f"import mmap as m; m.mmap(-1, {size}, flags=m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_POPULATE).close()"
    subprocess.run([sys.executable, "-S", "-c", touch], check=True)


def forget(folder: Path) -> None:
    """Have the system forget what it has of the files below a folder: they are read from the disk."""
    flush(folder)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def recall(folder: Path) -> None:
    """Have the system read the files below a folder: they are in its cache."""
    flush(folder)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass


def flush(folder: Path) -> None:
    """Flush every file below a folder to the disk."""
    for place, _, files in os.walk(folder):
        for name in files:
            descriptor = os.open(Path(place) / name, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def bytes_alone(sources: Sequence[Path], to: Path, streams: int) -> float:
    """Files read, summed and written, and nothing else; seconds. The least that a verified copy takes here."""
    to.mkdir(parents=True)

    def one(source: Path) -> None:
        block, value = disk.buffer(), 1
        reader = os.open(source, os.O_RDONLY)
        writer = os.open(to / source.name, os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
        while count := os.readv(reader, [block]):
            value = zlib.adler32(block[:count], value)
            if count % disk.ALIGNMENT:
                fcntl.fcntl(writer, fcntl.F_SETFL, 0)
            os.write(writer, block[:count])
        os.close(reader)
        os.close(writer)

    start = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(one, sources))
    return time.monotonic() - start


class Rucio:
    """Rucio's own command on an embedded lake.

    Parameters
    ----------
    home : Path
        Of the lake.
    scheme : str
        ``file``: the client is told that it is at the site; ``https``: it is told nothing.
    """

    def __init__(self, home: Path, scheme: str) -> None:
        self.scheme = scheme
        self.environment = {**os.environ, **supervisor.environment(home)}
        self.environment.pop("SITE_NAME", None)
        if scheme == "file":
            self.environment["SITE_NAME"] = SITE
            _open_to_downloads(home)

    def upload(self, folder: Path) -> float:
        """All files of a folder; seconds of the whole command."""
        return self._run("upload", "--rse", SITE, "--scope", "lofar", *sorted(folder.iterdir()))

    def download(self, dids: Sequence[str], to: Path) -> float:
        """Files of the lake; seconds of the whole command. That they are all here is looked at: it ends with 0 else."""
        seconds = self._run("download", "--rses", SITE, "--protocol", self.scheme, "--dir", to, *dids)
        here = {f"{path.parent.name}:{path.name}" for path in to.rglob("*") if path.is_file()}
        if missing := set(dids) - here:
            raise SystemExit(f"rucio download by {self.scheme} brought nothing of {sorted(missing)}")
        return seconds

    def _run(self, *arguments: str | Path) -> float:
        """Run it; that it took the protocol that it was meant to take is read in its log."""
        command = [Path(sys.executable).parent / "rucio", "-v", *arguments]
        start = time.monotonic()
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        seconds = time.monotonic() - start
        schemes = set(re.findall(r"Trying (?:upload|to download) with (\w+)", done.stdout))
        if done.returncode or schemes != {self.scheme}:
            raise SystemExit(f"rucio {arguments[0]} by {sorted(schemes)}: {done.returncode}\n{done.stdout[-3000:]}")
        return seconds


def _open_to_downloads(home: Path) -> None:
    """Let the mounted protocol be read from anywhere: Rucio's downloads never ask for one of the local network."""
    lake = client.connect(home / "client" / "root.cfg")
    [mounted] = [protocol for protocol in lake.rse(SITE)["protocols"] if protocol["scheme"] == "file"]
    wide = {**mounted["domains"]["wan"], "read": 2}
    change = {"domains": {**mounted["domains"], "wan": wide}}
    # As a text: the client leaves a port of 0 out, and then the protocol is not found.
    lake.call("update_protocols", SITE, "file", change, mounted["hostname"], str(mounted["port"]))
