"""Runs of a stage's notebook from the command line: where results go, and what becomes of the executed copy."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lofarlake_nb import run
from lofarlake_nb.errors import UsageError
from lofarlake_nb.executing import Step
from lofarlake_nb.lake import client, results
from lofarlake_nb.observation import inventory, measurement_set
from lofarlake_nb.processing import settings, sky_model
from lofarlake_nb.quality import known, summary

# Marks a folder as made by lofarlake, so that it may be replaced.
MARK = ".lofarlake"
# Parameters of stage 2 that name a file.
FILES = ("catalogue", "truth", "solutions", "strategy", "mask")


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
    """
    executed = run.run(notebook, dict(values), output, watch=watch)
    requests = run.shown(executed, results.KEEP_MIME)
    for request in requests:
        lake = client.connect(request["lake"])
        results.add_notebook(lake, executed, request["dataset"], rse=request["rse"], notebook=request["notebook"])
    return [request["dataset"] for request in requests]


def process(
    paths: Sequence[Path], *, model: str, output: Path, overwrite: bool, more: Mapping[str, str]
) -> dict[str, Any]:
    """Run ``2_process.ipynb`` on Measurement Sets on disk, without a lake.

    Parameters
    ----------
    paths : sequence of Path
        Measurement Sets: folders, or tars that hold them.
    model : str
        Name of a calibrator, file in LOFAR's sky model format, ``MODEL_DATA`` for that column, or empty for the
        calibrator at the phase centre.
    output : Path
        Folder for ``report.html``, images, pictures, ``summary.json``, ``qa.json`` and the executed notebook.
    overwrite : bool
        Replace the results of an earlier run.
    more : mapping
        Other parameters of the notebook, and of the steps (`settings.defaults`).

    Returns
    -------
    dict
        The summary.

    Raises
    ------
    UsageError
        When an option or a parameter is not usable.
    NotebookFailed
        When the data can't be calibrated or imaged; ``summary.json`` holds what is known.
    """
    own = {"paths", "sky_model", "output", "dataset", "lake"} & set(more)
    if own:
        raise UsageError(f"parameter {min(own)} can't be given with -p here", "`lofarlake process` sets it itself")
    model = str(Path(model).absolute()) if Path(model).is_file() else model
    check_place(output, overwrite=overwrite, inputs=paths)
    notebook = run.find_notebook("2_process")
    values = {
        **_given(more, set(run.parameters_of(notebook))),
        "paths": [str(p.absolute()) for p in paths],
        "sky_model": model,
        "output": str(output.absolute()),
    }
    _check_inputs(paths, model, run.checked(notebook, values))
    prepare(output, overwrite=overwrite, inputs=paths)
    run.run(notebook, values, output / "2_process.ipynb")
    return summary.read(output / "summary.json")


def _given(more: Mapping[str, str], declared: set[str]) -> dict[str, Any]:
    """Values for a notebook: files by their whole path, parameters of the steps that it does not declare in a list."""
    values: dict[str, Any] = {}
    further = []
    for name, value in more.items():
        if name in FILES and value:
            if not Path(value).exists():
                raise UsageError(f"{name}: no file {value}", "check the path")
            value = str(Path(value).absolute())
        if name not in declared and name in settings.defaults():
            further.append(f"{name}={value}")
        else:
            values[name] = value
    return {**values, "more": further} if further else values


def _check_inputs(paths: Sequence[Path], model: str, values: Mapping[str, Any]) -> None:
    """Refuse what can't be worked on before a folder is made; tars are looked into when they are unpacked."""
    chosen = settings.of({**values, "sky_model": model}).flag
    known.references(values.get("truth", ""), values.get("catalogue", ""))
    if model:
        sky_model.load(model, (0.0, 0.0))
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder", "give Measurement Sets, or tars that hold them")
        if path.is_dir():
            for one in inventory.observation(path).paths:
                layout = measurement_set.layout(one, chosen.chosen_window, chosen.chosen_field)
                sky_model.load(model, layout.phase_centre)


def prepare(output: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Make a folder for results, in the place of an earlier one only where that is wanted and safe.

    Parameters
    ----------
    output : Path
        The folder: a new one, an empty one, or with `overwrite` one that lofarlake made.
    overwrite : bool
        Remove what an earlier run left there.
    inputs : sequence of Path
        What must not lie in it, nor hold it.

    Raises
    ------
    UsageError
        When the folder is there and must stay.
    """
    check_place(output, overwrite=overwrite, inputs=inputs)
    try:
        if output.is_dir():
            shutil.rmtree(output)
        output.mkdir(parents=True, exist_ok=True)
        (output / MARK).touch()
    except OSError as error:
        raise UsageError(
            f"{output} can't be made: {error.strerror}: {error.filename}", "give another folder, or free this one"
        ) from error


def check_place(output: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse what `prepare` would refuse, and leave everything as it is."""
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
            raise UsageError(f"{output} is there already", "give a new folder, or --overwrite")
        if not (output / MARK).is_file():
            raise UsageError(f"{output} was not made by lofarlake, so it is not replaced", "give a new folder")
