"""Figures of a benchmark: a table for people, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEADER = f"{'':<52} {'ours':>10} {'peer':>10} {'unit':<12} {'ratio':>7} {'bound':>6}"


@dataclass(frozen=True)
class Row:
    """One figure; `ratio` is how many times better ours is than the peer's, `met` None where no bound is set."""

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None
    bound: float | None
    met: bool | None


def compared(name: str, ours: float, peer: float | None, unit: str, bound: float | None, *, faster: bool) -> Row:
    """A figure beside the peer's.

    Parameters
    ----------
    name : str
    ours : float
    peer : float or None
    unit : str
    bound : float or None
        Least ratio; without a peer, most of `ours`.
    faster : bool
        More is better.

    Returns
    -------
    Row
    """
    ratio = None if peer is None else (ours / peer if faster else peer / ours)
    met = None if bound is None else (ratio >= bound if ratio is not None else ours <= bound)
    return Row(name, ours, peer, unit, ratio, bound, met)


def in_words(row: Row) -> str:
    """A row of the table."""
    peer = "-" if row.peer is None else f"{row.peer:.4g}"
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    bound = "-" if row.bound is None else f"{row.bound:g}"
    met = {True: "met", False: "MISSED", None: ""}[row.met]
    return f"{row.name:<52} {row.ours:>10.4g} {peer:>10} {row.unit:<12} {ratio:>7} {bound:>6} {met}"


def write(path: Path, rows: Sequence[Row], *, beside: bool = False) -> None:
    """Write them as JSON.

    Parameters
    ----------
    path : Path
    rows : sequence of Row
    beside : bool
        Keep the rows of other names that are there.
    """
    kept = [Row(**row) for row in json.loads(path.read_text())] if beside and path.exists() else []
    names = {row.name for row in rows}
    every = [row for row in kept if row.name not in names] + list(rows)
    path.write_text(json.dumps([asdict(row) for row in every], indent=1) + "\n")
