"""Patience with servers: what may pass is tried again, later and later, for a stated time and no longer."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

PASSING = (429, 500, 502, 503, 504)  # answers that may be another one a little later
_INTERNAL_ERRORS = 5  # a server that breaks on a request so often breaks on it for ever

log = logging.getLogger(__name__)


class Unanswered(requests.RequestException):
    """A server that gave no usable answer in the time that we had.

    Examples
    --------
    >>> session = PatientSession(Patience(0.1, first=0.01))
    >>> session.trust_env = False
    >>> session.get("http://127.0.0.1:9/")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.lake.patience.Unanswered: no answer after ... tries in 0.1 s
    """


@dataclass(frozen=True)
class Patience:
    """How long a server may fail before we do.

    Parameters
    ----------
    seconds : float
        From the first failure of a request to giving it up; 0: fail at once.
    first, most : float
        Bounds of the pause before the second try and before any try, s. Each pause is random between 0 and its bound
        (full jitter), so that many clients do not come back at the same moment.

    Examples
    --------
    >>> waited = []
    >>> tries = Patience(60.0, first=0.5).tries(pause=waited.append)
    >>> tries.again(asked=2.0), 2.0 <= waited[0] <= 2.5
    (True, True)
    """

    seconds: float = 0.0
    first: float = 0.5
    most: float = 30.0

    def tries(self, pause: Callable[[float], object] = time.sleep) -> "Tries":
        """Begin a request.

        Parameters
        ----------
        pause : callable
            Waits so many seconds.
        """
        return Tries(self, pause)


class Tries:
    """The tries at one request; patience begins with the first that fails.

    Examples
    --------
    >>> tries = Patience(10.0).tries(pause=lambda seconds: None)
    >>> tries.again(asked=60.0), tries.again(asked=1.0), tries.count
    (False, True, 2)
    """

    def __init__(self, patience: Patience, pause: Callable[[float], object]) -> None:
        self._patience, self._pause = patience, pause
        self._end: float | None = None  # from the first failure: sending a file may take longer than patience lasts
        self.count = 1

    def again(self, asked: float = 0.0) -> bool:
        """Wait, when there is time for one more try.

        Parameters
        ----------
        asked : float
            Seconds that the server asks for at least (Retry-After).

        Returns
        -------
        bool
            Whether to try again.
        """
        bound = min(self._patience.most, self._patience.first * 2.0 ** (self.count - 1))
        wait = asked + random.uniform(0, bound)
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._patience.seconds
        if now + wait > self._end:
            return False
        self.count += 1
        self._pause(wait)
        return True


class PatientSession(requests.Session):
    """A session whose requests are tried again; for requests without a stream as their body.

    Without patience it is a plain session.

    Parameters
    ----------
    patience : Patience, optional
        With each request.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> session = PatientSession(Patience(60.0, first=0.01))
    >>> session.once = Mock(side_effect=[requests.ConnectionError("it restarts"), requests.Response()])
    >>> answer = session.get("https://lake/ping")
    >>> session.once.call_count
    2
    """

    def __init__(self, patience: Patience | None = None) -> None:
        super().__init__()
        self.patience = patience or Patience()

    def once(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        """One try."""
        return super().request(method, url, *args, **options)

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """As requests does it.

        Raises
        ------
        Unanswered
            When patience is at its end: no answer, or only answers that say that the server can't.
        """
        if not self.patience.seconds:
            return self.once(method, url, *args, **options)
        tries = self.patience.tries()
        while True:
            asked = 0.0
            try:
                response = self.once(method, url, *args, **options)
            except (requests.ConnectionError, requests.Timeout) as error:
                cause, said = error, "no answer"
            else:
                if response.status_code not in PASSING:
                    return response
                if response.status_code == 500 and tries.count >= _INTERNAL_ERRORS and not _lacks_database(response):
                    return response
                asked, cause = retry_after(response), None
                said = f"{response.status_code} {response.reason}"
                response.close()
            log.info("%s %s: %s, try %d", method, url.partition("?")[0], said, tries.count)
            if not tries.again(asked):
                spent = f"after {tries.count} tries in {self.patience.seconds:g} s"
                raise Unanswered(f"{said} {spent}") from cause


def _lacks_database(response: requests.Response) -> bool:
    """Whether Rucio's server says that its database did not answer it: that takes as long as the database does."""
    return response.headers.get("ExceptionClass") == "DatabaseException"


def retry_after(response: requests.Response) -> float:
    """Seconds that a server asks to wait, 0 when it does not say; both forms of the header (RFC 9110, 10.2.3).

    Examples
    --------
    >>> answer = requests.Response()
    >>> answer.headers["Retry-After"] = "120"
    >>> retry_after(answer), retry_after(requests.Response())
    (120.0, 0.0)
    """
    told = response.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
