"""What must never reach the lake: files that log in to it, with which whoever reads it could act as their owner."""

import filecmp
import json
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import extension, panel_login
from lofarlake_nb.lake.client import Lake
from lofarlake_nb.lake.embedded.home import Home

# Of an embedded lake's home: passwords, keys, tokens, and what was made with them.
_FOLDERS = ("client", "tls", "etc", "postgres", "run")
# Those of which a copy is known wherever it is. The others are large, or change all the time.
_COPIED = ("client", "tls", "etc")
_OF_JUPYTER = ("rucio", "runtime")
_FILES = ("client_cert", "client_key", "client_x509_proxy")
_LONG = 8  # characters of a password that no text has by chance


def refuse(lake: Lake, files: Sequence[Path], *, searched: int | None = None) -> None:
    """Refuse files that hold a login of a lake.

    Parameters
    ----------
    lake : Lake
        Of which the logins are looked for, by folder and by content; what is packed or compressed is not unpacked.
    files : sequence of Path
        That are to be in the lake.
    searched : int, optional
        Size, in bytes, up to which a file is searched for passwords; by default whatever its size.

    Raises
    ------
    UsageError
        When one of them does; the message has none of its words.

    Examples
    --------
    >>> refuse(lake, [Path("image.fits")])
    >>> try:
    ...     refuse(lake, [lake.configuration])
    ... except UsageError as error:
    ...     print(error.hint)
    keep another file, or a copy without the login
    """
    logins = _Logins.of(lake)
    for file in files:
        if why := logins.why(file.resolve(), searched):
            raise UsageError(
                f"{file}: {why}; whoever reads the lake could log in with it",
                "keep another file, or a copy without the login",
            )


@dataclass(frozen=True)
class _Logins:
    """Where a lake's logins are, what is in them, and their passwords; looked up once for many files."""

    folders: tuple[Path, ...]
    files: dict[int, list[Path]]  # by size
    passwords: frozenset[str]

    @classmethod
    def of(cls, lake: Lake) -> "_Logins":
        """Of a lake."""
        jupyter = extension.state(lake.home or lake.configuration)
        folders = [jupyter]
        known = [lake.configuration, Path(panel_login.token_file(lake.settings))]
        known += [Path(lake.settings[name]) for name in _FILES if lake.settings.get(name)]
        for name in _OF_JUPYTER:
            known += _below(jupyter / name)
        passwords = {lake.settings.get("password", "")}
        if lake.home is not None:
            folders += [lake.home / name for name in _FOLDERS]
            for name in _COPIED:
                known += _below(lake.home / name)
            settings = Home(lake.home).settings()
            passwords |= {settings.user_password, settings.root_password, settings.database_password}
        by_size: dict[int, list[Path]] = {}
        for file in dict.fromkeys(known):
            if file.is_file() and (size := file.stat().st_size):
                by_size.setdefault(size, []).append(file)
        return cls(tuple(folder.resolve() for folder in folders), by_size, frozenset(filter(None, passwords)))

    def why(self, file: Path, searched: int | None) -> str:
        """Why a file must not be kept; empty where it may."""
        for folder in self.folders:
            if file.is_relative_to(folder):
                return f"it is in {folder}, where the lake keeps its logins"
        size = file.stat().st_size
        for one in self.files.get(size, ()):
            if file.samefile(one) or filecmp.cmp(file, one, shallow=False):
                return f"it is the same as {one}, which logs in to the lake"
        if size and (searched is None or size <= searched) and _holds(file, self.passwords):
            return "it holds the password of the lake"
        return ""


def _below(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names)


def _holds(file: Path, passwords: frozenset[str]) -> bool:
    """Whether a password is in a file: anywhere, but a short one, which may be a plain word, after "password" only."""
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for password in passwords:
            told = [one.encode() for one in _written(password)]
            if len(password) >= _LONG:
                if any(content.find(one) >= 0 for one in told):
                    return True
            elif re.search(rb"password\W{1,8}(?:%s)(?!\w)" % b"|".join(map(re.escape, told)), content):
                return True
    return False


def _written(password: str) -> set[str]:
    """As a password stands in a text: in a rucio.cfg, in JSON as of a notebook, in quotes of a notebook's code."""
    told = {password, password.replace("%", "%%")}
    for _ in range(2):
        told |= {json.dumps(one, ensure_ascii=only)[1:-1] for one in told for only in (True, False)}
    return told
