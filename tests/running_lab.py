"""A JupyterLab that runs for a test."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from lofarlake_nb.lake import extension

LAB = "import sys; from pathlib import Path; from lofarlake_nb import lab; sys.exit(lab.start({arguments}))"


class Running:
    """A JupyterLab that was started for a lake (its home, or a rucio.cfg), in a HOME of its own.

    What an earlier one left open is not opened.
    """

    def __init__(self, home: Path, folder: Path, environment: dict[str, str] | None = None, **arguments):
        self.folder = folder
        self.user, self.scratch = folder / "user", folder / "scratch"
        elsewhere = self.user / ".local" / "share" / "lofarlake-jupyter" / extension.name(home)
        self.jupyter = elsewhere if home.is_file() else home / "jupyter"
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.user.mkdir()
        self.scratch.mkdir()
        shutil.rmtree(self.jupyter / "config" / "lab" / "workspaces", ignore_errors=True)
        given = {"root_dir": str(self.root), "open_browser": False, **arguments}
        words = ", ".join([f"Path({str(home)!r})", *(f"{name}={value!r}" for name, value in given.items())])
        words = words.replace(f"root_dir={str(self.root)!r}", f"root_dir=Path({str(self.root)!r})")
        # What must not reach the server: another lake's configuration, and a token that would open it to all.
        misleading = {"RUCIO_CONFIG": "/no/such/rucio.cfg", "JUPYTER_TOKEN": "", **(environment or {})}
        self.log = folder / "lab.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAB.format(arguments=words)],
                env={"PATH": os.environ["PATH"], "HOME": str(self.user), "TMPDIR": str(self.scratch), **misleading},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.server = self._wait()

    def _wait(self) -> dict:
        deadline = time.monotonic() + 60
        runtime = self.jupyter / "runtime"
        while time.monotonic() < deadline and self.process.poll() is None:
            for path in runtime.glob("jpserver-*.json"):
                server = json.loads(path.read_text() or "{}")
                if server.get("root_dir") == str(self.root) and self._answers(server):
                    return server
            time.sleep(0.2)
        self.stop()
        raise AssertionError(self.log.read_text()[-3000:])

    @staticmethod
    def _answers(server: dict) -> bool:
        try:
            return requests.get(f"{server['url']}api", timeout=5).ok
        except requests.ConnectionError:
            return False

    def get(self, path: str, token: str | None = None, **parameters) -> requests.Response:
        header = {"Authorization": f"token {self.server['token'] if token is None else token}"}
        return requests.get(self.server["url"] + path, params=parameters, headers=header, timeout=30)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
