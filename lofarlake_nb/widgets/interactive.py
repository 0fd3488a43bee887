"""A figure that zooms, pans and is saved in JupyterLab, and the same as a picture for batch."""

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lofarlake_nb.widgets.image import Picture


def canvas_of(figure: Figure) -> Any:
    """A figure as a widget: zoom, pan, home and save in its toolbar, what is under the pointer below it.

    Parameters
    ----------
    figure : Figure
        That has no canvas yet.
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


def picture_of(figure: Figure, text: str) -> Picture:
    """A figure as a picture that stays in an executed notebook, with words for who can't see it."""
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return Picture(png.getvalue(), text)
