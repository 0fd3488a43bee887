"""Binder without Binder: postBuild and start for real, in a clean folder, as an ordinary user; then both stages there.

``make bench-binder`` installs from the lock into an environment of its own (2 GB, some minutes); with
``ARGS="--python PATH"`` it takes one that is there. What it says: seconds until the landing page answers, of the whole
rehearsal on the cores given, and the largest sum of the memory of its processes (PSS: what is shared is counted once).
From then on there is no network but the loopback, where the kernel lets us have one of our own.
They are told that there is as much memory as on Binder (``--memory``), by the limit on the resident set, which Linux
holds nobody to and Dask reads as it reads a container's.
"""

import argparse
import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
USER = 65534  # nobody, where this is run as root
# Of Linux's sched.h and if.h: a network of our own, as root or as who is root in a world of their own; an interface's
# flags, and that it is up.
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
SET_FLAGS, UP = 0x8914, 1


def memory(folder: Path) -> int:
    """Bytes that the processes started from a folder hold together; PostgreSQL's are known by where they work."""
    total, name = 0, str(folder).encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if name in said or name in os.readlink(entry / "cwd").encode():
                pss = re.search(r"^Pss:\s+(\d+) kB", (entry / "smaps_rollup").read_text(), re.MULTILINE)
                total += int(pss.group(1)) * 1024 if pss else 0
    return total


class Watched:
    """The largest memory while it lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.largest, self._ended = folder, 0, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            self.largest = max(self.largest, memory(self.folder))

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="of an environment to use, instead of running postBuild")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--memory", type=float, default=2.0, help="that the processes believe to have, GB (default 2)")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lofarlake-binder-"))
    folder.chmod(0o755)
    clone, environment = folder / "clone", folder / "environment"
    try:
        clone.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", clone], input=archive, check=True)
        system_site = ["--system-site-packages"] if chosen.python else []
        subprocess.run([chosen.python or sys.executable, "-m", "venv", *system_site, environment], check=True)
        if chosen.python:
            borrow(chosen.python, environment, clone)
        ordinary = []
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{USER}:{USER}", folder], check=True)
            ordinary = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
            if not reachable(environment / "bin/python"):  # a Python of root's own: it may be read, no more than that
                ordinary += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
        print(json.dumps(measured(folder, clone, environment, ordinary, chosen), indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def reachable(path: Path) -> bool:
    """Whether everybody may pass through all folders to a file."""
    return all(folder.stat().st_mode & 1 for folder in path.resolve().parents)


def borrow(python: Path, environment: Path, clone: Path) -> None:
    """Let a new environment see the packages of another one, and this clone's lofarlake."""
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    theirs = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    ours = subprocess.run([environment / "bin/python", "-c", ask], capture_output=True, text=True, check=True).stdout
    also = [line for path in Path(theirs).glob("*.pth") for line in path.read_text().splitlines() if line[:1] == "/"]
    Path(ours.strip(), "borrowed.pth").write_text("\n".join([str(clone), theirs, *also]) + "\n")
    program = environment / "bin/lofarlake"
    program.write_text(f'#!/bin/sh\nexec {environment}/bin/python -m lofarlake_nb "$@"\n')
    program.chmod(0o755)
    for part in ("share/jupyter", "share/everybeam", "etc/jupyter"):
        shutil.copytree(python.parent.parent / part, environment / part, dirs_exist_ok=True)


def measured(folder: Path, clone: Path, environment: Path, ordinary: list[str], chosen: argparse.Namespace) -> dict:
    """Run all of it."""
    variables = {"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    prefix = ["taskset", "-c", chosen.cores, "prlimit", f"--rss={round(1e9 * chosen.memory)}", *ordinary]

    def timed(*words: object) -> float:
        began = time.monotonic()
        subprocess.run([*prefix, *map(str, words)], cwd=clone, env=variables, check=True, stdout=sys.stderr)
        return round(time.monotonic() - began, 1)

    found: dict = {}
    if not chosen.python:
        found["postBuild_s"] = timed("bash", clone / "binder/postBuild")
    found["offline"] = offline()
    began = time.monotonic()
    port = 18899
    lab = ["python", "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    lab[0] = str(environment / "bin/python")
    with Watched(folder) as watched:
        server = subprocess.Popen([*prefix, clone / "binder/start", *lab], cwd=clone, env=variables)
        try:
            while not answers(port):
                if server.poll() is not None or time.monotonic() - began > 180:
                    raise SystemExit("binder/start: no page")
                time.sleep(0.2)
            found["page_s"] = round(time.monotonic() - began, 1)
            found["page_gb"] = round(memory(folder) / 1e9, 2)
            lofarlake = environment / "bin/lofarlake"
            found["simulate_s"] = timed(lofarlake, "simulate", "observation", "--subbands", 4, "--hours", 2)
            found["ingest_s"] = timed(lofarlake, "run", "1_ingest", "--output", "1.ipynb")
            dataset = json.loads((clone / "ingest.json").read_text())["dataset"]
            found["process_s"] = timed(lofarlake, "run", "2_process", "-p", "dataset", dataset, "--output", "2.ipynb")
            found["rehearsal_s"] = round(sum(found[key] for key in ("simulate_s", "ingest_s", "process_s")), 1)
        finally:
            server.terminate()
            server.wait(60)
            timed(environment / "bin/lofarlake", "lake", "reset", "--yes")
    return {**found, "largest_gb": round(watched.largest / 1e9, 2)}


def offline() -> bool:
    """Leave the network, this process and all that it starts; whether that could be done."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK) and libc.unshare(NEW_USER | NEW_NETWORK):
        return False
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh22x", b"lo", UP))
    with suppress(OSError), socket.create_connection(("192.0.2.1", 80), timeout=1):
        return False
    return True


def answers(port: int) -> bool:
    """Whether the server of a port answers."""
    with suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5).status == 200
    return False


if __name__ == "__main__":
    main()
