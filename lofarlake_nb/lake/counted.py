"""Blocks of bytes that count and sum themselves while they pass."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lofarlake_nb.observation.archive import Block


@dataclass(frozen=True)
class Arrival:
    """A file that was written.

    Parameters
    ----------
    sent : str
        adler32 of what was sent, 8 hexadecimal digits.
    taken : str or None
        What the storage says of the bytes that it took; None where it does not say by itself.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.lake.storage import Mounted
    >>> Mounted().write(Path("arrival.bin").absolute().as_uri(), [b"1234", b"567"], 7)
    Arrival(sent='059b016d', taken='059b016d')
    """

    sent: str
    taken: str | None


class Counted:
    """Blocks that count themselves while they pass: ``size`` and ``adler32`` are of what was taken so far.

    Examples
    --------
    >>> counted = Counted([b"1234", b"567"])
    >>> b"".join(counted), counted.size, counted.adler32
    (b'1234567', 7, '059b016d')
    """

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = blocks
        self._sum = 1
        self.size = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self._sum = zlib.adler32(block, self._sum)
            self.size += len(block)
            yield block

    @property
    def adler32(self) -> str:
        """8 hexadecimal digits."""
        return f"{self._sum:08x}"


def adler32_of(blocks: Iterable[Block]) -> str:
    """Checksum of all blocks, 8 hexadecimal digits.

    Examples
    --------
    >>> adler32_of([b"1234", b"567"])
    '059b016d'
    """
    counted = Counted(blocks)
    for _ in counted:
        pass
    return counted.adler32
