"""The form that keeps a file in the lake."""

import html
import json
import os
import time

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


def test_a_notebook_is_kept_as_last_saved_and_the_form_says_when(lake_home, tmp_path):
    path, other = tmp_path / f"n{os.urandom(4).hex()}.ipynb", tmp_path / "plot.png"
    path.write_text(json.dumps({"cells": [], "nbformat": 4}))
    other.write_bytes(b"png")
    os.utime(other, (1e9, 1e9))
    form = KeepForm(lake_home, str(path), "")
    assert form.saved in form.widget.children[0].children  # beside the button
    assert f"as last saved at {clock(path)} " in form.saved.value
    assert "; press Ctrl+S first" in form.saved.value
    form.file.value = str(other)
    assert form.saved.value.startswith(f"as last saved at {time.strftime('%Y-%m-%d', time.localtime(1e9))} ")
    assert "Ctrl" not in form.saved.value
    form.file.value = str(tmp_path / "none.ipynb")
    assert form.saved.value == "there is no such file yet: save it first"
    form.file.value = str(path)
    later = path.stat().st_mtime - 3600  # saved between what was said and the button
    os.utime(path, (later, later))
    form.button.click()
    assert form.work.wait(30)
    assert clock(path) in form.saved.value
    assert f"it is in the lake as {form.shared.dataset}, as last saved at " in form.work.state.value
    assert clock(path) in form.work.state.value
    form.button.click()
    assert form.work.wait(30)
    assert "it was there already" in form.work.state.value


def clock(path):
    return time.strftime("%H:%M:%S", time.localtime(path.stat().st_mtime))


def test_what_is_not_there_is_said(lake_home):
    form = KeepForm(lake_home, "no_such.ipynb", "")
    form.button.click()
    assert form.work.wait(30)
    assert "no_such.ipynb: no such file; save it first" in html.unescape(form.work.state.value)
