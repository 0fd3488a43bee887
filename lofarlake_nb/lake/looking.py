"""Whether this process serves people who only look: then nothing that they click acts on the lake or on this disk."""

import os
from collections.abc import Mapping

from lofarlake_nb.errors import OnlyLooking

VARIABLE = "LOFARLAKE_ONLY_LOOKING"  # set for the kernels of a page by `lofarlake look`, and read here only
NOTE = "This page is for looking; to fetch, copy, process or keep something, open JupyterLab: lofarlake lab"


def only(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is shown is for looking only.

    Parameters
    ----------
    environment : mapping
        Of the process.

    Examples
    --------
    >>> only(), only({VARIABLE: "1"})
    (False, True)
    """
    return bool(environment.get(VARIABLE))


def refuse(what: str, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what acts, on a page for people who only look; hiding its button is not enough, as messages can be forged.

    Parameters
    ----------
    what : str
        What was asked for, as in "keep plot.png".
    environment : mapping
        Of the process.

    Raises
    ------
    OnlyLooking
        On such a page.

    Examples
    --------
    >>> refuse("keep plot.png")
    >>> try:
    ...     refuse("keep plot.png", {VARIABLE: "1"})
    ... except OnlyLooking as error:
    ...     print(error)
    keep plot.png: this page is for looking, where nothing is changed; open the notebook in JupyterLab: lofarlake lab
    """
    if only(environment):
        raise OnlyLooking(
            f"{what}: this page is for looking, where nothing is changed",
            "open the notebook in JupyterLab: lofarlake lab",
        )
