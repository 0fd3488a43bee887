"""A notebook while it runs: each cell and each tick is told, an interrupt reaches the cell that is under way."""

import ast
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import nbformat
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.log import logger as papermill_log
from papermill.translators import PythonTranslator

from lofarlake_nb.steps import TICK_MIME

ENGINE = "lofarlake"
# For the kernel's launcher. By its name: with the class comes what makes papermill believe that it is in a kernel.
KERNEL = "--IPKernelApp.kernel_class=lofarlake_nb.kernel.Kernel"
# Seconds that a kernel has to stop its Dask workers when a notebook ends; then it is killed.
LEAVING, LEAVING_AT_ONCE = 60.0, 5.0


@dataclass(frozen=True)
class Step:
    """How far a notebook is.

    Parameters
    ----------
    cell, cells : int
        The cell of code that runs, counted from 1, and how many there are.
    heading : str
        The heading that it stands under.
    tick : dict or None
        The newest tick that the cell showed, see `lofarlake_nb.lake.ticks.Tick`.

    Examples
    --------
    >>> Step(2, 9, "Flag")
    Step(cell=2, cells=9, heading='Flag', tick=None)
    """

    cell: int
    cells: int
    heading: str
    tick: dict[str, Any] | None = None


Watch = Callable[[Step], None]


def steps_of(notebook: nbformat.NotebookNode) -> dict[int, Step]:
    """What to say of each cell of code that has something in it, by its place among all cells.

    Examples
    --------
    >>> cells = [nbformat.v4.new_markdown_cell("# Flag"), nbformat.v4.new_code_cell("1 + 1")]
    >>> steps_of(nbformat.v4.new_notebook(cells=cells))
    {1: Step(cell=1, cells=1, heading='Flag', tick=None)}
    """
    code = [n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    found, heading = {}, ""
    for n, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            titles = [line.lstrip("#").strip() for line in cell.source.splitlines() if line.startswith("#")]
            heading = titles[-1] if titles else heading
        elif n in code:
            found[n] = Step(code.index(n) + 1, len(code), heading)
    return found


def with_literals(source: str, values: Mapping[str, Any]) -> str:
    """A cell of parameters in which some have a value, in the place of what only another kernel knows.

    Parameters
    ----------
    source : str
        The cell, which runs before the values that papermill injects.
    values : mapping
        By the names of the parameters that are to change.

    Returns
    -------
    str
        All else in it is as it was.

    Examples
    --------
    >>> with_literals("dataset: str = chosen.did  # to work on", {"dataset": "lofar:L667520"})
    'dataset: str = "lofar:L667520"  # to work on'
    """
    text = source.encode()  # columns of the syntax tree count bytes
    lines = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
    for node in reversed(ast.parse(source).body):  # the last first: it moves nothing that is still to change
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target, old = node.targets[0] if isinstance(node, ast.Assign) else node.target, node.value
        if isinstance(target, ast.Name) and target.id in values:
            start = lines[old.lineno - 1] + old.col_offset
            rest = text[start:].removeprefix((ast.get_source_segment(source, old) or "").encode())
            text = text[:start] + PythonTranslator.translate(values[target.id]).encode() + rest
    return text.decode()


class Client(PapermillNotebookClient):
    """Papermill's client, watched.

    A first SIGINT or SIGTERM interrupts the cell under way, as the stop button of JupyterLab does, and the notebook
    ends there, kept with what the cell said. A second one does not wait for the cell.

    Examples
    --------
    >>> from papermill.engines import NotebookExecutionManager
    >>> client = Client(NotebookExecutionManager(nbformat.v4.new_notebook(), progress_bar=False), print)
    >>> client.create_kernel_manager().shutdown_wait_time  # so long a notebook's Dask workers may take to end
    60.0
    """

    def __init__(self, nb_man: Any, watch: Watch | None, **more: Any) -> None:
        super().__init__(nb_man, **more)
        self._watch = watch
        self._steps = steps_of(nb_man.nb)
        self._under_way = self._asked = self._passed_on = False

    def create_kernel_manager(self) -> Any:
        """Manager of a new kernel."""
        manager = super().create_kernel_manager()
        manager.shutdown_wait_time = LEAVING
        self.extra_arguments.append(KERNEL)
        return manager

    def execute(self, **more: Any) -> nbformat.NotebookNode:
        """Run all cells."""
        with self._interruptible():
            return super().execute(**more)

    def execute_cell(self, cell: nbformat.NotebookNode, cell_index: int, **more: Any) -> nbformat.NotebookNode:
        """Run a cell."""
        if self._asked:
            raise KeyboardInterrupt("stopped between two cells")
        self._tell(cell_index, None)
        self._passed_on = False
        try:
            return super().execute_cell(cell, cell_index, **more)
        finally:
            self._under_way = False

    def process_message(
        self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int
    ) -> nbformat.NotebookNode | None:
        """Take a message of the kernel."""
        if msg["msg_type"] == "execute_input":
            self._under_way = True
            self._pass_on()
        elif TICK_MIME in (data := msg["content"].get("data") or {}):
            self._tell(cell_index, data[TICK_MIME])
        return super().process_message(msg, cell, cell_index)

    def _tell(self, index: int, tick: dict[str, Any] | None) -> None:
        if self._watch and (step := self._steps.get(index)):
            self._watch(Step(step.cell, step.cells, step.heading, tick))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return

        def asked(_number: int, _frame: Any) -> None:
            if self._asked:
                if self.km is not None:
                    self.km.shutdown_wait_time = LEAVING_AT_ONCE
                raise KeyboardInterrupt("stopped at once: the cell under way was given no time to end")
            self._asked = True
            self._pass_on()

        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self) -> None:
        """Interrupt the cell, once: before it begins it would not notice, and a second would hurt its cleaning up."""
        if self._asked and self._under_way and not self._passed_on and self.km.has_kernel:
            self._passed_on = True
            self.km.provisioner.process.send_signal(signal.SIGINT)


class Engine(NBClientEngine):
    """Papermill's own engine, with `Client`.

    Examples
    --------
    >>> papermill_engines.get_engine(ENGINE).__name__
    'Engine'
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **more: Any) -> Any:
        """Run a notebook that papermill keeps."""
        wanted = {key: more[key] for key in ("log_output", "stdout_file", "stderr_file", "extra_arguments")}
        watch, timeout = more.get("watch"), more.get("start_timeout", 60)
        if literals := more.get("literals"):
            for cell in nb_man.nb.cells:
                if "parameters" in cell.metadata.get("tags", []):
                    cell.source = with_literals(cell.source, literals)
        client = Client(nb_man, watch, kernel_name=kernel_name, startup_timeout=timeout, log=papermill_log, **wanted)
        return client.execute()


papermill_engines.register(ENGINE, Engine)
