"""The rehearsal: both stages, one after the other, on a lake of its own.

Who waits for the stages is small: the observation and the report are made in processes of their own, with all that they
load.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lofarlake_nb import stages
from lofarlake_nb.errors import UsageError
from lofarlake_nb.inspecting import find_notebook
from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.quality import report, summary

logger = logging.getLogger(__name__)


def rehearse(
    output: Path,
    simulation: SimulationParameters | None = None,
    processing: Mapping[str, Any] | None = None,
    protocol: str | None = None,
) -> dict[str, Any]:
    """Run both stages end to end on an embedded lake.

    Parameters
    ----------
    output : Path
        Folder for all of it: ``lake/``, ``observation/``, ``products/``, the executed notebooks, ``summary.json`` and
        ``report.html``. What an earlier rehearsal finished there is found again. The lake is left running.
    simulation : SimulationParameters, optional
        The observation; by default 4 subbands around 135 MHz over 2 hours.
    processing : mapping, optional
        Parameters of ``2_process.ipynb`` besides those that the rehearsal sets.
    protocol : str, optional
        Of the lake, as `supervisor.start` takes it.

    Returns
    -------
    dict
        The summary, see `lofarlake_nb.quality.summary`.

    Raises
    ------
    UsageError
        When `output` is there and was not made by a rehearsal.
    LofarlakeError
        When a part can't be done.

    Examples
    --------
    >>> try:
    ...     rehearse(Path("observation"))
    ... except UsageError as error:
    ...     print(error.hint)
    give another folder with --output
    """
    output = output.absolute()
    is_free = output.is_dir() and (not any(output.iterdir()) or (output / stages.MARK).is_file())
    if output.exists() and not is_free:
        raise UsageError(f"{output} was not made by a rehearsal", "give another folder with --output")
    output.mkdir(parents=True, exist_ok=True)
    (output / stages.MARK).touch()
    lake, products = output / "lake", output / "products"
    with _told("embedded lake"):
        supervisor.start(lake, protocol=protocol)
    with _told("observation"):
        truth = stages.apart(_simulated, output / "observation", simulation or SimulationParameters())
    with _told("stage 1: ingest"):
        ingest = {"lake": str(lake), "observation": str(output / "observation"), "report": str(output / "ingest.json")}
        stages.run_and_keep(find_notebook("1_ingest"), ingest, output / "1_ingest.ipynb")
    found = summary.read(output / "ingest.json")
    with _told("stage 2: flag, calibrate, image"):
        given = {"lake": str(lake), "dataset": found["dataset"], "output": str(products), "truth": str(truth)}
        process = {**(processing or {}), **given}
        stages.run_and_keep(find_notebook("2_process"), process, output / "2_process.ipynb")
    whole = summary.with_part(summary.read(products / "summary.json"), "ingest", found["ingest"])
    whole = summary.with_part(whole, "image", {**whole["image"], "file": f"products/{whole['image']['file']}"})
    summary.write(output / "summary.json", whole)
    stages.apart(_report, output, whole)
    return whole


def _simulated(folder: Path, parameters: SimulationParameters) -> Path:
    """Simulate an observation: the truth of it."""
    from lofarlake_nb.processing import simulate

    return simulate.simulate(folder, parameters).truth


@contextmanager
def _told(what: str) -> Iterator[None]:
    logger.info("%s ...", what)
    start = time.monotonic()
    yield
    logger.info("%s: %.0f s", what, time.monotonic() - start)


def _report(output: Path, whole: dict[str, Any]) -> Path:
    from lofarlake_nb.quality import run_report

    products = output / "products"
    quality = json.loads((products / "qa.json").read_text())
    return report.write(
        output / "report.html",
        title="The 3C196 field, from the lake and back",
        subtitle="Both stages of the data lake rehearsal, on an embedded lake and a simulated LOFAR HBA observation: "
        "ingested, replicated, retrieved, flagged, calibrated, imaged, and the results ingested with their lineage.",
        facts=run_report.facts(whole),
        sections=run_report.sections(products, whole, quality),
        links=["summary.json", "1_ingest.ipynb", "2_process.ipynb", "products/image.fits", "products/report.html"],
    )
