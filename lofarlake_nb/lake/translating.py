"""What Rucio answers, in errors of ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from rucio.common import exception as rucio_errors

from lofarlake_nb.errors import (
    AlreadyThere,
    DIDNotFound,
    LakeError,
    LakeNotRunning,
    LakeRefused,
    LofarlakeError,
    NoSpace,
)
from lofarlake_nb.lake.patience import Unanswered


@contextmanager
def translated(url: str, hint: str) -> Iterator[None]:
    """Raise Rucio's errors as ours; the hint is for a lake that does not answer.

    Examples
    --------
    >>> with translated("https://lake", "start it"):
    ...     raise requests.ConnectionError("refused")
    Traceback (most recent call last):
    lofarlake_nb.errors.LakeNotRunning: no lake answers at https://lake; start it
    """
    try:
        yield
    except LofarlakeError:
        raise
    except (rucio_errors.RucioException, requests.RequestException, json.JSONDecodeError, OSError) as error:
        raise _ours(error, url, hint) from error


def _ours(error: Exception, url: str, hint: str) -> LofarlakeError:
    said = " ".join(str(error).split())[:500]
    match error:
        case rucio_errors.DataIdentifierNotFound():
            return DIDNotFound(said, "see what there is: lofarlake find, or rucio did list")
        case Unanswered():
            return LakeNotRunning(f"the lake at {url}: {said}", hint)
        case rucio_errors.DataIdentifierAlreadyExists() | rucio_errors.DuplicateRule():
            return AlreadyThere(said)
        case rucio_errors.ServerConnectionException() | requests.ConnectionError() | requests.Timeout():
            return LakeNotRunning(f"no lake answers at {url}", hint)
        case rucio_errors.InsufficientAccountLimit() | rucio_errors.RSEOverQuota() | rucio_errors.FullStorage():
            return NoSpace(said, "ask the lake's administrator for a larger quota, or choose another site")
        case rucio_errors.CannotAuthenticate() | rucio_errors.CannotAuthorize():
            return LakeRefused(f"the lake at {url} refuses to log us in: {said}", "check the account in the rucio.cfg")
        case rucio_errors.AccessDenied() | rucio_errors.ScopeAccessDenied() | rucio_errors.RSEAccessDenied():
            return LakeRefused(f"the lake refuses: {said}", "ask the lake's administrator for the right to do this")
        case rucio_errors.RSENotFound() | rucio_errors.InvalidRSEExpression():
            return LakeError(f"no such site: {said}", "see which there are: rucio rse list")
        case rucio_errors.ScopeNotFound():
            return LakeError(f"no such scope: {said}", "use a scope of your account, or ask for one")
        case rucio_errors.UnsupportedOperation():
            return LakeRefused(f"the lake refuses: {said}")
    return LakeError(f"the lake answered {type(error).__name__}: {said}", "try again; else ask the administrator")
