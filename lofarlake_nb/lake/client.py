"""Connection to a lake: an embedded one by its folder, or any production Rucio by its rucio.cfg."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

import requests
from rucio.client.client import Client
from rucio.common import config as rucio_config

from lofarlake_nb.errors import DIDNotFound, LakeNotRunning
from lofarlake_nb.lake.configured import CONFIGURING, DEFAULT_HOME, chosen, settings_in
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.patience import Patience, PatientSession
from lofarlake_nb.lake.translating import translated

BULK = 1000  # entries that Rucio takes in one call
log = logging.getLogger(__name__)

T = TypeVar("T")


class QuietLogger(logging.LoggerAdapter):
    """Rucio's client logs as an error what it raises anyway, and passwords with the headers that it sends.

    Examples
    --------
    >>> logger, records = logging.Logger("rucio"), []
    >>> logger.handle = records.append
    >>> QuietLogger(logger).error("no such file"), QuietLogger(logger).error("HTTP header: a password")
    (None, None)
    >>> [(record.levelname, record.getMessage()) for record in records]
    [('DEBUG', 'no such file')]
    """

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log as a detail, and headers not at all."""
        if not str(msg).startswith("HTTP header"):
            super().log(logging.DEBUG, msg, *args, **kwargs)


class CountingClient(Client):
    """Rucio's client, which counts its requests, and is as patient as it is told to be.

    Examples
    --------
    >>> rucio = connect(home).rucio
    >>> before = rucio.requests_sent
    >>> rucio.whoami()["account"], rucio.requests_sent - before
    ('lofar', 1)
    """

    session: requests.Session
    requests_sent = 0
    patience = Patience()

    def _send_request(self, url: str, *args: Any, **kwargs: Any) -> Any:
        self.requests_sent += 1
        if not isinstance(self.session, PatientSession):  # Rucio takes a new one with a new token
            self.session = PatientSession()
        self.session.patience = self.patience
        self.session.trust_env = _is_elsewhere(url)
        return super()._send_request(url, *args, **kwargs)


class Lake:
    """A lake that answers.

    Parameters
    ----------
    client : CountingClient
        Rucio's client, logged in.
    configuration : Path
        The rucio.cfg.
    settings : dict
        Its section ``client``.
    home : Path or None
        Folder of an embedded lake; None for another.

    Examples
    --------
    >>> lake.get(DID("lofar", "example"))["type"], lake.find(DID("lofar", "nothing"))
    ('DATASET', None)
    """

    def __init__(
        self, client: CountingClient, configuration: Path, settings: dict[str, str], home: Path | None = None
    ) -> None:
        self.rucio = client
        self.settings = settings
        self.configuration = configuration
        self.home = home
        self._rses: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        """Address of Rucio's server."""
        return self.rucio.host

    @property
    def account(self) -> str:
        """The account that the lake knows us by."""
        return self.rucio.account

    @property
    def calls(self) -> int:
        """Requests sent to the catalogue so far."""
        return self.rucio.requests_sent

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of Rucio's client; what it lists comes as a list, its errors as ours.

        Parameters
        ----------
        method : str
            Of `rucio.client.client.Client`.
        *args, **kwargs
            As the method takes them.

        Raises
        ------
        LofarlakeError
            The one of the tree that says what Rucio answered, from Rucio's own.
        """
        with translated(self.url, _start_hint(self.configuration, self.home)):
            result = getattr(self.rucio, method)(*args, **kwargs)
            return list(result) if isinstance(result, Iterator) else result

    def stream(self, method: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """As `call`, one row after the other: for what may list more than fits into memory well."""
        with translated(self.url, _start_hint(self.configuration, self.home)):
            yield from getattr(self.rucio, method)(*args, **kwargs)

    @contextmanager
    def patient(self, patience: Patience) -> Iterator[None]:
        """While it lasts, calls that fail because of the server or the way to it are tried again."""
        before = self.rucio.patience, self.rucio.timeout
        self.rucio.patience = patience
        if patience.seconds:  # a third for each try: one lost answer is not yet the end
            self.rucio.timeout = max(patience.seconds / 3, 0.5)
        try:
            yield
        finally:
            self.rucio.patience, self.rucio.timeout = before

    def configured(self) -> AbstractContextManager[None]:
        """While it lasts, those parts of Rucio that read a configuration read this lake's."""
        return _configured(self.configuration)

    def find(self, did: DID) -> dict[str, Any] | None:
        """What the catalogue says of a file, dataset or container (type, open, bytes, length); None when unknown."""
        try:
            return self.call("get_did", did.scope, did.name)
        except DIDNotFound:
            return None

    def get(self, did: DID) -> dict[str, Any]:
        """As `find`, for what must be there.

        Raises
        ------
        DIDNotFound
            When the catalogue has no such DID.
        """
        found = self.find(did)
        if found is None:
            raise DIDNotFound(f"{did} is not in the lake at {self.url}", "ingest it first (notebooks/1_ingest.ipynb)")
        return found

    def rse(self, name: str) -> dict[str, Any]:
        """Settings of a site's storage, its protocols among them; asked once.

        Raises
        ------
        LakeError
            When the lake has no such site.
        """
        if name not in self._rses:
            self._rses[name] = {**self.call("get_rse", name), "attributes": self.call("list_rse_attributes", name)}
        return self._rses[name]

    def is_in_place(self, rse: str) -> bool:
        """Whether the files of a site are under paths of their own: they are somebody's, and not for us to change."""
        return not self.rse(rse)["deterministic"]

    def deletes_at(self, rse: str) -> bool:
        """Whether the lake deletes what no rule holds at a site."""
        return bool(self.rse(rse).get("availability_delete", True))


def connect(lake: str | Path = "", *, administrator: bool = False) -> Lake:
    """Log in to a lake.

    Parameters
    ----------
    lake : str or Path
        Home of an embedded lake, or a rucio.cfg; empty for that of ``RUCIO_CONFIG``, else the embedded lake in its
        default home.
    administrator : bool
        Log in to an embedded lake as its administrator; of another lake, give the administrator's rucio.cfg.

    Returns
    -------
    Lake
        It answered a moment ago.

    Raises
    ------
    LakeNotRunning
        When no lake is there, or it does not answer.
    LakeRefused
        When it does not know the account or the password.

    Examples
    --------
    >>> connect(home).account
    'lofar'
    """
    place = chosen(lake)
    home = None if place.is_file() else place
    account = "root.cfg" if administrator else "rucio.cfg"
    configuration = Path(os.path.abspath(place if home is None else place / "client" / account))
    hint = _start_hint(configuration, home)
    if not configuration.is_file():
        raise LakeNotRunning(f"there is no lake in {place}", hint)
    settings = settings_in(configuration)
    host = settings.get("rucio_host", "")
    try:
        with requests.Session() as session:
            session.trust_env = _is_elsewhere(host)
            session.get(f"{host}/ping", timeout=10, verify=settings.get("ca_cert") or True).raise_for_status()
    except (requests.RequestException, OSError) as error:  # OSError: a ca_cert that is not there
        raise LakeNotRunning(f"no lake answers at {host or 'the address in ' + str(configuration)}", hint) from error
    with translated(host, hint), _configured(configuration):
        client = CountingClient(
            account=settings.get("account"), auth_type=settings.get("auth_type"), logger=QuietLogger(log)
        )
    client.script_id = "lofarlake"
    return Lake(client, configuration, settings, home)


def _start_hint(configuration: Path, home: Path | None) -> str:
    if home is None:
        return f"see whether the address in {configuration} is right, and the lake is up"
    return "start it: lofarlake lake start" + ("" if home == DEFAULT_HOME.expanduser() else f" --home {home}")


def _is_elsewhere(url: str) -> bool:
    """Whether an address is another machine's: a proxy from the environment is never the way to this one."""
    return urlparse(url).hostname not in ("127.0.0.1", "localhost")


@contextmanager
def _configured(configuration: Path) -> Iterator[None]:
    """Let Rucio read this configuration, and leave the process as it was: two lakes in one process are two lakes."""
    with CONFIGURING:  # Rucio reads its configuration from one place per process
        before, arguments = os.environ.get("RUCIO_CONFIG"), sys.argv
        os.environ["RUCIO_CONFIG"] = str(configuration)
        sys.argv = ["lofarlake"]  # Rucio shortens it in place, and sends it in a header that takes ASCII only
        rucio_config.clean_cached_config()
        try:
            yield
        finally:
            sys.argv = arguments
            rucio_config.clean_cached_config()
            del os.environ["RUCIO_CONFIG"]
            if before is not None:
                os.environ["RUCIO_CONFIG"] = before


def batches(entries: Sequence[T], size: int = BULK) -> Iterator[Sequence[T]]:
    """Entries in groups that Rucio takes in one call.

    Examples
    --------
    >>> list(batches("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for at in range(0, len(entries), size):
        yield entries[at : at + size]
