"""A figure as a picture that stays in a notebook, also in its executed copy."""

import io
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A picture in a notebook that stays there, in the executed copy too.

    Examples
    --------
    >>> Picture(b"", "there is no image to look at")._repr_mimebundle_()
    {'text/plain': 'there is no image to look at'}
    """

    png: bytes
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text} | ({"image/png": self.png} if self.png else {})


def picture_of(figure: Figure, text: str) -> Picture:
    """A figure as a picture that stays in an executed notebook, with words for who can't see it.

    Examples
    --------
    >>> drawn = picture_of(Figure(figsize=(2, 1), dpi=100), "nothing")
    >>> drawn.png[1:4], int.from_bytes(drawn.png[16:20]), int.from_bytes(drawn.png[20:24])
    (b'PNG', 200, 100)
    """
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return Picture(png.getvalue(), text)
