"""Run a notebook by papermill, strictly: parameters are checked before anything runs, and half a run is a failure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from lofarlake_nb import executing, inspecting
from lofarlake_nb.errors import LofarlakeError, NotebookFailed, UsageError

# Errors raised in a cell that mean: the parameters were wrong.
_USAGE = {"UsageError", "InvalidDID"}


def run(
    notebook: Path, values: dict[str, Any], output: Path, *, watch: Callable[[executing.Step], None] | None = None
) -> Path:
    """Run a notebook and keep the executed copy, also when a cell fails or is interrupted.

    Parameters
    ----------
    notebook : Path
        The notebook.
    values : dict
        Values for its parameters, see `inspecting.checked`.
    output : Path
        Where the executed copy goes; its folder is made.
    watch : callable, optional
        Takes each `executing.Step`.

    Returns
    -------
    Path
        The executed copy.

    Raises
    ------
    UsageError
        Before anything runs, when a parameter is unknown, ill-typed or missing, or the copy can't be written; later,
        when a cell finds a parameter unusable.
    NotebookFailed
        When a cell raises, the kernel dies, or a cell did not run.
    KeyboardInterrupt
        On SIGINT or SIGTERM, once the cell under way has ended; with what it said of it.

    Examples
    --------
    >>> run(inspecting.find_notebook("1_ingest"), {"streams": "many"}, Path("ingested.ipynb"))
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: parameter streams: expected int, got 'many'; its default is 4
    """
    values = inspecting.complete(notebook, values)
    # The notebook's own cell of parameters runs too: it must not ask for what only the kernel of its author has.
    literals = {name: values[name] for name, one in inspecting.parameters_of(notebook).items() if one.expression}
    _make_room(output)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=values,
            kernel_name="python3",
            engine_name=executing.ENGINE,
            watch=watch,
            literals=literals,
            progress_bar=False,
            # What cells show is in the copy: the kernel need not keep it, too (pictures hold what they were made from).
            extra_arguments=["--log-level=40", "--InteractiveShell.cache_size=0"],
        )
    except PapermillExecutionError as error:
        raise _failure(error.ename, error.evalue, output) from error
    except (RuntimeError, OSError) as error:
        raise NotebookFailed(f"{notebook.name}: the kernel stopped ({error})", f"see {output}") from error
    executed = nbformat.read(output, as_version=4)
    code = [c for c in executed.cells if c.cell_type == "code" and c.source.strip()]
    if any(c.metadata.get("papermill", {}).get("status") != "completed" or c.execution_count is None for c in code):
        raise NotebookFailed(f"{notebook.name}: not all of its cells ran", f"see {output}")
    return output


def _make_room(output: Path) -> None:
    """Make the folder of an executed copy; papermill would say of one that can't be written that a kernel stopped."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        is_new = not output.exists()
        output.open("ab").close()
        if is_new:
            output.unlink()
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}", "give another file for the copy") from error


def _failure(name: str, value: str, output: Path) -> BaseException:
    text = " ".join(value.split()) or name
    if name == "KeyboardInterrupt":
        return KeyboardInterrupt(value or "interrupted")
    if name in _USAGE:
        return UsageError(text, f"the executed notebook is {output}")
    own = name in {cls.__name__ for cls in _descendants(LofarlakeError)}
    return NotebookFailed(text if own else f"{name}: {text}", f"the executed notebook is {output}")


def _descendants(cls: type[LofarlakeError]) -> set[type[LofarlakeError]]:
    return {cls}.union(*map(_descendants, cls.__subclasses__()))


def shown(executed: Path, mime: str) -> list[Any]:
    """What the cells of an executed notebook showed as a MIME type.

    Parameters
    ----------
    executed : Path
        The executed copy.
    mime : str
        As ``application/vnd.lofarlake.keep+json``.

    Returns
    -------
    list
        In the order of the cells.

    Examples
    --------
    >>> cell = nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("display_data", {"text/plain": "2"})])
    >>> nbformat.write(nbformat.v4.new_notebook(cells=[cell]), "two.ipynb")
    >>> shown(Path("two.ipynb"), "text/plain")
    ['2']
    """
    cells = nbformat.read(executed, as_version=4).cells
    outputs = [out for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    return [out.data[mime] for out in outputs if mime in out.get("data", {})]
