"""The sites' storage, as grid storage behaves: ``python -m lofarlake_nb.lake.embedded.storage HOME``.

HTTPS and WebDAV, as far as Rucio and its peers use them: GET with ranges, HEAD, PUT, MOVE, DELETE, MKCOL, PROPFIND,
OPTIONS. Parents are made, a file appears whole or not at all, and ``Want-Digest: adler32`` (RFC 3230) is answered from
the bytes on disk. Nobody gets in without a certificate of the lake's authority.
"""

import errno
import os
import re
import shutil
import ssl
import sys
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from lofarlake_nb.lake.embedded.home import SITES, Home
from lofarlake_nb.observation.disk import CHUNK, Written

THREADS = 16
INCOMING = ".incoming"  # in each site's folder: bytes on their way in
_READING = ("GET", "HEAD", "PROPFIND", "OPTIONS")  # methods that change nothing

Environ = dict
Reply = tuple[HTTPStatus, dict[str, str], Iterable[bytes]]


class Refused(Exception):
    """A request that ends with an error status."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Storage:
    """WSGI application that serves folders.

    Parameters
    ----------
    sites : dict
        Name of a site (the first part of a URL's path) to its folder.
    in_place : dict
        The same of sites whose files are somebody's own: they are read, and whatever would change them is refused.
    """

    def __init__(self, sites: dict[str, Path], in_place: dict[str, Path] | None = None) -> None:
        self.in_place = frozenset(in_place or ())
        self.sites = {name: folder.resolve() for name, folder in {**sites, **(in_place or {})}.items()}
        self.methods: dict[str, Callable[[Environ, Target], Reply]] = {
            "GET": self._get,
            "HEAD": self._get,
            "PUT": self._put,
            "MOVE": self._move,
            "DELETE": self._delete,
            "MKCOL": self._mkcol,
            "PROPFIND": self._propfind,
            "OPTIONS": self._options,
        }
        for folder in sites.values():  # what a crash left half way
            shutil.rmtree(folder / INCOMING, ignore_errors=True)

    def __call__(self, environ: Environ, start_response: Callable) -> Iterable[bytes]:
        """Answer one request."""
        try:
            method = self.methods.get(environ["REQUEST_METHOD"])
            if method is None:
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "no such method")
            target = self._target(_path_of(environ))
            if environ["REQUEST_METHOD"] not in _READING and target.url.split("/")[1] in self.in_place:
                raise Refused(HTTPStatus.FORBIDDEN, "the files of this site are somebody's own: they are only read")
            status, headers, body = method(environ, target)
        except Refused as refusal:
            status, headers, body = _plain(refusal.status, str(refusal))
        except OSError as error:
            status, headers, body = _plain(_status_of(error), error.strerror or str(error))
        if environ["REQUEST_METHOD"] == "PUT":
            _drain(environ)
        if environ["REQUEST_METHOD"] == "HEAD":
            body = []
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return body

    def _target(self, url_path: str) -> "Target":
        """What a decoded URL path names; anything that could leave its site's folder is refused."""
        parts = [part for part in url_path.split("/") if part]
        decoded = [unquote(part) for part in parts]
        if any(part in (".", "..", INCOMING) or "/" in part or not part.isprintable() for part in decoded + parts):
            raise Refused(HTTPStatus.BAD_REQUEST, "no such path")
        if not parts or parts[0] not in self.sites:
            raise Refused(HTTPStatus.NOT_FOUND, f"no such site; there are {', '.join(self.sites)}")
        root = self.sites[parts[0]]
        path = root.joinpath(*parts[1:])
        if not path.resolve().is_relative_to(root):
            raise Refused(HTTPStatus.FORBIDDEN, "a link that leaves the site's storage")
        return Target(root, path, "/" + "/".join(parts))

    def _get(self, environ: Environ, target: "Target") -> Reply:
        headers = {"Accept-Ranges": "bytes"}
        only_head = environ["REQUEST_METHOD"] == "HEAD"
        if target.path.is_dir():
            return HTTPStatus.OK, {**headers, "Content-Length": "0"}, []
        file = open(target.path, "rb")  # noqa: SIM115 - closed by _blocks, or below
        told = os.fstat(file.fileno())
        size = told.st_size
        first, last = _range(environ.get("HTTP_RANGE", ""), size)
        headers |= {"Content-Length": str(last - first + 1), "Content-Type": "application/octet-stream"}
        headers |= {
            "ETag": f'"{told.st_mtime_ns:x}-{size:x}"',
            "Last-Modified": formatdate(told.st_mtime, usegmt=True),
        }
        status = HTTPStatus.OK
        if "HTTP_RANGE" in environ and (first, last) != (0, size - 1):
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        if "adler32" in environ.get("HTTP_WANT_DIGEST", "").lower():
            headers["Digest"] = f"adler32={adler32_of(target.path)}"
        if only_head:
            file.close()
            return status, headers, []
        file.seek(first)
        return status, headers, Blocks(file, last - first + 1)

    def _put(self, environ: Environ, target: "Target") -> Reply:
        if target.path == target.root or target.path.is_dir():
            raise Refused(HTTPStatus.CONFLICT, "a folder is there")
        if not environ.get("CONTENT_LENGTH", "").isdigit():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "how many bytes?")
        size = int(environ["CONTENT_LENGTH"])
        if size > shutil.disk_usage(target.root).free:
            raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, "the disk has no room for it")
        expected = re.search(r"adler32=([0-9a-f]{1,8})\b", environ.get("HTTP_DIGEST", "").lower())
        incoming = target.root / INCOMING / uuid.uuid4().hex
        incoming.parent.mkdir(exist_ok=True)
        try:
            adler32 = _receive(environ["wsgi.input"], size, incoming)
            if expected and expected[1].rjust(8, "0") != adler32:
                raise Refused(HTTPStatus.BAD_REQUEST, f"adler32 of what came is {adler32}, not {expected[1]}")
            _into_place(incoming, target.path)
        finally:
            incoming.unlink(missing_ok=True)
        # Rucio takes 201 for success, and not 204, even where a file is replaced.
        return _plain(HTTPStatus.CREATED, "", Digest=f"adler32={adler32}")

    def _move(self, environ: Environ, target: "Target") -> Reply:
        if not target.path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "no such file")
        destination = self._target(unquote(urlsplit(environ.get("HTTP_DESTINATION", "")).path))
        if destination.root != target.root:
            raise Refused(HTTPStatus.BAD_GATEWAY, "a file can't be moved to another site")
        if destination.path.is_dir():
            raise Refused(HTTPStatus.CONFLICT, "a folder is there")
        if environ.get("HTTP_OVERWRITE", "T").upper() == "F" and destination.path.exists():
            raise Refused(HTTPStatus.PRECONDITION_FAILED, "a file is there")
        _into_place(target.path, destination.path)
        return _plain(HTTPStatus.CREATED)

    def _delete(self, environ: Environ, target: "Target") -> Reply:
        if target.path.is_dir():
            raise Refused(HTTPStatus.CONFLICT, "only files can be deleted")
        target.path.unlink()
        return HTTPStatus.NO_CONTENT, {}, []

    def _mkcol(self, environ: Environ, target: "Target") -> Reply:
        if target.path.exists():
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "it is there")
        target.path.mkdir(parents=True)
        return _plain(HTTPStatus.CREATED)

    def _propfind(self, environ: Environ, target: "Target") -> Reply:
        found = [(target.url, target.path)]
        os.stat(target.path)
        if target.path.is_dir() and environ.get("HTTP_DEPTH", "1") != "0":
            children = sorted(p for p in target.path.iterdir() if p.name != INCOMING)
            found += [(f"{target.url}/{child.name}", child) for child in children]
        rows = "".join(_properties(url, path) for url, path in found)
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">{rows}</D:multistatus>\n'
        return _plain(HTTPStatus.MULTI_STATUS, text, **{"Content-Type": "application/xml; charset=utf-8"})

    def _options(self, environ: Environ, target: "Target") -> Reply:
        return _plain(HTTPStatus.OK, "", Allow=", ".join(self.methods), DAV="1")


@dataclass(frozen=True)
class Target:
    """What a request is about: a site's folder, a path in it, and the path of its URL."""

    root: Path
    path: Path
    url: str


class Blocks:
    """The bytes of an open file, in big blocks; closed by the server at the end, whatever happens."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self.file = file
        self.length = length

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        while left and (block := self.file.read(min(CHUNK, left))):
            left -= len(block)
            yield block

    def close(self) -> None:
        """Called by the server."""
        self.file.close()


def adler32_of(path: Path) -> str:
    """Adler-32 of a file's bytes on disk, as 8 hexadecimal digits."""
    value = 1
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            value = zlib.adler32(block, value)
    return f"{value:08x}"


def _receive(body: BinaryIO, size: int, path: Path) -> str:
    """Write so many bytes of a request's body to a new file, safe on disk; their Adler-32."""
    value, left = 1, size
    with Written(path, size) as file:
        while left:
            block = body.read(min(CHUNK, left))
            if not block:
                raise Refused(HTTPStatus.BAD_REQUEST, f"the connection ended {left} bytes early")
            value = zlib.adler32(block, value)
            left -= file.write(block)
    return f"{value:08x}"


def _path_of(environ: Environ) -> str:
    """Path of a request's URL: WSGI (PEP 3333) hands over its bytes as if they were Latin-1."""
    try:
        return environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "the path is no UTF-8") from None


def _drain(environ: Environ) -> None:
    """Read what a refused request still sends: its client listens only then, and cheroot would read it in one go."""
    body = environ["wsgi.input"]
    with suppress(OSError, ValueError):
        while body.read(min(CHUNK, getattr(body, "remaining", CHUNK))):
            pass


def _into_place(source: Path, destination: Path) -> None:
    """Rename, making parents, and see to it that the name is safe on disk."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, destination)
    folder = os.open(destination.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _range(header: str, size: int) -> tuple[int, int]:
    """First and last byte that a Range header asks for; several ranges are answered by the whole."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or not (match[1] or match[2]):
        return 0, size - 1
    if match[1]:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    else:
        first, last = max(size - int(match[2]), 0), size - 1
    if first > last:
        raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"there are {size} bytes")
    return first, last


def _properties(url: str, path: Path) -> str:
    about = path.stat()
    kind = "<D:collection/>" if path.is_dir() else ""
    size = "" if path.is_dir() else f"<D:getcontentlength>{about.st_size}</D:getcontentlength>"
    when = f"<D:getlastmodified>{formatdate(about.st_mtime, usegmt=True)}</D:getlastmodified>"
    properties = f"<D:prop><D:resourcetype>{kind}</D:resourcetype>{size}{when}</D:prop>"
    link = escape(quote(url, safe="/:+~=,@"))  # Rucio looks for its own spelling
    return (
        f"<D:response><D:href>{link}</D:href>"
        f"<D:propstat>{properties}<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )


def _plain(status: HTTPStatus, text: str = "", **headers: str) -> Reply:
    body = text.encode()
    kind = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    return status, {**kind, **headers}, [body]


def _status_of(error: OSError) -> HTTPStatus:
    """What a failed call to the file system means to a client."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return HTTPStatus.NOT_FOUND
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HTTPStatus.INSUFFICIENT_STORAGE
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HTTPStatus.FORBIDDEN
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EEXIST):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.INTERNAL_SERVER_ERROR


def serve(home: Home) -> None:
    """Serve a lake's sites until told to stop."""
    settings = home.settings()
    port = settings.storage_port
    in_place = {site: Path(folder) for site, folder in settings.in_place.items()}
    application = Storage({site: home.storage / site for site in SITES}, in_place)
    server = wsgi.Server(("127.0.0.1", port), application, numthreads=THREADS, request_queue_size=128, timeout=60)
    pem, authority = str(home.certificates / "server.pem"), str(home.certificates / "ca.pem")
    server.ssl_adapter = BuiltinSSLAdapter(pem, pem, authority)
    server.ssl_adapter.context.verify_mode = ssl.CERT_REQUIRED
    server.ssl_adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        server.start()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    serve(Home(Path(sys.argv[1])))
