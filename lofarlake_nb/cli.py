"""The `lofarlake` command: options in, calls, then text or JSON out.

Exit status: 0 done; 1 failed, with a reason; 2 usage. Heavy parts are imported by the command that needs them, so that
`lofarlake lake status` answers at once.
"""

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lofarlake_nb import __version__, cli_data, cli_lake
from lofarlake_nb.commands import Answer, Parser, add_home, command, home, view
from lofarlake_nb.errors import LofarlakeError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the command line when not given.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 usage.

    Examples
    --------
    >>> main(["purge", "observation"])
    0 half-made places of processes that are gone, 0 removed
    0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json, debug = "--json" in arguments, "--debug" in arguments
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if debug else logging.WARNING, format="%(message)s")
    logging.getLogger("lofarlake_nb").setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        chosen = parser().parse_args(arguments)
        with _terminable():
            value, text, status = chosen.handler(chosen)
    except LofarlakeError as error:
        return _complain(error, error.message, error.hint, as_json=as_json, debug=debug)
    except KeyboardInterrupt as error:
        said = str(error) or "interrupted"
        return _complain(error, said, "run it again: what was finished is kept", as_json=as_json, debug=debug)
    except Exception as error:  # the last resort: a person gets a line, --debug the traceback
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return _complain(error, message, "--debug shows where", as_json=as_json, debug=debug)
    return status if _said(json.dumps(value) if as_json else text) else 1


def _said(text: str) -> bool:
    """Print to standard output; False when its reader has gone, as ``| head`` does: there is nobody to tell."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's own flush finds a reader
        return False
    return True


@contextmanager
def _terminable() -> Iterator[None]:
    """While it lasts, a request to end (SIGTERM) interrupts as Ctrl-C does: what is under way ends in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(error: BaseException, message: str, hint: str, *, as_json: bool, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).error("", exc_info=error)
    if as_json:
        _said(json.dumps({"error": message, "hint": hint}))
    else:
        print(f"lofarlake: {message}" + (f"; {hint}" if hint else ""), file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line.

    Examples
    --------
    >>> parser().parse_args(["run", "1_ingest", "-p", "streams", "2"]).parameters
    [['streams', '2']]
    """
    top = Parser(prog="lofarlake", description="Radio astronomy on a data lake, from Jupyter notebooks.")
    top.add_argument("--version", action="version", version=f"lofarlake {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    cli_lake.add(commands)
    cli_data.add(commands)
    _add_simulate(commands)
    _add_run(commands)
    _add_process(commands)
    _add_rehearsal(commands)
    _add_purge(commands)
    _add_lab(commands)
    _add_look(commands)
    return top


# ---- notebooks


def _assignment(values: list[list[str]] | None) -> dict[str, str]:

    names = [name for name, _ in values or []]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"parameter {twice[0]} is given twice", "give each parameter once")
    return {pair[0]: pair[1] for pair in values or []}


def _add_run(commands: Any) -> None:
    run = command(commands, "run", _run, "Run a notebook, strictly, and keep the executed copy.")
    run.add_argument("notebook", help="a path, or the name of a notebook that comes with lofarlake")
    run.add_argument("-p", "--parameter", dest="parameters", nargs=2, action="append", metavar=("NAME", "VALUE"))
    run.add_argument("--output", type=Path, help="the executed copy (default: NOTEBOOK.executed.ipynb here)")
    run.add_argument("--html", action="store_true", help="write it as a page too, in one file that loads nothing else")
    run.add_argument("--record", type=Path, metavar="FILE", help="write down how far it is, as JSON, at each step")


def _run(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import checks, inspecting, recording, stages

    notebook = inspecting.find_notebook(chosen.notebook)
    output = chosen.output or Path(f"{notebook.stem}.executed.ipynb")
    recorder = recording.Recorder(chosen.record, output, view())
    with recorder.ending():
        values = inspecting.complete(notebook, _assignment(chosen.parameters))
        if notebook.stem in checks.STAGES:
            stages.apart(checks.check, notebook, {**inspecting.defaults(notebook), **values})
        kept = stages.run_and_keep(notebook, values, output, watch=recorder)
    value = {"notebook": str(output), "results": kept}
    lines = [f"the executed notebook is {output}", *(f"its results are {did}" for did in kept)]
    if chosen.html:
        from lofarlake_nb import page

        value["page"] = str(page.write(output))
        lines.append(f"as a page: {value['page']}")
    return value, "\n".join(lines), 0


def _add_process(commands: Any) -> None:
    process = command(commands, "process", _process, "Flag, calibrate and image Measurement Sets; needs no lake.")
    process.add_argument("paths", nargs="+", metavar="PATH", help="Measurement Sets: folders, or tars that hold them")
    process.add_argument(
        "--sky-model", default="",
        help="a calibrator's name, a file in LOFAR's sky model format, MODEL_DATA, or none for calibrated data",
    )  # fmt: skip
    process.add_argument("--output", type=Path, required=True, help="folder for the results: a new one")
    process.add_argument(
        "--calibrate", choices=("diagonal", "phase", "full", "none"), dest="solve",
        help="gains of X and Y (the default), their phases, Jones matrices, or nothing: the data are calibrated",
    )  # fmt: skip
    process.add_argument("--solutions", metavar="H5PARM", help="gains of a calibrator scan, applied before the solve")
    process.add_argument("--data-column", metavar="NAME", help="column of the visibilities (default: DATA)")
    process.add_argument("--catalogue", metavar="TABLE", help="FITS or CSV table to compare the found sources with")
    process.add_argument(
        "--overwrite", action="store_true", help="replace the results of an earlier run; what it finished is found"
    )
    process.add_argument(
        "-p", "--parameter", dest="parameters", nargs=2, action="append", metavar=("NAME", "VALUE"),
        help="another parameter of 2_process.ipynb or of its steps (docs/processing.md), as -p resolution '20 arcsec'",
    )  # fmt: skip


def _process(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import process
    from lofarlake_nb.quality.summary import in_words

    options = {name: getattr(chosen, name) for name in ("solve", "solutions", "data_column", "catalogue")}
    given = [[name, value] for name, value in options.items() if value is not None]
    summary = process.process(
        [Path(p) for p in chosen.paths],
        model=chosen.sky_model,
        output=chosen.output,
        overwrite=chosen.overwrite,
        more=_assignment([*given, *(chosen.parameters or [])]),
    )
    return summary, f"{in_words(summary)}\nlook: {chosen.output / 'report.html'}", 0


# ---- the rest


def _add_simulate(commands: Any) -> None:
    from lofarlake_nb.parameters import PRESETS, SimulationParameters

    simulate = command(commands, "simulate", _simulate, "Make an observation of the 3C196 field, and keep its truth.")
    simulate.add_argument("directory", type=Path, metavar="DIR", help="folder for the Measurement Sets")
    simulate.add_argument(
        "--preset", choices=list(PRESETS), default="rehearsal", help="what the other options change (default rehearsal)"
    )
    for field in dataclasses.fields(SimulationParameters):
        kind: dict[str, Any] = {"type": type(field.default)}
        if isinstance(field.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        name = f"--{field.name.replace('_', '-')}"
        simulate.add_argument(name, default=None, help=f"rehearsal: {field.default}", **kind)


def _simulate(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.parameters import SimulationParameters
    from lofarlake_nb.processing import simulate

    given = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(SimulationParameters)}
    changes = {name: value for name, value in given.items() if value is not None}
    parameters = SimulationParameters.preset(chosen.preset, **changes)
    print(simulate.in_words(parameters), file=sys.stderr)
    made = simulate.simulate(chosen.directory, parameters)
    sets, truth = [str(path) for path in made.measurement_sets], str(made.truth)
    return {"measurement_sets": sets, "truth": truth}, "\n".join([*sets, truth]), 0


def _add_rehearsal(commands: Any) -> None:
    rehearsal = command(commands, "rehearsal", _rehearsal, "Rehearse both stages on the embedded lake.")
    rehearsal.add_argument("--output", type=Path, default=Path("rehearsal"), help="folder for all of it")
    rehearsal.add_argument("--protocol", help="of the lake, see lofarlake lake start (default: https)")


def _rehearsal(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import rehearsal
    from lofarlake_nb.quality.summary import in_words

    summary = rehearsal.rehearse(chosen.output, protocol=chosen.protocol)
    stop = f"{sys.argv[0]} lake stop --home {chosen.output / 'lake'}"
    look = f"look: {chosen.output / 'report.html'}, or make lab; stop the lake: {stop}"
    return summary, f"{in_words(summary)}\n{look}", 0


def _add_purge(commands: Any) -> None:
    purge = command(commands, "purge", _purge, "Find what killed runs left half made below folders.")
    purge.add_argument("folders", nargs="+", metavar="DIR", help="where to look, with all that is below")
    purge.add_argument("--older-than", default="1 h", help='how long it must have lain there (default "1 h")')
    purge.add_argument("--remove", action="store_true", help="remove it; what a living process holds stays")


def _purge(chosen: argparse.Namespace) -> Answer:
    from astropy import units as u

    from lofarlake_nb.lake import scratch
    from lofarlake_nb.parameters import quantity

    older = quantity("older-than", chosen.older_than, u.s).value
    done = scratch.purge(chosen.folders, older_than=older, remove=chosen.remove)
    word = "removed" if chosen.remove else "left"
    lines = [f"{word}: {path}, {size} bytes" for path, size in done.left]
    lines.append(f"{len(done.left)} half-made places of processes that are gone, {done.removed} removed")
    return done.summary(), "\n".join(lines), 0 if done.ok else 1


def _add_lab(commands: Any) -> None:
    lab = command(commands, "lab", _lab, "Open JupyterLab on the landing notebook, with the lake running.")
    _add_opened(lab)
    lab.add_argument("--port", type=int, help="port of JupyterLab (default: a free one)")
    lab.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _add_look(commands: Any) -> None:
    look = command(commands, "look", _look, "A page of the lake and its newest image, for people who only look.")
    _add_opened(look)
    look.add_argument("--notebook", default="3_explore.ipynb", help="that the page is made from (default: 3_explore)")
    look.add_argument("--port", type=int, help="port of the page (default: a free one)")
    look.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _add_opened(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group()
    add_home(one)
    one.add_argument("--lake", default="", help="rucio.cfg of a lake that runs elsewhere, or home of an embedded one")


def _opened(chosen: argparse.Namespace) -> Path:
    """The lake that is to be opened; an embedded one is started."""
    from lofarlake_nb.lake import extension
    from lofarlake_nb.lake.embedded import supervisor

    lake = extension.located(chosen.lake) if chosen.lake else home(chosen)
    if chosen.lake and extension.configuration(lake) == lake:
        return lake
    supervisor.start(lake)
    return lake


def _look(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import lab

    lake = _opened(chosen)
    notebook = chosen.notebook.removesuffix(".ipynb") + ".ipynb"
    status = lab.look(lake, notebook=notebook, port=chosen.port, open_browser=not chosen.no_browser)
    return {"status": status}, "the page is closed; the lake runs on", status


def _lab(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import lab

    status = lab.start(_opened(chosen), port=chosen.port, open_browser=not chosen.no_browser)
    return {"status": status}, "JupyterLab has stopped; the lake runs on", status
