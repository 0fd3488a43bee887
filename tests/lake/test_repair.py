"""Bad copies are made anew where there is a good one, by who may; else the lake is told, and nothing is lost."""

import os

import pytest

from lofarlake_nb.lake import client, ingest, repair, rules, verify
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture(scope="module")
def administrator(lake_home) -> client.Lake:
    return client.connect(lake_home, administrator=True)


@pytest.fixture
def dataset(lake, twice, tmp_path, unique) -> str:
    """Three files at SARA and JUELICH, and one at SARA only."""
    files = [tmp_path / f"{unique}.{n}" for n in range(4)]
    for file in files:
        file.write_bytes(os.urandom(1000))
    twice(files[:3], f"lofar:{unique}")
    ingest.ingest(lake, files[3:], IngestParameters(dataset=f"lofar:{unique}.alone", replicate_to=""))
    return f"lofar:{unique}"


@pytest.fixture
def at(lake_home, unique):
    """Path of one of the files at a site."""
    return lambda site, n: next((lake_home / "storage" / site).rglob(f"{unique}.{n}"))


def test_the_administrator_has_bad_copies_made_anew(administrator, dataset, at, unique):
    good = at("SARA", 0).read_bytes()
    at("JUELICH", 0).write_bytes(b"x" * 1000)
    at("JUELICH", 1).unlink()
    at("SARA", 2).write_bytes(b"short")
    ticks = []
    done = repair.repair(administrator, verify.verify(administrator, dataset), timeout=60, progress=ticks.append)
    assert done.ok, done
    assert [(o.did[-1], o.rse, o.outcome) for o in done.outcomes] == [
        ("0", "JUELICH", "mended"), ("1", "JUELICH", "mended"), ("2", "SARA", "mended"),
    ]  # fmt: skip
    assert at("JUELICH", 0).read_bytes() == good
    assert verify.verify(administrator, dataset).ok
    assert (ticks[-1].stage, ticks[-1].done, ticks[-1].total) == ("repair", 3, 3)


def test_the_only_copy_is_not_declared_bad(administrator, dataset, at):
    at("SARA", 3).write_bytes(b"x" * 1000)
    found = verify.verify(administrator, f"{dataset}.alone")
    done = repair.repair(administrator, found, timeout=5)
    assert not done.ok
    assert "no site has a good copy" in done.outcomes[0].outcome
    assert len(verify.verify(administrator, f"{dataset}.alone").rows) == 1  # Rucio still has it in its dataset


def test_the_astronomer_says_what_is_suspicious(lake, administrator, dataset, at, unique):
    at("JUELICH", 0).write_bytes(b"x" * 1000)
    done = repair.repair(lake, verify.verify(lake, dataset), timeout=5)
    assert not done.ok
    assert "declared suspicious: lofar may not declare it bad" in done.outcomes[0].outcome
    suspicious = [s for some in administrator.call("list_suspicious_replicas") for s in some]
    assert [(s["name"], s["rse"]) for s in suspicious if unique in s["name"]] == [(f"{unique}.0", "JUELICH")]


def test_what_is_only_on_its_way_is_let_be(lake, lake_home, dataset):
    rules.replicate(lake, dataset, "POZNAN")
    done = repair.repair(lake, verify.verify(lake, dataset), timeout=5)
    assert not [o for o in done.outcomes if o.rse != "POZNAN"]
