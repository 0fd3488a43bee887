"""A figure that zooms, pans and is saved in JupyterLab."""

from typing import Any

from matplotlib.figure import Figure


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
