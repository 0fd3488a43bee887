"""The landing page: whether the lake runs, and what is in it."""

import html
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.errors import LakeError, LofarlakeError
from lofarlake_nb.lake import browse, client, holdings
from lofarlake_nb.lake.rows import Rows


@dataclass(frozen=True)
class Note:
    """A paragraph in a notebook, and a line of code.

    Examples
    --------
    >>> Note("a lake with < 3 sites", "lake.sites()")._repr_html_()
    '<p>a lake with &lt; 3 sites</p><pre>lake.sites()</pre>'
    """

    text: str
    code: str = ""

    def _repr_html_(self) -> str:
        code = f"<pre>{html.escape(self.code)}</pre>" if self.code else ""
        return f"<p>{html.escape(self.text)}</p>{code}"


def status(lake: str | Path = "") -> Note:
    """Whether a lake answers, as whom it knows us, and through what a notebook browses it.

    Parameters
    ----------
    lake : str or Path
        Folder of an embedded lake, or a ``rucio.cfg``; empty for the default lake.

    Returns
    -------
    Note
        Also when it does not: what to do then.

    Examples
    --------
    >>> "your account is lofar" in status(home).text
    True
    """
    try:
        connected = client.connect(lake)
    except LofarlakeError as error:
        return Note(f"The lake is not there: {error}.")
    answers = f"The lake at {connected.url} answers; your account is {connected.account}"
    try:
        via = browse.connect(lake).via
    except LofarlakeError as error:
        return Note(f"{answers}; but it can't be browsed: {error}.")
    return Note(
        f"{answers}; browsed by {via}. In a notebook of your own:",
        f"from lofarlake_nb.lake import browse\nbrowse.connect({str(lake)!r}).search('lofar:*')",
    )


def newest(lake: str | Path = "", count: int = 20) -> Rows[holdings.Holding]:
    """The newest datasets and containers of a lake.

    Parameters
    ----------
    lake : str or Path
        Folder of an embedded lake, or a ``rucio.cfg``; empty for the default lake.
    count : int
        How many.

    Returns
    -------
    Rows of Holding
        None, with a word why, where the lake does not answer.

    Examples
    --------
    >>> "lofar:example" in [holding.did for holding in newest(home)]
    True
    """
    try:
        rows = holdings.newest(client.connect(lake))
    except LakeError as error:
        return Rows((), f"nothing to show: {error}")
    return Rows(rows[:count], rows.note or (f"and {len(rows) - count} more" if len(rows) > count else ""))
