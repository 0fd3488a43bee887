"""Controls for the parameters of a notebook: what was typed, and what is wrong with it, alone or beside the others."""

import html
import json
from collections.abc import Mapping, Sequence
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
    >>> field.take()
    "parameter streams: expected int, got 'many'; its default is 4"
    """

    def __init__(
        self, notebook: Path, parameter: inspecting.Parameter, value: Any, choices: Sequence[str] | None
    ) -> None:
        self.notebook, self.parameter = notebook, parameter
        self.value: Any = None  # of the parameter's type; None where there is none
        self.wrong = ""
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
        self.say(self.take())

    @property
    def is_default(self) -> bool:
        """Whether it says what the notebook says anyway, or nothing where a value must be given."""
        return self.control.value in (self.parameter.default, _text(self.parameter.default))

    def take(self) -> str:
        """Take what was typed: what is wrong with that alone, or nothing where it is of the parameter's type."""
        self.value, name = None, self.parameter.name
        try:
            if self.parameter.expression and self.is_default:
                raise UsageError(self.parameter.missing().message, "give one here")
            self.value = inspecting.checked(self.notebook, {name: self.control.value})[name]
        except LofarlakeError as error:
            return str(error)
        return ""

    def say(self, wrong: str) -> None:
        """Say beside the control what is wrong with its value; where nothing is, what the parameter is for."""
        self.wrong = wrong
        said = f'<span style="{_HELP}">{html.escape(self.parameter.help)}</span>'
        self.note.value = marked("red", wrong) if wrong else said


def check_all(
    notebook: Path, fields: Mapping[str, Field], *, typed: Field | None = None, default_too: bool = False
) -> None:
    """Take what was typed in all fields; what can't be used, alone or beside the others, is said beside a control.

    Parameters
    ----------
    notebook : Path
        That declares the parameters.
    fields : mapping
        By parameter.
    typed : Field, optional
        That was typed last: of values that don't go together, it is the wrong one.
    default_too : bool
        Whether the notebook's own values are looked at as a person's are: else they stand, unless what is wrong with
        one has been said already.

    Examples
    --------
    >>> notebook = inspecting.find_notebook("2_process")
    >>> fields = {
    ...     name: Field(notebook, one, one.default, None) for name, one in inspecting.parameters_of(notebook).items()
    ... }
    >>> fields["sky_model"].control.value = "none"
    >>> check_all(notebook, fields)
    >>> fields["sky_model"].wrong.partition(";")[0]
    'sky model none: gains are solved on a model'
    >>> fields["solve"].control.value = "none"  # the data are calibrated already
    >>> check_all(notebook, fields)
    >>> fields["sky_model"].wrong
    ''
    """
    first = sorted(fields, key=lambda name: (fields[name] is not typed, not fields[name].wrong))
    wrong = {name: fields[name].take() for name in first}
    values: dict[str, Any] = {}
    for name in first:
        field = fields[name]
        looked_at = default_too or not field.is_default or (field.wrong and field is not typed)
        if looked_at and not wrong[name]:
            values[name] = field.value
    while values and (said := _refusal(notebook, values)):
        together = _together(notebook, values, said)
        wrong[together[0]] = said
        values = {name: value for name, value in values.items() if name not in together}  # what else is wrong?
    for name, field in fields.items():
        field.say(wrong[name])


def _refusal(notebook: Path, values: Mapping[str, Any]) -> str:
    try:
        checks.check(notebook, values)
    except LofarlakeError as error:
        return str(error)
    return ""


def _together(notebook: Path, values: dict[str, Any], said: str) -> list[str]:
    """Which of those values it is said of: those without any of which it would not be."""
    for name in reversed(values):
        without = {other: value for other, value in values.items() if other != name}
        if without and _refusal(notebook, without) == said:
            return _together(notebook, without, said)
    return list(values)


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
