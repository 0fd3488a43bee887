"""The `lofarlake` command: options in, calls, then text or JSON out.

Exit status: 0 done; 1 failed, with a reason; 2 usage. Heavy parts are imported by the command that needs them, so that
`lofarlake lake status` answers at once.
"""

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lofarlake_nb import __version__
from lofarlake_nb.errors import LofarlakeError, UsageError

DEFAULT_HOME = Path("~/.local/share/lofarlake")

# What a command reports: the value for --json, the text for a person, the exit status.
Answer = tuple[dict[str, Any], str, int]


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are our usage errors, so that --json covers them too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see `{self.prog} --help`")


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
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json, debug = "--json" in arguments, "--debug" in arguments
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if debug else logging.WARNING, format="%(message)s")
    logging.getLogger("lofarlake_nb").setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        chosen = parser().parse_args(arguments)
        value, text, status = chosen.handler(chosen)
    except LofarlakeError as error:
        return _complain(error, error.message, error.hint, as_json=as_json, debug=debug)
    except KeyboardInterrupt as error:
        return _complain(error, "interrupted", "run it again: what was finished is kept", as_json=as_json, debug=debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: nothing to tell it
        return 1
    except Exception as error:  # the last resort: a person gets a line, --debug the traceback
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return _complain(error, message, "--debug shows where", as_json=as_json, debug=debug)
    print(json.dumps(value) if as_json else text)
    return status


def _complain(error: BaseException, message: str, hint: str, *, as_json: bool, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).error("", exc_info=error)
    if as_json:
        print(json.dumps({"error": message, "hint": hint}))
    else:
        print(f"lofarlake: {message}" + (f"; {hint}" if hint else ""), file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    top = _Parser(prog="lofarlake", description="Radio astronomy on a data lake, from Jupyter notebooks.")
    top.add_argument("--version", action="version", version=f"lofarlake {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_lake(commands)
    _add_simulate(commands)
    _add_run(commands)
    _add_process(commands)
    _add_rehearsal(commands)
    _add_lab(commands)
    return top


def _command(commands: Any, name: str, handler: Callable[..., Answer], summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("--json", action="store_true", help="one JSON object on standard output")
    command.add_argument("--debug", action="store_true", help="say more, and show tracebacks")
    command.set_defaults(handler=handler)
    return command


def _add_home(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--home", type=Path, default=DEFAULT_HOME, help=f"folder of the embedded lake (default {DEFAULT_HOME})"
    )


def _home(chosen: argparse.Namespace) -> Path:
    return chosen.home.expanduser().absolute()


# ---- lake


def _add_lake(commands: Any) -> None:
    lake = commands.add_parser("lake", help="the embedded lake: start, status, stop, reset, env")
    actions = lake.add_subparsers(metavar="ACTION", required=True, parser_class=_Parser)
    start = _command(actions, "start", _lake_start, "Start the embedded lake, or mend it.")
    start.add_argument("--port", type=int, help="port of Rucio's server (default: a free one)")
    reset = _command(actions, "reset", _lake_reset, "Stop the embedded lake and remove all that is in it.")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    others = [
        _command(actions, "status", _lake_status, "Say which parts of the embedded lake are up."),
        _command(actions, "stop", _lake_stop, "Stop the embedded lake; what is in it stays."),
        _command(actions, "env", _lake_env, "Print the exports with which Rucio's own `rucio` works on this lake."),
    ]
    for action in (start, reset, *others):
        _add_home(action)


def _lake_answer(status: Any) -> Answer:
    value = {"up": status.up, "parts": [dataclasses.asdict(part) for part in status.parts]}
    lines = [
        f"{part.name:<10} {'up' if part.up else 'DOWN':<5} {part.address or '-':<32} {part.detail}".rstrip()
        for part in status.parts
    ]
    return value, "\n".join(lines), 0


def _lake_start(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    return _lake_answer(supervisor.start(_home(chosen), port=chosen.port))


def _lake_status(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    status = supervisor.status(_home(chosen))
    value, text, _ = _lake_answer(status)
    return value, text, 0 if status.up else 1


def _lake_stop(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    value, _, _ = _lake_answer(supervisor.stop(_home(chosen)))
    return value, f"the lake in {_home(chosen)} is stopped", 0


def _lake_reset(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    home = _home(chosen)
    if (
        not chosen.yes
        and sys.stdin is not None
        and sys.stdin.isatty()
        and input(f"Remove the lake in {home} and all that is in it? [y/N] ").lower() != "y"
    ):
        raise UsageError("nothing was removed", "answer y, or give --yes")
    supervisor.reset(home)
    return {"home": str(home), "reset": True}, f"the lake in {home} is gone", 0


def _lake_env(chosen: argparse.Namespace) -> Answer:
    import shlex

    from lofarlake_nb.lake.embedded import supervisor

    exports = supervisor.environment(_home(chosen))
    return exports, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items()), 0


# ---- notebooks


def _assignment(values: list[list[str]] | None) -> dict[str, str]:

    names = [name for name, _ in values or []]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"parameter {twice[0]} is given twice", "give each parameter once")
    return {pair[0]: pair[1] for pair in values or []}


def _add_run(commands: Any) -> None:
    run = _command(commands, "run", _run, "Run a notebook, strictly, and keep the executed copy.")
    run.add_argument("notebook", help="a path, or the name of a notebook that comes with lofarlake")
    run.add_argument("-p", "--parameter", dest="parameters", nargs=2, action="append", metavar=("NAME", "VALUE"))
    run.add_argument("--output", type=Path, help="the executed copy (default: NOTEBOOK.executed.ipynb here)")


def _run(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import run, stages

    notebook = run.find_notebook(chosen.notebook)
    output = chosen.output or Path(f"{notebook.stem}.executed.ipynb")
    kept = stages.run_and_keep(notebook, _assignment(chosen.parameters), output)
    value = {"notebook": str(output), "results": kept}
    return value, "\n".join([f"the executed notebook is {output}", *(f"its results are {did}" for did in kept)]), 0


def _add_process(commands: Any) -> None:
    process = _command(commands, "process", _process, "Flag, calibrate and image Measurement Sets; needs no lake.")
    process.add_argument("paths", nargs="+", metavar="PATH", help="Measurement Sets: folders, or tars that hold them")
    process.add_argument("--sky-model", default="", help="a calibrator's name, or a file in LOFAR's sky model format")
    process.add_argument("--output", type=Path, required=True, help="folder for the results: a new one")
    process.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run")
    process.add_argument(
        "-p", "--parameter", dest="parameters", nargs=2, action="append", metavar=("NAME", "VALUE"),
        help="another parameter of 2_process.ipynb",
    )  # fmt: skip


def _process(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import stages
    from lofarlake_nb.quality.summary import in_words

    summary = stages.process(
        [Path(p) for p in chosen.paths],
        model=chosen.sky_model,
        output=chosen.output,
        overwrite=chosen.overwrite,
        more=_assignment(chosen.parameters),
    )
    return summary, f"{in_words(summary)}\nlook: {chosen.output / 'image.png'}, {chosen.output / '2_process.ipynb'}", 0


# ---- the rest


def _add_simulate(commands: Any) -> None:
    from lofarlake_nb.parameters import SimulationParameters

    simulate = _command(commands, "simulate", _simulate, "Make an observation of the 3C196 field, and keep its truth.")
    simulate.add_argument("directory", type=Path, metavar="DIR", help="folder for the Measurement Sets")
    for field in dataclasses.fields(SimulationParameters):
        kind: dict[str, Any] = {"type": type(field.default)}
        if isinstance(field.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        name, default = f"--{field.name.replace('_', '-')}", field.default
        simulate.add_argument(name, default=default, help=f"default {default}", **kind)


def _simulate(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.parameters import SimulationParameters
    from lofarlake_nb.processing import simulate

    given = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(SimulationParameters)}
    made = simulate.simulate(chosen.directory, SimulationParameters(**given))
    sets, truth = [str(path) for path in made.measurement_sets], str(made.truth)
    return {"measurement_sets": sets, "truth": truth}, "\n".join([*sets, truth]), 0


def _add_rehearsal(commands: Any) -> None:
    rehearsal = _command(commands, "rehearsal", _rehearsal, "Rehearse both stages on the embedded lake.")
    rehearsal.add_argument("--output", type=Path, default=Path("rehearsal"), help="folder for all of it")


def _rehearsal(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import rehearsal
    from lofarlake_nb.quality.summary import in_words

    summary = rehearsal.rehearse(chosen.output)
    stop = f"{sys.argv[0]} lake stop --home {chosen.output / 'lake'}"
    look = f"look: {chosen.output / 'report.html'}, or make lab; stop the lake: {stop}"
    return summary, f"{in_words(summary)}\n{look}", 0


def _add_lab(commands: Any) -> None:
    lab = _command(commands, "lab", _lab, "Open JupyterLab on the landing notebook, with the lake running.")
    _add_home(lab)
    lab.add_argument("--port", type=int, help="port of JupyterLab (default: a free one)")
    lab.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _lab(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb import lab
    from lofarlake_nb.lake.embedded import supervisor

    supervisor.start(_home(chosen))
    status = lab.start(_home(chosen), port=chosen.port, open_browser=not chosen.no_browser)
    return {"status": status}, "JupyterLab has stopped; the lake runs on", status
