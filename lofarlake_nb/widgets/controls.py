"""Controls that several widgets have."""

from collections.abc import Callable

import ipywidgets

WHOLE_LABEL = {"description_width": "initial"}  # a style: the label of a control is not cut off


def button(text: str, tooltip: str, do: Callable[[], None]) -> ipywidgets.Button:
    """A button as wide as its text.

    Parameters
    ----------
    text, tooltip : str
        What is on it, and what it does.
    do : callable
        Called when it is clicked.

    Examples
    --------
    >>> done = []
    >>> button("Run", "start it", lambda: done.append("started")).click()
    >>> done
    ['started']
    """
    made = ipywidgets.Button(description=text, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: do())
    return made
