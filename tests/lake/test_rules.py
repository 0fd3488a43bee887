import os

import pytest

from lofarlake_nb.errors import DIDNotFound, LakeError, TransferFailed
from lofarlake_nb.lake import ingest, rules
from lofarlake_nb.lake.did import DID
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture
def dataset(lake, tmp_path, unique) -> str:
    """Two files at SARA only."""
    for n in range(2):
        (tmp_path / f"{unique}.{n}").write_bytes(os.urandom(1000))
    files = [tmp_path / f"{unique}.{n}" for n in range(2)]
    return ingest.ingest(lake, files, IngestParameters(dataset=f"lofar:{unique}", replicate_to="")).dataset


def test_a_copy_by_quality_of_service(lake, lake_home, dataset, unique):
    ticks = []
    rule = rules.replicate(lake, dataset, "QOS=TAPE")
    done = rules.wait(lake, rule, 60, ticks.append)
    assert (done.state, done.ok, done.total, done.rse_expression) == ("OK", 2, 2, "QOS=TAPE")
    assert (ticks[-1].stage, ticks[-1].done, ticks[-1].total, ticks[-1].state) == ("replicate", 2, 2, "done")
    for n in range(2):
        one, other = (next((lake_home / "storage" / site).rglob(f"{unique}.{n}")) for site in ("SARA", "POZNAN"))
        assert one.read_bytes() == other.read_bytes()
    assert rules.pending(lake, rule) == []


def test_the_same_wish_twice_is_one_rule(lake, dataset):
    assert rules.replicate(lake, dataset, "JUELICH") == rules.replicate(lake, dataset, "JUELICH")


def test_a_rule_can_end(lake, dataset):
    rule = rules.replicate(lake, dataset, "POZNAN", lifetime=3600)
    assert lake.call("get_replication_rule", rule)["expires_at"] is not None
    assert rules.replicate(lake, dataset, "POZNAN") == rule
    assert lake.call("get_replication_rule", rule)["expires_at"] is None
    assert rules.replicate(lake, dataset, "POZNAN", lifetime=60) == rule
    assert lake.call("get_replication_rule", rule)["expires_at"] is None


def test_what_a_rule_waits_for_is_said_file_by_file(lake, lake_home, dataset, unique):
    next((lake_home / "storage" / "SARA").rglob(f"{unique}.1")).unlink()
    rule = rules.replicate(lake, dataset, "JUELICH")
    with pytest.raises(TransferFailed) as refused:
        rules.wait(lake, rule, timeout=5)
    said = refused.value.message
    assert f"the copy of {dataset} to JUELICH is" in said
    assert "1 of 2 files are there" in said
    assert f"lofar:{unique}.1 to JUELICH is" in said
    assert "404" in said
    assert [waiting.did.name for waiting in rules.pending(lake, rule)] == [f"{unique}.1"]
    by_site = {held.rule.rse_expression: held for held in rules.of(lake, f"lofar:{unique}.1")}
    assert set(by_site) == {"SARA", "JUELICH"}
    assert by_site["SARA"].pending == ()
    assert "404" in by_site["JUELICH"].pending[0].reason
    other = {held.rule.rse_expression: held for held in rules.of(lake, f"lofar:{unique}.0")}
    assert other["JUELICH"].rule.did == DID.parse(dataset)
    assert other["JUELICH"].pending == ()


def test_wishes_that_can_t_be(lake, dataset):
    with pytest.raises(LakeError, match="no such site"):
        rules.replicate(lake, dataset, "NOWHERE")
    with pytest.raises(DIDNotFound):
        rules.replicate(lake, "lofar:nothing", "SARA")
    with pytest.raises(LakeError):
        rules.state(lake, "0" * 32)
