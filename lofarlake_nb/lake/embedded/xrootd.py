"""The sites' storage by XRootD: one server for all, from Debian or conda-forge, open to the lake's own only."""

import shutil
import socket
import struct
from pathlib import Path

from lofarlake_nb.errors import LakeError
from lofarlake_nb.lake.embedded import postgres
from lofarlake_nb.lake.embedded.home import SITES, Home, Settings, write_private
from lofarlake_nb.lake.xrootd import grid_environment

PROGRAMS = ("xrootd", "xrdcp", "xrdfs")

# Paths go by the folder that the server runs in, `run`: a home may have blanks, or be too long for a socket's path.
_HERE = "/proc/self/cwd"
_CONFIGURATION = """\
xrd.port {port}
xrd.allow host localhost
all.role server
{exports}
all.adminpath {here}/xrootd
all.pidpath {here}/xrootd
oss.localroot {here}/../storage
xrootd.chksum adler32
xrootd.seclib libXrdSec.so
sec.protocol gsi -certdir:{tls}/ca -cert:{tls}/server.pem -key:{tls}/server.pem -crl:0 -gmapopt:10
sec.protbind * only gsi
ofs.tpc pgm {xrdcp} --server
"""


def check() -> None:
    """Look whether XRootD is installed, and can run here.

    Raises
    ------
    LakeError
        When a program is missing, or we are root on a machine without user namespaces.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise LakeError(
            f"XRootD is not installed: no {', '.join(missing)}",
            "install Debian's xrootd-server and xrootd-client, or conda-forge's xrootd, or start without --protocol",
        )
    if postgres.unprivileged()[:1] == ["setpriv"]:  # as nobody it could not read its own key
        raise LakeError("XRootD refuses to run as root, and this machine allows no user namespace", "be another user")


def write(home: Home, settings: Settings) -> None:
    """Write the server's configuration.

    Parameters
    ----------
    home : Home
        Of the lake.
    settings : Settings
        With the port.
    """
    exports = "\n".join(f"all.export /{site}" for site in SITES)
    text = _CONFIGURATION.format(
        port=settings.storage_port,
        exports=exports,
        here=_HERE,
        tls=f"{_HERE}/../{home.grid.relative_to(home.path)}",
        xrdcp=shutil.which("xrdcp"),
    )
    write_private(home.configuration / "xrootd.cfg", text)


def command(home: Home) -> list[str | Path]:
    """How to start the server, in the folder `run`.

    Parameters
    ----------
    home : Home
        Of the lake.

    Returns
    -------
    list
        Program and arguments.
    """
    program = shutil.which("xrootd") or "xrootd"
    return [*postgres.unprivileged(), program, "-I", "v4", "-c", home.configuration / "xrootd.cfg"]


def client_environment(home: Home) -> dict[str, str]:
    """What XRootD's own tools need set: by GSI we and the server know each other, each by its certificate.

    Parameters
    ----------
    home : Home
        Of the lake.

    Returns
    -------
    dict
        Name to value.
    """
    # Without the latter two a dead server would cost minutes.
    return {**grid_environment(home.grid), "XRD_CONNECTIONWINDOW": "3", "XRD_CONNECTIONRETRY": "1"}


def folders(home: Home) -> list[str]:
    """Where XRootD's programs are, for those who must find them; none where the lake does without."""
    if home.settings().protocol != "root":
        return []
    return sorted({str(Path(found).parent) for name in PROGRAMS if (found := shutil.which(name))})


def trouble(settings: Settings) -> str:
    """Why the server does not answer; empty when it does: the handshake of the XRootD protocol, before any log-in."""
    try:
        with socket.create_connection(("127.0.0.1", settings.storage_port), timeout=5) as connection:
            connection.sendall(struct.pack("!5i", 0, 0, 0, 4, 2012))
            return "" if connection.recv(16)[:4] == bytes(4) else "does not answer as XRootD does"
    except OSError as error:
        return f"does not answer: {error}"
