"""The commands of `lofarlake` that need nothing but a lake: options in, calls, then text or JSON out."""

import argparse
import dataclasses
import sys
from typing import Any

from lofarlake_nb.commands import Answer, Parser, add_home, command, home
from lofarlake_nb.errors import UsageError


def add(commands: Any) -> None:
    """Add them to the parser of all commands."""
    _add_embedded(commands)


def _add_embedded(commands: Any) -> None:
    lake = commands.add_parser("lake", help="the embedded lake: start, status, stop, reset, env")
    actions = lake.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    start = command(actions, "start", _lake_start, "Start the embedded lake, or mend it.")
    start.add_argument("--port", type=int, help="port of Rucio's server (default: a free one)")
    reset = command(actions, "reset", _lake_reset, "Stop the embedded lake and remove all that is in it.")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    others = [
        command(actions, "status", _lake_status, "Say which parts of the embedded lake are up."),
        command(actions, "stop", _lake_stop, "Stop the embedded lake; what is in it stays."),
        command(actions, "env", _lake_env, "Print the exports with which Rucio's own `rucio` works on this lake."),
    ]
    for action in (start, reset, *others):
        add_home(action)


def _lake_answer(status: Any) -> Answer:
    value = {"up": status.up, "parts": [dataclasses.asdict(part) for part in status.parts]}
    lines = [
        f"{part.name:<10} {'up' if part.up else 'DOWN':<5} {part.address or '-':<32} {part.detail}".rstrip()
        for part in status.parts
    ]
    return value, "\n".join(lines), 0


def _lake_start(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    return _lake_answer(supervisor.start(home(chosen), port=chosen.port))


def _lake_status(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    status = supervisor.status(home(chosen))
    value, text, _ = _lake_answer(status)
    return value, text, 0 if status.up else 1


def _lake_stop(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    value, _, _ = _lake_answer(supervisor.stop(home(chosen)))
    return value, f"the lake in {home(chosen)} is stopped", 0


def _lake_reset(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    place = home(chosen)
    if (
        not chosen.yes
        and sys.stdin is not None
        and sys.stdin.isatty()
        and input(f"Remove the lake in {place} and all that is in it? [y/N] ").lower() != "y"
    ):
        raise UsageError("nothing was removed", "answer y, or give --yes")
    supervisor.reset(place)
    return {"home": str(place), "reset": True}, f"the lake in {place} is gone", 0


def _lake_env(chosen: argparse.Namespace) -> Answer:
    import shlex

    from lofarlake_nb.lake.embedded import supervisor

    exports = supervisor.environment(home(chosen))
    return exports, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items()), 0
