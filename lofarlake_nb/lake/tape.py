"""Files on tape, by the WLCG Tape REST API, version 1: what dCache, StoRM and EOS/CTA speak.

Field names, states and localities are those of the reference document at github.com/wlcg-storage/wlcg-tape-rest-api.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lofarlake_nb.errors import TransferFailed
from lofarlake_nb.lake.https import Https

MOST_FILES = 999  # of one request
MOST_BYTES = 5 * 10**12  # of one request: fewer than that
_DISCOVERY = "/.well-known/wlcg-tape-rest-api"
_STATES = {
    "SUBMITTED": "queued",
    "STARTED": "staging",
    "COMPLETED": "online",
    "FAILED": "failed",
    "CANCELLED": "failed",
}


@dataclass(frozen=True)
class State:
    """How far one file is.

    Parameters
    ----------
    word : str
        ``queued``, ``staging``, ``online`` or ``failed``.
    reason : str
        Why it failed; else empty.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> told = {"files": [{"path": "/a.tar", "state": "FAILED", "error": "the tape is broken"}]}
    >>> Tape(Mock(**{"json.return_value": told}), "https://tape/api/v1").progress("request-7")
    {'/a.tar': State(word='failed', reason='the tape is broken')}
    """

    word: str
    reason: str = ""


QUEUED = State("queued")


class Tape:
    """One storage's service. Paths are those of its files' addresses, without quoting.

    Parameters
    ----------
    https : Https
        Knows the certificate to show.
    endpoint : str
        Address of the service.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> told = [{"path": "/a.tar", "locality": "TAPE"}, {"path": "/b.tar", "locality": "DISK_AND_TAPE"}]
    >>> service = Tape(Mock(**{"json.return_value": told}), "https://tape/api/v1")
    >>> {path: state.word for path, state in service.localities(["/a.tar", "/b.tar"]).items()}
    {'/a.tar': 'queued', '/b.tar': 'online'}
    """

    def __init__(self, https: Https, endpoint: str) -> None:
        self._https, self.endpoint = https, endpoint.rstrip("/")

    @classmethod
    def of(cls, https: Https, address: str) -> "Tape | None":
        """The service for a file's address; None where there is none, so that every file counts as online.

        Raises
        ------
        LofarlakeError
            When the storage does not answer, or what it answers is no such service.
        """
        host = f"https://{urlsplit(address).netloc}"
        told = https.json("GET", host + _DISCOVERY, missing=True)
        if told is None:
            return None
        for one in _rows(told, "endpoints"):
            if str(one.get("version", "")).startswith("v1") and str(one.get("uri", "")).startswith("https://"):
                return cls(https, one["uri"])
        raise TransferFailed(f"{host}{_DISCOVERY} names no service of version v1", "ask the site's administrator")

    def localities(self, paths: Sequence[str]) -> dict[str, State]:
        """Where files are: ``online``, on tape only (``queued``), or lost (``failed``). Some may be left out."""
        found: dict[str, State] = {}
        for at in range(0, len(paths), MOST_FILES):
            asked = list(paths[at : at + MOST_FILES])
            told = self._https.json("POST", f"{self.endpoint}/archiveinfo", {"paths": asked})
            found |= {_clean(row["path"]): _locality(row) for row in _rows({"files": told}, "files") if "path" in row}
        return {path: found[_clean(path)] for path in paths if _clean(path) in found}

    def stage(self, paths: Sequence[str], seconds: float) -> str:
        """Ask for files to be brought to disk, and kept there for a while; the request's id.

        Parameters
        ----------
        paths : sequence of str
            At most `MOST_FILES`.
        seconds : float
            After which the storage may take them for no longer needed.
        """
        files = [{"path": path, "diskLifetime": f"PT{round(seconds)}S"} for path in paths]
        told = self._https.json("POST", f"{self.endpoint}/stage", {"files": files})
        if not (isinstance(told, dict) and told.get("requestId")):
            raise TransferFailed(
                f"{self.endpoint}/stage answered without a request's id", "ask the site's administrator"
            )
        return str(told["requestId"])

    def progress(self, request: str) -> dict[str, State] | None:
        """How far the files of a request are; None when the storage does not know the request (any more)."""
        told = self._https.json("GET", f"{self.endpoint}/stage/{request}", missing=True)
        if told is None:
            return None
        return {_clean(row["path"]): _state(row) for row in _rows(told, "files") if "path" in row}

    def release(self, request: str, paths: Sequence[str]) -> None:
        """Say that files of a request are no longer needed on disk."""
        self._https.json("POST", f"{self.endpoint}/release/{request}", {"paths": list(paths)})


def requests(files: Mapping[str, int]) -> Iterator[list[str]]:
    """Paths, given with their sizes in bytes, in groups that one request takes.

    Examples
    --------
    >>> list(requests({"/a.tar": 3 * 10**12, "/b.tar": 2 * 10**12, "/c.tar": 1}))
    [['/a.tar'], ['/b.tar', '/c.tar']]
    """
    group: list[str] = []
    total = 0
    for path, size in files.items():
        if group and (len(group) == MOST_FILES or total + size >= MOST_BYTES):
            yield group
            group, total = [], 0
        group.append(path)
        total += size
    if group:
        yield group


def state_of(states: Mapping[str, State], path: str) -> State:
    """Of one file; one that the storage does not name is queued.

    Examples
    --------
    >>> states = {"/data/a.tar": State("online")}
    >>> state_of(states, "/data//a.tar").word, state_of(states, "/data/b.tar").word
    ('online', 'queued')
    """
    return states.get(_clean(path), QUEUED)


def _rows(told: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects in a list of an answer; what is something else is left out."""
    rows = told.get(name) if isinstance(told, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _clean(path: Any) -> str:
    """As servers may write it: without double slashes."""
    return os.path.normpath("/" + str(path).lstrip("/"))


def _locality(row: Mapping[str, Any]) -> State:
    where = row.get("locality", "")
    if where in ("DISK", "DISK_AND_TAPE", "NONE"):  # NONE: an empty file, which no tape takes
        return State("online")
    if where in ("TAPE", "UNAVAILABLE"):  # UNAVAILABLE passes: a pool that is being restarted
        return State("queued")
    return State("failed", str(row.get("error") or f"its locality is {where or 'not known'}"))


def _state(row: Mapping[str, Any]) -> State:
    """Storages tell either a state or whether the file is on disk."""
    if "state" in row:
        word = _STATES.get(str(row["state"]), "queued")
        reason = str(row.get("error") or f"its staging is {row['state']}")
        return State(word, reason if word == "failed" else "")
    if row.get("onDisk"):
        return State("online")
    return State("failed", str(row["error"])) if row.get("error") else State("queued")
