"""What the first cells of a stage's notebook would refuse, told before a kernel starts, from its parameters alone.

Nothing here reads a Measurement Set or asks a lake, and what is heavy is loaded by the stage that needs it: a form asks
after each value that is typed.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lofarlake_nb.errors import InvalidDID, UsageError
from lofarlake_nb.lake.did import DID


def check(notebook: Path, values: Mapping[str, Any]) -> None:
    """Refuse values that a stage's notebook can't use.

    Parameters
    ----------
    notebook : Path
        Of a stage (`STAGES`), by its name; of others nothing is refused.
    values : mapping
        By parameter, of the types that it declares: one, some, or all. Of all it is known too whether they go together.

    Raises
    ------
    LofarlakeError
        For the first that can't be used.

    Examples
    --------
    >>> check(Path("2_process.ipynb"), {"interval": "4 s", "workers": -3})
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: workers: expected 0 (one a core) or more, got -3
    """
    if stage := STAGES.get(notebook.stem):
        stage(values)


def existing(name: str, path: str) -> None:
    """Refuse the path of a file that is not there (``~`` is one's home); an empty one is none.

    Examples
    --------
    >>> existing("catalogue", "stars.csv")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: catalogue: no file stars.csv; check the path
    """
    if path and not os.path.exists(os.path.expanduser(path)):
        raise UsageError(f"{name}: no file {path}", "check the path")


def _did(name: str, values: Mapping[str, Any]) -> None:
    if values.get(name):
        try:
            DID.parse(values[name])
        except InvalidDID as error:
            raise InvalidDID(f"{name}: {error.message}", error.hint) from error


def _ingest(values: Mapping[str, Any]) -> None:
    from lofarlake_nb.parameters import IngestParameters

    if "observation" in values and not os.path.isdir(os.path.expanduser(values["observation"] or ".")):
        raise UsageError(
            f"observation: no folder {values['observation']}",
            "give one with Measurement Sets; `lofarlake simulate DIR` makes them",
        )
    _did("dataset", values)
    _did("container", values)
    given = {name: values[name] for name in ("rse", "replicate_to", "streams") if name in values}
    IngestParameters(dataset=values.get("dataset", ""), **given)


def _process(values: Mapping[str, Any]) -> None:
    from lofarlake_nb.parameters import check_workers
    from lofarlake_nb.processing import settings, sky_model

    chosen = settings.of(values)
    check_workers(values.get("workers", 0))
    _did("dataset", values)
    for path in map(str, values.get("paths", ())):
        if not os.path.exists(os.path.expanduser(path)):
            raise UsageError(f"paths: no such file or folder {path}", "give Measurement Sets, or tars that hold them")
    existing("catalogue", values.get("catalogue", ""))
    existing("truth", values.get("truth", ""))
    existing("strategy", chosen.flag.strategy)
    existing("solutions", chosen.calibrate.solutions)
    existing("mask", chosen.image.mask)
    model = values.get("sky_model", "").strip()
    # What is in a file is looked at with the data's phase centre.
    if model and not os.path.isfile(os.path.expanduser(model)):
        sky_model.load(model, (0.0, 0.0), needed=chosen.calibrate.solves)
    if os.path.isfile(os.path.expanduser(values.get("output", ""))):
        raise UsageError(f"output: {values['output']} is a file", "give a folder for the products")
    if {"dataset", "paths"} <= set(values) and bool(values["dataset"]) == bool(values["paths"]):
        raise UsageError(
            "expected a dataset or paths, got " + ("both" if values["dataset"] else "neither"),
            "give the DID of a dataset in the lake, or Measurement Sets (folders or tars)",
        )


def _explore(values: Mapping[str, Any]) -> None:
    from lofarlake_nb.parameters import check_scale, width_deg

    _did("dataset", values)
    check_scale(values.get("stretch", "asinh"), values.get("interval", "minmax"))
    if values.get("width"):
        width_deg(values["width"])
    existing("regions", values.get("regions", ""))
    existing("catalogue", values.get("catalogue", ""))


STAGES: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "1_ingest": _ingest,
    "2_process": _process,
    "3_explore": _explore,
}
