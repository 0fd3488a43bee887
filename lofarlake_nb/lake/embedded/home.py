"""The folder that holds a whole embedded lake: its layout, its settings, its lock."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lofarlake_nb.errors import LakeBusy, LakeError, NoSpace, NotALake, UsageError

SETTINGS = "lake.json"
FREE_BYTES_TO_START = 300_000_000  # an empty PostgreSQL with its log takes some 100 MB

# Names are the LOFAR archive's; what stands behind each is a folder on this machine, POZNAN's "tape" too.
PROTOCOLS = ("https", "root")  # by which the sites are reached
SITES = {"SARA": "DISK", "JUELICH": "DISK", "POZNAN": "TAPE"}
QUOTA = 100 * 10**12  # bytes that the astronomer's rules may hold at each, until an administrator changes it


@dataclass(frozen=True)
class Settings:
    """What is decided once for a lake, and kept in its home.

    Parameters
    ----------
    database_port, server_port, storage_port : int
        Where the parts listen, on 127.0.0.1.
    database_password, root_password, user_password : str
        Of the database, and of Rucio's accounts ``root`` and ``lofar``.
    protocol : str
        One of `PROTOCOLS`.
    in_place : dict
        Sites whose files are somebody's own: name to folder. They are read, never written.
    """

    database_port: int = 0
    server_port: int = 0
    storage_port: int = 0
    database_password: str = ""
    root_password: str = ""
    user_password: str = ""
    protocol: str = "https"
    in_place: dict[str, str] = field(default_factory=dict)

    @property
    def server_url(self) -> str:
        """Where Rucio's REST server answers."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def storage_url(self) -> str:
        """Where the storage answers; each site is a folder below."""
        return f"{self.protocol}://127.0.0.1:{self.storage_port}"

    def prefix(self, site: str) -> str:
        """What a site's paths begin with; XRootD's absolute paths have a slash of their own after the address's."""
        return f"//{site}/" if self.protocol == "root" else f"/{site}/"


class Home:
    """The places in an embedded lake's folder."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()  # one lake has one name, whatever links lead to it
        if set(str(self.path)) & set("%#?$;\"'\\") or not str(self.path).isprintable():
            raise UsageError(
                f"the lake's home {str(self.path)!r} has a character that addresses can't carry",
                "choose a folder without % # ? $ ; quotes or backslashes",
            )
        self.settings_file = self.path / SETTINGS
        self.lock_file = self.path / "lock"
        self.database = self.path / "postgres"
        self.configuration = self.path / "etc"
        self.client = self.path / "client"
        self.certificates = self.path / "tls"
        self.grid = self.certificates / "grid"
        self.storage = self.path / "storage"
        self.log = self.path / "log"
        self.run = self.path / "run"

    @property
    def exists(self) -> bool:
        """Whether a lake was ever made here."""
        with clear_disk_errors(self.settings_file):
            return self.settings_file.is_file()

    def refuse_other_folders(self) -> None:
        """Check that the folder is a lake's home, or free to become one.

        Raises
        ------
        NotALake
            When it is a file, or holds something else.
        """
        if self.exists:
            return
        if self.path.exists() and not self.path.is_dir():
            raise NotALake(f"{self.path} is a file, not the home of a lake", "choose another folder with --home")
        if self.path.is_dir() and any(p.name != self.lock_file.name for p in self.path.iterdir()):
            raise NotALake(
                f"{self.path} holds other files and is no lake's home", "choose an empty or a new folder with --home"
            )

    def make(self) -> None:
        """Make the folder and its rooms, open to its owner only.

        Raises
        ------
        NoSpace
            When the disk has no room for a lake.
        LakeError
            When the folder can't be written.
        """
        with clear_disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
            sites = [self.storage / site for site in SITES]
            for room in [
                self.configuration,
                self.client,
                self.certificates,
                self.log,
                self.run,
                self.database,
                self.storage,
                *sites,
            ]:
                room.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES_TO_START:
            raise NoSpace(
                f"{self.path}: {free / 1e6:.0f} MB are free, a lake needs {FREE_BYTES_TO_START / 1e6:.0f} MB to start",
                "make room, or choose a folder on another disk with --home",
            )

    def settings(self) -> Settings:
        """Settings of the lake; passwords are made when there are none yet."""
        if self.exists:
            try:
                with clear_disk_errors(self.settings_file):
                    return Settings(**json.loads(self.settings_file.read_text()))
            except (ValueError, TypeError) as error:
                raise LakeError(
                    f"{self.settings_file} can't be read: {error}", "restore it, or reset the lake"
                ) from error
        new = [secrets.token_hex(24) for _ in range(3)]
        return replace(Settings(), database_password=new[0], root_password=new[1], user_password=new[2])

    def keep(self, settings: Settings) -> None:
        """Write the settings down, for the owner's eyes only."""
        write_private(self.settings_file, json.dumps(asdict(settings), indent=2) + "\n")

    @contextmanager
    def locked(self, patience: float = 120.0) -> Iterator[None]:
        """Keep others from starting, stopping or resetting the lake meanwhile.

        Parameters
        ----------
        patience : float
            Seconds to wait for another that does.

        Raises
        ------
        LakeBusy
            When the other takes longer.
        """
        deadline = time.monotonic() + patience
        while True:
            with clear_disk_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self.lock_file.exists() and os.fstat(descriptor).st_ino == self.lock_file.stat().st_ino:
                    break  # else a reset took the file away in between
            except BlockingIOError:
                pass
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise LakeBusy(
                    f"another command has been starting or stopping the lake in {self.path} for {patience:.0f} s",
                    "wait for it, then try again",
                )
            time.sleep(0.1)
        try:
            yield
        finally:
            os.close(descriptor)


def write_private(path: Path, text: str) -> bool:
    """Write a file that only its owner can read, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        What it shall hold.

    Returns
    -------
    bool
        False when it held that already, and was left alone.
    """
    with suppress(FileNotFoundError):
        if path.read_text() == text and path.stat().st_mode & 0o77 == 0:
            return False
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    with clear_disk_errors(path):
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    return True


@contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Say plainly that a disk is full or a folder can't be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{path}: {error.strerror}", "make room, or choose another folder with --home") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT):
            raise LakeError(
                f"{path} can't be used: {error.strerror}", "choose a folder of your own with --home"
            ) from error
        raise
