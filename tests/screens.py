"""Pictures of what a browser shows, for a person to look at: on a small and on a large screen, in both themes."""

from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "screenshots"
SIZES = {"1280": (1280, 800), "1920": (1920, 1080)}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_SET_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
_THEME = "() => document.body.dataset.jpThemeName"  # set when its style sheets are there
_DRAWN = 400  # ms that a plot is given to fit its new place


def shots(page, name: str, show: Callable[[], object] | None = None) -> None:
    """Pictures NAME_WIDTH_THEME.png of JupyterLab; after them, size and theme are what they were.

    Parameters
    ----------
    page : Page
        Of Playwright.
    name : str
        Of the view.
    show : callable, optional
        Brings what is to be seen into the window, after each change of its size.
    """
    size, theme = page.viewport_size, page.evaluate(_THEME)
    try:
        for word, chosen in THEMES.items():
            _choose(page, chosen)
            sized(page, name, show, f"_{word}")
    finally:
        page.set_viewport_size(size)
        _choose(page, theme)
        if show is not None:
            show()


def centred(locator) -> Callable[[], object]:
    """What brings an element into the window; one that is drawn anew meanwhile, as status lines are, is no error."""
    return lambda: locator.evaluate("element => element.scrollIntoView({block: 'center'})")


def sized(page, name: str, show: Callable[[], object] | None = None, end: str = "") -> None:
    """Pictures NAME_WIDTH.png of a page, at both sizes."""
    FOLDER.mkdir(exist_ok=True)
    for width, (x, y) in SIZES.items():
        page.set_viewport_size({"width": x, "height": y})
        if show is not None:
            show()
        page.wait_for_timeout(_DRAWN)
        page.screenshot(path=FOLDER / f"{name}_{width}{end}.png")


def _choose(page, theme: str) -> None:
    if page.evaluate(_THEME) == theme:
        return
    page.evaluate(_SET_THEME, theme)
    page.wait_for_function(f"theme => ({_THEME})() === theme", arg=theme)
    page.locator("#jupyterlab-splash").wait_for(state="detached")
