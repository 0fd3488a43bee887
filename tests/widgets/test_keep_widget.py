"""The form that keeps a file in the lake."""

import html
import os

from lofarlake_nb.lake import client
from lofarlake_nb.lake.did import DID
from lofarlake_nb.widgets.keep import KeepForm


def test_a_file_is_kept_and_shared(lake_home, tmp_path):
    path = tmp_path / f"table{os.urandom(4).hex()}.csv"
    path.write_text("name,flux\n")
    form = KeepForm(lake_home, str(path), "")
    form.button.click()
    assert form.work.wait(30)
    assert form.work.error == ""
    assert html.escape(form.shared.line) in form.said.value
    assert f"keeping.keep({str(path)!r}, lake={str(lake_home)!r})" in html.unescape(form.code.value)
    assert client.connect(lake_home).get(DID.parse(form.shared.dataset))["open"] is False


def test_what_is_not_there_is_said(lake_home):
    form = KeepForm(lake_home, "no_such.ipynb", "")
    form.button.click()
    assert form.work.wait(30)
    assert "no_such.ipynb: no such file; save it first" in html.unescape(form.work.state.value)
