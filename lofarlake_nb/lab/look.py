"""A page for people who only look: a notebook run for each visitor, its code neither shown nor theirs to change."""

import logging
from pathlib import Path

from lofarlake_nb.lab import programs
from lofarlake_nb.lab.server import CONTENT_SECURITY_POLICY, configure
from lofarlake_nb.lake import looking

_log = logging.getLogger(__name__)


def look(
    lake: Path,
    *,
    notebook: str = "3_explore.ipynb",
    root_dir: Path | None = None,
    port: int | None = None,
    open_browser: bool = True,
) -> int:
    """Serve a notebook's outputs by Voila until it is stopped; what is seen there changes nothing, see `looking`.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``.
    notebook : str
        Name of a shipped notebook; its working copy is run, with what was changed in it.
    root_dir : Path, optional
        Folder with the working copies, see `configure`.
    port : int, optional
        Of the page, by default a free one. It takes the address with a token only, which it says when it starts.
    open_browser : bool
        Whether to open a browser on it.

    Returns
    -------
    int
        Exit status of Voila.

    Raises
    ------
    LakeNotRunning, LakeRefused, UsageError
        See `configure`.
    PortTaken
        When another program listens on `port`.

    Examples
    --------
    >>> from lofarlake_nb.errors import UsageError
    >>> try:
    ...     look(Path(home), notebook="4_none.ipynb")
    ... except UsageError as error:
    ...     print(error.message)
    4_none.ipynb: no such notebook comes with lofarlake
    """
    configured = configure(lake, notebook=notebook, root_dir=root_dir)
    if port is not None:
        programs.check_port(port, "the page")
    arguments = [
        str(configured.notebook),
        "--Voila.ip=127.0.0.1",
        f"--Voila.port={port or programs.free_port()}",
        "--Voila.auto_token=True",
        # The page's own styles only: its template asks a server on the internet for icons that it does not need.
        f"--Voila.tornado_settings={{'headers': {{'Content-Security-Policy': {CONTENT_SECURITY_POLICY!r}}}}}",
    ]
    if not open_browser:
        arguments.append("--no-browser")
    _log.info("a page of %s", configured.notebook)
    environment = {**configured.environment, looking.VARIABLE: "1"}  # Voila's kernels have it from Voila
    return programs.run("voila", arguments, configured.notebook.parent, environment, configured.unset)
