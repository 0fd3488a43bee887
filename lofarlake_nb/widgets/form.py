"""Run a stage from a form made from its notebook's own parameters; beside it the lines that do the same."""

import contextvars
import html
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ipywidgets

from lofarlake_nb import background, inspecting
from lofarlake_nb.errors import LofarlakeError
from lofarlake_nb.lake import client, holdings, looking
from lofarlake_nb.recording import State
from lofarlake_nb.widgets import folding, ticks
from lofarlake_nb.widgets.field import Field, check_all, marked

_LOOK = 0.5  # seconds between two looks at a run
_COLOURS = {"done": "green", "stopped": "yellow", "failed": "red", "lost": "red"}
_FEW = 4  # parameters that are seen at once; the others open by a click

_DIM = "var(--jp-ui-font-color3)"  # of a button that would do nothing now
_CHOICES = 50  # datasets to choose from, the newest


def stage_form(notebook: str, *, follows: "StageForm | None" = None, **values: Any) -> "StageForm":
    """A form that runs a notebook in the background.

    Parameters
    ----------
    notebook : str
        As `inspecting.find_notebook` takes it.
    follows : StageForm, optional
        Of the stage before: the dataset that it ends with becomes this one's ``dataset``.
    **values
        First values of parameters, in the place of the notebook's own. Of the lake in ``lake``, or the default one, the
        newest datasets can be chosen as ``dataset``.

    Returns
    -------
    StageForm
        Shows itself in a notebook.

    Raises
    ------
    UsageError
        When there is no such notebook or parameter, or a value is not of its type.

    Examples
    --------
    >>> form = stage_form("1_ingest", observation="../observation")
    >>> form.shell
    'lofarlake run 1_ingest -p observation ../observation'
    """
    return StageForm(notebook, values, follows)


class StageForm:
    """What the form shows, and what its controls do; all of it can be had from Python.

    Parameters
    ----------
    notebook : str
        As `inspecting.find_notebook` takes it.
    values : mapping
        First values of parameters.
    follows : StageForm or None
        Of the stage before.

    Examples
    --------
    >>> form = stage_form("1_ingest", dataset="lofar:mine", streams=0)
    >>> form.values, form.wrong, form.is_running
    ({'dataset': 'lofar:mine', 'streams': 0}, ['streams: expected 1 or more, got 0'], False)
    """

    def __init__(self, notebook: str, values: Mapping[str, Any], follows: "StageForm | None") -> None:
        self.notebook, self.path = notebook, inspecting.find_notebook(notebook)
        given = inspecting.checked(self.path, dict(values))
        self.fields: dict[str, Field] = {}
        for name, one in inspecting.parameters_of(self.path).items():
            choices = _datasets(str(given.get("lake", ""))) if name == "dataset" else None
            self.fields[name] = Field(self.path, one, given.get(name, one.default), choices)
        check_all(self.path, self.fields)
        self.run: background.Run | None = None
        self.ended: list[Callable[[State], None]] = []
        self.code = ipywidgets.HTML()
        # What screen readers read out by themselves is apart from the figures, which change at every look.
        self.status, self.figures = ipywidgets.HTML(), ipywidgets.HTML()
        self.links = ipywidgets.Output()
        self.start = ipywidgets.Button(description="Run", icon="play", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", icon="stop")
        self.stop.tooltip = "interrupt the cell under way, in good order; once more: at once"
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self.end())
        for field in self.fields.values():
            field.control.observe(lambda _, field=field: self._typed(field), "value")
        self.widget = self._laid_out()
        self._changed()
        if follows is not None and "dataset" in self.fields:
            follows.ended.append(self._take)
            if follows.run is not None and (before := follows.run.state()).ended:
                self._take(before, earlier=True)
        if before_this := background.newest(notebook):
            self._watch(before_this)  # of a kernel that is gone: it goes on, or ended meanwhile

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    @property
    def values(self) -> dict[str, Any]:
        """Of the parameters that differ from the notebook's own; what is not of its type is left out."""
        changed = {name: field.value for name, field in self.fields.items() if not field.is_default}
        return {name: value for name, value in changed.items() if value is not None}

    @property
    def wrong(self) -> list[str]:
        """What is wrong with the values, each beside the others."""
        return [field.wrong for field in self.fields.values() if field.wrong]

    @property
    def shell(self) -> str:
        """The line for a shell that does the same."""
        return background.shell(self.notebook, self._told)

    @property
    def _told(self) -> dict[str, Any]:
        """Values, and the lake: the notebook may say it only in the copy that lies here."""
        lake = self.fields["lake"].value if "lake" in self.fields else ""
        return {"lake": lake, **self.values} if lake else self.values

    @property
    def is_running(self) -> bool:
        """Whether a run of it is under way."""
        return self.run is not None and not self.run.state().ended

    @property
    def can_begin(self) -> bool:
        """Whether a run can be started now."""
        return not (self.wrong or self.is_running)

    def begin(self) -> None:
        """Start a run with the values of the form, checked once more; where that can't be, say why."""
        check_all(self.path, self.fields, default_too=True)  # what they name may have come or gone meanwhile
        self._changed()
        if self.wrong:
            self.status.value = marked("red", self.wrong[0])
        if not self.can_begin:
            return
        try:
            self._watch(background.start(self.notebook, self.values))
        except LofarlakeError as error:
            self.status.value = marked("red", str(error))

    def end(self) -> None:
        """Ask the run under way to stop, in good order; asked again, at once."""
        if self.run is not None and self.is_running:
            try:
                self.run.stop()
            except LofarlakeError as error:
                self.status.value = marked("red", str(error))
        elif not self.status.value:
            self.status.value = marked("yellow", "nothing runs that could be stopped")

    def _watch(self, running: background.Run) -> None:
        self.run = running
        self.links.outputs = ()
        self._changed()
        when = f"the last run, of {running.began}, " if running.state().ended else ""
        # With our context, so that what is shown goes to the cell of this form.
        look = contextvars.copy_context().run
        threading.Thread(target=look, args=(self._look, running, when), name="form", daemon=True).start()

    def _look(self, running: background.Run, when: str = "") -> None:
        beat = threading.Event()
        while not (now := running.state()).ended:
            self.status.value, self.figures.value = _state(now), _figures(now)
            beat.wait(_LOOK)
        if self.run is running:  # else the next one has begun already, and these links would be taken for its own
            self.status.value, self.figures.value = _state(now, when), ""
            self.links.outputs = ({"output_type": "display_data", "metadata": {}, "data": _links(running, now)},)
        self._changed()
        if not when:  # of a run that ended before this form was made, only that: who follows looks at it by itself
            for tell in self.ended:
                tell(now)

    def _typed(self, field: Field) -> None:
        was_wrong = bool(self.wrong)
        check_all(self.path, self.fields, typed=field)
        if self.wrong or was_wrong:  # it may stand where it is folded away
            self.status.value = marked("red", self.wrong[0]) if self.wrong else ""
        self._changed()

    def _changed(self) -> None:
        """Offer what can be done now, and show the lines that do the same."""
        # Never disabled: a button that is, loses the focus of whoever has just pressed it by the keyboard.
        self.start.button_style = "primary" if self.can_begin else ""
        self.start.style.text_color = None if self.can_begin else _DIM
        self.stop.style.text_color = None if self.is_running else _DIM
        lines = ["from lofarlake_nb import background", background.python(self.notebook, self._told), self.shell]
        code = "<br>".join(f"<code>{html.escape(line)}</code>" for line in lines)
        here = html.escape(str(Path.cwd()))
        self.code.value = (
            f"<details><summary>The same from Python, or in a terminal in {here}</summary>{code}</details>"
        )

    def _take(self, before: State, *, earlier: bool = False) -> None:
        """Take the dataset of the stage before, unless a person chose one meanwhile; an earlier one if it is there."""
        field = self.fields["dataset"]
        field.control.options = _datasets(self.fields["lake"].value or "") if "lake" in self.fields else ()
        made = before.datasets[-1:] if before.state == "done" and field.is_default else ()
        if made and (made[0] in field.control.options or not earlier):
            field.control.value = made[0]

    def _laid_out(self) -> ipywidgets.Widget:
        # The lake is the notebook's own parameter already: it is not what one looks for first.
        names = sorted(self.fields, key=lambda name: name == "lake")
        first, more = names[:_FEW], names[_FEW:]
        rows = [self.fields[name].widget for name in first]
        if more:
            rows += folding.folded(f"{len(more)} more parameters", [self.fields[name].widget for name in more])
        buttons = ipywidgets.HTML(looking.NOTE) if looking.only() else ipywidgets.HBox([self.start, self.stop])
        return ipywidgets.VBox([*rows, buttons, self.status, self.figures, self.links, self.code])


def _datasets(lake: str) -> tuple[str, ...]:
    """The newest datasets of a lake; none where it does not answer, for what is typed will do."""
    try:
        return tuple(row.did for row in holdings.newest(client.connect(lake), kind="dataset")[:_CHOICES])
    except LofarlakeError:
        return ()


def _state(now: State, when: str = "") -> str:
    """The cell that a run is at, or how it ended, as HTML."""
    if now.ended:
        return marked(_COLOURS[now.state], f"{when}{now.state}: {now.said}")
    bar = ticks.bar(now.cell - 1 if now.cell else 0, now.cells or 1)
    where = f"cell {now.cell} of {now.cells}: {now.heading}" if now.cell else "a kernel starts"
    return f'<div role="status">{bar} {html.escape(f"{now.state}, {where}")}</div>'


def _figures(now: State) -> str:
    """How far its cell is, as HTML."""
    return ticks.figures(now.tick) if now.tick else ""


def _links(done: background.Run, now: State) -> dict[str, str]:
    """Links to the executed notebook and to what it made."""
    paths = [done.executed] if done.executed.exists() else []
    for path in map(Path, now.files):
        paths += sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".") if path.is_dir() else [path]
    rows = [f"<li>{_link(path)}</li>" for path in paths]
    rows += [f"<li>in the lake: <code>{html.escape(did)}</code></li>" for did in now.datasets]
    plain = "\n".join([*map(str, paths), *now.datasets])
    return {"text/html": f"<ul>{''.join(rows)}</ul>", "text/plain": plain}


def _link(path: Path) -> str:
    """A link that JupyterLab opens: relative to the notebook, whose folder is the current one."""
    words = html.escape(os.path.relpath(path))
    return f'<a href="{quote(os.path.relpath(path))}">{words}</a>' if path.is_relative_to(Path.cwd()) else words
