"""Rucio's configuration files: the server's, and the clients'."""

import os
import sys
from pathlib import Path

from lofarlake_nb.lake.embedded import xrootd
from lofarlake_nb.lake.embedded.home import Home, Settings, write_private

USER = "lofar"  # the astronomer's account, and the scope that it owns

_SERVER = """\
[common]
logdir = {log}
loglevel = WARNING
mailtemplatedir = {etc}

[database]
default = postgresql+psycopg://rucio:{password}@127.0.0.1:{port}/rucio
schema = rucio
pool_recycle = 3600
pool_size = 10
max_overflow = 15

[alembic]
cfg = {etc}/alembic.ini

[bootstrap]
userpass_identity = root
userpass_pwd = {root_password}
userpass_email = root@localhost
x509_identity =
x509_email =
gss_identity =
gss_email =
ssh_identity =
ssh_email =

[policy]
package = lofarlake_nb.lake.embedded.policy
permission = generic
schema = generic

[conveyor]
scheme = {protocol}
transfertool = local

[transfers]
multihop_rse_expression =
"""

_ALEMBIC = """\
[alembic]
script_location = rucio.db.sqla:migrate_repo
sqlalchemy.url = postgresql+psycopg://rucio:{password}@127.0.0.1:{port}/rucio
version_table_schema = rucio

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARN
handlers = console
qualname =

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)s [%(name)s] %(message)s
"""

# Only these two sections: with [database] the client commands would load the server.
_CLIENT = """\
[client]
rucio_host = {url}
auth_host = {url}
account = {account}
auth_type = userpass
username = {account}
password = {password}
ca_cert = {ca}
auth_token_file_path = {client}/token_{account}
request_retries = 3

[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
"""


def write(home: Home, settings: Settings) -> None:
    """Write all of them; only the owner can read them.

    Parameters
    ----------
    home : Home
        Of the lake.
    settings : Settings
        Ports and passwords.
    """
    database = {"password": settings.database_password, "port": settings.database_port}
    write_private(
        server_file(home),
        _SERVER.format(
            log=home.log,
            etc=home.configuration,
            root_password=settings.root_password,
            protocol=settings.protocol,
            **database,
        ),
    )
    write_private(home.configuration / "alembic.ini", _ALEMBIC.format(**database))
    for name, account, password in (
        ("rucio.cfg", USER, settings.user_password),
        ("root.cfg", "root", settings.root_password),
    ):
        text = _CLIENT.format(
            url=settings.server_url,
            account=account,
            password=password,
            ca=home.certificates / "ca.pem",
            client=home.client,
        )
        if write_private(home.client / name, text):
            (home.client / f"token_{account}").unlink(missing_ok=True)


def server_file(home: Home) -> Path:
    """What Rucio's server and daemons read."""
    return home.configuration / "rucio.cfg"


def server_environment(home: Home) -> dict[str, str]:
    """All of the environment in which the lake's own parts run."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *xrootd.folders(home), os.defpath]),
        "HOME": str(home.run),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "RUCIO_CONFIG": str(server_file(home)),
        **_credentials(home),
    }


def client_environment(home: Home, account: str = USER) -> dict[str, str]:
    """What Rucio's own commands need set.

    Parameters
    ----------
    home : Home
        Of the lake.
    account : str
        ``lofar`` or ``root``.

    Returns
    -------
    dict
        Name to value.
    """
    return {
        "RUCIO_CONFIG": str(home.client / ("root.cfg" if account == "root" else "rucio.cfg")),
        **_credentials(home),
        "NO_PROXY": "127.0.0.1,localhost",
        # Rucio's webdav plug-in does not verify servers, and is warned of it at each request.
        "PYTHONWARNINGS": "ignore:Unverified HTTPS request",
    }


def _credentials(home: Home) -> dict[str, str]:
    """By which the storage knows us, as the tools that Rucio calls look for them."""
    if home.settings().protocol == "root":
        return xrootd.client_environment(home)
    return {"X509_USER_PROXY": str(home.certificates / "client.pem")}
