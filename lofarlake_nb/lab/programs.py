"""Programs of Jupyter's that run for a person until they are stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lofarlake_nb.errors import PortTaken


def run(
    module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], unset: Sequence[str]
) -> int:
    """Run a module as a program to its end; what asks us to stop asks it.

    Parameters
    ----------
    module : str
        As ``python -m`` takes it.
    arguments : sequence of str
        Its arguments.
    folder : Path
        Where it runs.
    environment : mapping
        Variables that it has besides ours.
    unset : sequence of str
        Variables of ours that it must not have.

    Returns
    -------
    int
        Its exit status.

    Examples
    --------
    >>> _ = Path("leave.py").write_text("import os, sys; sys.exit(int(os.environ['STATUS']))")
    >>> run("leave", [], Path(), {"STATUS": "7"}, unset=["DISPLAY"])
    7
    """
    command = [shutil.which("env") or "/usr/bin/env", *(f"--unset={name}" for name in unset)]
    command += [f"{name}={value}" for name, value in environment.items()]
    command += [sys.executable, "-m", module, *arguments]
    if threading.current_thread() is not threading.main_thread():
        return subprocess.run(command, cwd=folder, check=False).returncode
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []  # signals from before it was there

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)
        if not started:
            early.append(number)

    # A terminal sends an interrupt to JupyterLab as well, which then asks whether to stop: that is its to answer. Were
    # it ignored by SIG_IGN, so it would be in the program, which starts with what we ignore.
    wanted: dict[signal.Signals, Any] = {
        signal.SIGINT: lambda number, frame: None,
        signal.SIGTERM: pass_on,
        signal.SIGHUP: pass_on,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        with subprocess.Popen(command, cwd=folder) as process:
            started.append(process)
            for number in early:
                process.send_signal(number)
            return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_root() -> bool:
    """Whether Jupyter has to be told that it may run.

    Examples
    --------
    >>> is_root() == (os.getresuid()[1] == 0)
    True
    """
    return os.geteuid() == 0


def free_port() -> int:
    """A port of the loopback on which nothing listens now.

    Examples
    --------
    >>> with socket.create_server(("127.0.0.1", free_port())) as server:
    ...     server.getsockname()[0]
    '127.0.0.1'
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(port: int, what: str) -> None:
    """Refuse a port that can't be listened on.

    Raises
    ------
    PortTaken
        With what it was wanted for.

    Examples
    --------
    >>> with socket.create_server(("127.0.0.1", 0)) as server:
    ...     try:
    ...         check_port(server.getsockname()[1], "JupyterLab")
    ...     except PortTaken as error:
    ...         print(error.hint)
    give another port, or none for a free one
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise PortTaken(
                f"port {port} can't be used for {what} ({error})", "give another port, or none for a free one"
            ) from error
