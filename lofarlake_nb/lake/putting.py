"""PUT of a stream by https, asked for first: a door that redirects to a pool says so before the first byte is sent.

`Expect: 100-continue` (RFC 9110, 10.1.1) is how the doors of dCache and its peers take files: the bytes of a stream can
be sent once only, so they must go to the right place at once. requests can't: it sends headers and body in one go.
"""

import io
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from urllib.parse import urljoin, urlsplit

from lofarlake_nb.observation.archive import Block

_HOPS = 5  # redirects that are followed
_PATIENCE = 2.0  # seconds to wait for word from a server that may not know the question
_LONGEST_HEAD = 1 << 16  # bytes
_REDIRECTS = (301, 302, 307, 308)


@dataclass(frozen=True)
class Answer:
    """A server's answer.

    Parameters
    ----------
    url : str
        Of the server that gave it, after redirects.
    status : int
        Of HTTP.
    reason : str
        Its words for it.
    headers : Message
        By name, in whatever case.

    Examples
    --------
    >>> headers = Message()
    >>> headers["Digest"] = "adler32=059b016d"
    >>> Answer("https://door/a.tar", 201, "Created", headers).headers["digest"]
    'adler32=059b016d'
    """

    url: str
    status: int
    reason: str
    headers: Message


def put(
    url: str, blocks: Iterable[Block], size: int, context: ssl.SSLContext, *, connect: float, silence: float
) -> Answer:
    """Send a stream to where the server wants it.

    Parameters
    ----------
    url : str
        With scheme https.
    blocks : iterable of bytes
        Taken when the last server said that it will have them, or said nothing; not at all when it refused.
    size : int
        Bytes of all blocks.
    context : SSLContext
        With the client's certificate and the authorities of the servers.
    connect, silence : float
        Seconds to connect, and between two signs of life.

    Returns
    -------
    Answer
        The last one: it may be a refusal.

    Raises
    ------
    OSError
        When the connection breaks, or a server answers by what is no HTTP.

    Examples
    --------
    >>> from lofarlake_nb.lake.storage import Storages
    >>> (door,) = [one for one in lake.rse("SARA")["protocols"] if one["scheme"] == "https"]
    >>> url = f"https://{door['hostname']}:{door['port']}{door['prefix']}/lofar/put.bin"
    >>> https = Storages(lake).https
    >>> answer = put(url, [b"1234", b"567"], 7, https._context(), connect=10, silence=60)
    >>> answer.status, https.size(url), https.remove(url)
    (201, 7, None)
    """
    for _ in range(_HOPS):
        place = urlsplit(url)
        if place.scheme != "https" or not place.hostname:
            raise ConnectionError(f"redirected to {url[:200]}, which is not https")
        with (
            socket.create_connection((place.hostname, place.port or 443), timeout=connect) as plain,
            context.wrap_socket(plain, server_hostname=place.hostname) as connection,
        ):
            connection.sendall(_question(place.netloc, place.path, place.query, size))
            answer = _early(connection, url, silence)
            if answer is None or answer.status < 200:
                return _after(connection, blocks, url)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            url = urljoin(url, answer.headers["location"])
    raise ConnectionError(f"redirected more than {_HOPS} times, last to {url[:200]}")


def _question(host: str, path: str, query: str, size: int) -> bytes:
    target = path + (f"?{query}" if query else "")
    if any(c.isspace() or not c.isprintable() for c in host + target):
        raise ConnectionError(f"{target[:200]!r} can't be asked for")
    lines = [f"PUT {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {size}", "Expect: 100-continue"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _early(connection: ssl.SSLSocket, url: str, silence: float) -> Answer | None:
    """What the server says before it has seen a byte; None when it waits for them."""
    connection.settimeout(min(_PATIENCE, silence))
    try:
        first = connection.recv(1)
    except TimeoutError:
        return None
    finally:
        connection.settimeout(silence)
    return _answer(connection, url, first)


def _after(connection: ssl.SSLSocket, blocks: Iterable[Block], url: str) -> Answer:
    """Send all, then listen; a server that hangs up half way may have said why."""
    broken: OSError | None = None
    for block in blocks:
        try:
            connection.sendall(block)
        except OSError as error:
            broken = error
            break
    try:
        answer = _answer(connection, url)
        while answer.status < 200:  # a late word that it goes on
            answer = _answer(connection, url)
    except OSError as error:
        raise broken or error from error
    if broken is not None and answer.status < 300:  # it can't have taken what was never sent
        raise broken
    return answer


def _answer(connection: ssl.SSLSocket, url: str, head: bytes = b"") -> Answer:
    """Status and headers; the body, if any, is of no interest."""
    told = bytearray(head)
    while not told.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(told) > _LONGEST_HEAD:
            raise ConnectionError("the server hung up" if not byte else "the server's answer has no end")
        told += byte
    line, _, rest = bytes(told).partition(b"\r\n")
    version, _, words = line.decode("latin-1").partition(" ")
    status, _, reason = words.partition(" ")
    if not version.startswith("HTTP/1.") or not (status.isdigit() and len(status) == 3):
        raise ConnectionError(f"the server does not speak HTTP: {line[:80]!r}")
    return Answer(url, int(status), reason, parse_headers(io.BytesIO(rest)))
