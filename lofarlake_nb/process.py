"""Stage 2 on Measurement Sets on disk, without a lake."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lofarlake_nb import checks, inspecting, run
from lofarlake_nb.errors import UsageError
from lofarlake_nb.observation import inventory, measurement_set
from lofarlake_nb.observation.layout import require_one_direction
from lofarlake_nb.processing import checking, settings, sky_model
from lofarlake_nb.quality import known, summary
from lofarlake_nb.stages import check_place, prepare

# Parameters of stage 2 that name a file.
FILES = ("catalogue", "truth", "solutions", "strategy", "mask")


def process(
    paths: Sequence[Path], *, model: str, output: Path, overwrite: bool, more: Mapping[str, str]
) -> dict[str, Any]:
    """Run ``2_process.ipynb`` on Measurement Sets on disk, without a lake.

    Parameters
    ----------
    paths : sequence of Path
        Measurement Sets: folders, or tars that hold them.
    model : str
        Name of a calibrator, file in LOFAR's sky model format, ``MODEL_DATA`` for that column, ``none`` for no model
        where the data are calibrated, or empty for the calibrator at the phase centre.
    output : Path
        Folder for ``report.html``, images, pictures, ``summary.json``, ``qa.json`` and the executed notebook.
    overwrite : bool
        Replace the results of an earlier run; steps that it finished in the same way are not done again.
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

    Examples
    --------
    >>> process([Path("observation")], model="", output=Path("processed"), overwrite=False, more={"robust": "high"})
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: parameter robust: expected float, got 'high'; its default is -0.5
    """
    own = {"paths", "sky_model", "output", "dataset", "lake"} & set(more)
    if own:
        raise UsageError(f"parameter {min(own)} can't be given with -p here", "`lofarlake process` sets it itself")
    file = Path(os.path.expanduser(model)).absolute()
    model = str(file) if file.is_file() else model
    check_place(output, overwrite=overwrite, inputs=paths)
    notebook = inspecting.find_notebook("2_process")
    values = {
        **_given(more, notebook),
        "dataset": "",  # given, for in somebody's own copy of the notebook it may have no default
        "paths": [str(p.absolute()) for p in paths],
        "sky_model": model,
        "output": str(output.absolute()),
    }
    _check_inputs(paths, notebook, inspecting.complete(notebook, values))
    prepare(output, overwrite=overwrite, inputs=paths)
    run.run(notebook, values, output / "2_process.ipynb")
    return summary.read(output / "summary.json")


def _given(more: Mapping[str, str], notebook: Path) -> dict[str, Any]:
    """Values for a notebook: files by their whole path, parameters of the steps that it does not declare in a list."""
    declared = inspecting.parameters_of(notebook)
    values: dict[str, Any] = {}
    further = []
    for name, value in more.items():
        if name in FILES and value:
            checks.existing(name, value)
            value = str(Path(os.path.expanduser(value)).absolute())
        if name not in declared and name in settings.defaults():
            further.append(f"{name}={value}")
        else:
            values[name] = value
    if further:
        values["more"] = [*inspecting.checked(notebook, {"more": values.get("more", "")})["more"], *further]
    return values


def _check_inputs(paths: Sequence[Path], notebook: Path, values: Mapping[str, Any]) -> None:
    """Refuse what can't be worked on before a folder is made; tars are looked into when they are unpacked."""
    checks.check(notebook, values)
    asked, model = settings.of(values), values["sky_model"]
    known.references(values.get("truth", ""), values.get("catalogue", ""))
    checking.solutions(asked.calibrate.solutions)
    if model:
        sky_model.load(model, (0.0, 0.0), needed=asked.calibrate.solves)
    found = []
    for one in [one for path in paths if path.is_dir() for one in inventory.measurement_sets(path)]:
        layout = measurement_set.layout(one, asked.flag.chosen_window, asked.flag.chosen_field)
        checking.correlations(one, layout, asked.calibrate.solve)
        if not model:
            sky_model.load("", layout.phase_centre, needed=asked.calibrate.solves)
        found.append((one, layout))
    require_one_direction(found)
