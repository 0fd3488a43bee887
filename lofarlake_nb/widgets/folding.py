"""Controls that are folded away until they are asked for, by a button that the keyboard reaches."""

from collections.abc import Sequence

import ipywidgets


def folded(title: str, widgets: Sequence[ipywidgets.Widget]) -> list[ipywidgets.Widget]:
    """A button, and below it widgets that it shows and hides; an accordion's title can't be reached by Tab.

    Parameters
    ----------
    title : str
        Of the button.
    widgets : sequence of Widget
        What is folded away at first.

    Returns
    -------
    list of Widget
        To be put below each other.

    Examples
    --------
    >>> button, box = folded("more", [ipywidgets.Text()])
    >>> box.layout.display
    'none'
    >>> button.value = True
    >>> box.layout.display
    ''
    """
    button = ipywidgets.ToggleButton(description=title, icon="chevron-right")
    button.layout.width, button.layout.align_self = "auto", "flex-start"
    box = ipywidgets.VBox(list(widgets), layout={"display": "none"})

    def turn(change: dict[str, bool]) -> None:
        box.layout.display = "" if change["new"] else "none"
        button.icon = "chevron-down" if change["new"] else "chevron-right"

    button.observe(turn, "value")
    return [button, box]
