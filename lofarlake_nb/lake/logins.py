"""What must never reach the lake: files that log in to it, with which whoever reads it could act as their owner."""

import filecmp
import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import panel_login
from lofarlake_nb.lake.client import Lake

# Of an embedded lake's home: passwords, keys, tokens, and what was made with them.
_FOLDERS = ("client", "tls", "jupyter", "etc", "postgres", "run")
_FILES = ("client_cert", "client_key", "client_x509_proxy")
_LONG = 8  # characters of a password that no text has by chance


def refuse(lake: Lake, files: Sequence[Path]) -> None:
    """Refuse files that hold a login of a lake.

    Parameters
    ----------
    lake : Lake
        Of which the logins are looked for, by folder and by content.
    files : sequence of Path
        That are to be kept.

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
    for file in files:
        if why := _why(lake, file):
            raise UsageError(
                f"{file}: {why}; whoever reads the lake could log in with it",
                "keep another file, or a copy without the login",
            )


def _why(lake: Lake, file: Path) -> str:
    here = file.resolve()
    known = [lake.configuration, Path(panel_login.token_file(lake.settings))]
    known += [Path(lake.settings[name]) for name in _FILES if lake.settings.get(name)]
    if lake.home is not None:
        for folder in (lake.home / name for name in _FOLDERS):
            if here.is_relative_to(folder.resolve()):
                return f"it is in {folder}, where the lake keeps its logins"
        known.append(lake.home / "tls" / "client.pem")
    for one in known:
        if one.is_file() and (here.samefile(one) or filecmp.cmp(here, one, shallow=False)):
            return f"it is the same as {one}, which logs in to the lake"
    if (password := lake.settings.get("password")) and _holds(here, password):
        return "it holds the password of the lake"
    return ""


def _holds(file: Path, password: str) -> bool:
    """Whether a password is in a file: anywhere, but a short one, which may be a plain word, after "password" only."""
    told = "|".join(re.escape(one) for one in (password, password.replace("%", "%%")))
    pattern = f"(?:{told})" if len(password) >= _LONG else rf"password\W{{1,8}}(?:{told})(?!\w)"
    if not file.stat().st_size:
        return False
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return re.search(pattern.encode(), content) is not None
