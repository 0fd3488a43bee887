"""Runs of a stage's notebook from the command line: where results go, and what becomes of the executed copy.

Who waits for a notebook is small: what the lake needs is loaded when the notebook's kernel is gone.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, TypeVar

from lofarlake_nb import run
from lofarlake_nb.errors import ProcessingError, UsageError
from lofarlake_nb.executing import Step
from lofarlake_nb.steps import KEEP_MIME

T = TypeVar("T")

# Marks a folder as made by lofarlake, so that it may be replaced.
MARK = ".lofarlake"
# Where the steps of a stage keep what they made, each under a key of all that it was made from.
WORK = "work"


def run_and_keep(
    notebook: Path, values: Mapping[str, Any], output: Path, *, watch: Callable[[Step], None] | None = None
) -> list[str]:
    """Run a notebook, and add the executed copy to the datasets that its cells named.

    Parameters
    ----------
    notebook : Path
        The notebook.
    values : mapping
        Values for its parameters.
    output : Path
        Where the executed copy goes.
    watch : callable, optional
        Takes each `Step`.

    Returns
    -------
    list of str
        DIDs of the datasets that hold its results.

    Raises
    ------
    UsageError, NotebookFailed
        See `lofarlake_nb.run.run`.
    LakeError
        When the lake does not take the copy.

    Examples
    --------
    >>> from lofarlake_nb import inspecting
    >>> run_and_keep(inspecting.find_notebook("1_ingest"), {"streams": "many"}, Path("ingested.ipynb"))
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: parameter streams: expected int, got 'many'; its default is 4
    """
    executed = run.run(notebook, dict(values), output, watch=watch)
    requests = run.shown(executed, KEEP_MIME)
    if requests:
        from lofarlake_nb.lake import client, results
    for request in requests:
        lake = client.connect(request["lake"])
        results.add_notebook(lake, executed, request["dataset"], rse=request["rse"], notebook=request["notebook"])
    return [request["dataset"] for request in requests]


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """What a function returns, by a process that ends with it, or is ended where this one is interrupted.

    So who waits for a notebook does not keep what the function has loaded.

    Raises
    ------
    ProcessingError
        When that process ends before the function does, as one does that the system kills for its memory.

    Examples
    --------
    >>> apart(len, "abc")
    3
    """
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_answer, args=(there, function, arguments), daemon=True)
    process.start()
    there.close()  # nobody but the process has this end: when it dies, here is the end of what comes
    try:
        answer, error = here.recv()
    except (EOFError, OSError) as end:
        process.join()
        raise ProcessingError(
            f"the process that was to do {function.__module__}.{function.__name__} died (exit code {process.exitcode})",
            "run it again with more memory free, if it was killed: it is most often that which lacks",
        ) from end
    finally:
        process.terminate()
        process.join()
    if error is not None:
        raise error
    return answer


def _answer(there: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answer = function(*arguments), None
    except Exception as error:  # it is raised where somebody waits for it
        answer = None, ExceptionWithTraceback(error, error.__traceback__)
    there.send(answer)


def prepare(output: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Make a folder for results, in the place of an earlier one only where that is wanted and safe.

    Parameters
    ----------
    output : Path
        The folder: a new one, an empty one, or with `overwrite` one that lofarlake made.
    overwrite : bool
        Remove the products of an earlier run. What its steps keep in ``work/`` stays: each finds what it finished, made
        from the same inputs with the same parameters, and makes anew what is not. What was unpacked of other inputs
        goes.
    inputs : sequence of Path
        What must not lie in it, nor hold it.

    Raises
    ------
    UsageError
        When the folder is there and must stay.

    Examples
    --------
    >>> prepare(Path("prepared"), overwrite=False)
    >>> [path.name for path in Path("prepared").iterdir()]
    ['.lofarlake']
    """
    check_place(output, overwrite=overwrite, inputs=inputs)
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / MARK).touch()
        # The folder itself stays: it may be a link, a disk of its own, or the one that we are in.
        for path in [path for path in output.iterdir() if path.name != MARK]:
            if path.name == WORK and path.is_dir() and any(path.iterdir()):
                from lofarlake_nb.lake import retrieve

                retrieve.make_way(inputs, path / "input")
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise UsageError(
            f"{output} can't be made: {error.strerror}: {error.filename}", "give another folder, or free this one"
        ) from error


def check_place(output: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse what `prepare` would refuse, and leave everything as it is.

    Examples
    --------
    >>> check_place(Path("a new folder"), overwrite=False)
    """
    place = output.absolute().resolve()
    for path in (p.absolute().resolve() for p in inputs):
        if place == path or place in path.parents or path in place.parents:
            raise UsageError(
                f"{output} and the input {path} lie in each other", "give a folder of its own for the output"
            )
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file", "give a folder for the output")
    if output.is_dir() and any(output.iterdir()):
        if not overwrite:
            raise UsageError(
                f"{output} is there already", "give a new folder, or --overwrite, which goes on where a run was left"
            )
        if not (output / MARK).is_file():
            raise UsageError(f"{output} was not made by lofarlake, so it is not replaced", "give a new folder")
