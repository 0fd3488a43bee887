"""A server that passes requests on to a real one, and fails as a test wants it to."""

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from lofarlake_nb.lake.client import Lake


class Failing(ThreadingHTTPServer):
    """Answers with the next of `failures`, while there are some: a status, ``pass``, ``drop``, ``flip`` or ``hang``.

    ``drop`` passes the request on and loses the answer; ``flip`` flips a bit of the first byte that is sent, and
    ``flip answer`` one of the last that comes back.
    """

    daemon_threads = True

    def __init__(self, behind: str, home: Path, *, tls: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.home = behind, home
        self.failures: list[int | str] = []
        self.retry_after = ""
        self.only: tuple[str, ...] = ()  # methods that fail; all when empty
        self.seen: Counter[str] = Counter()
        self.over = threading.Event()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(home / "tls" / "server.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, address: object) -> None:
        """A client that has gone is what is wanted here."""


class _Handler(BaseHTTPRequestHandler):
    server: Failing
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.seen[self.command] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fails = not server.only or self.command in server.only
        failure = server.failures.pop(0) if fails and server.failures else None
        if failure == "hang":
            server.over.wait(60)
            self.close_connection = True
            return
        if isinstance(failure, int):
            self.send_response(failure)
            if server.retry_after:
                self.send_header("Retry-After", server.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if failure == "flip" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        hop = ("host", "connection", "content-length", "accept-encoding")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in hop}
        tls = {"cert": str(server.home / "tls" / "client.pem"), "verify": str(server.home / "tls" / "ca.pem")}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(self.command, server.behind + self.path, headers=headers, data=body, **tls)
        if failure == "drop":
            self.close_connection = True
            return
        content = answer.content
        if failure == "flip answer":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        length = answer.headers["Content-Length"] if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_POST = do_PUT = do_HEAD = do_DELETE = do_MOVE = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def failing(behind: str, home: Path, *, tls: bool) -> Iterator[Failing]:
    """Such a server, while it lasts."""
    server = Failing(behind, home, tls=tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def turned(patch: pytest.MonkeyPatch, lake: Lake, before: int, port: int) -> None:
    """Have a lake name the addresses of one of its storage's ports at another, as long as the patch lasts."""
    real = Lake.stream

    def stream(self: Lake, method: str, *given: object, **options: object) -> Iterator:
        for row in real(self, method, *given, **options):
            if self is lake and method == "list_replicas":
                row["pfns"] = {pfn.replace(f":{before}/", f":{port}/"): about for pfn, about in row["pfns"].items()}
            yield row

    patch.setattr(Lake, "stream", stream)
