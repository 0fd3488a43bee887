"""A site's disk that fills up while files arrive: nothing half-written counts, and with room a re-run ends it."""

import os
import subprocess
import sys

import pytest

ALONE = ("unshare", "--user", "--map-root-user", "--mount")  # a disk of its own, which no one else sees

# Runs where the site's folder is a disk of 200 MB: filled up while the third of the first file's blocks is sent.
INGEST = """
import os, shutil, subprocess, sys
from pathlib import Path
from lofarlake_nb.errors import NoSpace
from lofarlake_nb.lake import client, ingest, plan, verify
from lofarlake_nb.parameters import IngestParameters

home, dataset, *files = sys.argv[1:]
site = Path(home) / "storage" / "SARA" / "lofar"
site.mkdir(parents=True, exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", site], check=True)
lake, parameters = client.connect(home), IngestParameters(dataset=dataset, replicate_to="", streams=1)
real, filler = plan.Item.blocks, site / "filler"

def filled(item):
    for n, block in enumerate(real(item)):
        if n == 3 and not filler.exists():
            free = os.statvfs(site).f_bavail * os.statvfs(site).f_frsize
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, free)
        yield block

plan.Item.blocks = filled
try:
    ingest.ingest(lake, files, parameters)
except NoSpace as error:
    print("told:", error.message)
left = [path.name for path in site.rglob("*") if path.is_file() and path != filler]
print("left:", left)
plan.Item.blocks = real
filler.unlink()
print("states:", [entry.state for entry in ingest.ingest(lake, files, parameters).entries])
print("whole:", verify.verify(lake, dataset, deep=True).ok)
kept = Path(files[0]).parent / "kept"
shutil.copytree(site, kept)
subprocess.run(["umount", site], check=True)
shutil.copytree(kept, site, dirs_exist_ok=True)  # others who look find what the catalogue says
"""


def test_a_disk_that_fills_up(lake_home, tmp_path, number):
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no process have a disk of its own (unshare)")
    files = [tmp_path / f"L{number}.{n}" for n in range(2)]
    for file in files:
        file.write_bytes(os.urandom(4_000_000))
    (tmp_path / "ingest.py").write_text(INGEST)
    command = [*ALONE, sys.executable, tmp_path / "ingest.py", lake_home, f"lofar:L{number}", *files]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told, left, states, whole = done.stdout.splitlines()[-4:]
    assert "0 of 2 files are at the site" in told
    assert left == "left: []"
    assert states == "states: ['new', 'new']"
    assert whole == "whole: True"
