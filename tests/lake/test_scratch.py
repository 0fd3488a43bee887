"""What killed processes left half made is found and goes; what the living make stays."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lofarlake_nb.cli import main
from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake import scratch
from lofarlake_nb.observation import partial

BUILD = """
import sys, time
from pathlib import Path
from lofarlake_nb.observation.partial import building
with building(Path(sys.argv[1])) as part:
    (part / "content").write_bytes(bytes(1000))
    print("built", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def builder(tmp_path):
    """Processes that build a target each and do not end by themselves."""
    running = []

    def start(name):
        words = [sys.executable, "-c", BUILD, tmp_path / "deep" / name]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout.readline() == b"built\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_dead_s_places_go_and_those_of_the_living_stay(tmp_path, builder, capsys):
    dead, _ = builder("dead.tar"), builder("alive.tar")
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    (tmp_path / "deep" / "my.abcdefgh.part").mkdir()  # somebody's own
    (tmp_path / "link").symlink_to(tmp_path / "deep")

    assert main(["purge", str(tmp_path), "--older-than", "0 s"]) == 1
    assert "dead.tar" in (said := capsys.readouterr().out)
    assert "alive.tar" not in said
    done = scratch.purge([tmp_path, tmp_path / "deep" / ".."], older_than=0.0, remove=True)
    assert [(path.count("dead.tar"), size) for path, size in done.left] == [(1, 1000)]
    assert (done.removed, done.ok) == (1, True)
    names = sorted(os.listdir(tmp_path / "deep"))
    assert [name[:10] for name in names] == [".alive.tar", "my.abcdefg"]
    assert main(["purge", str(tmp_path), "--older-than", "0 s"]) == 0


def test_what_is_new_is_left_alone(tmp_path):
    part = tmp_path / ".new.tar.abcdefgh.part"
    part.mkdir()
    assert scratch.purge([tmp_path], remove=True).left == ()
    os.utime(part, (0, time.time() - 3700))
    assert scratch.purge([tmp_path], remove=True).removed == 1
    assert not part.exists()


def test_what_goes_while_one_looks_is_not_there(tmp_path, monkeypatch):
    gone, stays = tmp_path / ".a.tar.abcdefgh.part", tmp_path / ".b.tar.abcdefgh.part"
    gone.mkdir(), stays.mkdir()
    is_dead = partial.is_dead

    def looked(part):
        dead = is_dead(part)
        if part == gone:
            part.rmdir()
        return dead

    monkeypatch.setattr(partial, "is_dead", looked)
    assert scratch.purge([tmp_path], older_than=0.0).left == ((str(stays), 0),)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        scratch.purge([tmp_path / "none"])
