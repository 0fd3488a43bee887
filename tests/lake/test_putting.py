"""A PUT that is redirected, against a door that redirects to the lake's own storage, as dCache's do."""

import ssl
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lofarlake_nb.errors import LakeRefused, TransferFailed
from lofarlake_nb.lake import putting
from lofarlake_nb.lake.https import Https

SIZE, BLOCK = 24 << 20, 1 << 20


class Door(BaseHTTPRequestHandler):
    """Redirects, refuses, or says nothing, before it has seen a byte."""

    protocol_version = "HTTP/1.1"

    def handle_expect_100(self) -> bool:
        if self.path == "/silent":
            return True  # as a server that does not know the question
        self.close_connection = True
        if self.path == "/refused":
            self.send_response_only(403)
        elif self.path == "/away":
            self.send_response_only(307)
            self.send_header("Location", "http://127.0.0.1/elsewhere")
        else:
            self.send_response_only(307)
            loop = self.path == "/loop"
            self.send_header("Location", "/loop" if loop else self.server.pool + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, BLOCK)))
        asked = "Expect" in self.headers
        self.send_response(201 if asked else 307)
        self.send_header("Content-Length", "0")
        self.send_header("Location", self.server.pool + self.path)
        self.end_headers()

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="module")
def context(lake_home):
    made = ssl.create_default_context(cafile=str(lake_home / "tls" / "ca.pem"))
    made.load_cert_chain(lake_home / "tls" / "client.pem")
    return made


@pytest.fixture(scope="module")
def door(lake_home, lake):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(lake_home / "tls" / "server.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    [https] = [p for p in lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    server.pool = f"https://127.0.0.1:{https['port']}/SARA"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Blocks:
    """A stream that can be read once, and knows how much of it was."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self):
        for n in range(SIZE // BLOCK):
            self.taken += BLOCK
            yield bytes([n]) * BLOCK


def put(url, blocks, context):
    return putting.put(url, blocks, SIZE, context, connect=5, silence=30)


def test_the_bytes_go_to_the_pool_once(door, context, lake_home, unique):
    blocks = Blocks()
    answer = put(f"{door}/redirected/{unique}", blocks, context)
    path = Path(lake_home) / "storage" / "SARA" / "redirected" / unique
    assert (answer.status, blocks.taken, path.stat().st_size) == (201, SIZE, SIZE)
    assert answer.headers["digest"] == f"adler32={zlib.adler32(b''.join(Blocks())):08x}"
    path.unlink()


def test_a_door_that_refuses_gets_no_byte(door, context):
    blocks = Blocks()
    assert put(f"{door}/refused", blocks, context).status == 403
    assert blocks.taken == 0


def test_a_server_that_does_not_know_the_question_gets_the_bytes_after_a_while(door, context):
    blocks = Blocks()
    assert put(f"{door}/silent", blocks, context).status == 201
    assert blocks.taken == SIZE


@pytest.mark.parametrize("size", [0, 1000, SIZE])
def test_a_storage_behind_a_door_takes_large_and_small_files(door, lake_home, unique, size):
    storage = Https(str(lake_home / "tls" / "client.pem"), str(lake_home / "tls" / "ca.pem"))
    content = b"".join(Blocks())[:size]
    arrival = storage.write(
        f"{door}/redirected/{unique}", (content[n : n + BLOCK] for n in range(0, size, BLOCK)), size
    )
    path = Path(lake_home) / "storage" / "SARA" / "redirected" / unique
    assert path.read_bytes() == content
    assert arrival.sent == arrival.taken == f"{zlib.adler32(content):08x}"
    path.unlink()


def test_refusals_of_a_door_are_said(door, lake_home):
    storage = Https(str(lake_home / "tls" / "client.pem"), str(lake_home / "tls" / "ca.pem"))
    with pytest.raises(LakeRefused, match="403"):
        storage.write(f"{door}/refused", Blocks(), SIZE)
    with pytest.raises(TransferFailed, match="not https"):
        storage.write(f"{door}/away", Blocks(), SIZE)


@pytest.mark.parametrize(("path", "says"), [("/away", "not https"), ("/loop", "more than 5 times")])
def test_it_does_not_go_everywhere(door, context, path, says):
    blocks = Blocks()
    with pytest.raises(ConnectionError, match=says):
        put(door + path, blocks, context)
    assert blocks.taken == 0


class Liar:
    """A connection to a server that hangs up half way, and says that all is well."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def sendall(self, block: bytes) -> None:
        raise BrokenPipeError("half way")

    def recv(self, count: int) -> bytes:
        first, self.said = self.said[:count], self.said[count:]
        return first


def test_what_was_not_sent_has_not_arrived_whatever_the_server_says():
    with pytest.raises(BrokenPipeError, match="half way"):
        putting._after(Liar(b"HTTP/1.1 201 Created\r\n\r\n"), [b"1234"], "https://door")
    assert putting._after(Liar(b"HTTP/1.1 507 Full\r\n\r\n"), [b"1234"], "https://door").status == 507


def test_a_storage_that_refuses_half_way_is_heard(lake, lake_home, context):
    [https] = [p for p in lake.rse("SARA")["protocols"] if p["scheme"] == "https"]
    answer = put(f"https://127.0.0.1:{https['port']}/NOWHERE/file", Blocks(), context)
    assert answer.status == 404
