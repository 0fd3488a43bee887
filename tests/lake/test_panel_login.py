"""Lakes that are logged in to by certificates or tokens: browsed by the extension where it can, else by the client."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from lofarlake_nb.errors import LakeRefused
from lofarlake_nb.lake import browse, client, extension, ingest, panel, panel_login
from lofarlake_nb.lake.configured import settings_in
from lofarlake_nb.widgets import landing

RESULT = "lofar:panel_login"
CERTIFIED = ["x509", "x509_proxy"]


@pytest.fixture(scope="module", autouse=True)
def result(lake_home, tmp_path_factory):
    (path := tmp_path_factory.mktemp("products") / "image.fits").write_bytes(b"an image")
    ingest.ingest_products(client.connect(lake_home), [path], RESULT, {}, replicate_to="", close=True)


@pytest.fixture
def gate(lake_home):
    """What logs in to the lake who has its client's certificate, as a production Rucio's TLS front does."""
    known = settings_in(lake_home / "client" / "rucio.cfg")
    seen = []

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("X-Rucio-Account")))
            told = {f"X-Rucio-{name}": known[name.lower()] for name in ("Account", "Username", "Password")}
            answer = requests.get(f"{known['auth_host']}/auth/userpass", headers=told, timeout=20)
            is_let_in = server.open and self.path in ("/auth/x509", "/auth/x509_proxy")
            self.send_response(answer.status_code if is_let_in else 401)
            for name, value in answer.headers.items():
                if name.startswith("X-Rucio"):
                    self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Not on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(lake_home / "tls" / "server.pem")
    tls.load_verify_locations(lake_home / "tls" / "ca.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.seen, server.open = seen, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def configuration(lake_home, tmp_path, gate):
    """Make a rucio.cfg that logs in by certificate, without any password."""

    def make(kind: str) -> Path:
        pem = lake_home / "tls" / "client.pem"
        told = {
            **settings_in(lake_home / "client" / "rucio.cfg"),
            "auth_host": f"https://127.0.0.1:{gate.server_address[1]}",
            "auth_type": kind,
            "auth_token_file_path": str(tmp_path / "token"),
            **({"client_cert": pem, "client_key": pem} if kind == "x509" else {"client_x509_proxy": pem}),
        }
        lines = [f"{name} = {value}" for name, value in told.items() if name not in ("username", "password")]
        (tmp_path / "rucio.cfg").write_text("\n".join(["[client]", *lines]))
        return tmp_path / "rucio.cfg"

    return make


@pytest.mark.parametrize("kind", CERTIFIED)
def test_a_lake_is_browsed_by_certificate(configuration, gate, kind):
    path = configuration(kind)
    browser = browse.connect(path)
    assert isinstance(browser.answers, panel.InProcess)
    assert [found.did for found in browser.search(RESULT)] == [RESULT]
    assert gate.seen == [("/auth/x509", "lofar")]
    said = landing.status(path).text
    assert "your account is lofar" in said
    assert "browsed by the Rucio extension" in said


@pytest.mark.parametrize("kind", CERTIFIED)
def test_a_panel_is_logged_in_by_certificate(configuration, tmp_path, kind):
    path = configuration(kind)
    extension.log_in(path, tmp_path / "logins")
    database = extension.keep_in(tmp_path / "logins").get_db()
    assert database.get_active_auth_method() == kind
    assert database.get_rucio_auth_credentials(extension.name(path), kind) == extension.login(path).parameters
    assert extension.server_configuration(path, tmp_path).splitlines()[-1].endswith(f"default_auth_type = {kind!r}")
    extension.keep_in(None)


def test_a_lake_that_answers_but_refuses_the_extension_is_there(configuration, gate):
    path = configuration("x509_proxy")
    client.connect(path)  # its token is kept
    gate.open = False
    with pytest.raises(LakeRefused, match=f"see whether the login in {path} is still good"):
        browse.connect(path)
    said = landing.status(path).text
    assert "answers; your account is lofar; but it can't be browsed: " in said


def test_where_the_extension_has_no_such_login_the_client_answers_the_same(lake_home, monkeypatch):
    by_extension = browse.connect(lake_home)
    expected = (by_extension.scopes(), by_extension.search("lofar:panel_*"), by_extension.rules(RESULT))
    ((name, size),) = [(file.did, file.bytes) for file in by_extension.files(RESULT)]

    def refuse(settings, source):
        return login_of({**settings, "auth_type": "ssh"}, source)

    login_of = panel_login.login_of
    monkeypatch.setattr(panel_login, "login_of", refuse)
    browser = browse.connect(lake_home)
    assert (browser.scopes(), browser.search("lofar:panel_*"), browser.rules(RESULT)) == expected
    (file,) = browser.files(RESULT)
    assert (file.did, file.bytes, file.status) == (name, size, "NOT_AVAILABLE")
    assert browser.search(RESULT, filters="length>1") == ()
    assert [found.did for found in browser.search(RESULT, filters="length<2")] == [RESULT]
    said = landing.status(lake_home).text
    assert "browsed by the lake's own client (the Rucio extension can't log in by ssh: " in said


@pytest.mark.parametrize(
    ("settings", "environment", "proxy"),
    [
        ({"client_x509_proxy": "told"}, {"X509_USER_PROXY": "user"}, "told"),
        ({"client_x509_proxy": "told"}, {"RUCIO_CLIENT_PROXY": "rucio"}, "rucio"),
        ({}, {"X509_USER_PROXY": "user"}, "user"),
    ],
)
def test_a_proxy_is_the_one_that_rucio_s_client_takes(tmp_path, monkeypatch, settings, environment, proxy):
    monkeypatch.chdir(tmp_path)
    for name in ("told", "user", "rucio"):
        Path(name).touch()
    login = panel_login.login_of({"auth_type": "x509_proxy", **settings}, Path("rucio.cfg"), environment)
    assert (login.type, login.parameters) == ("x509_proxy", {"proxy": proxy})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"auth_type": "gss"}, "logs in by gss; it knows userpass, x509, x509_proxy, oidc"),
        ({"auth_type": "userpass", "username": "me"}, "has no password"),
        ({"auth_type": "x509"}, r"names no certificate that is there \(none\)"),
        ({"auth_type": "x509_proxy", "client_x509_proxy": "/no/proxy"}, r"names no proxy that is there \(/no/proxy\)"),
        ({"auth_type": "oidc", "auth_token_file_path": "/no/token"}, r"names no token that is there \(/no/token\)"),
    ],
)
def test_a_login_that_can_not_be_is_told(settings, why):
    with pytest.raises(LakeRefused, match=rf"can't log in by {settings['auth_type']}: rucio.cfg {why}"):
        panel_login.login_of(settings, Path("rucio.cfg"), {})


def test_a_token_is_read_from_the_file_of_rucio_s_client(lake_home, tmp_path):
    told = (lake_home / "client" / "rucio.cfg").read_text().replace("= userpass", "= oidc")
    (tmp_path / "rucio.cfg").write_text(told)
    kept = lake_home / "client" / "token_lofar"
    instance, login = extension.instance(tmp_path / "rucio.cfg"), extension.login(tmp_path / "rucio.cfg")
    assert (instance["oidc_auth"], instance["oidc_file_name"]) == ("file", str(kept))
    assert (login.type, login.parameters) == ("oidc", {"account": "lofar"})
    lake = client.connect(lake_home)
    assert panel_login.token_file(lake.settings) == lake.rucio.token_file


def test_a_token_s_usual_place_is_that_of_rucio_s_client(lake_home, tmp_path):
    lines = (lake_home / "client" / "rucio.cfg").read_text().splitlines()
    (tmp_path / "rucio.cfg").write_text("\n".join(one for one in lines if "auth_token_file_path" not in one))
    lake = client.connect(tmp_path / "rucio.cfg")
    assert panel_login.token_file(lake.settings) == lake.rucio.token_file


def test_a_server_s_certificate_is_looked_at_where_no_authority_is_named(tmp_path):
    (tmp_path / "rucio.cfg").write_text("[client]\nrucio_host = https://x\nauth_host = https://x\n")
    assert Path(extension.instance(tmp_path / "rucio.cfg")["rucio_ca_cert"]).is_file()
