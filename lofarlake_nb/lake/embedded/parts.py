"""The parts of a lake: which process each is, and whether it answers."""

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.lake.embedded import postgres, processes, xrootd
from lofarlake_nb.lake.embedded.home import SITES, Home, Settings

NAMES = ("database", "storage", "server", "daemons")  # in the order of starting
QUIET_SECONDS = 300.0  # the longest turn of a daemon that is not taken for a standstill


@dataclass(frozen=True)
class Part:
    """One process of the lake.

    Parameters
    ----------
    name : str
        ``database``, ``storage``, ``server`` or ``daemons``.
    up : bool
        It runs and answers.
    pid : int or None
        Where it runs.
    address : str
        Where it listens.
    detail : str
        Why it is not up, and where to look.
    """

    name: str
    up: bool
    pid: int | None
    address: str
    detail: str


def look(home: Home, settings: Settings, name: str) -> Part:
    """How one part is: is it the process that was started, and does it answer.

    Parameters
    ----------
    home : Home
        Of the lake.
    settings : Settings
        Where it should answer.
    name : str
        One of `NAMES`.

    Returns
    -------
    Part
        As it is now.
    """
    addresses = {
        "database": f"127.0.0.1:{settings.database_port}",
        "storage": settings.storage_url,
        "server": settings.server_url,
        "daemons": "",
    }
    checks: dict[str, Callable[[Home, Settings], str]] = {
        "database": _database_trouble,
        "storage": _storage_trouble,
        "server": _server_trouble,
        "daemons": _daemons_trouble,
    }
    process = processes.recorded(record(home, name))
    if process is None:
        return Part(name, False, None, addresses[name], "not started")
    if not process.alive:
        return Part(name, False, None, addresses[name], f"ended by itself or was killed; log: {log(home, name)}")
    trouble = checks[name](home, settings)
    return Part(name, not trouble, process.pid, addresses[name], trouble)


def _database_trouble(home: Home, settings: Settings) -> str:
    try:
        with socket.create_connection(("127.0.0.1", settings.database_port), timeout=5) as connection:
            connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # "may I use TLS?", answered before any log-in
            if connection.recv(1) not in (b"N", b"S"):
                return "does not answer as PostgreSQL does"
    except OSError as error:
        return f"does not answer: {error}"
    # It answers while it still recovers from a crash, too.
    return "" if postgres.is_ready(home) else "recovers from a crash"


def _storage_trouble(home: Home, settings: Settings) -> str:
    if settings.protocol == "root":
        return xrootd.trouble(settings)
    try:
        context = ssl.create_default_context(cafile=str(home.certificates / "ca.pem"))
        context.load_cert_chain(home.certificates / "client.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", settings.storage_port, timeout=5, context=context)
        return _http_trouble(connection, f"/{next(iter(SITES))}/")
    except OSError as error:
        return f"does not answer: {error}"


def _server_trouble(home: Home, settings: Settings) -> str:
    return _http_trouble(http.client.HTTPConnection("127.0.0.1", settings.server_port, timeout=10), "/ping")


def _http_trouble(connection: http.client.HTTPConnection, path: str) -> str:
    try:
        connection.request("GET", path)
        answer = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"
    finally:
        connection.close()
    return "" if answer == http.HTTPStatus.OK else f"answers {answer}"


def _daemons_trouble(home: Home, settings: Settings) -> str:
    pulse = home.run / "daemons.pulse"
    if not pulse.exists() or pulse.stat().st_mtime < record(home, "daemons").stat().st_mtime:
        return "still loading"
    quiet = time.time() - pulse.stat().st_mtime
    return "" if quiet < QUIET_SECONDS else f"no sign of life for {quiet:.0f} s; log: {log(home, 'daemons')}"


def record(home: Home, name: str) -> Path:
    """Where a part's process is written down."""
    return home.run / f"{name}.json"


def log(home: Home, name: str) -> Path:
    """Where a part says what it does."""
    return home.log / f"{name}.log"


def last_words(path: Path) -> str:
    """The line of a log that tells why its part ended: the last error's, else the last, shortened."""
    try:
        since_start = path.read_text(errors="replace").rpartition(processes.START_LINE)[2].partition("\n")[2]
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in since_start[-8000:].splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(\w+\.)*[A-Z][a-z]\w*: \S|.*\bFATAL\b", line)]
    return (errors or lines or [""])[-1][:300]
