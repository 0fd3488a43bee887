"""The form of a stage: made from the notebook's parameters, checked, and run in a process of its own."""

import html
import shlex
import shutil
import threading
import time

import pytest

from lofarlake_nb import cli
from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import client, ingest
from lofarlake_nb.recording import State
from lofarlake_nb.widgets.form import stage_form

PARAMETERS = """\
dataset: str = ""  # what to work on
count: int = 2  # how many
deep: bool = False  # all of it
paths: list = []  # folders
lake: str = ""  # the lake
"""
MADE = """\
from pathlib import Path
from IPython.display import display
Path('results').mkdir(exist_ok=True)
Path('results/a b.png').write_text(f'{count} {deep} {paths}')
files = [str(Path('results').absolute())]
display({"application/vnd.lofarlake.made+json": {"dataset": "lofar:made", "files": files}}, raw=True)
"""


@pytest.fixture
def form(notebook_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return stage_form(str(notebook_of(PARAMETERS, MADE)), lake=str(tmp_path / "none"))


def ended(form, seconds=60):
    deadline = time.monotonic() + seconds
    while not form.links.outputs and time.monotonic() < deadline:
        time.sleep(0.1)
    return form.run.state()


def test_each_parameter_is_a_control_with_its_default_label_and_help(form):
    controls = {name: field.control for name, field in form.fields.items()}
    assert [c.description for c in controls.values()] == ["dataset", "count", "deep", "paths", "lake"]
    assert [c.value for c in controls.values()] == ["", "2", False, "", form.fields["lake"].value]
    assert "how many" in form.fields["count"].note.value
    assert list(form.values) == ["lake"]


def test_datasets_of_the_lake_can_be_chosen(lake_home, tmp_path):
    (tmp_path / "image.fits").write_bytes(b"pixels")
    files = [tmp_path / "image.fits"]
    ingest.ingest_products(client.connect(lake_home), files, "lofar:form_input", {}, replicate_to="", close=True)
    assert "lofar:form_input" in stage_form("2_process", lake=str(lake_home)).fields["dataset"].control.options


@pytest.mark.parametrize("name", ["1_ingest", "2_process", "3_explore"])
def test_the_shipped_notebooks_have_a_form(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert stage_form(name, lake="/a/lake").values == {"lake": "/a/lake"}
    assert stage_form(name).wrong == []


def test_a_value_of_the_wrong_type_is_named_and_cannot_be_run(form):
    form.fields["count"].control.value = "many"
    assert "parameter count: expected int, got &#x27;many&#x27;" in form.fields["count"].note.value
    form.status.value = ""
    form.start.click()
    assert (form.can_begin, form.run) == (False, None)
    assert "parameter count" in form.status.value
    form.fields["count"].control.value = "3"
    assert form.status.value == ""
    assert form.can_begin
    assert form.values["count"] == 3


def test_what_a_stage_can_not_use_is_said_beside_its_field_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = {
        "dataset": "L123", "field": "5 parsec", "interval": "abc", "solve": "foo", "robust": "nan", "workers": "-3",
        "catalogue": "/no/such.csv",
    }  # fmt: skip
    form = stage_form("2_process", lake="/no/lake")
    assert form.can_begin
    for name, value in wrong.items():
        form.fields[name].control.value = value
        assert form.fields[name].wrong in html.unescape(form.fields[name].note.value)
    assert {name for name, field in form.fields.items() if field.wrong} == set(wrong)
    form.start.click()
    assert (form.can_begin, form.run, (tmp_path / "runs").exists()) == (False, None, False)
    for name in wrong:
        form.fields[name].control.value = str(form.fields[name].parameter.default)
    assert (form.can_begin, form.wrong) == (True, [])


def test_values_are_judged_as_they_stand_beside_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calibrated = stage_form("2_process", dataset="lofar:L1", solve="none", sky_model="none", lake="/no/lake")
    assert (calibrated.wrong, calibrated.can_begin) == ([], True)
    calibrated.fields["solve"].control.value = "diagonal"
    assert "gains are solved on a model" in calibrated.fields["sky_model"].note.value
    calibrated.fields["solve"].control.value = "none"
    assert (calibrated.wrong, calibrated.status.value) == ([], "")
    form = stage_form("2_process", lake="/no/lake")
    fine = {"more": "npix=1024", "field": "2 deg", "resolution": "30 arcsec"}
    for name, value in fine.items():
        form.fields[name].control.value = value
        assert form.wrong == []
    form.fields["field"].control.value = "6 deg"
    assert "has 1.4 pixels" in form.fields["field"].wrong
    form.fields["robust"].control.value = "3"
    assert [name for name, field in form.fields.items() if field.wrong] == ["field", "robust"]
    form.fields["resolution"].control.value = "auto"  # the other one of the two
    assert [name for name, field in form.fields.items() if field.wrong] == ["robust"]


def test_a_dataset_and_paths_are_told_at_once_beside_what_was_typed_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = stage_form("2_process", dataset="lofar:L1", lake="/no/lake", workers=-1)
    form.fields["paths"].control.value = "."
    assert "expected a dataset or paths, got both" in form.fields["paths"].note.value
    assert [name for name, field in form.fields.items() if field.wrong] == ["paths", "workers"]
    form.fields["dataset"].control.value = ""
    assert [name for name, field in form.fields.items() if field.wrong] == ["workers"]


def test_a_stage_that_lacks_its_input_says_so_when_it_is_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = stage_form("2_process", lake="/no/lake")
    form.start.click()
    assert "expected a dataset or paths, got neither" in form.status.value
    assert (form.can_begin, form.run) == (False, None)
    form.fields["dataset"].control.value = "lofar:x"
    assert (form.can_begin, form.status.value) == (True, "")


def test_a_folder_that_comes_meanwhile_is_found_when_a_stage_is_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = stage_form("1_ingest", lake="/no/lake", streams=0)
    assert form.wrong == ["streams: expected 1 or more, got 0"]
    form.start.click()
    assert "observation: no folder observation" in form.fields["observation"].note.value
    form.fields["streams"].control.value = "2"
    (tmp_path / "observation").mkdir()
    form.start.click()  # what is in it is looked at by the run itself
    assert ended(form).state == "failed"
    assert "no Measurement Set is there" in form.run.state().said


def test_a_first_value_that_is_wrong_is_refused(notebook_of):
    with pytest.raises(UsageError, match="no parameter 'cuont'"):
        stage_form(str(notebook_of(PARAMETERS)), cuont=3)


def test_what_only_the_notebooks_own_kernel_knows_has_to_be_given(notebook_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = "dataset: str = chosen.did  # what to work on\ndeep: bool = chosen.deep  # all of it\n"
    form = stage_form(str(notebook_of(cell, "print(dataset, deep)")))
    dataset, deep = form.fields["dataset"], form.fields["deep"]
    assert (dataset.control.value, deep.control.value, form.values) == ("", "", {})
    assert "chosen.did, is known only in the notebook&#x27;s own kernel; give one here" in dataset.note.value
    form.start.click()
    assert (form.can_begin, form.run) == (False, None)
    assert "parameter dataset" in form.status.value
    dataset.control.value, deep.control.value = "lofar:L1", "yes"
    assert (form.wrong, form.values) == ([], {"dataset": "lofar:L1", "deep": True})
    form.start.click()
    assert ended(form).state == "done"
    assert "lofar:L1 True" in form.run.executed.read_text()


def test_the_dataset_of_the_stage_before_is_given_where_one_has_to_be(notebook_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after = stage_form(str(notebook_of("dataset: str = chosen.did  # what to work on\n")))
    after._take(State("done", datasets=("lofar:made",)))
    assert (after.values, after.wrong) == ({"dataset": "lofar:made"}, [])


@pytest.mark.parametrize("paths", [["one, two.MS"], ["[old].MS", "new.MS"], ["a.MS", "b.MS"], [1, 2]])
def test_a_list_stays_what_it_is_whatever_its_texts_hold(notebook_of, tmp_path, paths):
    form = stage_form(str(notebook_of(PARAMETERS)), lake=str(tmp_path / "none"), paths=paths)
    assert (form.values["paths"], form.wrong) == (paths, [])


def test_the_lines_do_the_same(form):
    form.fields["deep"].control.value = True
    form.fields["paths"].control.value = "a b, c"
    shown = html.unescape(form.code.value)
    assert f"<code>{form.shell}</code>" in shown
    words = shlex.split(form.shell)
    chosen = cli.parser().parse_args(words[1:])
    assert dict(chosen.parameters) == {"deep": "true", "paths": '["a b", "c"]', "lake": form.fields["lake"].value}


def test_a_run_ends_in_links_and_the_next_stage_takes_its_dataset(form, notebook_of, tmp_path):
    after = stage_form(str(notebook_of(PARAMETERS, MADE)), follows=form)
    form.fields["count"].control.value = "7"
    form.start.click()
    assert (form.can_begin, form.is_running) == (False, True)
    run = form.run
    form.start.click()  # a second press starts no second run
    assert form.run == run
    assert ended(form).state == "done"
    (shown,) = form.links.outputs
    text = shown["data"]["text/html"]
    assert f'<a href="runs/{form.run.folder.name}/made.ipynb">' in text
    assert '<a href="results/a%20b.png">' in text
    assert "lofar:made" in text
    assert (tmp_path / "results" / "a b.png").read_text() == "7 False []"
    assert "done: all 3 cells ran" in form.status.value
    assert (form.can_begin, form.is_running) == (True, False)
    form.stop.click()
    assert "done: all 3 cells ran" in form.status.value
    deadline = time.monotonic() + 60  # who follows is told after the links are shown, and asks the lake first
    while not (taken := after.fields["dataset"].control.value) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert taken == "lofar:made"


def test_links_of_a_run_do_not_stand_under_the_next_one(form):
    """What looks at a run may come to its end when the next one has begun."""
    form.start.click()
    ended(form)
    before = form.run
    form.start.click()
    form._look(before)
    assert before.folder.name not in str(form.links.outputs)
    ended(form)


def test_a_run_is_stopped_and_a_form_made_meanwhile_finds_it(notebook_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = str(notebook_of(PARAMETERS, "import time; time.sleep(60)"))
    first = stage_form(made)
    first.start.click()
    while first.run.state().cell < 2:
        time.sleep(0.1)
    second = stage_form(made)
    assert second.run == first.run
    assert not second.can_begin
    time.sleep(1)
    second.stop.click()
    assert ended(first).state == ended(second).state == "stopped"
    assert "run it again: what was finished is kept" in second.status.value


MOVING = """\
import time
from lofarlake_nb.lake.progress import Progress
from lofarlake_nb.widgets.ticks import show
with Progress("ingest", 5, show(), total_bytes=5000) as progress:
    for n in range(5):
        list(progress.count([b"x" * 1000], "SARA"))
        progress.finished("SARA")
        time.sleep(1)
"""


def test_figures_change_while_what_is_read_out_by_itself_does_not(notebook_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = stage_form(str(notebook_of(PARAMETERS, MOVING)))
    read_out, figures = [], []
    form.status.observe(lambda change: read_out.append(change["new"]), "value")
    form.figures.observe(lambda change: figures.append(change["new"]), "value")
    form.start.click()
    assert ended(form).state == "done"
    assert len([text for text in figures if "of 5 files" in text]) >= 3
    assert not any("files" in text or "kB" in text for text in read_out)
    assert len(read_out) <= 4, read_out  # a kernel starts, two cells, done
    assert form.figures.value == ""


def test_no_button_is_disabled_so_that_none_loses_the_focus(form):
    form.stop.click()
    assert "nothing runs" in form.status.value
    form.start.click()
    assert [form.start.disabled, form.stop.disabled] == [False, False]
    assert ended(form).state == "done"
    assert [form.start.disabled, form.stop.disabled] == [False, False]


def test_a_form_made_after_a_run_has_ended_shows_how(form, notebook_of, lake_home, tmp_path):
    """As when the kernel was restarted, or the server, while a long run went on."""
    made = tmp_path / "kept.dat"
    made.write_bytes(b"kept")
    ingest.ingest_products(client.connect(lake_home), [made], "lofar:form_before", {}, replicate_to="", close=True)
    form.start.click()
    before = ended(form)
    record = form.run.folder / "state.json"
    record.write_text(record.read_text().replace("lofar:made", "lofar:form_before"))
    again = stage_form(form.notebook)
    assert ended(again).state == before.state == "done"
    assert "the last run, of 20" in again.status.value
    assert "done: all 3 cells ran" in again.status.value
    assert again.run.folder.name in str(again.links.outputs)
    assert again.can_begin
    other = shutil.copy(notebook_of(PARAMETERS, MADE), tmp_path / "other.ipynb")
    assert stage_form(str(other), follows=again, lake=str(lake_home)).values["dataset"] == "lofar:form_before"
    assert "dataset" not in stage_form(str(other), follows=again, lake=str(tmp_path / "none")).values


def test_a_run_of_long_ago_that_is_told_late_gives_the_next_stage_nothing(form, notebook_of, tmp_path, monkeypatch):
    """The thread that tells of it may come to its turn when the form of the next stage is there already."""
    form.start.click()
    ended(form)
    later = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda thread: later.append(thread))
        again = stage_form(form.notebook)
    other = shutil.copy(notebook_of(PARAMETERS, MADE), tmp_path / "other.ipynb")
    after = stage_form(str(other), follows=again, lake=str(tmp_path / "none"))
    (thread,) = later
    thread.run()
    assert "the last run, of 20" in again.status.value
    assert "dataset" not in after.values
