"""Folders for results are made where that is safe, and wrong input is told before anything runs."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from lofarlake_nb import checks, inspecting, stages
from lofarlake_nb.errors import ProcessingError, UsageError
from lofarlake_nb.lake import records


@pytest.mark.parametrize(("die", "code"), [((os._exit, 3), 3), ((signal.raise_signal, signal.SIGKILL), -9)])
def test_a_process_that_dies_is_told(die, code):
    with pytest.raises(ProcessingError, match=rf"died \(exit code {code}\)"):
        stages.apart(*die)


def test_what_a_process_of_its_own_raises_is_raised_here():
    with pytest.raises(UsageError, match="streams: expected 1 or more, got 0") as raised:
        stages.apart(checks.check, inspecting.find_notebook("1_ingest"), {"streams": 0})
    assert "in _ingest" in str(raised.value.__cause__)


def test_a_process_of_its_own_ends_where_this_one_is_interrupted(tmp_path):
    def interrupt() -> None:
        while not (tmp_path / "running").exists():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        stages.apart(slow, tmp_path / "running", 60)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "running").read_text()), 0)


def slow(mark: Path, seconds: float) -> None:
    part = mark.with_name("part")
    part.write_text(str(os.getpid()))
    part.rename(mark)
    time.sleep(seconds)


def test_a_new_folder_is_made_and_marked(tmp_path):
    stages.prepare(tmp_path / "a" / "b", overwrite=False)
    assert (tmp_path / "a" / "b" / stages.MARK).is_file()


def test_a_folder_with_something_in_it_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="is there already"):
        stages.prepare(tmp_path, overwrite=False)
    with pytest.raises(UsageError, match="not made by lofarlake"):
        stages.prepare(tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_results_of_an_earlier_run_are_replaced_when_wanted(tmp_path):
    stages.prepare(tmp_path / "out", overwrite=False)
    (tmp_path / "out" / "image.fits").touch()
    with pytest.raises(UsageError, match="--overwrite"):
        stages.prepare(tmp_path / "out", overwrite=False)
    stages.prepare(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "image.fits").exists()


def run_on(tars, out) -> list[Path]:
    """What a run unpacks of its inputs, and the records that it keeps of them."""
    stages.prepare(out, overwrite=False, inputs=tars)
    unpacked = [out / "work" / "input" / tar.stem for tar in tars]
    for tar, target in zip(tars, unpacked, strict=True):
        tar.write_text("a tar")
        target.mkdir(parents=True)
        (target / "table.dat").write_text("gigabytes")
        records.keep(target, str(tar), f"{tar.stat().st_size} {tar.stat().st_mtime_ns}")
    return unpacked


def test_what_steps_keep_stays_and_a_tar_that_is_another_is_unpacked_again(tmp_path):
    out, tars = tmp_path / "out", [tmp_path / "same.tar", tmp_path / "changed.tar"]
    unpacked = run_on(tars, out)
    (out / "work" / "flags").mkdir()
    (out / "work" / "flags" / "flagged.json").write_text("{}")
    (out / "image.fits").touch()
    tars[1].write_text("another tar")
    stages.prepare(out, overwrite=True, inputs=tars)
    assert not (out / "image.fits").exists()
    assert (out / "work" / "flags" / "flagged.json").is_file()
    assert [target.exists() for target in unpacked] == [True, False]


def test_what_was_unpacked_of_inputs_that_are_none_any_more_goes(tmp_path):
    out, tars = tmp_path / "out", [tmp_path / "first.tar", tmp_path / "second.tar"]
    unpacked = run_on(tars, out)
    came = unpacked[1].stat().st_mtime_ns
    stages.prepare(out, overwrite=True, inputs=tars[1:])
    assert [path.name for path in (out / "work" / "input").iterdir() if path.name != records.FOLDER] == ["second"]
    assert len(list((out / "work" / "input" / records.FOLDER).iterdir())) == 1
    assert (unpacked[1].stat().st_mtime_ns, (unpacked[1] / "table.dat").read_text()) == (came, "gigabytes")
    (tmp_path / "observation").mkdir()
    stages.prepare(out, overwrite=True, inputs=[tmp_path / "observation"])
    assert not unpacked[1].exists()


def test_a_link_and_the_folder_that_one_is_in_are_places_for_results(tmp_path, monkeypatch):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "out").symlink_to("large disk")
    stages.prepare(tmp_path / "out", overwrite=False)
    (tmp_path / "out" / "image.fits").touch()
    (tmp_path / "out" / "work").mkdir()
    (tmp_path / "out" / "elsewhere").symlink_to(tmp_path / "kept")
    monkeypatch.chdir(tmp_path / "out")
    stages.prepare(Path(), overwrite=True)
    assert [path.name for path in (tmp_path / "large disk").iterdir()] == [stages.MARK]
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize("place", ["data", "data/out", "."])
def test_input_and_output_never_lie_in_each_other(tmp_path, place):
    (tmp_path / "data").mkdir()
    stages.prepare(tmp_path / "other", overwrite=False)
    with pytest.raises(UsageError, match="lie in each other"):
        stages.prepare(tmp_path / place, overwrite=True, inputs=[tmp_path / "data"])
    assert (tmp_path / "data").is_dir()


def test_a_file_is_no_output_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="is a file"):
        stages.prepare(tmp_path / "out", overwrite=True)


def test_a_folder_that_can_t_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="out can't be made: Not a directory"):
        stages.prepare(tmp_path / "file" / "out", overwrite=True)
