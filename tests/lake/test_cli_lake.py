"""The commands that look after a lake: what they say, and their exit status."""

import json
import os

import pytest

from lofarlake_nb import cli
from lofarlake_nb.lake import ingest, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def command(capsys, lake_home):
    """Run a command on the session's lake; its status, and what it says: an object with --json, else text."""

    def run(*arguments):
        status = cli.main([*map(str, arguments), "--lake", str(lake_home)])
        said = capsys.readouterr().out
        return status, json.loads(said) if "--json" in arguments else said

    return run


@pytest.fixture
def files(tmp_path, unique):
    made = [tmp_path / f"{unique}.{n}" for n in range(2)]
    for file in made:
        file.write_bytes(os.urandom(1000))
    return made


@pytest.fixture
def dataset(lake, files, unique) -> str:
    """Two files at SARA only."""
    return ingest.ingest(lake, files, IngestParameters(dataset=f"lofar:{unique}", replicate_to="")).dataset


def test_verify_and_repair(command, twice, files, unique, lake_home):
    did = twice(files, f"lofar:{unique}")
    assert command("verify", did) == (0, f"{did}: 4 of 4 copies are right\n")
    bad = next((lake_home / "storage" / "JUELICH").rglob(f"{unique}.1"))
    bad.write_bytes(b"x" * 1000)
    assert command("verify", did)[0] == 0  # sizes are right
    status, said = command("verify", did, "--deep", "--json")
    assert (status, said["ok"], [(r["did"], r["rse"]) for r in said["rows"]]) == (
        1, False, [(f"lofar:{unique}.1", "JUELICH")],
    )  # fmt: skip
    status, said = command("verify", did, "--deep", "--repair", "--administrator")
    assert (status, said.splitlines()[-1]) == (0, f"lofar:{unique}.1 JUELICH: mended")
    assert bad.read_bytes() == files[1].read_bytes()


def test_replicate_and_rules(command, dataset):
    status, said = command("replicate", dataset, "QOS=TAPE", "--lifetime", "30 d", "--wait")
    assert (status, said.rpartition(": ")[2]) == (0, "2 of 2 files are at QOS=TAPE\n")
    status, said = command("rules", dataset)
    assert status == 0
    assert "QOS=TAPE, lofar: OK, 2 of 2 files are there, ends 20" in said
    status, said = command("rules", f"{dataset}.0", "--json")
    assert {(one["rule"]["did"], one["rule"]["rse_expression"]) for one in said["rules"]} == {
        (dataset, "SARA"), (dataset, "QOS=TAPE"),
    }  # fmt: skip
    assert command("replicate", dataset, "SARA", "--lifetime", "soon")[0] == 2


def test_retrieve(command, dataset, files, tmp_path):
    status, said = command("retrieve", dataset, "--to", tmp_path / "back", "--json")
    assert (status, said["files"], said["bytes"]) == (0, 2, 2000)
    assert [(tmp_path / "back" / file.name).read_bytes() for file in files] == [file.read_bytes() for file in files]
    status, said = command("retrieve", dataset, "--to", tmp_path / "back")
    assert (status, ", 0.0 MB moved" in said) == (0, True)


def test_find(command, lake, unique):
    for n in range(3):
        lake.call("add_dataset", "lofar", f"{unique}.{n}")
        about = {"target": unique, "min_frequency_hz": 1e6 * n, "max_frequency_hz": 1e6 * (n + 1)}
        metadata.write(lake, {DID("lofar", f"{unique}.{n}"): about})
    status, said = command("find", "--target", unique, "--min-frequency", "2 MHz", "--json")
    assert (status, [one["did"] for one in said["found"]]) == (0, [f"lofar:{unique}.2"])
    status, said = command("find", "--target", f"{unique[:-2]}*", "--max-frequency", "1.5 MHz")
    assert [line.split()[0] for line in said.splitlines()] == ["did", f"lofar:{unique}.0", f"lofar:{unique}.1"]
    assert command("find", "--target", "none such") == (0, "nothing in the lake is like that\n")
    assert command("find", "--cone", "here")[0] == 2


def test_ingest(command, files, unique):
    status, said = command("ingest", *files, "--dataset", f"lofar:{unique}")
    assert status == 0
    assert said.startswith(f"lofar:{unique}: 2 files are verified at SARA, 0.0 MB sent in ")
    status, said = command("ingest", *files, "--dataset", f"lofar:{unique}", "--json")
    assert (status, said["files"], said["bytes"]) == (0, 2, 0)
    assert command("ingest", files[0], "--dataset", "nothing")[0] == 2


def test_retire_and_audit(command, dataset):
    assert command("retire", dataset)[0] == 2  # nobody is there to ask
    status, said = command("retire", dataset, "--yes")
    assert (status, said) == (0, f"{dataset}: 1 rule ended, 0 copies are left of 2 files\n")
    status, said = command("audit", "--administrator", "--json")
    assert (status, said["unseen"]) == (0 if said["ok"] else 1, [])
