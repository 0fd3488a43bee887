"""The lake and its images as a person sees them, in Chromium: clicked through, looked at, in light and in dark."""

# ruff: noqa: F811
import pytest
from test_lab_in_a_browser import (  # noqa: F401 - fixtures
    CHROMIUM,
    IN_KERNEL,
    SCREENSHOTS,
    lake_with_image,
    page,
    run_all,
    running,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")

SIZES = {"1280": (1280, 800), "1920": (1920, 1080)}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SET_THEME = "async (theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
# All of the notebook is drawn, also what is far from the window.
DRAW_ALL = """() => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.notebookConfig = {...notebook.notebookConfig, windowingMode: 'none'};
}"""
SHOW_CELL = """(source) => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  cells.find(cell => cell.model.sharedModel.source.includes(source)).outputArea.node.scrollIntoView();
}"""
FAILED = ".jupyter-widgets-error-widget, .jp-RenderedError, .lm-Widget.jupyter-widgets-error"


def shots(page, name: str, cell: str) -> None:
    """Pictures of a cell and its output at both sizes, in both themes."""
    SCREENSHOTS.mkdir(exist_ok=True)
    for theme, theme_name in THEMES.items():
        page.evaluate(SET_THEME, theme_name)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate(SHOW_CELL, cell)
            page.wait_for_timeout(400)
            page.screenshot(path=SCREENSHOTS / f"{name}_{size}_{theme}.png")


@pytest.fixture(scope="module")
def explored(page, running):
    """The explore notebook, run to its end."""
    (folder,) = (p.name for p in running.root.iterdir() if p.is_dir())
    outputs = run_all(page, f"{folder}/3_explore.ipynb")
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.evaluate(DRAW_ALL)
    return outputs


def test_the_lake_is_clicked_through(page, explored):
    tree = page.locator("select[size='22']").first
    page.evaluate(SHOW_CELL, "lake_browser(lake)")
    tree.select_option(label="▸ lofar\u2003scope")
    option = tree.locator("option", has_text="lab_result")
    option.wait_for(state="attached", timeout=5000)
    tree.select_option(label=option.text_content())
    page.get_by_text("green, has all").first.wait_for(timeout=5000)
    shots(page, "lake_browser", "lake_browser(lake)")
