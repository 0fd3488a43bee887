"""Copies on tape, waited for: staging is asked for once, in requests that storages take, and its state is shown."""

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lofarlake_nb.errors import LofarlakeError, TransferFailed
from lofarlake_nb.lake import tape
from lofarlake_nb.lake.asked import Asked
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.lake.replicas import File, Replica
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.lake.tape import QUEUED, State, Tape
from lofarlake_nb.wording import counted

PATIENCE = 24 * 3600.0  # seconds without a file coming from tape
_FIRST, _MOST, _GROWTH = 1.0, 60.0, 1.5  # seconds between two questions, at first and at most
_TIMES = 2  # that staging of one file is asked for in one run: a storage may forget a request
_ON_DISK = 24 * 3600.0  # seconds at least that a staged file shall stay on disk

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copy:
    """One copy of a file that is on tape, or may be.

    Examples
    --------
    >>> Copy(Replica("POZNAN", "AVAILABLE", ()), "https://tape:8443/data/a%20b.tar").path
    '/data/a b.tar'
    """

    replica: Replica
    address: str

    @property
    def path(self) -> str:
        """At the storage."""
        return unquote(urlsplit(self.address).path)


@dataclass
class _Wait:
    """A file that waits for tape."""

    file: File
    target: Path
    copies: deque[Copy]  # the first is the one that is waited for
    service: Tape | None = None
    state: State = QUEUED
    request: str = ""
    times: int = 0

    @property
    def copy(self) -> Copy:
        return self.copies[0]


class Staging:
    """Files whose copies are on tape, until they are on disk.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    told : Progress
        Is told what each site is waited for.
    asked : Asked
        Requests of this run and of earlier ones.
    patience : float
        Seconds without a file coming from tape, after which it is given up. The requests go on.
    pause : float
        Seconds between the first two questions; later ones are up to a minute apart.

    Examples
    --------
    >>> from lofarlake_nb.lake import replicas
    >>> staging = Staging(Storages(lake), Progress("retrieve", 1), Asked(Path("asked")))
    >>> wanted = [(file, Path("image.fits")) for file in replicas.files_of(lake, "lofar:example")]
    >>> staging.ready(wanted) == wanted, staging.waiting  # nothing of it is on tape
    (True, False)
    """

    def __init__(
        self, storages: Storages, told: Progress, asked: Asked, patience: float = PATIENCE, pause: float = _FIRST
    ) -> None:
        self._storages, self._told, self._asked, self._patience = storages, told, asked, patience
        self._services: dict[str, Tape | None] = {}
        self._waits: list[_Wait] = []
        self._reserve: dict[DID, _Wait] = {}
        self._late: deque[_Wait] = deque()  # of several threads
        self._staged: dict[DID, tuple[Tape, str, str]] = {}  # request and path
        self._fetched: deque[DID] = deque()  # of several threads
        self._online: Counter[str] = Counter()
        self._pause, self._next, self._since = pause, 0.0, time.monotonic()
        self.failures: list[str] = []

    @property
    def waiting(self) -> bool:
        """Whether files wait for tape."""
        return bool(self._waits or self._late)

    def ready(self, wanted: Sequence[tuple[File, Path]]) -> list[tuple[File, Path]]:
        """Files that can be read now, each with the copies that are online; staging is asked for of the others.

        A copy at a site with tape is taken only where no other can be, whether it is on disk there or not.
        """
        now: list[tuple[File, Path]] = []
        nearline: list[_Wait] = []
        for file, target in wanted:
            copies = [(replica, self._copy(replica)) for replica in file.replicas]
            on_tape = deque(copy for _, copy in copies if copy is not None)
            others = tuple(replica for replica, copy in copies if copy is None)
            wait = _Wait(file, target, on_tape)
            if on_tape and not any(self._is_readable(replica) for replica in others):
                nearline.append(wait)
                continue
            if on_tape:
                self._reserve[file.did] = wait
            now.append((replace(file, replicas=others), target))
        return now + self._looked_up(nearline)

    def later(self, file: File) -> bool:
        """Whether a file has a copy on tape too, which is brought now that those online are not good."""
        wait = self._reserve.pop(file.did, None)
        if wait is not None:
            self._late.append(wait)
        return wait is not None

    def fetched(self, did: DID) -> None:
        """A file is here, verified."""
        self._fetched.append(did)

    def arrived(self, *, busy: bool = False) -> list[tuple[File, Path]]:
        """Files that came from tape since the last question; asks the storages no more often than is good for them.

        Parameters
        ----------
        busy : bool
            Other files are being moved meanwhile: our patience begins after that.

        Raises
        ------
        TransferFailed
            When none came for longer than our patience.
        """
        late = [self._late.popleft() for _ in range(len(self._late))]
        found = self._looked_up(late) if late else []
        now = time.monotonic()
        if now >= self._next:
            self._next, self._pause = now + self._pause, min(self._pause * _GROWTH, _MOST)
            self._poll()
            found += self._come()
            self._tell()
        if found or busy:
            self._since = now
        elif self._waits and now - self._since > self._patience:
            raise self._too_long()
        return found

    def end(self) -> None:
        """Tell the storages that what was fetched may leave their disks; forget its requests."""
        done: dict[tuple[Tape, str], list[str]] = defaultdict(list)
        for did in self._fetched:
            if did in self._staged:
                service, request, path = self._staged[did]
                done[service, request].append(path)
        for (service, request), paths in done.items():
            try:
                service.release(request, paths)
            except LofarlakeError as error:  # it costs the storage some disk for a while, and nobody a file
                log.info("request %s was not released: %s", request, error.message)
            self._asked.forget(service.endpoint, paths)
        self._asked.close()

    def check(self) -> None:
        """Raise what could not be brought.

        Raises
        ------
        TransferFailed
            It names the first file, and counts the others.
        """
        if self.failures:
            more = f", and {len(self.failures) - 1} more" if self.failures[1:] else ""
            raise TransferFailed(
                f"from tape: {self.failures[0]}{more}", "run it again to ask for them again; else ask the site"
            )

    def _copy(self, replica: Replica) -> Copy | None:
        """A copy at a site with tape, if it can be read by us at all and is not mounted here."""
        settings = self._storages.lake.rse(replica.rse)
        if settings.get("rse_type") != "TAPE" and settings["attributes"].get("QOS") != "TAPE":
            return None
        address = self._storages.best(replica.rse, replica.addresses)
        if replica.state != "AVAILABLE" or address is None or address.startswith("file:"):
            return None
        return Copy(replica, address)

    def _service(self, copy: Copy) -> Tape | None:
        host = urlsplit(copy.address).netloc
        if host not in self._services:
            self._services[host] = Tape.of(self._storages.https, copy.address)
        return self._services[host]

    def _is_readable(self, replica: Replica) -> bool:
        return replica.state == "AVAILABLE" and self._storages.best(replica.rse, replica.addresses) is not None

    def _looked_up(self, waits: Iterable[_Wait]) -> list[tuple[File, Path]]:
        """Those that are on disk already; the others wait."""
        silent: dict[str, State] = {}  # hosts that don't answer: not each of their files waits for that
        for wait in waits:
            host = urlsplit(wait.copy.address).netloc
            if host in silent:
                wait.state = silent[host]
                continue
            try:
                wait.service = self._service(wait.copy)
                wait.state = QUEUED if wait.service else State("online")  # a site that says nothing of tape has none
            except LofarlakeError as error:
                wait.state = silent[host] = State("failed", error.message)
        for service, some in _by_service(waits).items():
            try:
                localities = service.localities([wait.copy.path for wait in some])
            except LofarlakeError as error:  # then staging is asked for: what is on disk already is no error there
                log.info("%s: %s", service.endpoint, error.message)
                continue
            for wait in some:
                wait.state = localities.get(wait.copy.path, QUEUED)
        self._waits += waits
        found = self._come()
        for service, some in _by_service(self._waits).items():
            self._take_up(service, [wait for wait in some if not wait.request])
        self._request()
        self._tell()
        return found

    def _take_up(self, service: Tape, waits: Sequence[_Wait]) -> None:
        """Find the requests of an earlier run; those that ended though the file is on tape are of no more use."""
        known = self._asked.known(service.endpoint)
        earlier = {wait.copy.path: known[wait.copy.path] for wait in waits if wait.copy.path in known}
        for request in sorted(set(earlier.values())):
            try:
                states = service.progress(request)
            except LofarlakeError as error:  # it is asked again later
                log.info("%s: %s", service.endpoint, error.message)
                states = {}
            for wait in waits:
                if earlier.get(wait.copy.path) != request:
                    continue
                state = State("failed") if states is None else tape.state_of(states, wait.copy.path)
                if state.word in ("queued", "staging"):
                    wait.request, wait.state = request, state
                else:
                    self._asked.forget(service.endpoint, [wait.copy.path])

    def _request(self) -> None:
        """Ask for what nobody asked for yet."""
        new = [wait for wait in self._waits if not wait.request and wait.state.word != "failed"]
        for service, some in _by_service(new).items():
            by_path = {wait.copy.path: wait for wait in some}
            for paths in tape.requests({path: wait.file.size for path, wait in by_path.items()}):
                group = [by_path[path] for path in paths]
                rse = group[0].copy.replica.rse
                try:
                    request = service.stage(paths, max(self._patience, _ON_DISK))
                except LofarlakeError as error:
                    self._told.failed(f"{counted(len(paths), 'file')} on tape", error.message, rse)
                    for wait in [] if error.passing else group:  # a service that does not answer is asked again
                        wait.state = State("failed", error.message)
                    continue
                self._asked.note(service.endpoint, request, paths)
                log.info("%s: staging of %d files is asked for, request %s", rse, len(paths), request)
                for wait in group:
                    wait.request, wait.state, wait.times = request, State("queued"), wait.times + 1

    def _poll(self) -> None:
        for service, some in _by_service(self._waits).items():
            for request in {wait.request for wait in some if wait.request}:
                group = [wait for wait in some if wait.request == request]
                try:
                    states = service.progress(request)
                except LofarlakeError as error:  # it may answer the next time
                    self._told.failed(f"request {request}", error.message, group[0].copy.replica.rse)
                    continue
                for wait in group:
                    if states is not None:
                        wait.state = tape.state_of(states, wait.copy.path)
                    elif wait.times < _TIMES:  # the storage has forgotten it
                        wait.request = ""
                    else:
                        wait.state = State("failed", f"the storage forgot request {request}")
        self._request()

    def _come(self) -> list[tuple[File, Path]]:
        """Files that are on disk now; of those that failed another copy is waited for, if there is one."""
        found, left = [], []
        for wait in self._waits:
            copy = wait.copy
            if wait.state.word == "online":
                if wait.service and wait.request:
                    self._staged[wait.file.did] = (wait.service, wait.request, copy.path)
                self._online[copy.replica.rse] += 1
                found.append((replace(wait.file, replicas=(copy.replica,)), wait.target))
            elif wait.state.word != "failed":
                left.append(wait)
            else:
                if wait.service:
                    self._asked.forget(wait.service.endpoint, [copy.path])
                others = deque(list(wait.copies)[1:])
                said = f"{wait.file.did} at {copy.replica.rse}: {wait.state.reason}"
                self._told.failed(str(wait.file.did), wait.state.reason, copy.replica.rse, lost=not others)
                if others:
                    self._late.append(_Wait(wait.file, wait.target, others))
                else:
                    self.failures.append(said)
        self._waits = left
        return found

    def _tell(self) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for wait in self._waits:
            counts[wait.copy.replica.rse][wait.state.word] += 1
        for rse in sorted({*counts, *self._online}):
            words = {**counts[rse], "online": self._online[rse]}
            said = ", ".join(f"{words[word]} {word}" for word in ("queued", "staging", "online") if words.get(word))
            self._told.note(rse, f"from tape: {said}")

    def _too_long(self) -> TransferFailed:
        words = Counter(wait.state.word for wait in self._waits)
        first = self._waits[0]
        return TransferFailed(
            f"no file came from tape for {self._patience:.0f} s; {words['queued']} are queued and {words['staging']} "
            f"are being staged, the first is {first.file.did} at {first.copy.replica.rse}",
            "the requests go on: run it again to go on waiting, with more --patience",
        )


def _by_service(waits: Iterable[_Wait]) -> dict[Tape, list[_Wait]]:
    found: dict[Tape, list[_Wait]] = defaultdict(list)
    for wait in waits:
        if wait.service is not None:
            found[wait.service].append(wait)
    return found
