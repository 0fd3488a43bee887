"""A page for people who only look: no control acts, and a message that is forged is refused by what would act."""

import html
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lofarlake_nb import background, lab
from lofarlake_nb.errors import OnlyLooking
from lofarlake_nb.lab import programs
from lofarlake_nb.lake import browse, looking
from lofarlake_nb.lake.kernel import load_ipython_extension
from lofarlake_nb.lake.listing import Listing
from lofarlake_nb.widgets import fits_image, form, keep, variable
from lofarlake_nb.widgets.lake import LakeBrowser
from lofarlake_nb.widgets.viewer import Viewer

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar


@pytest.fixture
def only_looking(monkeypatch):
    monkeypatch.setenv(looking.VARIABLE, "1")


@pytest.fixture
def image(tmp_path):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt, wcs.wcs.crval = ["RA---SIN", "DEC--SIN"], [-0.01, 0.01], [123.4, 48.2]
    fits.writeto(tmp_path / "image.fits", np.eye(16), wcs.to_header())
    return fits_image.read(tmp_path / "image.fits")


def controls(widget) -> set[str]:
    """Names of the buttons and text fields in a widget."""
    found = {widget.description} if isinstance(widget, ipywidgets.Button | ipywidgets.Text) else set()
    return found.union(*(controls(child) for child in getattr(widget, "children", ())))


def a_browser():
    answers = SimpleNamespace(scopes=lambda: ["lofar"], sites=lambda: ["SARA"], listing=lambda *_, **__: Listing(list))
    return LakeBrowser(answers, "")


def test_the_lake_browser_only_shows(only_looking):
    shown = a_browser()
    acting = {"Retrieve", "Open", "Folder", "Replicate", "Verify", "Process", "Variable", "Use in notebook"}
    assert controls(shown.widget) & acting == set()
    assert {"Close", "Names like"} <= controls(shown.widget)
    assert shown.actions.buttons == {}


def test_elsewhere_it_acts():
    acting = {"Retrieve", "Open", "Folder", "Replicate", "Verify", "Process", "Variable", "Use in notebook"}
    assert acting <= controls(a_browser().widget)


@pytest.mark.parametrize("act", ["retrieve", "replicate"])
def test_what_the_browser_s_buttons_call_is_refused(only_looking, act, tmp_path):
    with pytest.raises(OnlyLooking, match=f"{act} lofar:a: this page is for looking.*lofarlake lab"):
        getattr(browse.Browser(None), act)("lofar:a", str(tmp_path))


def test_no_variable_is_set(only_looking, monkeypatch):
    shell = SimpleNamespace(user_ns={})
    monkeypatch.setattr(variable, "get_ipython", lambda: shell)
    variable.Use(lambda: "lofar:a", "dataset", print).button.click()
    assert shell.user_ns == {}


def test_the_panel_s_channel_is_not_opened(only_looking):
    load_ipython_extension(None)  # else it would be asked for its kernel


def test_keeping_is_a_sentence(only_looking):
    shown = keep.keep_form("", file="plot.png")
    assert (controls(shown), shown.value) == (set(), looking.NOTE)


def test_keeping_is_refused(only_looking, tmp_path):
    hidden = keep.KeepForm("", str(tmp_path / "plot.png"), "")
    hidden.button.click()
    assert hidden.work.wait(30)
    assert "keep files: this page is for looking" in html.unescape(hidden.work.state.value)


def test_the_viewer_draws_no_file_of_this_disk(only_looking, image, tmp_path):
    viewer = Viewer([image])
    assert "Draw" not in controls(viewer.widget)
    assert "Clear" in controls(viewer.widget)
    viewer.file.value = str(tmp_path / "image.fits")
    assert "this page is for looking" in viewer.said.value


def test_the_viewer_draws_what_its_notebook_gave(only_looking, image, tmp_path):
    (tmp_path / "one.csv").write_text("name,ra,dec\n3C196,123.4,48.2\n")
    viewer = Viewer([image])
    viewer.overlay("catalogue", tmp_path / "one.csv")
    assert viewer._over


def test_elsewhere_the_viewer_takes_a_path(image):
    assert "Draw" in controls(Viewer([image]).widget)


def test_no_run_is_started_or_stopped(only_looking, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "observation").mkdir()
    shown = form.stage_form("1_ingest", observation="observation")
    assert not {"Run", "Stop"} & controls(shown.widget)
    shown.begin()
    assert "run 1_ingest: this page is for looking" in shown.status.value
    assert list(tmp_path.iterdir()) == [tmp_path / "observation"]
    (tmp_path / "run.json").write_text('{"notebook": "1_ingest.ipynb"}')
    with pytest.raises(OnlyLooking, match=r"stop 1_ingest\.ipynb"):
        background.Run(tmp_path).stop()


def test_the_page_s_kernels_are_told(lake_home, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(programs, "run", lambda *given: started.append(given) or 0)
    lab.look(lake_home, root_dir=tmp_path)
    (_module, _arguments, _folder, environment, _unset) = started[0]
    assert looking.only(environment)
    assert not looking.only()
