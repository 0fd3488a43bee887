"""A step's folder is its own while it works."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lofarlake_nb import steps
from lofarlake_nb.errors import UsageError
from lofarlake_nb.processing import results

HOLD = """
import sys
from dataclasses import dataclass
from pathlib import Path
from lofarlake_nb import steps
def work():
    print("working", flush=True)
    sys.stdin.readline()
    return {"by": "another"}
steps.once(Path(sys.argv[1]), "a", work, products=lambda r: [])
"""


def test_two_runs_in_one_folder(tmp_path):
    """The second is refused, not let loose on the first one's products; a step that begins anew keeps its lock."""
    record = tmp_path / "work" / "averaged.json"
    command = [sys.executable, "-c", HOLD, str(record)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "working\n"
        steps.empty(record.parent)
        with pytest.raises(UsageError, match="another run works in this folder"):
            steps.once(record, "a", lambda: {"by": "us"}, products=lambda _: [])
        other.communicate("\n")
    assert other.returncode == 0
    assert steps.once(record, "a", lambda: {"by": "us"}, products=lambda _: []) == {"by": "another"}
    assert steps.once(record, "b", lambda: {"by": "us"}, products=lambda _: []) == {"by": "us"}


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"key": "a"}', '{"key": "a", "result": null}', '{"key'])
def test_a_record_that_is_none_has_the_step_done_again(tmp_path, text):
    record = tmp_path / "a.json"
    record.write_text(text)
    for _ in range(2):
        assert steps.once(record, "a", lambda: {"x": 1}, products=lambda result: [tmp_path][: result["x"]]) == {"x": 1}


def test_products_in_another_folder_are_another_s(tmp_path):
    """A copied folder's record names those of the first one, which may be of other parameters by now."""
    (tmp_path / "first").mkdir()
    product = tmp_path / "first" / "flags.npy"
    product.write_text("made by the first")
    made = {"file": str(product)}
    for work in (lambda: made, lambda: pytest.fail("done again")):
        assert steps.once(product.with_name("a.json"), "a", work, products=lambda r: [Path(r["file"])]) == made
    shutil.copytree(product.parent, tmp_path / "second")
    own = {"file": str(tmp_path / "second" / "flags.npy")}
    record = tmp_path / "second" / "a.json"
    assert steps.once(record, "a", lambda: own, products=lambda r: [Path(r["file"])]) == own


def test_a_failed_step_lets_go_of_its_folder(tmp_path):
    with pytest.raises(ZeroDivisionError):
        steps.once(tmp_path / "a.json", "a", lambda: {"x": 1 / 0}, products=lambda _: [])
    assert steps.once(tmp_path / "a.json", "a", lambda: {"x": 1}, products=lambda _: []) == {"x": 1}


@dataclass(frozen=True)
class Made:
    """Of a version that knows one field more than the record."""

    file: Path
    notes: tuple[str, ...]


def test_a_record_of_another_version_has_the_step_done_again(tmp_path):
    record, made = tmp_path / "a.json", Made(tmp_path / "flags.npy", ("later",))
    made.file.write_text("flags")
    steps.write_json(record, {"key": "a", "result": {"file": str(made.file)}})
    for work in (lambda: made, lambda: pytest.fail("done again")):
        assert results.once(Made, record, "a", work, products=lambda found: [found.file]) == made
