"""A figure that zooms, pans and is saved in JupyterLab."""

from typing import Any

import ipywidgets
from matplotlib.figure import Figure

# ipympl takes no name for what gets the focus. A picture of one clear pixel in it can have one: CSS gives it words.
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# And its toolbar lies over the plot, where titles and colour bars are: it gets a line of its own.
_CSS = """
.{own} .jupyter-matplotlib-canvas-div::before {{
  content: url("{pixel}") / "{words}"; position: absolute; width: 1px; height: 1px;
}}
.{own} .jupyter-matplotlib-toolbar {{ position: static; order: -1; align-self: flex-end; }}"""


def canvas_of(figure: Figure) -> Any:
    """A figure as a widget: zoom, pan, home and save in its toolbar, what is under the pointer below it.

    Parameters
    ----------
    figure : Figure
        That has no canvas yet.

    Examples
    --------
    >>> canvas_of(Figure()).toolbar_position
    'top'
    """
    from ipympl.backend_nbagg import Canvas, FigureManager

    canvas = Canvas(figure)
    FigureManager(canvas, 0)
    canvas.header_visible = False
    canvas.toolbar_position = "top"  # at the left it hides the labels of the axis
    canvas.toolbar_visible = True
    canvas.footer_visible = True
    # As wide as the plot, or the toolbar stands at the far end of the cell.
    canvas.layout.width, canvas.layout.align_self = "fit-content", "flex-start"
    return canvas


def named(canvas: Any) -> ipywidgets.Widget:
    """A figure's widget with a name that screen readers find in it: `words` of the figure.

    Parameters
    ----------
    canvas : Canvas
        From `canvas_of`.

    Returns
    -------
    Widget
        To be shown in the place of the canvas; the name follows what is drawn.

    Examples
    --------
    >>> figure = Figure()
    >>> axes = figure.add_subplot(title="3C196")
    >>> plot = named(canvas_of(figure))
    """
    name, own = ipywidgets.HTML(layout={"display": "none"}), f"lofarlake-plot-{canvas.model_id}"
    canvas.add_class(own)

    def say(_event: object = None) -> None:
        css = _CSS.format(own=own, pixel=_PIXEL, words=_escaped(words(canvas.figure)))
        name.value = f"<style>{css}</style>"

    canvas.mpl_connect("draw_event", say)
    say()
    return ipywidgets.VBox([name, canvas])


def words(figure: Figure) -> str:
    """What a figure shows: of each plot the title, else its axes.

    Examples
    --------
    >>> axes = Figure().add_subplot(title="3C196")
    >>> words(axes.figure)
    'plot: 3C196'
    """
    said = []
    for axes in figure.axes:
        title = " ".join(filter(None, (axes.get_title(loc) for loc in ("left", "center", "right"))))
        said.append(title or " over ".join(filter(None, (axes.get_ylabel(), axes.get_xlabel()))))
    return f"plot: {'; '.join(filter(None, said))}"


def _escaped(text: str) -> str:
    """In a string of CSS that stands in HTML: whatever a title holds, it ends neither."""
    return "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text)
