"""What was asked of tape: a run that is stopped finds its requests again, and does not ask twice."""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS asked (
    endpoint TEXT, path TEXT, request TEXT,
    PRIMARY KEY (endpoint, path)
) WITHOUT ROWID
"""

log = logging.getLogger(__name__)


class Asked:
    """Requests to stage files, by storage and path.

    Parameters
    ----------
    folder : Path
        Where they are kept; it is made. Where it can't be written they are known to this run only.

    Examples
    --------
    >>> asked = Asked(Path("asked"))
    >>> asked.note("https://tape", "request-7", ["/data/a.tar"])
    >>> asked.known("https://tape"), asked.close()
    ({'/data/a.tar': 'request-7'}, None)
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "staging.sqlite"
        self._opened: sqlite3.Connection | None = None

    @property
    def _file(self) -> sqlite3.Connection:
        """Opened when it is needed: most datasets are not on tape."""
        if self._opened is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._opened = sqlite3.connect(self.path, timeout=60, isolation_level=None)
                self._opened.execute(_TABLE)
            except (OSError, sqlite3.Error) as error:
                log.warning("%s: %s; this run goes without", self.path, error)
                self.close()
                self._opened = sqlite3.connect(":memory:", isolation_level=None)
                self._opened.execute(_TABLE)
        return self._opened

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            with suppress(sqlite3.Error):
                self._opened.close()

    def known(self, endpoint: str) -> dict[str, str]:
        """Paths that were asked for, and by which request."""
        try:
            return dict(self._file.execute("SELECT path, request FROM asked WHERE endpoint = ?", [endpoint]).fetchall())
        except sqlite3.Error as error:  # what is on tape is asked for again, which costs the storage a look
            log.warning("%s: %s", self.path, error)
            return {}

    def note(self, endpoint: str, request: str, paths: Iterable[str]) -> None:
        """Note a request."""
        rows = [(endpoint, path, request) for path in paths]
        self._write("INSERT OR REPLACE INTO asked VALUES (?, ?, ?)", rows)

    def forget(self, endpoint: str, paths: Iterable[str]) -> None:
        """Forget paths: they are here, or must be asked for anew."""
        self._write("DELETE FROM asked WHERE endpoint = ? AND path = ?", [(endpoint, path) for path in paths])

    def _write(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany(statement, rows)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:  # a full disk: a later run asks again, which costs the storage a look
            log.warning("%s: %s", self.path, error)
            with suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
