import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from lofarlake_nb.observation.partial import building


def test_what_is_renamed_stays_and_the_rest_goes(tmp_path):
    target = tmp_path / "new" / "target"
    with building(target) as part:
        (part / "content").write_bytes(b"whole")
        (part / "more").write_bytes(b"")
        os.rename(part / "content", target)
    assert target.read_bytes() == b"whole"
    assert os.listdir(tmp_path / "new") == ["target"]


def test_the_living_are_left_alone_and_the_dead_are_removed(tmp_path):
    code = """
import sys, time
from pathlib import Path
from lofarlake_nb.observation.partial import building
with building(Path(sys.argv[1])) as part:
    (part / "content").write_bytes(b"half")
    print(part, flush=True)
    time.sleep(60)
"""
    target = tmp_path / "target"
    with subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE, text=True) as other:
        theirs = other.stdout.readline().strip()
        with building(target) as ours:
            assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(p) for p in (ours, theirs))
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert os.listdir(tmp_path) == [os.path.basename(theirs)]
    (tmp_path / ".target.a file.part").write_bytes(b"no folder")
    with building(target) as ours:
        assert sorted(os.listdir(tmp_path)) == sorted([".target.a file.part", ours.name])


def test_many_at_once_do_not_take_each_other_for_dead(tmp_path):
    def build(n: int) -> None:
        for _ in range(200):
            with building(tmp_path / "target") as part:
                (part / "content").write_bytes(b"whole")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(build, range(4)))
    assert os.listdir(tmp_path) == []


def test_a_name_as_long_as_names_can_be(tmp_path):
    target = tmp_path / ("\u00e5" * 127)
    with building(target) as part:
        os.rename(part, target)
    assert os.listdir(tmp_path) == [target.name]
