"""Which lake is meant, and what its rucio.cfg says: without Rucio, which stops where it finds no configuration."""

import configparser
import os
import threading
from pathlib import Path

from lofarlake_nb.errors import LakeNotRunning, UsageError

DEFAULT_HOME = Path("~/.local/share/lofarlake")  # of the embedded lake, when none is named

# Held while `client` lets Rucio read a lake's configuration: RUCIO_CONFIG is then not what a person said.
CONFIGURING = threading.Lock()

_PATHS = ("ca_cert", "client_cert", "client_key", "client_x509_proxy")


def chosen(lake: str | Path = "") -> Path:
    """Where a lake is that a person named; of none, as for Rucio the one of ``RUCIO_CONFIG``, else the default one.

    Parameters
    ----------
    lake : str or Path
        Home of an embedded lake, or a rucio.cfg; or empty.

    Returns
    -------
    Path
        The same. Of an embedded lake's own ``client/rucio.cfg`` in ``RUCIO_CONFIG``, its home; another file there, as
        the administrator's, is taken as it is.

    Raises
    ------
    LakeNotRunning
        When ``RUCIO_CONFIG`` names no file.

    Examples
    --------
    >>> chosen("~/rucio.cfg") == Path.home() / "rucio.cfg", chosen() == DEFAULT_HOME.expanduser()
    (True, True)
    """
    if str(lake):
        return Path(lake).expanduser()
    with CONFIGURING:
        told = os.environ.get("RUCIO_CONFIG")
    if not told:
        return DEFAULT_HOME.expanduser()
    path = Path(told).expanduser()
    if not path.is_file():
        raise LakeNotRunning(f"RUCIO_CONFIG names {told}, which is not there", "name another lake, or unset it")
    home = path.absolute().parent.parent
    return home if path.absolute() == home / "client" / "rucio.cfg" and (home / "lake.json").is_file() else path


def settings_in(configuration: Path) -> dict[str, str]:
    """Section ``client`` of a rucio.cfg; paths as Rucio's client reads them, and without those that are empty.

    Raises
    ------
    UsageError
        When it can't be read; the message has none of its words, of which one may be the password.

    Examples
    --------
    >>> Path("rucio.cfg").write_text("[client]\\nca_cert = ~/ca.pem\\nclient_cert =")
    41
    >>> settings_in(Path("rucio.cfg")) == {"ca_cert": str(Path.home() / "ca.pem")}
    True
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(configuration.read_text(), source=str(configuration))
        told = dict(parser["client"])
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError) as error:
        # Not the parser's own words: they repeat the line, which may be the one with the password.
        raise UsageError(f"{configuration} is no configuration of Rucio's client: {_why(error)}") from None
    paths = {name: os.path.expanduser(os.path.expandvars(told.pop(name))) for name in _PATHS if name in told}
    return {**told, **{name: path for name, path in paths.items() if path}}


def _why(error: Exception) -> str:
    match error:
        case configparser.InterpolationError():
            return f"{error.option} has a % that stands for nothing; a % of its own is written %%"
        case configparser.MissingSectionHeaderError() | configparser.DuplicateOptionError():
            return f"line {error.lineno} is not understood"
        case configparser.ParsingError():
            return f"line {error.errors[0][0]} is not understood"
        case KeyError():
            return "it has no section [client]"
        case OSError():
            return error.strerror or "it can't be read"
    return type(error).__name__
