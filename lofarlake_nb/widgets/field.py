"""A control for a parameter of a notebook: what was typed, and what is wrong with it."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from lofarlake_nb import checks, inspecting
from lofarlake_nb.errors import LofarlakeError, UsageError
from lofarlake_nb.lake import live
from lofarlake_nb.widgets import ticks

_HELP = "opacity: 0.8; display: inline-block; line-height: 1.4"


class Field:
    """A control for one parameter, its help, and what is wrong with its value.

    Parameters
    ----------
    notebook : Path
        That declares it.
    parameter : inspecting.Parameter
        What the notebook declares.
    value : object
        First value.
    choices : sequence of str or None
        To choose from, or to type another; None for a parameter that is only typed.

    Examples
    --------
    >>> notebook = inspecting.find_notebook("1_ingest")
    >>> field = Field(notebook, inspecting.parameters_of(notebook)["streams"], 4, None)
    >>> field.control.value = "many"
    >>> field.check()
    >>> field.wrong
    "parameter streams: expected int, got 'many'; its default is 4"
    """

    def __init__(
        self, notebook: Path, parameter: inspecting.Parameter, value: Any, choices: Sequence[str] | None
    ) -> None:
        self.notebook, self.parameter = notebook, parameter
        common = {"description": parameter.name, "tooltip": parameter.help, "style": {"description_width": "8.5em"}}
        is_box = parameter.type == "bool" and not parameter.expression  # a box can't say that nothing is given yet
        if is_box:
            self.control = ipywidgets.Checkbox(value=value, indent=True, **common)
        elif choices is not None:
            self.control = ipywidgets.Combobox(value=_text(value), options=list(choices), **common)
        else:
            self.control = ipywidgets.Text(value=_text(value), **common)
        if not is_box:
            # Sent once, when it is whole: of values that are sent key by key, a press of Run can overtake the last.
            self.control.continuous_update = False
        self.control.layout.width = "26em"
        self.note = ipywidgets.HTML(layout={"flex": "1 1 20em"})
        self.widget = ipywidgets.HBox([self.control, self.note], layout={"flex_flow": "row wrap"})
        self.value: Any = None  # of the parameter's type; None where there is none
        self.wrong = ""
        self.check()

    @property
    def is_default(self) -> bool:
        """Whether it says what the notebook says anyway, or nothing where a value must be given."""
        return self.control.value in (self.parameter.default, _text(self.parameter.default))

    def check(self, *, default_too: bool = False) -> None:
        """Take what was typed; where it is missing or can't be used, say so beside the control.

        Parameters
        ----------
        default_too : bool
            Whether the notebook's own value is looked at as a person's is: else it stands as long as nothing is to run.
        """
        self.wrong, self.value, name = "", None, self.parameter.name
        try:
            if self.parameter.expression and self.is_default:
                raise UsageError(self.parameter.missing().message, "give one here")
            self.value = inspecting.checked(self.notebook, {name: self.control.value})[name]
            if default_too or not self.is_default:
                checks.check(self.notebook, {name: self.value})
            self.note.value = f'<span style="{_HELP}">{html.escape(self.parameter.help)}</span>'
        except LofarlakeError as error:
            self.wrong = str(error)
            self.note.value = marked("red", self.wrong)


def marked(colour: str, words: str) -> str:
    """A colour's mark and words, as HTML that is read out when it changes.

    Examples
    --------
    >>> "no such folder" in marked("red", "no such folder")
    True
    """
    mark = f'<span style="color: {ticks.COLOURS[colour]}" aria-hidden="true">{live.MARKS[colour]}</span>'
    return f'<div role="status">{mark} {html.escape(words)}</div>'


def _text(value: Any) -> str:
    """A value as it would be typed: a list between commas, but as JSON where that would be read as another one."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return str(value)
    text = ", ".join(map(str, value))
    again = [part.strip() for part in text.split(",") if part.strip()]
    return text if again == value and not text.startswith("[") else json.dumps(value)
