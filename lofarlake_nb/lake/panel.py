"""What stands behind the Rucio panel: the extension, in a JupyterLab that runs for the lake, else in this process.

Where the extension can't log in as the lake's client does, that client answers the same.
"""

import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import requests

from lofarlake_nb.errors import DIDNotFound, LakeError, LakeNotRunning, LakeRefused, UsageError
from lofarlake_nb.lake import client, extension
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.panel_login import Login

# The extension gives no more rows of a search than this.
ROW_LIMIT = 1000
_SECONDS = 60
_ANEW = "open JupyterLab anew with lofarlake lab"

Answer = TypeVar("Answer")


class Panel(Protocol):
    """The extension's answers, as it gives them.

    Examples
    --------
    >>> panel: Panel = of(Path(home))
    >>> [found["did"] for found in panel.search("lofar", "exampl*", "dataset", "")]
    ['lofar:example']
    """

    def scopes(self) -> list[str]:
        """Scopes of the lake."""

    def search(self, scope: str, name: str, kind: str, filters: str) -> list[dict[str, Any]]:
        """For each data identifier found: did, type, size."""

    def details(self, scope: str, name: str) -> list[dict[str, Any]]:
        """For each file of a dataset: did, size, status, path."""

    def rules(self, scope: str, name: str) -> list[dict[str, Any]]:
        """Replication rules of a data identifier."""


def of(lake: Path) -> Panel:
    """Who answers for a lake: the JupyterLab that runs for it, if there is one.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.

    Returns
    -------
    Panel
        Not asked yet whether the lake itself runs. Where the extension can't log in, the lake's own client.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started there.

    Examples
    --------
    >>> panel = of(Path(home))
    """
    instance = extension.instance(lake)
    try:
        here = InProcess(lake, instance, extension.login(lake))
    except LakeRefused as refused:
        return ByClient(lake, refused.message)
    runtime = extension.state(lake) / "runtime"
    if not runtime.is_dir():
        return here
    # Where a server notes itself; Jupyter's own function that reads it takes more than a second to import.
    for path in runtime.glob("jpserver-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):  # half-written, or gone meanwhile
            server = json.loads(path.read_text())
            running = InJupyterLab(server["url"], server["token"], here)
            if running.knows_lake():
                return running
    return here


@dataclass(frozen=True)
class InProcess:
    """The extension's classes, in this process; nothing is kept on disk.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake, or a ``rucio.cfg``.
    instance : dict
        See `extension`.
    login : Login
        How it logs in.

    Examples
    --------
    >>> InProcess(Path("lake"), {"name": "lake-1"}, Login("userpass", {"password": "nobody is shown this"}))
    InProcess('lake')
    """

    lake: Path
    instance: dict[str, Any]
    login: Login

    def __str__(self) -> str:
        return "the Rucio extension, in this process"

    def __repr__(self) -> str:
        return f"InProcess({str(self.lake)!r})"  # never the password

    def scopes(self) -> list[str]:
        """See `Panel`."""
        return self._call(lambda api: api.get_scopes())

    def search(self, scope: str, name: str, kind: str, filters: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        from rucio_jupyterlab.handlers.did_search import DIDSearchHandlerImpl

        namespace = self.instance["name"]

        def found(api: Any) -> list[dict[str, Any]]:
            try:
                return DIDSearchHandlerImpl(namespace, api).search_did(scope, name, kind, filters or None, ROW_LIMIT)
            except ValueError:  # how it says that there is none
                return []

        return self._call(found)

    def details(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        from rucio_jupyterlab.mode_handlers.download import DownloadModeHandler
        from rucio_jupyterlab.mode_handlers.replica import ReplicaModeHandler

        handler = ReplicaModeHandler if self.instance["mode"] == "replica" else DownloadModeHandler
        return self._call(lambda api: handler(self.instance["name"], api).get_did_details(scope, name, True))

    def rules(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        return self._call(lambda api: api.get_rules(scope, name))

    def _call(self, ask: Callable[[Any], Answer]) -> Answer:
        extension.keep_in(None)
        logging.getLogger("rucio_jupyterlab").setLevel(logging.CRITICAL)  # what it warns of, it raises too
        from rucio_jupyterlab.rucio.exceptions import RucioAPIException
        from rucio_jupyterlab.rucio.rucio import RucioAPI

        api = RucioAPI(self.instance, self.login.type, self.login.parameters)
        try:
            return ask(api)
        except RucioAPIException as error:
            if error.status_code != 401:
                raise _refusal(self.lake, error.status_code, error.exception_class, error.message) from error
        RucioAPI.clear_auth_token_cache()  # a token of before the lake was reset
        try:
            return ask(api)
        except RucioAPIException as error:
            raise _refusal(self.lake, error.status_code, error.exception_class, error.message) from error


@dataclass(frozen=True)
class ByClient:
    """The lake's own client, where the extension can't log in.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake, or a ``rucio.cfg``.
    why : str
        The extension does not answer.

    Examples
    --------
    >>> panel = ByClient(Path(home), "the Rucio extension can't log in by ssh")
    >>> [found["did"] for found in panel.search("lofar", "exampl*", "dataset", "")]
    ['lofar:example']
    >>> [(file["did"], file["size"]) for file in panel.details("lofar", "example")]
    [('lofar:example.image.fits', 69120)]
    """

    lake: Path
    why: str

    def __str__(self) -> str:
        return f"the lake's own client ({self.why})"

    def scopes(self) -> list[str]:
        """See `Panel`."""
        return client.connect(self.lake).call("list_scopes")

    def search(self, scope: str, name: str, kind: str, filters: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        from rucio.common.utils import parse_did_filter_from_string_fe

        try:
            asked, kind = parse_did_filter_from_string_fe(filters, name=name, type=kind)
        except ValueError as error:
            raise UsageError(f"filters: {filters!r} are none ({error})", "write them as length>3,run=7") from error
        rows = client.connect(self.lake).stream("list_dids", scope, filters=asked, did_type=kind, long=True)
        return [
            {"did": f"{scope}:{row['name']}", "type": str(row["did_type"]).lower(), "size": row["bytes"]}
            for row in itertools.islice(rows, ROW_LIMIT)
        ]

    def details(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`; where nothing is mounted, no file is here."""
        files = client.connect(self.lake).call("list_files", scope, name)
        here = {"status": "NOT_AVAILABLE", "path": None}
        return [{"did": str(DID(f["scope"], f["name"])), "size": f["bytes"], **here} for f in files]

    def rules(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        return client.connect(self.lake).call("list_did_rules", scope, name)


@dataclass(frozen=True)
class InJupyterLab:
    """The extension of a running Jupyter server, by its REST API.

    Parameters
    ----------
    url : str
        Of the server, with a slash at its end.
    token : str
        Of the server.
    here : InProcess
        Answers what the REST API has no endpoint for.

    Examples
    --------
    >>> InJupyterLab("http://127.0.0.1:8888/", "nobody is shown this", of(Path(home)))
    InJupyterLab('http://127.0.0.1:8888/')
    """

    url: str
    token: str
    here: InProcess

    def __str__(self) -> str:
        return f"the Rucio extension of the JupyterLab at {self.url}"

    def __repr__(self) -> str:
        return f"InJupyterLab({self.url!r})"  # never the token

    def knows_lake(self) -> bool:
        """Whether the server answers, and shows this lake."""
        with contextlib.suppress(requests.RequestException, LakeError, ValueError, KeyError):
            return any(i["name"] == self.here.instance["name"] for i in self._get("instances")["instances"])
        return False

    def scopes(self) -> list[str]:
        """See `Panel`."""
        return self._get("list-scopes")["scopes"]

    def search(self, scope: str, name: str, kind: str, filters: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        parameters = {"did": f"{scope}:{name}", "type": kind} | ({"filters": filters} if filters else {})
        return self._get("did-search", **parameters) or []

    def details(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`."""
        return self._get("did", did=f"{scope}:{name}", force="1")

    def rules(self, scope: str, name: str) -> list[dict[str, Any]]:
        """See `Panel`; the REST API has no endpoint for rules."""
        return self.here.rules(scope, name)

    def _get(self, endpoint: str, **parameters: str) -> Any:
        with requests.Session() as session, self._understood():
            session.trust_env = False  # it runs on this machine, to which no proxy is the way
            response = session.get(
                f"{self.url}rucio-jupyterlab/{endpoint}",
                params={"namespace": self.here.instance["name"], **parameters},
                headers={"Authorization": f"token {self.token}"},
                timeout=_SECONDS,
            )
            is_json = "json" in response.headers.get("Content-Type", "")
            answer = response.json() if response.ok or is_json else {}
        if response.ok:
            return answer
        if response.status_code == 404 and endpoint == "did-search":
            return None  # how it says that there is none
        kind, message = answer.get("exception_class") or "", answer.get("error") or response.reason
        raise _refusal(self.here.lake, response.status_code, kind, message)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Raise what is wrong on the way there as ours."""
        try:
            yield
        except ValueError as error:  # requests' JSONDecodeError is both
            raise LakeError(f"{self} answered what is no JSON", "see what runs there, or restart JupyterLab") from error
        except requests.RequestException as error:
            raise LakeNotRunning(f"{self} does not answer", "restart JupyterLab: lofarlake lab") from error


def _refusal(lake: Path, status: int | None, kind: str | None, message: str) -> LakeError:
    """Our error for one of Rucio's."""
    text = " ".join(str(message).split())
    if status == 503 or "transport layer" in text:  # so it says that nobody answered
        hint = f"see whether the address in {lake} is right, and the lake is up"
        hint = hint if lake.is_file() else f"start it: lofarlake lake start --home {lake}"
        return LakeNotRunning(f"the lake {lake} does not answer", hint)
    if status in (401, 403) or (status is None and "401 Unauthorized" in text):  # the latter when it logs in
        hint = f"see whether the login in {lake} is still good" if lake.is_file() else _ANEW
        return LakeRefused(f"the lake {lake} refuses: {text}", hint)
    if kind in ("DataIdentifierNotFound", "ScopeNotFound"):
        return DIDNotFound(text, 'search("lofar:*") lists what is there')
    return LakeError(f"the lake {lake} answered {status} {kind or ''}: {text}", "lofarlake lake status says what is up")
