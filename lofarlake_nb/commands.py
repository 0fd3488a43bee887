"""What the commands of `lofarlake` share: their parser, their common options, what they answer."""

import argparse
import logging
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake.configured import DEFAULT_HOME

# What a command reports: the value for --json, the text for a person, the exit status.
Answer = tuple[dict[str, Any], str, int]


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are our usage errors, so that --json covers them too.

    Examples
    --------
    >>> Parser(prog="lofarlake").parse_args(["--quick"])
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: unrecognized arguments: --quick; see `lofarlake --help`
    """

    def error(self, message: str) -> NoReturn:
        """Raise what the parser complains of."""
        raise UsageError(message, f"see `{self.prog} --help`")


def command(commands: Any, name: str, handler: Callable[..., Answer], summary: str) -> argparse.ArgumentParser:
    """Parser of one command, with the options that all commands have.

    Examples
    --------
    >>> made = command(Parser().add_subparsers(), "stations", print, "Count stations.")
    >>> chosen = made.parse_args(["--json"])
    >>> chosen.json, chosen.debug
    (True, False)
    """
    made = commands.add_parser(name, help=summary, description=summary)
    made.add_argument("--json", action="store_true", help="one JSON object on standard output")
    made.add_argument("--debug", action="store_true", help="say more, and show tracebacks")
    made.set_defaults(handler=handler)
    return made


def add_home(parser: argparse._ActionsContainer) -> None:
    """The option for the folder of the embedded lake.

    Examples
    --------
    >>> parser = Parser()
    >>> add_home(parser)
    >>> parser.parse_args(["--home", "my lake"]).home.name
    'my lake'
    """
    parser.add_argument(
        "--home", type=Path, default=DEFAULT_HOME, help=f"folder of the embedded lake (default {DEFAULT_HOME})"
    )


def home(chosen: argparse.Namespace) -> Path:
    """Folder of the embedded lake, as chosen.

    Examples
    --------
    >>> from lofarlake_nb import commands
    >>> commands.home(argparse.Namespace(home=Path("my lake"))) == Path.cwd() / "my lake"
    True
    """
    return chosen.home.expanduser().absolute()


def count(text: str) -> int:
    """A whole number of at least 1, as an option gives it.

    Examples
    --------
    >>> count("4")
    4
    >>> count("0")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: '0' is no whole number from 1 on
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def waiting(text: str) -> float:
    """Seconds to wait, as an option gives them.

    Examples
    --------
    >>> waiting("1.5")
    1.5
    >>> waiting("inf")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: 'inf' is no number of seconds from 0 on
    """
    with suppress(ValueError):
        if 0 <= (found := float(text)) < math.inf:
            return found
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 on")


def connected(commands: Any, name: str, handler: Callable[..., Answer], summary: str) -> argparse.ArgumentParser:
    """Parser of a command that talks to a lake.

    Examples
    --------
    >>> made = connected(Parser().add_subparsers(), "stations", print, "Count stations of a dataset.")
    >>> made.parse_args(["--lake", "rucio.cfg"]).lake
    'rucio.cfg'
    """
    made = command(commands, name, handler, summary)
    made.add_argument(
        "--lake",
        default="",
        help=f"home of an embedded lake, or a rucio.cfg (default: RUCIO_CONFIG, else the lake in {DEFAULT_HOME})",
    )
    made.add_argument("--administrator", action="store_true", help="act as the embedded lake's administrator")
    return made


def lake_of(chosen: argparse.Namespace) -> Any:
    """The lake that was chosen, logged in.

    Examples
    --------
    >>> [lake_of(argparse.Namespace(lake=home, administrator=who)).account for who in (False, True)]
    ['lofar', 'root']
    """
    from lofarlake_nb.lake import client

    return client.connect(chosen.lake, administrator=chosen.administrator)


def view() -> Any:
    """What shows how far a command is; what is logged meanwhile goes above it.

    Examples
    --------
    >>> handler = logging.StreamHandler()
    >>> logging.getLogger().addHandler(handler)
    >>> shown = view()
    >>> logging.getLogger().removeHandler(handler)
    >>> handler.stream is shown
    True
    """
    from lofarlake_nb.lake import live

    shown = live.terminal()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setStream(shown)
    return shown
