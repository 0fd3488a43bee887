"""What the commands of `lofarlake` share: their parser, their common options, what they answer."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from lofarlake_nb.errors import UsageError

DEFAULT_HOME = Path("~/.local/share/lofarlake")

# What a command reports: the value for --json, the text for a person, the exit status.
Answer = tuple[dict[str, Any], str, int]


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are our usage errors, so that --json covers them too."""

    def error(self, message: str) -> NoReturn:
        """Raise what the parser complains of."""
        raise UsageError(message, f"see `{self.prog} --help`")


def command(commands: Any, name: str, handler: Callable[..., Answer], summary: str) -> argparse.ArgumentParser:
    """Parser of one command, with the options that all commands have."""
    made = commands.add_parser(name, help=summary, description=summary)
    made.add_argument("--json", action="store_true", help="one JSON object on standard output")
    made.add_argument("--debug", action="store_true", help="say more, and show tracebacks")
    made.set_defaults(handler=handler)
    return made


def add_home(parser: argparse.ArgumentParser) -> None:
    """The option for the folder of the embedded lake."""
    parser.add_argument(
        "--home", type=Path, default=DEFAULT_HOME, help=f"folder of the embedded lake (default {DEFAULT_HOME})"
    )


def home(chosen: argparse.Namespace) -> Path:
    """Folder of the embedded lake, as chosen."""
    return chosen.home.expanduser().absolute()
