import os
import re
import time
import zlib

import pytest

from lofarlake_nb.lake.embedded.home import Home


@pytest.fixture
def storage(lake_home):
    """Where a site keeps the file that has a name."""

    def where(site, name):
        found = list((Home(lake_home).storage / site / "lofar").rglob(name))
        assert len(found) < 2
        return found[0] if found else None

    return where


@pytest.fixture
def uploaded(lake_home, rucio, tmp_path):
    """Upload a file of some MB by Rucio's own command; its path on the way in."""

    def upload(name):
        path = tmp_path / name
        path.write_bytes(os.urandom(9_000_000))
        done = rucio(lake_home, "upload", "--rse", "SARA", "--scope", "lofar", path)
        assert done.returncode == 0, done.stderr
        return path

    return upload


def rule(lake_home, rucio, name, rse):
    done = rucio(lake_home, "rule", "add", f"lofar:{name}", "--copies", "1", "--rses", rse)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def state(lake_home, rucio, rule_id):
    lines = rucio(lake_home, "rule", "show", rule_id).stdout.splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def wait(found, seconds=60):
    deadline = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert answer
    return answer


def test_a_rule_brings_the_bytes_to_the_other_site(lake_home, rucio, storage, uploaded, tmp_path):
    path = uploaded("one.tar")
    rule_id = rule(lake_home, rucio, "one.tar", "QOS=TAPE")
    wait(lambda: storage("POZNAN", "one.tar"))
    wait(lambda: state(lake_home, rucio, rule_id)["State"].startswith("OK"))
    for site in ("SARA", "POZNAN"):
        assert storage(site, "one.tar").read_bytes() == path.read_bytes()
    assert storage("JUELICH", "one.tar") is None
    replicas = rucio(lake_home, "replica", "list", "file", "lofar:one.tar").stdout
    assert f"{zlib.adler32(path.read_bytes()):08x}" in replicas
    done = rucio(lake_home, "download", "--rses", "POZNAN", "--dir", tmp_path / "down", "lofar:one.tar")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "down/lofar/one.tar").read_bytes() == path.read_bytes()


def test_rotten_bytes_are_not_replicated_and_the_rule_says_why(lake_home, rucio, storage, uploaded):
    uploaded("rotten.tar")
    with open(storage("SARA", "rotten.tar"), "r+b") as file:
        file.seek(1_000_000)
        file.write(b"rot")
    rule_id = rule(lake_home, rucio, "rotten.tar", "JUELICH")
    stuck = wait(lambda: (now := state(lake_home, rucio, rule_id))["State"].startswith("STUCK") and now)
    assert "adler32" in str(stuck)
    assert storage("JUELICH", "rotten.tar") is None
    assert not any(Home(lake_home).storage.glob("*/.incoming/*"))


def test_the_end_of_the_last_rule_frees_the_disk(lake_home, rucio, storage, uploaded):
    uploaded("short.tar")
    rules = rucio(lake_home, "rule", "list", "--did", "lofar:short.tar").stdout
    rule_id = next(word for word in rules.split() if re.fullmatch("[0-9a-f]{32}", word))
    assert rucio(lake_home, "rule", "update", rule_id, "--lifetime", "-10").returncode == 0
    wait(lambda: storage("SARA", "short.tar") is None)


def test_sites_have_attributes_and_two_protocols_for_the_same_paths(lake_home, rucio, storage, uploaded):
    path = uploaded("paths.tar")
    for expression, sites in (("QOS=DISK", {"SARA", "JUELICH"}), ("QOS=TAPE&site=POZNAN", {"POZNAN"})):
        assert set(rucio(lake_home, "rse", "list", "--rses", expression).stdout.split()) == sites
    # Who is at the site is given the mounted file, others the https address, of the same file.
    listed = rucio(lake_home, "replica", "list", "file", "--domain", "lan", "--pfns", "lofar:paths.tar").stdout
    where = next(word for word in listed.split() if word.startswith("file://localhost")).removeprefix(
        "file://localhost"
    )
    assert os.path.samefile(where, storage("SARA", "paths.tar"))
    assert storage("SARA", "paths.tar").read_bytes() == path.read_bytes()
