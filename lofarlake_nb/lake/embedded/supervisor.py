"""Start, watch, mend and stop an embedded lake."""

import hashlib
import http.client
import random
import re
import shutil
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lofarlake_nb import __version__
from lofarlake_nb.errors import LakeError, NoSpace, PortTaken, UsageError
from lofarlake_nb.lake.embedded import certificates, configuration, postgres, processes
from lofarlake_nb.lake.embedded.home import SITES, Home, Settings

PARTS = ("database", "storage", "server", "daemons")  # in the order of starting
READY_SECONDS = 90.0  # for one part, on a busy machine
# Below the ports that systems hand out for outgoing connections, so that none of those is in the way after a restart.
PORTS = range(20000, 32000)
_STOP = {"database": signal.SIGINT, "storage": signal.SIGTERM, "server": signal.SIGQUIT, "daemons": signal.SIGTERM}


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


@dataclass(frozen=True)
class Status:
    """How a lake is.

    Parameters
    ----------
    home : Path
        Its folder.
    parts : tuple of Part
        All of them, running or not.
    urls : dict
        ``rucio``: the REST server; and each site's storage, by its name.
    """

    home: Path
    parts: tuple[Part, ...]
    urls: dict[str, str]

    @property
    def up(self) -> bool:
        """Whether every part is up."""
        return all(part.up for part in self.parts)


def start(home: Path, port: int | None = None) -> Status:
    """Start a lake, or what is missing of it.

    Parameters
    ----------
    home : Path
        Its folder: new, empty, or that of a lake.
    port : int, optional
        For Rucio's REST server; without it a free one is chosen once and kept.

    Returns
    -------
    Status
        With every part up.

    Raises
    ------
    PortTaken
        When another program has the wanted port.
    NotALake, NoSpace, LakeBusy, LakeError
        When the folder can't be the lake's home, or a part does not come up.
    """
    place = Home(home)
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"port: expected 1 to 65535, got {port}")
    place.refuse_other_folders()
    with place.locked():
        place.refuse_other_folders()
        place.make()
        settings = _ports(place, place.settings(), port)
        place.keep(settings)
        certificates.make(place)
        configuration.write(place, settings)
        _start_parts(place, settings)
    return status(home)


def status(home: Path) -> Status:
    """How a lake is; asking changes nothing.

    Parameters
    ----------
    home : Path
        Its folder.

    Returns
    -------
    Status
        With every part down where there is no lake.
    """
    place = Home(home)
    if not place.exists:
        return Status(place.path, tuple(Part(name, False, None, "", "no lake was made here yet") for name in PARTS), {})
    settings = place.settings()
    with ThreadPoolExecutor(len(PARTS)) as pool:
        parts = tuple(pool.map(lambda name: _part(place, settings, name), PARTS))
    urls = {"rucio": settings.server_url} | {site: f"{settings.storage_url}/{site}/" for site in SITES}
    return Status(place.path, parts, urls)


def stop(home: Path) -> Status:
    """Stop a lake: every process, whatever state it is in.

    Parameters
    ----------
    home : Path
        Its folder.

    Returns
    -------
    Status
        With every part down.
    """
    place = Home(home)
    if place.exists:
        with place.locked():
            _stop_parts(place, PARTS)
    return status(home)


def reset(home: Path) -> None:
    """Stop a lake and remove all that it holds, the data too.

    Parameters
    ----------
    home : Path
        Its folder, which stays, empty.

    Raises
    ------
    NotALake
        When the folder holds anything but a lake.
    """
    place = Home(home)
    place.refuse_other_folders()
    if not place.path.is_dir():
        return
    with place.locked():
        _stop_parts(place, PARTS)
        # The file that says "this is a lake" goes last but for the lock, so that a broken reset can be done again.
        last = (place.settings_file, place.lock_file)
        for path in sorted(place.path.iterdir(), key=lambda p: p in last):
            if path in last:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for path in last:
            path.unlink(missing_ok=True)


def environment(home: Path) -> dict[str, str]:
    """What must be set for Rucio's own ``rucio`` command to work with this lake.

    Parameters
    ----------
    home : Path
        Its folder.

    Returns
    -------
    dict
        Name to value.
    """
    return configuration.client_environment(Home(home))


def _start_parts(home: Home, settings: Settings) -> None:
    """Start what does not run, or runs from outdated settings; wait until all answer."""
    recipes = {name: _recipe(settings, name) for name in PARTS}
    wanted = []
    for name in PARTS:
        process = processes.recorded(_record(home, name))
        # A part that is alive but deaf is as good as dead.
        if process is None or process.recipe != recipes[name] or not _part(home, settings, name).up:
            wanted.append(name)
    if not wanted:
        return
    _stop_parts(home, wanted)
    before = {name: _commands(home, settings)[name] for name in wanted if name != "database"}
    for name, command in before.items():  # they load for seconds, and wait for the database by themselves
        _launch(home, name, command, recipes[name])
    if "database" in wanted:
        postgres.initialise(home, settings.database_password)
        postgres.clear_leftovers(home)
        _launch(home, "database", postgres.command(home, settings.database_port), recipes["database"])
    try:
        for name in wanted:
            _wait(home, settings, name)
    except LakeError:
        _stop_parts(home, wanted)
        raise


def _commands(home: Home, settings: Settings) -> dict[str, Sequence[str | Path]]:
    module = [sys.executable, "-P", "-m"]
    return {name: [*module, f"{__package__}.{name}", home.path] for name in ("storage", "server", "daemons")}


def _launch(home: Home, name: str, command: Sequence[str | Path], recipe: str) -> None:
    processes.start(
        command,
        record=_record(home, name),
        log=_log(home, name),
        folder=home.run,
        environment=configuration.server_environment(home),
        recipe=recipe,
    )


def _stop_parts(home: Home, names: Sequence[str]) -> None:
    for name in reversed([n for n in PARTS if n in names]):
        process = processes.recorded(_record(home, name))
        if process is not None:
            processes.stop(process, _STOP[name], patience=15)
            _record(home, name).unlink(missing_ok=True)
        if name == "database" and home.database.is_dir():
            postgres.clear_leftovers(home)


def _wait(home: Home, settings: Settings, name: str) -> None:
    """Until a part answers; an error that says what it said when it ends or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not (part := _part(home, settings, name)).up:
        process = processes.recorded(_record(home, name))
        gone = process is None or not process.alive
        if gone or time.monotonic() > deadline:
            said = _last_words(_log(home, name))
            if "No space left" in said:
                raise NoSpace(f"the lake's {name} does not start: {said}", "make room, then start the lake again")
            what = "ended" if gone else f"did not answer within {READY_SECONDS:.0f} s"
            raise LakeError(f"the lake's {name} {what}: {said or part.detail}", f"look into {_log(home, name)}")
        time.sleep(0.05)


def _part(home: Home, settings: Settings, name: str) -> Part:
    """How one part is: is it the process that was started, and does it answer."""
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
    process = processes.recorded(_record(home, name))
    if process is None:
        return Part(name, False, None, addresses[name], "not started")
    if not process.alive:
        return Part(name, False, None, addresses[name], f"ended by itself or was killed; log: {_log(home, name)}")
    trouble = checks[name](home, settings)
    return Part(name, not trouble, process.pid, addresses[name], trouble)


def _database_trouble(home: Home, settings: Settings) -> str:
    try:
        with socket.create_connection(("127.0.0.1", settings.database_port), timeout=5) as connection:
            connection.sendall(
                b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
            )  # "may I use TLS?", which it answers before any log-in
            return "" if connection.recv(1) in (b"N", b"S") else "does not answer as PostgreSQL does"
    except OSError as error:
        return f"does not answer: {error}"


def _storage_trouble(home: Home, settings: Settings) -> str:
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
    pulse, record = home.run / "daemons.pulse", _record(home, "daemons")
    if not pulse.exists() or pulse.stat().st_mtime < record.stat().st_mtime:
        return "still loading"
    quiet = time.time() - pulse.stat().st_mtime
    return "" if quiet < 300 else f"no sign of life for {quiet:.0f} s; log: {_log(home, 'daemons')}"


def _ports(home: Home, settings: Settings, wanted: int | None) -> Settings:
    """Settings with ports that are ours or free."""
    ports = {"database": settings.database_port, "storage": settings.storage_port, "server": settings.server_port}
    if wanted is not None:
        ports["server"] = wanted
    for name, port in ports.items():
        process = processes.recorded(_record(home, name))
        ours = process is not None and process.alive and port == getattr(settings, f"{name}_port")
        if ours or (port and is_free(port)):
            continue
        if name == "server" and wanted is not None:
            raise PortTaken(
                f"port {port} is taken by another program, or not ours to take",
                "choose another with --port, or leave it out for a free one",
            )
        ports[name] = free_port(avoid=set(ports.values()))
    return replace(
        settings, database_port=ports["database"], storage_port=ports["storage"], server_port=ports["server"]
    )


def free_port(avoid: set[int]) -> int:
    """A port of the loopback that nobody listens on.

    Parameters
    ----------
    avoid : set of int
        Ports that are spoken for.

    Returns
    -------
    int
        The port.

    Raises
    ------
    PortTaken
        When there is none.
    """
    for port in random.sample(PORTS, 200):
        if port not in avoid and is_free(port):
            return port
    raise PortTaken(f"no free port between {PORTS.start} and {PORTS.stop}", "stop some programs")


def is_free(port: int) -> bool:
    """Whether we could listen on a port of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, past connections don't count
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _recipe(settings: Settings, name: str) -> str:
    """What a part is started from, as a hash: a part with another must be started again."""
    text = repr((__version__, name, sys.executable, settings if name != "database" else settings.database_port))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _record(home: Home, name: str) -> Path:
    return home.run / f"{name}.json"


def _log(home: Home, name: str) -> Path:
    return home.log / f"{name}.log"


def _last_words(log: Path) -> str:
    """The line of a log that tells why its part ended: the last error's, else the last, shortened."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace")[-8000:].splitlines() if line.strip()]
    except FileNotFoundError:
        return ""
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Refused|NoSpace)\b|.*\bFATAL\b", line)]
    return (errors or lines or [""])[-1][:300]
