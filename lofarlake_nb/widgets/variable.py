"""A chosen DID as a variable of the notebook, as the Rucio panel's "Add to Notebook" makes one."""

import keyword
from collections.abc import Callable

import ipywidgets
from IPython.core.getipython import get_ipython

from lofarlake_nb.lake import looking


class Use:
    """A name and a button that gives a DID that name in the notebook.

    Parameters
    ----------
    chosen : callable
        Gives the DID.
    name : str
        First name.
    say : callable
        Is told the line of code that does the same.

    Examples
    --------
    >>> use = Use(lambda: "lofar:example", "dataset", print)
    >>> use.button.disabled
    True
    """

    def __init__(self, chosen: Callable[[], str], name: str, say: Callable[[str], None]) -> None:
        self._chosen, self._say = chosen, say
        self.name = ipywidgets.Text(value=name, description="Variable", style={"description_width": "initial"})
        self.name.layout.width = "14em"
        self.button = ipywidgets.Button(description="Use in notebook", layout={"width": "auto"}, disabled=True)
        self.button.tooltip = "give the DID this name in the notebook, for the cells below"
        self.button.on_click(lambda _: self.use())
        self.said = ipywidgets.HTML()
        row = [] if looking.only() else [self.name, self.button, self.said]  # nobody writes cells there
        self.widget = ipywidgets.HBox(row, layout={"flex_flow": "row wrap"})

    def use(self) -> None:
        """Set the variable."""
        if looking.only():
            self.said.value = looking.NOTE
            return
        name, did = self.name.value.strip(), self._chosen()
        if not name.isidentifier() or keyword.iskeyword(name):
            self.said.value = "give it a name that Python takes"
            return
        shell = get_ipython()
        if shell is not None:
            shell.user_ns[name] = did
        self.said.value = f"<code>{name}</code> is {did}"
        self._say(f"{name} = {did!r}")
