"""Ports of the loopback: chosen once, kept, chosen again when another program took one."""

import random
import socket
from dataclasses import replace

from lofarlake_nb.errors import PortTaken
from lofarlake_nb.lake.embedded import parts, processes
from lofarlake_nb.lake.embedded.home import Home, Settings

# Below those that systems hand out for outgoing connections, so that none of these is in the way after a restart.
PORTS = range(20000, 32000)


def settle(home: Home, settings: Settings, wanted: int | None) -> Settings:
    """Ports on which the parts listen, or can.

    Parameters
    ----------
    home : Home
        Of the lake.
    settings : Settings
        With the ports of last time, or none.
    wanted : int or None
        For Rucio's REST server, and no other.

    Returns
    -------
    Settings
        With last time's ports where they are ours or free, and new ones elsewhere.

    Raises
    ------
    PortTaken
        When `wanted` is.
    """
    ports = {"database": settings.database_port, "storage": settings.storage_port, "server": settings.server_port}
    if wanted is not None:
        ports["server"] = wanted
    for name, port in ports.items():
        process = processes.recorded(parts.record(home, name))
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
