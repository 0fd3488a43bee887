"""Run a notebook in a process of its own, look how far it is, stop it in good order; it outlives who started it."""

import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lofarlake_nb import inspecting, recording
from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import looking
from lofarlake_nb.lake.embedded import processes
from lofarlake_nb.recording import State, stop_file

PLACE = Path("runs")  # of the folders of runs, in the folder that one works in
_RUN, _PROCESS, _STATE, _LOG = "run.json", "process.json", "state.json", "run.log"
_TIME = "%Y%m%dT%H%M%S"  # UTC, in the name of a run's folder
_LOOK = 0.2  # seconds between two looks at a run that is waited for


@dataclass(frozen=True)
class Run:
    """A run of a notebook, known by its folder.

    Parameters
    ----------
    folder : Path
        Holds the executed copy, what was asked for, how far it is, and what the process said.

    Examples
    --------
    >>> from lofarlake_nb import background
    >>> run = background.start("1_ingest", {"lake": home, "observation": "observation"})
    >>> run.wait().datasets
    ('lofar:L990100',)
    >>> run.state().heading
    'What that means for a full day'
    """

    folder: Path

    @property
    def notebook(self) -> str:
        """Name of the notebook."""
        return str(self._asked()["notebook"])

    @property
    def began(self) -> str:
        """When it was started, by its folder's name."""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.strptime(self.folder.name.split("-")[-2], _TIME))

    @property
    def executed(self) -> Path:
        """The executed copy; there from the first cell on."""
        return self.folder / self.notebook

    def state(self) -> State:
        """How far it is."""
        process = processes.recorded(self.folder / _PROCESS)
        is_alive = process is not None and process.alive  # asked first: its last line is then in the record
        known = recording.read(self.folder / _STATE)
        if known.ended:
            return known
        if is_alive:
            return replace(known, state="stopping") if stop_file(self.folder / _STATE).exists() else known
        return replace(known, state="lost", said=f"its process ended without a word; see {self.folder / _LOG}")

    def stop(self) -> None:
        """Ask it to stop: the cell under way is interrupted and ends in good order. Asked again, it ends at once."""
        looking.refuse(f"stop {self.notebook}")
        if process := processes.recorded(self.folder / _PROCESS):
            stop_file(self.folder / _STATE).touch()
            processes.ask(process, signal.SIGINT)

    def wait(self, seconds: float | None = None) -> State:
        """Wait until it has ended; interrupted meanwhile, stop it, and return what it says of that.

        Parameters
        ----------
        seconds : float, optional
            No longer than this.

        Returns
        -------
        State
            How it ended, or how far it is.
        """
        deadline = time.monotonic() + seconds if seconds is not None else None
        try:
            return self._ended(deadline)
        except KeyboardInterrupt:
            self.stop()
            return self._ended(deadline)

    def _ended(self, deadline: float | None) -> State:
        while not (now := self.state()).ended and (deadline is None or time.monotonic() < deadline):
            time.sleep(_LOOK)
        return now

    def _asked(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / _RUN).read_text()))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.folder} is no folder of a run", f"they are in {PLACE}/") from error


def command(notebook: str, values: Mapping[str, Any], output: str | Path = "") -> list[str]:
    """The words of the command that runs a notebook as `start` does, without `lofarlake` itself.

    Examples
    --------
    >>> command("1_ingest", {"streams": 2}, "done.ipynb")
    ['run', '1_ingest', '-p', 'streams', '2', '--output', 'done.ipynb']
    """
    words = ["run", notebook]
    for name, value in values.items():
        words += ["-p", name, json.dumps(value) if isinstance(value, list | bool) else str(value)]
    return words + (["--output", str(output)] if output else [])


def shell(notebook: str, values: Mapping[str, Any]) -> str:
    """The line for a shell that does the same in the foreground.

    Examples
    --------
    >>> shell("1_ingest", {"observation": "my observation"})
    "lofarlake run 1_ingest -p observation 'my observation'"
    """
    return shlex.join(["lofarlake", *command(notebook, values)])


def python(notebook: str, values: Mapping[str, Any]) -> str:
    """The line of Python that does the same.

    Examples
    --------
    >>> python("1_ingest", {"observation": "there"})
    "background.start('1_ingest', {'observation': 'there'})"
    """
    return f"background.start({notebook!r}, {dict(values)!r})"


def start(notebook: str | Path, values: Mapping[str, Any], *, place: Path = PLACE) -> Run:
    """Start a run and return at once.

    Parameters
    ----------
    notebook : str or Path
        As `inspecting.find_notebook` takes it.
    values : mapping
        Values for its parameters, as `inspecting.complete` takes them.
    place : Path
        Where the run's folder is made.

    Returns
    -------
    Run
        Its cells see the current folder as theirs. It goes on when this process ends.

    Raises
    ------
    UsageError
        Before anything runs, when there is no such notebook, or a parameter is unknown, ill-typed or missing.

    Examples
    --------
    >>> started = start("1_ingest", {"lake": home, "observation": "observation"})
    >>> started.wait().state
    'done'
    """
    looking.refuse(f"run {notebook}")
    found = inspecting.find_notebook(str(notebook))
    checked = inspecting.complete(found, dict(values))
    folder = _made(place.absolute(), found.stem)
    asked = {"notebook": found.name, "path": str(found.absolute()), "values": checked, "folder": str(Path.cwd())}
    (folder / _RUN).write_text(json.dumps(asked, indent=2) + "\n")
    words = command(str(found.absolute()), checked, folder / found.name)
    processes.start(
        [sys.executable, "-m", "lofarlake_nb", *words, "--record", str(folder / _STATE)],
        record=folder / _PROCESS,
        log=folder / _LOG,
        folder=Path.cwd(),
        environment=dict(os.environ),
        recipe="",
        umask=-1,
    )
    return Run(folder)


def newest(notebook: str | Path, *, place: Path = PLACE) -> Run | None:
    """The newest run of a notebook, running or not; None where there is none.

    Examples
    --------
    >>> newest("3_explore") is None  # none was started here
    True
    """
    stem = inspecting.find_notebook(str(notebook)).stem
    named = re.compile(re.escape(stem) + r"-\d{8}T\d{6}-\d{3}")  # not those of its copy 1_ingest-Copy1
    found = sorted(path.parent for path in place.absolute().glob(f"*/{_RUN}") if named.fullmatch(path.parent.name))
    return Run(found[-1]) if found else None


def _made(place: Path, stem: str) -> Path:
    """A new folder, named by UTC, which no clock turns back, so that names sort by time."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        for n in range(1, 1000):
            folder = place / f"{stem}-{time.strftime(_TIME, time.gmtime())}-{n:03d}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UsageError(
            f"{place}: no folder for a run can be made ({error.strerror})", "give another place"
        ) from error
    raise UsageError(f"{place} holds too many runs of this second", "wait a moment")
