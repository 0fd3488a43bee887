"""Keep the notebook, or any file, in the lake: a name, a button, and the line by which someone else opens it."""

import html
import os
from datetime import datetime
from pathlib import Path

import ipywidgets

from lofarlake_nb.lake import keeping, looking
from lofarlake_nb.lake.ticks import Sink
from lofarlake_nb.widgets.work import Work


def keep_form(lake: str | Path = "", *, file: str = "", inputs: str = "") -> ipywidgets.Widget:
    """A form that keeps a file in the lake; on a page for people who only look, a sentence.

    Parameters
    ----------
    lake : str or Path
        As `client.connect` takes it.
    file : str
        First path; empty for the notebook that this is shown in.
    inputs : str
        DIDs that it was made from, between spaces.

    Returns
    -------
    Widget
        For a notebook.

    Examples
    --------
    >>> form = keep_form(home, file="image.fits", inputs="lofar:example")
    """
    if looking.only():
        return ipywidgets.HTML(looking.NOTE)
    return KeepForm(lake, file or notebook(), inputs).widget


class KeepForm:
    """What the form shows, and what its controls do.

    Parameters
    ----------
    lake : str or Path
        As `client.connect` takes it.
    file, inputs : str
        See `keep_form`.

    Examples
    --------
    >>> form = KeepForm(home, "image.fits", "lofar:example")
    >>> form.file.value
    'image.fits'
    """

    def __init__(self, lake: str | Path, file: str, inputs: str) -> None:
        self.lake = str(lake)
        self.work: Work | None = None
        self.shared: keeping.Shared | None = None
        self.file = _text("File", file, "path of a file; save a notebook before")
        self.file.continuous_update = False  # a path that is half typed is not looked for
        self.inputs = _text("Made from", inputs, "lofar:L667520")
        self.note = _text("Note", "", "what it is, in words")
        self.button = ipywidgets.Button(description="Keep in the lake", button_style="primary", icon="save")
        self.button.layout.width = "auto"
        self.button.on_click(lambda _: self.keep())
        self.saved = ipywidgets.HTML()
        self.file.observe(lambda _: self._tell_saved(), "value")
        self._tell_saved()
        self.code, self.log, self.said = ipywidgets.HTML(), ipywidgets.VBox(), ipywidgets.HTML()
        shown = [self.file, self.inputs, self.note, self.button, self.saved]
        fields = ipywidgets.HBox(shown, layout={"flex_flow": "row wrap"})
        self.widget = ipywidgets.VBox([fields, self.code, self.log, self.said])

    def keep(self) -> None:
        """Keep it, while the page stays usable."""
        file, inputs, note = self.file.value.strip(), self.inputs.value.split(), self.note.value.strip()
        given = "".join(
            f", {name}={value!r}" for name, value in (("lake", self.lake), ("inputs", inputs), ("note", note)) if value
        )
        self.code.value = f"<code>{html.escape(f'keeping.keep({file!r}{given})')}</code>"
        self.said.value = ""
        when = self._tell_saved()

        def do(sink: Sink) -> str:
            self.shared = keeping.keep(file, lake=self.lake, inputs=inputs, note=note, progress=sink)
            line = f"<code>{html.escape(self.shared.line)}</code>"
            self.said.value = f"Someone else, with a <code>rucio.cfg</code> of this lake, opens it with<br>{line}"
            already = f"; {self.shared.already}" if self.shared.already else ""
            return f"it is in the lake as {self.shared.dataset}, as last saved at {when}{already}"

        self.work = Work(f"keep {file or 'nothing'}", do)
        self.log.children = [self.work.widget]

    def _tell_saved(self) -> str:
        """Say beside the button what would be kept: the file, without what was changed in the page since; when."""
        file = self.file.value.strip()
        when = saved_at(file)
        since = "; press Ctrl+S first to keep what you changed since" if file.endswith(".ipynb") else ""
        none = "there is no such file yet: save it first" if file else ""
        self.saved.value = html.escape(f"as last saved at {when}{since}" if when else none)
        return when


def saved_at(file: str) -> str:
    """Time of day at which a file was last saved, with its date where that is not today; empty where there is none.

    Examples
    --------
    >>> path = Path("table.csv")
    >>> size, time = path.write_text("name,flux"), os.utime(path, (1e9, 1e9))
    >>> saved_at("table.csv")[:8], saved_at("no such file")
    ('2001-09-', '')
    """
    try:
        written = datetime.fromtimestamp(Path(file).stat().st_mtime).astimezone()
    except (OSError, ValueError):
        return ""
    if not Path(file).is_file():
        return ""
    day = "" if written.date() == datetime.now().date() else f"{written:%Y-%m-%d} "
    return f"{day}{written:%H:%M:%S %Z}"


def notebook() -> str:
    """Path of the notebook whose kernel this is, as JupyterLab tells it; empty elsewhere.

    Examples
    --------
    >>> notebook()  # no notebook's kernel runs this
    ''
    """
    path = os.environ.get("JPY_SESSION_NAME", "")
    return path if path.endswith(".ipynb") else ""


def _text(name: str, value: str, example: str) -> ipywidgets.Text:
    made = ipywidgets.Text(value=value, placeholder=example, description=name, style={"description_width": "initial"})
    made.layout.width = "22em"
    return made
