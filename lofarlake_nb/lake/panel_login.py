"""How the Rucio JupyterLab extension logs in to a lake: as its rucio.cfg says, in the extension's own words.

Without Rucio, which stops where its own configuration is not to be found.
"""

import getpass
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lofarlake_nb.errors import LakeRefused

TYPES = ("userpass", "x509", "x509_proxy", "oidc")  # that the extension knows


@dataclass(frozen=True)
class Login:
    """A way to log in, as the extension takes it.

    Parameters
    ----------
    type : str
        One of `TYPES`.
    parameters : dict of str
        User name and password, or paths; and the account.

    Examples
    --------
    >>> Login("userpass", {"password": "nobody is shown this"})
    Login(type='userpass')
    """

    type: str
    parameters: dict[str, str] = field(repr=False)


def login_of(settings: Mapping[str, str], source: Path, environment: Mapping[str, str] = os.environ) -> Login:
    """The login that a configuration tells; where it leaves a proxy open, it is looked for where Rucio's client does.

    Parameters
    ----------
    settings : mapping
        Section ``client`` of the configuration, see `configured.settings_in`.
    source : Path
        Where it is, for messages.
    environment : mapping
        Of the process.

    Returns
    -------
    Login
        Its certificates and tokens are there; whether the lake takes them is not asked.

    Raises
    ------
    LakeRefused
        When the extension has no such way to log in, or what it takes is not there.

    Examples
    --------
    >>> Path("key.pem").touch()
    >>> settings = {"auth_type": "x509", "client_cert": "key.pem", "client_key": "key.pem", "account": "me"}
    >>> login_of(settings, Path("rucio.cfg")).parameters
    {'certificate': 'key.pem', 'key': 'key.pem', 'account': 'me'}
    """
    account = {"account": settings["account"]} if "account" in settings else {}
    match kind := settings.get("auth_type", "userpass"):
        case "userpass":
            if missing := [name for name in ("username", "password") if name not in settings]:
                raise _refusal(source, kind, f"has no {missing[0]}")
            return Login(kind, {name: settings[name] for name in ("username", "password")} | account)
        case "x509":
            certificate = environment.get("RUCIO_CLIENT_CERT", settings.get("client_cert", ""))
            key = environment.get("RUCIO_CLIENT_KEY", settings.get("client_key", certificate))
            told = {"certificate": certificate, "key": key}
        case "x509_proxy":
            told = {"proxy": _proxy(settings, environment)}
        case "oidc":
            told = {"token": token_file(settings)}
        case _:
            raise _refusal(source, kind, f"logs in by {kind}")
    for name, path in told.items():
        if not os.path.isfile(path):
            raise _refusal(source, kind, f"names no {name} that is there ({path or 'none'})")
    return Login(kind, account if kind == "oidc" else told | account)


def instance_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """What the extension wants to know of a login among its instance's settings: the file with the token of OIDC.

    Examples
    --------
    >>> instance_settings({"auth_type": "oidc", "auth_token_file_path": "/run/token"})
    {'oidc_auth': 'file', 'oidc_file_name': '/run/token'}
    """
    if settings.get("auth_type") != "oidc":
        return {}
    return {"oidc_auth": "file", "oidc_file_name": token_file(settings)}


def token_file(settings: Mapping[str, str]) -> str:
    """Where Rucio's client keeps the token of an account.

    Examples
    --------
    >>> Path(token_file({"account": "me"})).name
    'auth_token_for_account_me'
    """
    if told := settings.get("auth_token_file_path"):
        return told
    whose = f"account_{settings['account']}" if "account" in settings else "default_account"
    organisation = f"@{settings['vo']}" if settings.get("vo", "def") != "def" else ""
    user = getpass.getuser()
    folder = os.path.join(os.path.abspath(tempfile.gettempdir()), user, f".rucio_{user}{organisation}")
    return os.path.join(folder, f"auth_token_for_{whose}")


def _proxy(settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
    for path in (
        environment.get("RUCIO_CLIENT_PROXY"),
        settings.get("client_x509_proxy"),
        environment.get("X509_USER_PROXY"),
    ):
        if path:
            return path
    return f"/tmp/x509up_u{os.geteuid()}"  # where the grid's own tools put it


def _refusal(source: Path, kind: str, why: str) -> LakeRefused:
    hint = "log in with Rucio's own command first: rucio whoami" if kind in TYPES else f"it knows {', '.join(TYPES)}"
    return LakeRefused(f"the Rucio extension can't log in by {kind}: {source} {why}", hint)
