"""The Rucio JupyterLab extension, set up for a lake: which instance it shows, as whom, and where it keeps that."""

import hashlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import requests

from lofarlake_nb.errors import LakeNotRunning, UsageError
from lofarlake_nb.lake import panel_login
from lofarlake_nb.lake.configured import chosen, settings_in
from lofarlake_nb.lake.panel_login import Login

# The site of an embedded lake whose storage the extension reads as mounted.
_SITE = "SARA"

_STATES = Path("~/.local/share/lofarlake-jupyter")  # of lakes that have no home of ours


def located(lake: str | Path) -> Path:
    """Folder of an embedded lake, or ``rucio.cfg``, that a person named; of nothing, see `configured.chosen`.

    Examples
    --------
    >>> located("my/rucio.cfg").name
    'rucio.cfg'
    """
    return Path(os.path.abspath(chosen(lake)))


def configuration(lake: Path) -> Path:
    """Rucio client configuration of a lake.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.

    Examples
    --------
    >>> configuration(Path(home)).relative_to(home).as_posix()
    'client/rucio.cfg'
    """
    path = lake if lake.is_file() else lake / "client" / "rucio.cfg"
    if not path.is_file():
        raise LakeNotRunning(f"there is no lake in {lake}", f"start it: lofarlake lake start --home {lake}")
    return path


def name(lake: Path) -> str:
    """Name by which the extension tells this lake from others; the same at each start.

    Examples
    --------
    >>> name(Path("/data/lake")), name(Path("/data/other/../lake"))
    ('lake-096d8846', 'lake-096d8846')
    """
    return "lake-" + hashlib.sha256(os.path.abspath(lake).encode()).hexdigest()[:8]


def state(lake: Path) -> Path:
    """Folder of what JupyterLab keeps for a lake: configuration, login, settings. It need not be there yet.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake, where it is ``jupyter/``; or a ``rucio.cfg``, of which it is a folder in HOME.

    Examples
    --------
    >>> state(Path(home)).relative_to(home).as_posix()
    'jupyter'
    >>> state(configuration(Path(home))).parent.relative_to(Path.home()).as_posix()
    '.local/share/lofarlake-jupyter'
    """
    return _STATES.expanduser() / name(lake) if lake.is_file() else lake / "jupyter"


def instance(lake: Path) -> dict[str, Any]:
    """What the extension must know of a lake: an entry of its ``RucioConfig.instances``.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.

    Returns
    -------
    dict
        For an embedded lake with mode ``replica``: what has a replica at the mounted site is there at once, without a
        copy; anything else is brought there by a replication rule. For others with mode ``download``.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.
    UsageError
        When its configuration can't be read, or lacks an address.

    Examples
    --------
    >>> instance(Path(home))["mode"], instance(configuration(Path(home)))["mode"]
    ('replica', 'download')
    """
    settings = settings_in(configuration(lake))
    if missing := [key for key in ("rucio_host", "auth_host") if not settings.get(key)]:
        raise UsageError(
            f"{configuration(lake)} has no {missing[0]} in its section [client]", "write the address there"
        )
    entry = {
        "name": name(lake),
        "display_name": f"LOFAR data lake ({os.path.abspath(lake)})",
        "rucio_base_url": settings["rucio_host"],
        "rucio_auth_url": settings["auth_host"],
        # Of nothing the extension would make that no certificate is looked at.
        "rucio_ca_cert": settings.get("ca_cert") or requests.certs.where(),
        "wildcard_enabled": True,
        **panel_login.instance_settings(settings),
    }
    if lake.is_file():
        return {**entry, "mode": "download"}
    return {
        **entry,
        "site_name": _SITE,
        "mode": "replica",
        "destination_rse": _SITE,
        "rse_mount_path": os.path.join(os.path.abspath(lake), "storage", _SITE),
        # Asked without a domain, the catalogue gives the wan address, https://HOST/SITE/...: SITE is dropped.
        "path_begins_at": 1,
    }


def login(lake: Path) -> Login:
    """How the lake's own client logs in, in the extension's words.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.
    UsageError
        When the configuration can't be read.
    LakeRefused
        When the extension has no such way to log in, see `panel_login`.

    Examples
    --------
    >>> login(Path(home)).type
    'userpass'
    """
    path = configuration(lake)
    return panel_login.login_of(settings_in(path), path)


def log_in(lake: Path, folder: Path) -> None:
    """Write the login of a lake where the extension looks for it.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.
    folder : Path
        Where the extension keeps its data, see `keep_in`; made with mode 0700, its file with 0600.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.
    LakeRefused
        When the extension has no such way to log in.

    Examples
    --------
    >>> log_in(Path(home), Path("logins"))
    >>> database = keep_in(Path("logins")).get_db()
    >>> kept = database.get_rucio_auth_credentials(name(Path(home)), "userpass")
    >>> kept == login(Path(home)).parameters, Path("logins").stat().st_mode & 0o077
    (True, 0)
    >>> keep_in(None).db.database
    ':memory:'
    """
    known = login(lake)
    module = keep_in(folder)
    database = module.get_db()
    database.set_rucio_auth_credentials(name(lake), known.type, known.parameters)
    database.set_active_instance(name(lake))
    database.set_active_auth_method(known.type)
    module.db.close()


def keep_in(folder: Path | None) -> ModuleType:
    """Let the extension, in this process, keep its logins and caches in a folder of the lake's.

    Its own choice is one file in HOME, in the clear and readable by others, for all lakes.

    Parameters
    ----------
    folder : Path or None
        The folder; None keeps all in memory.

    Returns
    -------
    module
        ``rucio_jupyterlab.db``, whose database is now there.

    Examples
    --------
    >>> keep_in(None).db.database
    ':memory:'
    """
    if folder is None:
        where = ":memory:"
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = str(folder / "cache.db")
        os.close(os.open(where, os.O_CREAT | os.O_RDWR, 0o600))
    from rucio_jupyterlab import db

    db.db.init(where)
    return db


def server_configuration(lake: Path, folder: Path) -> str:
    """Lines of a ``jupyter_server_config.py`` that give a Jupyter server this lake.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.
    folder : Path
        Where the extension keeps its data in that server.

    Returns
    -------
    str
        Python.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.
    LakeRefused
        When the extension has no such way to log in.

    Examples
    --------
    >>> written = server_configuration(Path(home), Path("logins"))
    >>> written.splitlines()[-1], login(Path(home)).parameters["password"] in written
    ("c.RucioConfig.default_auth_type = 'userpass'", False)
    """
    return (
        "import os\n"
        "from pathlib import Path\n\n"
        "from lofarlake_nb.lake import extension\n\n"
        # A proxy that the environment names is never the way to this machine itself.
        "no_proxy = [os.environ.get('NO_PROXY', os.environ.get('no_proxy', '')), '127.0.0.1', 'localhost']\n"
        "os.environ['NO_PROXY'] = os.environ['no_proxy'] = ','.join(filter(None, no_proxy))\n"
        f"extension.keep_in(Path({str(folder)!r}))\n"
        f"c.RucioConfig.instances = [{instance(lake)!r}]\n"
        f"c.RucioConfig.default_instance = {name(lake)!r}\n"
        f"c.RucioConfig.default_auth_type = {login(lake).type!r}\n"
    )
