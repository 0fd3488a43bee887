"""An ingest that is asked to end: it registers what has arrived, says what is missing, and a re-run finishes."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from lofarlake_nb.lake import ingest, verify
from lofarlake_nb.parameters import IngestParameters

SAID = r"interrupted \((\d+) of 200 files are at the site; missing: \S+ and \d+ more\)"


@pytest.fixture
def files(tmp_path, unique):
    made = [tmp_path / f"{unique}.{n:03d}" for n in range(200)]
    for file in made:
        file.write_bytes(os.urandom(10_000))
    return made


def when_some_are_there(lake_home, files, pid, act):
    """Act on a process when its third file is at the site; it stands still from that moment until then."""
    deadline = time.monotonic() + 60
    site = lake_home / "storage" / "SARA" / "lofar"
    while len(list(site.glob(f"*/*/{files[0].stem}.*"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(pid, signal.SIGSTOP)
    try:
        act()
    finally:
        os.kill(pid, signal.SIGCONT)


def assert_what_was_said_is_so_and_a_rerun_finishes(lake, files, number, said):
    told = int(re.search(SAID, said)[1])
    assert 3 <= told < 200
    held = lake.call("list_content", "lofar", f"L{number}")
    assert len(held) == told
    done = ingest.ingest(lake, files, IngestParameters(dataset=f"lofar:L{number}", replicate_to=""))
    assert [entry.state for entry in done.entries].count("already there") == told
    assert {entry.state for entry in done.entries} == {"already there", "new"}
    verified = verify.verify(lake, f"lofar:L{number}", deep=True)
    assert verified.ok
    assert sorted(row.did for row in verified.rows) == [f"lofar:{file.name}" for file in files]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_asked_to_end(lake, lake_home, files, number, how):
    program = Path(sys.executable).with_name("lofarlake")
    words = [program, "ingest", *files, "--dataset", f"lofar:L{number}", "--lake", lake_home]
    # Where the tests run in the background, an interrupt is ignored, and that would be inherited.
    heard = partial(signal.signal, how, signal.SIG_DFL)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        when_some_are_there(lake_home, files, process.pid, lambda: process.send_signal(how))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    last = said.strip().splitlines()[-1]
    assert re.fullmatch(rf"lofarlake: {SAID}; run it again: what was finished is kept", last)
    assert_what_was_said_is_so_and_a_rerun_finishes(lake, files, number, last)


CELL = """
from lofarlake_nb.lake import client, ingest
from lofarlake_nb.parameters import IngestParameters
ingest.ingest(client.connect({home!r}), {files!r}, IngestParameters(dataset={did!r}, replicate_to=""))
"""


def test_a_notebook_whose_kernel_is_interrupted(lake, lake_home, files, number):
    manager, kernel = start_new_kernel(kernel_name="python3")
    try:
        cell = CELL.format(home=str(lake_home), files=[str(file) for file in files], did=f"lofar:L{number}")
        asked = kernel.execute(cell)
        when_some_are_there(lake_home, files, manager.provisioner.pid, manager.interrupt_kernel)
        while (answer := kernel.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
            pass
        assert (answer["content"]["status"], answer["content"]["ename"]) == ("error", "KeyboardInterrupt")
        assert_what_was_said_is_so_and_a_rerun_finishes(lake, files, number, answer["content"]["evalue"])
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
