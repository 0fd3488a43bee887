"""Parts of a lake as processes: started in a session of their own, known again by more than their PID, stopped."""

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lofarlake_nb.lake.embedded.home import write_private

START_LINE = "=== started"
_EXITING = 0x4  # PF_EXITING of the kernel's sched.h, among the flags of /proc/PID/stat
LOG_BYTES = 5_000_000  # a log that is longer is put aside at the next start


@dataclass(frozen=True)
class Process:
    """A process that was started, as it can be told from a later one with the same PID.

    Parameters
    ----------
    pid : int
        Its number.
    started : int
        Clock ticks from the machine's boot to its start (``/proc/PID/stat``, field 22).
    boot : str
        Which boot of the machine.
    recipe : str
        What it was started from; one with another recipe is out of date.
    """

    pid: int
    started: int
    boot: str
    recipe: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        seen = _stat(self.pid)
        return seen is not None and seen[1] == self.started and self.boot == _boot() and seen[0] not in "ZX"

    @property
    def doomed(self) -> bool:
        """Whether it was killed and has yet to end, which takes a large one a while."""
        try:
            flags = int(Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[6])
            told = Path(f"/proc/{self.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        pending = [int(line.split()[1], 16) for line in told.splitlines() if line.startswith(("SigPnd:", "ShdPnd:"))]
        return self.alive and (bool(flags & _EXITING) or any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending))


def start(
    command: Sequence[str | Path],
    *,
    record: Path,
    log: Path,
    folder: Path,
    environment: dict[str, str],
    recipe: str,
    umask: int = 0o077,
) -> Process:
    """Start a process that outlives this one and its terminal.

    Parameters
    ----------
    command : sequence
        Program and arguments; everyone can read those, so no secrets.
    record : Path
        Where to write down which process it is.
    log : Path
        What it says, appended.
    folder : Path
        Where it runs.
    environment : dict
        All of its environment: nothing of this process's leaks in.
    recipe : str
        Kept with it.
    umask : int
        Of the process; -1 for that of this one.

    Returns
    -------
    Process
        Running, though maybe not ready.
    """
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        output.write(f"{START_LINE} {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        output.flush()
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            umask=umask,
        )
    seen = _stat(child.pid)
    process = Process(child.pid, seen[1] if seen else 0, _boot(), recipe)
    write_private(record, as_json(process))
    child.returncode = 0  # it is not waited for here: it outlives us, and Popen would warn
    return process


def as_json(process: Process) -> str:
    """What is written down of a process."""
    return json.dumps(asdict(process)) + "\n"


def recorded(record: Path) -> Process | None:
    """The process that was written down, running or not."""
    try:
        return Process(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def ask(process: Process, how: signal.Signals) -> None:
    """Send a process a signal, if it is still that one."""
    if process.alive:
        _signal(process.pid, how)


def stop(process: Process, how: signal.Signals, *, patience: float) -> bool:
    """Stop a process and what it started in its session; what does not heed the signal is killed.

    Parameters
    ----------
    process : Process
        Which; one that is gone only has its children looked after.
    how : Signals
        The signal that it ends on in good order.
    patience : float
        Seconds until it is killed.

    Returns
    -------
    bool
        Whether anything had to be killed.
    """
    # Whose parent was killed gets no chance of its own: it may not know how to end alone.
    deadline = time.monotonic() + (patience if process.alive else 0)
    ask(process, how)
    killed = False
    while left := _members(process):
        if time.monotonic() > deadline:
            killed = True
            for pid in left:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.02)
        _reap(process.pid)
    return killed


def _members(process: Process) -> list[int]:
    """The process and all others of its session, by PID, that started no earlier than it."""
    if process.boot != _boot():
        return []
    members = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        seen = _stat(int(entry))
        if seen is None or seen[0] in "ZX" or seen[2] != process.pid or seen[1] < process.started:
            continue
        if int(entry) == process.pid and seen[1] != process.started:
            return []  # the PID, and with it the session's number, is another program's now
        members.append(int(entry))
    return members


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, start in clock ticks, and session of a process; None where there is none.

    A process whose first thread has ended while others still do is not a zombie yet: it holds its ports until the last.
    """
    try:
        # The name, in parentheses, may hold blanks and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state = "R" if fields[0] in "ZX" and int(fields[17]) > 1 else fields[0]
    return state, int(fields[19]), int(fields[3])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def _reap(pid: int) -> None:
    """Take note of the end of a child of ours, which would stay a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError as error:
        if error.errno != errno.ECHILD:
            raise
