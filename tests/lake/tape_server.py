"""A storage with a tape library behind it: the lake's own, which answers the WLCG Tape REST API as dCache does.

A library can't be had here. Fields and states are those of github.com/wlcg-storage/wlcg-tape-rest-api; each question
about a request brings its files a step further: from queued to staging, to disk.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from lofarlake_nb.lake.embedded import ports, storage
from lofarlake_nb.lake.embedded.home import SITES

STATES = ("SUBMITTED", "STARTED", "COMPLETED")


class TapeStorage:
    """WSGI application.

    Parameters
    ----------
    home : Path
        Of the lake whose folders it serves.
    port : int
        Where it listens.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        self.storage = storage.Storage({site: home / "storage" / site for site in SITES})
        self.nearline: set[str] = set()  # paths that are on tape only
        self.broken: dict[str, str] = {}  # paths whose tape can't be read, and why
        self.requests: list[list[str]] = []  # paths of each
        self.forgotten: set[int] = set()  # requests that the storage lost
        self.refusals: list[int] = []  # statuses that the next requests to stage are answered by
        self.polls: dict[int, int] = {}
        self.steps = 2  # questions until a file is on disk
        self.released: list[str] = []
        self.too_early: list[str] = []  # files that were asked for while they were on tape
        self.endpoint = f"https://127.0.0.1:{port}/api/v1"
        self.told: object = {"sitename": "test", "endpoints": [{"uri": self.endpoint, "version": "v1"}]}

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/.well-known/wlcg-tape-rest-api":
            return _answer(start_response, 404 if self.told is None else 200, self.told)
        if path.startswith("/api/v1/"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _answer(start_response, *self._service(method, path[8:].split("/"), json.loads(body or b"{}")))
        if method == "GET" and path in self.nearline:
            self.too_early.append(path)
            return _answer(start_response, 409, {"title": "the file is on tape"})
        return self.storage(environ, start_response)

    def _service(self, method: str, words: list[str], body: dict) -> tuple[int, object]:
        match method, words:
            case "POST", ["archiveinfo"]:
                where = {True: "TAPE", False: "DISK_AND_TAPE"}
                return 200, [{"path": p, "locality": where[p in self.nearline]} for p in body["paths"]]
            case "POST", ["stage"]:
                if self.refusals:
                    return self.refusals.pop(0), {"title": "refused"}
                self.requests.append([file["path"] for file in body["files"]])
                return 201, {"requestId": str(len(self.requests))}
            case "GET", ["stage", number] if int(number) not in self.forgotten:
                return 200, {"id": number, "files": list(self._files(int(number)))}
            case "POST", ["release", _]:
                self.released += body["paths"]
                return 200, None
        return 404, {"title": "no such thing"}

    def _files(self, number: int) -> Iterator[dict[str, str]]:
        polls = self.polls[number] = self.polls.get(number, -1) + 1
        for path in self.requests[number - 1]:
            state = STATES[min(polls * 2 // max(self.steps, 1), 2)]
            if state == "COMPLETED" and path in self.broken:
                yield {"path": path, "state": "FAILED", "error": self.broken[path]}
                continue
            if state == "COMPLETED":
                self.nearline.discard(path)
            yield {"path": path, "state": state}


def _answer(start_response: Callable, status: int, body: object) -> list[bytes]:
    said = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    start_response(f"{status} so", [("Content-Type", "application/json"), ("Content-Length", str(len(said)))])
    return [said]


@contextmanager
def tape_storage(home: Path) -> Iterator[TapeStorage]:
    """Such a storage, while it lasts, with the lake's own certificates."""
    application = TapeStorage(home, ports.free_port(set()))
    server = wsgi.Server(("127.0.0.1", application.port), application, numthreads=8)
    server.ssl_adapter = BuiltinSSLAdapter(*[str(home / "tls" / "server.pem")] * 2, str(home / "tls" / "ca.pem"))
    server.ssl_adapter.context.verify_mode = ssl.CERT_REQUIRED
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield application
    finally:
        server.stop()
        thread.join()
