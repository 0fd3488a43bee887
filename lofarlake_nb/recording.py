"""The record of a run: written down by the run itself, read by who waits for it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lofarlake_nb import run, steps
from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.executing import Step
from lofarlake_nb.lake.ticks import Sink, Tick
from lofarlake_nb.steps import KEEP_MIME, MADE_MIME

log = logging.getLogger(__name__)

_STOP = ".stop"  # ends the name of the file that is there, beside the record, once it was asked to stop


@dataclass(frozen=True)
class State:
    """How far a run is, or how it ended.

    Parameters
    ----------
    state : str
        ``running``; ``stopping``: it was asked to stop; ``done``, ``failed``, ``stopped``; ``lost``: its process ended
        without a word.
    cell, cells : int
        The cell of code that runs or was the last to run, from 1; 0 before the first.
    heading : str
        That the cell stands under.
    tick : Tick or None
        The newest of that cell.
    said : str
        How it ended: the reason, or what was done.
    files, datasets : tuple of str
        What it made: paths of files and folders, DIDs.

    Examples
    --------
    >>> State("stopping").ended, State("done", said="all 9 cells ran").ended
    (False, True)
    """

    state: str
    cell: int = 0
    cells: int = 0
    heading: str = ""
    tick: Tick | None = None
    said: str = ""
    files: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.state not in ("running", "stopping")


def stop_file(record: Path) -> Path:
    """The file beside a record that is there once the run was asked to stop.

    Examples
    --------
    >>> stop_file(Path("runs/one/state.json")).name
    'state.json.stop'
    """
    return record.with_name(record.name + _STOP)


def read(record: Path) -> State:
    """What was written down last; before the first word, a run that has just begun.

    Examples
    --------
    >>> read(Path("state.json"))
    State(state='running', cell=0, cells=0, heading='', tick=None, said='', files=(), datasets=())
    """
    try:
        value = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return State("running")
    lists = {name: tuple(value[name]) for name in ("files", "datasets")}
    return State(**{**value, **lists, "tick": Tick.of(value["tick"]) if value["tick"] else None})


class Recorder:
    """Writes down how far a run is, for `background.Run.state`; also shows it.

    Parameters
    ----------
    path : Path or None
        The file; None to write nothing.
    executed : Path
        The executed copy.
    show : callable
        Takes each tick.

    Examples
    --------
    >>> recorder = Recorder(Path("recorded.json"), Path("executed.ipynb"), print)
    >>> with recorder.ending():
    ...     recorder(Step(2, 9, "Flag the visibilities"))
    >>> json.loads(Path("recorded.json").read_text())["said"]
    'all 9 cells ran'
    """

    def __init__(self, path: Path | None, executed: Path, show: Sink) -> None:
        self.path, self.executed, self.show = path, executed, show
        self.now = State("running")

    def __call__(self, step: Step) -> None:
        """Take a step."""
        tick = Tick.of(step.tick) if step.tick else None
        # A signal that comes while Python starts may get lost; what it was sent for is on the disk.
        if not tick and self.path and stop_file(self.path).exists():
            raise KeyboardInterrupt("stopped between two cells")
        if tick:
            self.show(tick)
        elif step.heading != self.now.heading:
            log.info("cell %d of %d: %s", step.cell, step.cells, step.heading)
        self._write(State("running", step.cell, step.cells, step.heading, tick))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """While it lasts, the notebook runs; how that ended is written down."""
        try:
            yield
        except LofarlakeError as error:
            self._end("failed", str(error))
            raise
        except KeyboardInterrupt as error:
            said = f"{error or 'interrupted'}, {self._where()}; run it again: what was finished is kept"
            self._end("stopped", said)
            raise KeyboardInterrupt(f"{error or 'interrupted'}, {self._where()}") from error
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise
        self._end("done", f"all {self.now.cells} cells ran")

    def _where(self) -> str:
        now = self.now
        return f"in cell {now.cell} of {now.cells} ({now.heading})" if now.cell else "before the first cell"

    def _end(self, state: str, said: str) -> None:
        files, datasets = _made_by(self.executed)
        self._write(replace(self.now, state=state, said=" ".join(said.split()), files=files, datasets=datasets))

    def _write(self, now: State) -> None:
        self.now = now
        if self.path:
            steps.write_json(self.path, asdict(now))


def _made_by(executed: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files and datasets that the cells of an executed copy say they made, each once."""
    try:
        made = run.shown(executed, MADE_MIME)
        kept = [request["dataset"] for request in run.shown(executed, KEEP_MIME)]
    except (OSError, ValueError):  # none was written
        return (), ()
    files = [path for one in made for path in one.get("files", [])]
    datasets = [one["dataset"] for one in made if "dataset" in one] + kept
    return tuple(dict.fromkeys(files)), tuple(dict.fromkeys(datasets))
