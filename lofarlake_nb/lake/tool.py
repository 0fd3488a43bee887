"""A program at work on a pipe: bytes to it and from it, its silence, its end."""

import contextlib
import fcntl
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from lofarlake_nb.errors import TransferFailed
from lofarlake_nb.observation.archive import Block
from lofarlake_nb.observation.disk import CHUNK

_PIPE = 1 << 20  # bytes, the most that the system gives an ordinary user
_GRACE = 10.0  # seconds more for an answer: that the tool's own patience ends first, and it says why


@dataclass(frozen=True)
class Ended:
    """How a tool ended.

    Parameters
    ----------
    status : int
        0 is good.
    error : str
        What it said of that, on one line.

    Examples
    --------
    >>> with at_work(["sh", "-c", "echo no file >&2; exit 3"], environment={}, silence=5.0) as tool:
    ...     tool.end("a")
    Ended(status=3, error='no file')
    """

    status: int
    error: str


class Tool:
    """A tool at work, from `at_work`.

    Parameters
    ----------
    process : Popen
    errors : file
        That it writes its errors to.
    silence : float
        Seconds without a sign of life after which it has failed.

    Examples
    --------
    >>> with at_work(["cat"], environment={}, silence=5.0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
    ...     tool.push(b"3C196"), tool.close(), tool.output("a"), tool.end("a").status
    (True, None, '3C196', 0)
    """

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], silence: float) -> None:
        self.process = process
        self._errors = errors
        self._silence = silence
        self._name = os.path.basename(str(process.args[0]))  # type: ignore[index]

    def push(self, block: Block) -> bool:
        """Hand it a block; False when it takes no more."""
        assert self.process.stdin is not None
        left = memoryview(block)
        while left:
            if not select.select([], [self.process.stdin], [], self._silence)[1]:
                raise self._silent(f"{self._name} took nothing")
            try:
                left = left[os.write(self.process.stdin.fileno(), left) :]
            except BrokenPipeError:
                return False
        return True

    def close(self) -> None:
        """Tell it that all is handed over."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def pull(self, about: str) -> bytes:
        """Some of what it gives; nothing at the end. Errors are about an address."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], self._silence)[0]:
            raise self._silent(f"{about}: {self._name} gave nothing")
        return os.read(self.process.stdout.fileno(), CHUNK)

    def output(self, about: str) -> str:
        """All that it prints, which is little."""
        assert self.process.stdout is not None
        end, told = time.monotonic() + self._silence + _GRACE, b""
        while True:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise self._silent(f"{about}: {self._name} gave no answer")
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                return told.decode(errors="replace")
            told += piece

    def end(self, about: str) -> Ended:
        """Wait for its end."""
        try:
            status = self.process.wait(self._silence)
        except subprocess.TimeoutExpired:
            raise self._silent(f"{about}: {self._name} does not end") from None
        self._errors.seek(0)
        return Ended(status, " ".join(self._errors.read(4000).decode(errors="replace").split()))

    def _silent(self, what: str) -> TransferFailed:
        failed = TransferFailed(f"{what} for {self._silence:.0f} s", "see whether the storage is up")
        failed.passing = True
        return failed


@contextlib.contextmanager
def at_work(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    silence: float,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[Tool]:
    """Start a tool; it is gone at the end, whatever happens.

    Parameters
    ----------
    words : sequence of str
        The program, and what it is told.
    environment : mapping
        All that it has set.
    silence : float
        Seconds without a sign of life after which it has failed.
    stdin, stdout : int
        As `subprocess.Popen` takes them.

    Yields
    ------
    Tool

    Examples
    --------
    >>> with at_work(["sleep", "60"], environment={}, silence=0.1) as tool:
    ...     tool.end("a")
    Traceback (most recent call last):
    lofarlake_nb.errors.TransferFailed: a: sleep does not end for 0 s; see whether the storage is up
    """
    settings: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "env": environment, "bufsize": 0}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stderr=errors, **settings)
        pipes = [pipe for pipe in (process.stdin, process.stdout) if pipe is not None]
        try:
            for pipe in pipes:
                os.set_blocking(pipe.fileno(), False)
                with contextlib.suppress(OSError):  # more than this user may have
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
            yield Tool(process, errors, silence)
        finally:
            process.kill()  # before its pipe is closed: half a file is not to be taken for a whole one
            process.wait()
            for pipe in pipes:
                pipe.close()
