"""Rows of plain data that a notebook shows as a table."""

import html
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

Row = TypeVar("Row")

# A table longer than this is cut when it is shown; the rows are all there.
_SHOWN = 200
_SPACE = "padding:0 8px"


class Rows(tuple[Row, ...]):
    """A tuple of frozen dataclasses, all of one kind, which is a table in a notebook.

    Parameters
    ----------
    rows : iterable of dataclass
        The rows.
    note : str
        What to say below the table.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Site:
    ...     name: str
    ...     files: int
    >>> sites = Rows([Site("SARA", 4), Site("JUELICH", 2)])
    >>> sites[0].name, sum(site.files for site in sites)
    ('SARA', 6)
    """

    note: str

    def __new__(cls, rows: Iterable[Row] = (), note: str = "") -> "Rows[Row]":
        """Make the tuple."""
        made = super().__new__(cls, rows)
        made.note = note
        return made

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{html.escape(self.note or 'nothing')}</p>"
        first = self[0]
        assert is_dataclass(first)
        names = [field.name for field in fields(first)]
        head = "".join(f"<th scope='col' style='text-align:left;{_SPACE}'>{html.escape(name)}</th>" for name in names)
        body = "".join(f"<tr>{''.join(_cell(getattr(row, n)) for n in names)}</tr>" for row in self[:_SHOWN])
        more = f"{len(self) - _SHOWN} more rows. " if len(self) > _SHOWN else ""
        note = f"<p>{more}{html.escape(self.note)}</p>" if more or self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td style='text-align:right;{_SPACE}'>{value:,}</td>"
    return f"<td style='text-align:left;{_SPACE}'>{html.escape('' if value is None else str(value))}</td>"
