import http.client
import io
import os
import socket
import ssl
import time
import zlib

import pytest

from lofarlake_nb.lake.embedded import certificates
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.embedded.storage import Storage


@pytest.fixture
def ask(home, context):
    """Send a request, the path just as given; status, headers, body."""
    connection = http.client.HTTPSConnection("127.0.0.1", home.settings().storage_port, timeout=20, context=context)

    def ask(method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    yield ask
    connection.close()


def look(connection):
    connection.request("GET", "/SARA/")
    return connection.getresponse()


def incoming(home):
    return [path for site in home.storage.iterdir() for path in site.glob(".incoming/*")]


def test_what_is_put_is_there_with_its_parents_and_its_checksum(home, ask):
    data = os.urandom(5_000_001)
    expected = f"adler32={zlib.adler32(data):08x}"
    status, headers, _ = ask("PUT", "/SARA/new/folder/file.tar", data)
    assert (status, headers["Digest"]) == (201, expected)
    assert (home.storage / "SARA/new/folder/file.tar").read_bytes() == data
    status, headers, body = ask("GET", "/SARA/new/folder/file.tar", Want_Digest="adler32")
    assert (status, body, headers["Digest"]) == (200, data, expected)
    status, headers, body = ask("HEAD", "/SARA/new/folder/file.tar", Want_Digest="adler32")
    assert (status, body, headers["Digest"], headers["Content-Length"]) == (200, b"", expected, "5000001")


def test_digest_is_of_the_bytes_on_disk_now(home, ask):
    ask("PUT", "/SARA/rotten", b"what was sent")
    (home.storage / "SARA/rotten").write_bytes(b"what rotted")
    _, headers, _ = ask("HEAD", "/SARA/rotten", Want_Digest="adler32")
    assert headers["Digest"] == f"adler32={zlib.adler32(b'what rotted'):08x}"


@pytest.mark.parametrize(
    ("asked", "status", "part", "says"),
    [
        ("bytes=2-4", 206, b"cde", "bytes 2-4/8"),
        ("bytes=6-", 206, b"gh", "bytes 6-7/8"),
        ("bytes=-3", 206, b"fgh", "bytes 5-7/8"),
        ("bytes=5-99", 206, b"fgh", "bytes 5-7/8"),
        ("bytes=0-7", 200, b"abcdefgh", None),
        ("bytes=8-9", 416, None, None),
    ],
)
def test_ranges(ask, asked, status, part, says):
    ask("PUT", "/SARA/letters", b"abcdefgh")
    got, headers, body = ask("GET", "/SARA/letters", Range=asked)
    assert got == status
    if part is not None:
        assert (body, headers["Content-Range"]) == (part, says)


def test_empty_file(ask):
    assert ask("PUT", "/SARA/empty", b"", Content_Length="0")[0] == 201
    assert ask("GET", "/SARA/empty", Want_Digest="adler32")[2] == b""


def test_move_makes_parents_and_takes_the_old_name_away(home, ask):
    ask("PUT", "/SARA/a.part", b"bytes")
    assert ask("MOVE", "/SARA/a.part", Destination="https://127.0.0.1/SARA/deep/er/a")[0] == 201
    assert ask("GET", "/SARA/deep/er/a")[2] == b"bytes"
    assert ask("HEAD", "/SARA/a.part")[0] == 404
    assert ask("MOVE", "/SARA/a.part", Destination="https://127.0.0.1/SARA/b")[0] == 404
    assert ask("MOVE", "/SARA/deep/er/a", Destination="https://127.0.0.1/JUELICH/a")[0] == 502
    assert ask("MOVE", "/SARA/deep/er/a", Destination="/SARA/%2e%2e/a")[0] == 400


def test_delete_files_not_folders(ask):
    ask("PUT", "/POZNAN/folder/gone", b"bytes")
    assert ask("DELETE", "/POZNAN/folder/gone")[0] == 204
    assert ask("DELETE", "/POZNAN/folder/gone")[0] == 404
    assert ask("DELETE", "/POZNAN/folder")[0] == 409
    assert ask("DELETE", "/POZNAN")[0] == 409


def test_listing(ask):
    ask("PUT", "/POZNAN/list/one", b"12345")
    assert ask("MKCOL", "/POZNAN/list/sub")[0] == 201
    assert ask("MKCOL", "/POZNAN/list/sub")[0] == 405
    status, _, body = ask("PROPFIND", "/POZNAN/list", Depth="1")
    text = body.decode()
    assert status == 207
    assert "<D:href>/POZNAN/list/one</D:href>" in text
    assert "<D:getcontentlength>5</D:getcontentlength>" in text
    assert "/POZNAN/list/sub" in text
    assert "/POZNAN/list/one" not in ask("PROPFIND", "/POZNAN/list", Depth="0")[2].decode()
    assert ask("PROPFIND", "/POZNAN/none")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/SARA/../../lake.json",
        "/SARA/%2e%2e/%2e%2e/lake.json",
        "/SARA/..%2f..%2flake.json",
        "/SARA/%252e%252e/lake.json",
        "/SARA/.incoming/x",
        "/SARA/a%00b",
        "/../lake.json",
        "/tls/client.pem",
        "//SARA/../SARA/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PROPFIND"])
def test_no_way_out_of_a_site(home, ask, method, path):
    status, _, body = ask(method, path, b"x" if method == "PUT" else None)
    assert status in (400, 404)
    assert b"password" not in body
    assert home.settings_file.is_file()


def test_no_way_out_by_a_link(home, ask):
    (home.storage / "SARA/link").symlink_to(home.path)
    assert ask("GET", "/SARA/link/lake.json")[0] == 403
    assert ask("PUT", "/SARA/link/new", b"x")[0] == 403


def test_put_with_another_checksum_than_announced_leaves_nothing(home, ask):
    status, _, body = ask("PUT", "/SARA/wrong", b"bytes", Digest="adler32=deadbeef")
    assert status == 400
    assert b"deadbeef" in body
    assert not (home.storage / "SARA/wrong").exists()
    assert incoming(home) == []


def test_put_that_breaks_half_way_leaves_what_was_there(home, context, ask):
    ask("PUT", "/SARA/half", b"old")
    connection = http.client.HTTPSConnection("127.0.0.1", home.settings().storage_port, timeout=20, context=context)
    connection.putrequest("PUT", "/SARA/half")
    connection.putheader("Content-Length", "10000000")
    connection.endheaders()
    connection.send(b"x" * 6_000_000)
    connection.close()
    deadline = time.monotonic() + 10
    while incoming(home) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert incoming(home) == []
    assert ask("GET", "/SARA/half")[2] == b"old"


def test_put_needs_a_length_that_fits(ask):
    assert ask("PUT", "/SARA/chunked", iter([b"a", b"b"]))[0] == 411


def test_more_than_the_disk_holds_is_refused(tmp_path):
    request = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/X/huge", "CONTENT_LENGTH": str(10**18)}
    answers = []
    storage = Storage({"X": tmp_path})
    storage({**request, "wsgi.input": io.BytesIO(b"first bytes")}, lambda status, headers: answers.append(status))
    assert answers == ["507 Insufficient Storage"]
    assert list(tmp_path.iterdir()) == []


def test_a_refused_upload_hears_why(ask):
    ask("MKCOL", "/SARA/taken")
    status, _, body = ask("PUT", "/SARA/taken", b"x" * 20_000_000)
    assert (status, body) == (409, b"a folder is there")
    assert ask("GET", "/SARA/taken")[0] == 200  # on the same connection


def test_refused_without_a_certificate(home):
    context = ssl.create_default_context(cafile=home.certificates / "ca.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", home.settings().storage_port, timeout=20, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        look(connection)
    connection.close()


def test_refused_with_a_certificate_of_another_authority(home, tmp_path):
    other = Home(tmp_path / "other")
    other.certificates.mkdir(parents=True)
    certificates.make(other)
    context = ssl.create_default_context(cafile=home.certificates / "ca.pem")
    context.load_cert_chain(other.certificates / "client.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", home.settings().storage_port, timeout=20, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        look(connection)
    connection.close()


def test_its_own_certificate_is_for_this_machine_only(home):
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        socket.create_connection(("127.0.0.1", home.settings().storage_port)) as line,
    ):
        ssl.create_default_context(cafile=home.certificates / "ca.pem").wrap_socket(line, server_hostname="sara.nl")
