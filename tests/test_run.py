"""The strict runner: wrong parameters are refused before anything runs, and a failed cell keeps the copy."""

import time
from pathlib import Path

import nbformat
import psutil
import pytest

from lofarlake_nb import executing, inspecting, run
from lofarlake_nb.errors import NotebookFailed, UsageError

PARAMETERS = """\
name: str = "3C196"  # the field
count: int = 2  # how many
cell: float = 4.0
deep: bool = False
paths: list = []  # folders
"""


def outputs(notebook):
    cells = nbformat.read(notebook, 4).cells
    return "".join(out.get("text", "") for c in cells if c.cell_type == "code" for out in c.outputs)


def test_values_typed_in_a_shell_become_the_declared_types(notebook_of):
    typed = {"name": "3", "count": "3", "cell": "2.5", "deep": "true", "paths": "a,b"}
    assert inspecting.checked(notebook_of(PARAMETERS), typed) == {
        "name": "3", "count": 3, "cell": 2.5, "deep": True, "paths": ["a", "b"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "many"), ("count", "2.5"), ("cell", "4 arcsec"), ("deep", "perhaps"), ("paths", "[1"), ("count", True)],
)
def test_an_ill_typed_value_is_a_usage_error_that_names_it(notebook_of, name, value):
    with pytest.raises(UsageError, match=f"parameter {name}: expected "):
        inspecting.checked(notebook_of(PARAMETERS), {name: value})


def test_an_unknown_parameter_is_refused_before_anything_runs(notebook_of, tmp_path):
    with pytest.raises(UsageError, match="no parameter 'dataste'"):
        run.run(notebook_of(PARAMETERS, "1 / 0"), {"dataste": "x"}, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_parameter_without_a_type_is_refused(notebook_of):
    with pytest.raises(UsageError, match="no usable type"):
        inspecting.parameters_of(notebook_of("name = 'x'\n"))


def test_a_parameter_that_papermill_would_lose_is_told(notebook_of):
    with pytest.raises(UsageError, match="parameter rse can't be read"):
        inspecting.parameters_of(notebook_of(PARAMETERS + 'rse: str = "SARA"  # a site, or QOS=DISK\n'))


def test_the_notebooks_that_come_along_declare_what_papermill_reads():
    for notebook in sorted(inspecting.notebooks_folder().glob("*.ipynb")):
        assert all(parameter.help for parameter in inspecting.parameters_of(notebook).values()), notebook


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{]")
    with pytest.raises(UsageError, match="not a notebook"):
        inspecting.parameters_of(tmp_path / "broken.ipynb")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("name: str = (  # a name\n", "not a notebook that can be read"),
        ("name: str = some()  # a name\n", "is no literal"),
    ],
)
def test_a_cell_of_parameters_that_makes_no_sense_is_refused(notebook_of, cell, said):
    with pytest.raises(UsageError, match=said):
        inspecting.parameters_of(notebook_of(cell))


def test_a_variable_of_the_kernel_in_the_place_of_a_default_is_no_value_for_a_run(notebook_of):
    declared = inspecting.parameters_of(notebook_of("dataset: str = chosen.did  # DID, as lofar:L1\nn: int = 2"))
    assert declared["dataset"] == inspecting.Parameter("dataset", "str", None, "DID, as lofar:L1", "chosen.did")
    assert (declared["n"].default, declared["n"].expression) == (2, "")


def test_a_run_that_is_not_given_what_only_another_kernel_knows_is_refused(notebook_of, tmp_path):
    made = notebook_of("dataset: str = chosen.did  # DID\n", "1 / 0")
    with pytest.raises(
        UsageError, match=r"parameter dataset: .* chosen\.did, .*own kernel; give one: -p dataset VALUE"
    ):
        run.run(made, {}, tmp_path / "o.ipynb")
    assert not (tmp_path / "o.ipynb").exists()


def test_a_run_that_is_given_it_does_not_ask_for_the_variable(notebook_of, tmp_path):
    made = notebook_of("dataset: str = chosen.did  # DID, as lofar:L1\nrse: str = 'SARA'\n", "print(dataset, rse)")
    executed = run.run(made, {"dataset": "lofar:L2", "rse": "POZNAN"}, tmp_path / "o.ipynb")
    assert outputs(executed) == "lofar:L2 POZNAN\n"
    sources = [cell.source for cell in nbformat.read(executed, 4).cells]
    assert sources[0] == "dataset: str = \"lofar:L2\"  # DID, as lofar:L1\nrse: str = 'SARA'\n"
    assert "chosen.did" in made.read_text()


def test_only_what_is_given_in_the_place_of_a_variable_changes_in_the_cell_of_parameters():
    cell = '# größe\nα: str = "ü"; dataset: str = chosen.did  # ü\nn: float = (\n    names["n"]\n)\nrse = site  # one\n'
    changed = executing.with_literals(cell, {"dataset": "a\"'b", "n": float("nan"), "rse": "QOS=DISK"})
    made: dict = {}
    exec(changed, made)
    assert (made["α"], made["dataset"], str(made["n"]), made["rse"]) == ("ü", "a\"'b", "nan", "QOS=DISK")
    assert [line.partition("#")[2] for line in changed.splitlines()] == [" größe", " ü", "", "", "", " one"]


@pytest.mark.parametrize(
    "text", ["[]", "{}", "null", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}']
)
def test_json_that_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "broken.ipynb").write_text(text)
    with pytest.raises(UsageError, match="not a notebook"):
        inspecting.parameters_of(tmp_path / "broken.ipynb")


def test_an_unknown_notebook_names_those_there_are():
    with pytest.raises(UsageError, match="1_ingest"):
        inspecting.find_notebook("9_nothing")


def test_a_run_passes_parameters_and_returns_what_cells_show(notebook_of, tmp_path):
    show = 'from IPython.display import display\ndisplay({"application/x+json": {"a": 1}}, raw=True)'
    executed = run.run(notebook_of(PARAMETERS, "print(name * count)", show), {"name": "x'\"\n"}, tmp_path / "o.ipynb")
    assert outputs(executed) == "x'\"\nx'\"\n\n"
    assert run.shown(executed, "application/x+json") == [{"a": 1}]


def test_a_failing_cell_is_a_failure_and_the_copy_is_kept(notebook_of, tmp_path):
    with pytest.raises(NotebookFailed, match="ZeroDivisionError: division by zero"):
        run.run(notebook_of(PARAMETERS, "print('before')", "1 / 0"), {}, tmp_path / "o.ipynb")
    assert "before" in outputs(tmp_path / "o.ipynb")


@pytest.mark.parametrize(
    ("place", "said"), [("folder", "Is a directory"), ("file/o.ipynb", "o.ipynb can't be written")]
)
def test_a_copy_that_can_not_be_written_is_told_before_anything_runs(notebook_of, tmp_path, place, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=said):
        run.run(notebook_of(PARAMETERS, "1 / 0"), {}, tmp_path / place)


def test_a_usage_error_in_a_cell_stays_one(notebook_of, tmp_path):
    cell = "from lofarlake_nb.errors import UsageError\nraise UsageError('cell: too small', 'take more')"
    with pytest.raises(UsageError, match="cell: too small; take more"):
        run.run(notebook_of(PARAMETERS, cell), {}, tmp_path / "o.ipynb")


@pytest.mark.parametrize("cell", ["import sys; sys.exit(0)", "import os; os._exit(1)"])
def test_a_notebook_that_stops_half_way_has_failed(notebook_of, tmp_path, cell):
    with pytest.raises(NotebookFailed):
        run.run(notebook_of(PARAMETERS, cell, "print('never')"), {}, tmp_path / "o.ipynb")


def test_a_kernel_ends_what_a_cell_left_running_but_leaves_dask_to_close_its_own(notebook_of, tmp_path):
    begun = (
        "import subprocess, psutil\nfrom lofarlake_nb.processing.cluster import Session\n"
        "session, left = Session(1), subprocess.Popen(['sleep', '600'])"
    )
    told = (
        "print([child.pid for child in get_ipython().kernel._process_children()] == [left.pid])\n"
        "print(*[child.pid for child in psutil.Process().children(recursive=True)])\n"
        "print(*session.client.run(lambda dask_worker: dask_worker.local_directory).values())\n"
    )
    with pytest.raises(NotebookFailed, match="ZeroDivisionError"):
        run.run(notebook_of(PARAMETERS, begun, told, "1 / 0"), {}, tmp_path / "o.ipynb")
    alone, numbers, folder = outputs(tmp_path / "o.ipynb").splitlines()
    processes = [int(number) for number in numbers.split()]
    assert (alone, len(processes)) == ("True", 3)
    deadline = time.monotonic() + 10  # for the tracker, which ends after the kernel
    while any(map(psutil.pid_exists, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in processes if psutil.pid_exists(pid)] == []
    assert not Path(folder).parents[1].exists()
