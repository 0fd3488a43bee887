"""Start, watch, mend and stop an embedded lake."""

import hashlib
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lofarlake_nb import __version__
from lofarlake_nb.errors import LakeError, NoSpace, UsageError
from lofarlake_nb.lake.embedded import certificates, configuration, parts, ports, postgres, processes, xrootd
from lofarlake_nb.lake.embedded.home import PROTOCOLS, SITES, Home, Settings
from lofarlake_nb.lake.embedded.parts import Part

READY_SECONDS = 90.0  # for one part, on a busy machine
DEAF_SECONDS = 30.0  # a part that runs may be too busy to answer; after this it is taken for broken
_STOP = {"database": signal.SIGINT, "storage": signal.SIGTERM, "server": signal.SIGQUIT, "daemons": signal.SIGTERM}


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


def start(home: Path, port: int | None = None, protocol: str | None = None) -> Status:
    """Start a lake, or what is missing of it.

    Parameters
    ----------
    home : Path
        Its folder: new, empty, or that of a lake.
    port : int, optional
        For Rucio's REST server; without it a free one is chosen once and kept.
    protocol : str, optional
        How the sites are reached: ``https`` (the default of a new lake), or ``root``, by XRootD. It is chosen once.

    Returns
    -------
    Status
        With every part up.

    Raises
    ------
    PortTaken
        When another program has the wanted port.
    UsageError
        When the lake was made with another protocol.
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
        _bury(place)
        settings = ports.settle(place, _with_protocol(place, protocol), port)
        place.keep(settings)
        certificates.make(place)
        if settings.protocol == "root":
            certificates.make_grid(place)
            xrootd.write(place, settings)
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
        return Status(
            place.path, tuple(Part(name, False, None, "", "no lake was made here yet") for name in parts.NAMES), {}
        )
    settings = place.settings()
    with ThreadPoolExecutor(len(parts.NAMES)) as pool:
        seen = tuple(pool.map(lambda name: parts.look(place, settings, name), parts.NAMES))
    sites = (*SITES, *settings.in_place)
    urls = {"rucio": settings.server_url} | {site: settings.storage_url + settings.prefix(site) for site in sites}
    return Status(place.path, seen, urls)


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
            _stop_parts(place, parts.NAMES)
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
        _stop_parts(place, parts.NAMES)
        # The file that says "this is a lake" goes last but for the lock: a reset that broke off can be done again.
        last = (place.settings_file, place.lock_file)
        for path in (p for p in place.path.iterdir() if p not in last):
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


def _with_protocol(home: Home, wanted: str | None) -> Settings:
    """Settings with the protocol that the lake has, or that a new one is to have."""
    settings, is_new = home.settings(), not home.exists
    if wanted is not None and wanted not in PROTOCOLS:
        raise UsageError(f"protocol: expected {' or '.join(PROTOCOLS)}, got {wanted!r}")
    if wanted is not None and not is_new and wanted != settings.protocol:
        raise UsageError(
            f"the lake in {home.path} was made with protocol {settings.protocol}, not {wanted}: its replicas lie there",
            "choose another folder with --home, or leave out --protocol",
        )
    settings = replace(settings, protocol=wanted) if wanted is not None else settings
    if settings.protocol == "root":
        xrootd.check()
    return settings


def _start_parts(home: Home, settings: Settings) -> None:
    """Start what does not run, or runs from outdated settings; wait until all answer."""
    recipes = {name: _recipe(settings, name) for name in parts.NAMES}
    wanted = [name for name in parts.NAMES if not _is_right(home, settings, name, recipes[name])]
    _stop_parts(home, wanted)
    try:
        for name in wanted:
            if name != "database":  # the others load for seconds, and wait for it by themselves
                is_xrootd = name == "storage" and settings.protocol == "root"
                module: list[str | Path] = [sys.executable, "-P", "-m", f"{__package__}.{name}", home.path]
                _launch(home, name, xrootd.command(home) if is_xrootd else module, recipes[name])
        if "database" in wanted:
            postgres.initialise(home, settings.database_password)
            postgres.adopt(home)
            _launch(home, "database", postgres.command(home, settings.database_port), recipes["database"])
        for name in wanted:
            _wait(home, settings, name)
    except BaseException:  # an interrupt too: all or nothing
        _stop_parts(home, wanted)
        raise


def _is_right(home: Home, settings: Settings, name: str, recipe: str) -> bool:
    """Whether a part runs, from these settings, and answers, if only after a while."""
    process = processes.recorded(parts.record(home, name))
    if process is None or not process.alive or process.recipe != recipe:
        return False
    deadline = time.monotonic() + DEAF_SECONDS
    while not parts.look(home, settings, name).up:
        if not process.alive or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _launch(home: Home, name: str, command: Sequence[str | Path], recipe: str) -> None:
    processes.start(
        command,
        record=parts.record(home, name),
        log=parts.log(home, name),
        folder=home.run,
        environment=configuration.server_environment(home),
        recipe=recipe,
    )


def _stop_parts(home: Home, names: Sequence[str]) -> None:
    """Stop parts: all that use the database at the same time, then the database."""
    running = {name: processes.recorded(parts.record(home, name)) for name in parts.NAMES if name in names}
    for name, process in running.items():
        if process is not None and name != "database":
            processes.ask(process, _STOP[name])
    for name in reversed(running):
        process = running[name]
        if process is not None:
            processes.stop(process, _STOP[name], patience=30 if name == "database" else 8)
            parts.record(home, name).unlink(missing_ok=True)
        if name == "database":
            postgres.clear_leftovers(home)


def _bury(home: Home) -> None:
    """See to the end of what parts that were killed left running, which may still hold their ports."""
    for name in parts.NAMES:
        process = processes.recorded(parts.record(home, name))
        # One that was killed a moment ago still answers.
        if process is None or process.doomed or not process.alive:
            _stop_parts(home, [name])


def _wait(home: Home, settings: Settings, name: str) -> None:
    """Until a part answers; an error that says what it said when it ends or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not (part := parts.look(home, settings, name)).up:
        gone = part.pid is None
        if gone or time.monotonic() > deadline:
            said = parts.last_words(parts.log(home, name)) or part.detail
            if "No space left" in said:
                raise NoSpace(f"the lake's {name} does not start: {said}", "make room, then start the lake again")
            what = "ended" if gone else f"did not answer within {READY_SECONDS:.0f} s"
            raise LakeError(f"the lake's {name} {what}: {said}", f"look into {parts.log(home, name)}")
        time.sleep(0.05)


def _recipe(settings: Settings, name: str) -> str:
    """What a part is started from, as a hash: a part with another must be started again."""
    used = {
        "database": settings.database_port,
        "storage": (settings.storage_port, settings.protocol, settings.in_place),
        "server": settings,
        "daemons": (settings.database_port, settings.database_password),
    }
    return hashlib.sha256(repr((__version__, name, used[name])).encode()).hexdigest()[:16]
