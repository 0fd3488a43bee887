"""A program that runs until it is stopped ends with us."""

import os
import signal
import subprocess
import sys
import time

EARLY = """
import os, signal, subprocess
from pathlib import Path
from lofarlake_nb.lab import programs
class Slow(subprocess.Popen):
    def __init__(self, *given, **more):
        super().__init__(*given, **more)
        Path("pid").write_text(str(self.pid))
        os.kill(os.getpid(), signal.SIGTERM)  # before anyone knows of the program
programs.subprocess.Popen = Slow
print(programs.run("wait", [], Path(), {}, unset=[]))
"""


def test_a_stop_while_the_program_starts_reaches_it(tmp_path):
    (tmp_path / "wait.py").write_text("import time; time.sleep(60)")
    done = subprocess.run([sys.executable, "-c", EARLY], cwd=tmp_path, capture_output=True, text=True, check=False)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.returncode, done.stdout) == (0, f"{-signal.SIGTERM}\n")
    finally:
        for _ in range(50):
            if not os.path.exists(f"/proc/{pid}"):
                break
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
