"""What the astronomer's account may do on a lake, and what it is told where it may not."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from lofarlake_nb.errors import LakeError, LakeRefused, NoSpace
from lofarlake_nb.lake import client, ingest, rules
from lofarlake_nb.lake.embedded.home import QUOTA, SITES
from lofarlake_nb.parameters import IngestParameters


@pytest.fixture(scope="module")
def astronomer(lake_home):
    return client.connect(lake_home)


@pytest.fixture(scope="module")
def administrator(lake_home):
    return client.connect(lake_home, administrator=True)


@pytest.fixture
def name():
    return f"policy{time.time_ns()}"


@pytest.fixture
def replica(name):
    return {"scope": "lofar", "name": name, "bytes": 3, "adler32": "024d0127"}


def test_the_astronomer_is_no_administrator_and_has_a_quota(astronomer):
    about = astronomer.call("list_account_attributes", "lofar")
    assert not [row for attributes in about for row in attributes if row["key"] == "admin"]
    limits = astronomer.call("get_local_account_limits", "lofar")
    own = {site: limit for site, limit in limits.items() if site in SITES}  # another test may have added one
    assert own == {"SARA": QUOTA, "JUELICH": QUOTA, "POZNAN": QUOTA}


def test_who_has_a_quota_at_a_site_registers_replicas_there(astronomer, replica):
    assert astronomer.call("add_replicas", "SARA", [{**replica, "state": "C"}])
    did = {"scope": "lofar", "name": replica["name"]}
    astronomer.call("update_replicas_states", "SARA", [{**did, "state": "A"}])
    assert [r["states"] for r in astronomer.call("list_replicas", [did], all_states=True)] == [{"SARA": "AVAILABLE"}]


def test_who_has_none_is_told_whom_to_ask(astronomer, administrator, replica):
    administrator.call("delete_local_account_limit", "lofar", "POZNAN")
    try:
        with pytest.raises(LakeRefused, match="can not add file replicas on POZNAN") as refused:
            astronomer.call("add_replicas", "POZNAN", [replica])
    finally:
        administrator.call("set_local_account_limit", "lofar", "POZNAN", QUOTA)
    assert "administrator" in refused.value.hint


def test_a_rule_that_goes_over_the_quota_says_so(astronomer, administrator, tmp_path, name):
    (tmp_path / f"{name}.dat").write_bytes(b"x" * 1000)
    parameters = IngestParameters(dataset=f"lofar:{name}", rse="SARA", replicate_to="")
    ingest.ingest(astronomer, [tmp_path / f"{name}.dat"], parameters)
    administrator.call("set_local_account_limit", "lofar", "JUELICH", 1)
    try:
        with pytest.raises(NoSpace) as refused:
            rules.replicate(astronomer, f"lofar:{name}", "JUELICH")
    finally:
        administrator.call("set_local_account_limit", "lofar", "JUELICH", QUOTA)
    assert "quota" in refused.value.hint


@pytest.mark.parametrize(
    ("at", "where"), [("POZNAN", "POZNAN"), ("SARA", "SARA, which has most room of JUELICH, SARA")]
)
def test_an_ingest_over_the_quota_is_refused_before_the_first_byte(
    astronomer, administrator, lake_home, tmp_path, name, at, where
):
    file = tmp_path / f"{name}.dat"
    file.touch()
    os.truncate(file, 200_000_000)  # more than what earlier tests' files change in usage, which is counted later
    to = IngestParameters(dataset=f"lofar:{name}", rse="POZNAN", replicate_to="QOS=DISK")
    used = {row["rse"]: row["bytes"] for row in administrator.call("get_local_account_usage", "lofar")}
    limits = {"POZNAN": 0} if at == "POZNAN" else {"JUELICH": 0, "SARA": used.get("SARA", 0) + 100_000_000}
    for rse, limit in limits.items():
        administrator.call("set_local_account_limit", "lofar", rse, limit)
    try:
        said = f"leaves .* MB at {where}; the new files need 200 MB"
        with pytest.raises(NoSpace, match=said) as refused:
            ingest.ingest(astronomer, [file], to)
    finally:
        for rse in limits:
            administrator.call("set_local_account_limit", "lofar", rse, QUOTA)
    assert "retire what is no longer needed" in refused.value.hint
    assert not list((lake_home / "storage").rglob(f"*{name}*"))
    os.truncate(file, 2_000_000)
    assert ingest.ingest(astronomer, [file], to).files == 1


def test_a_quota_that_several_sites_share_counts_too(astronomer, administrator, tmp_path, name):
    file = tmp_path / f"{name}.dat"
    file.write_bytes(b"x" * 2_000_000)
    administrator.call("set_global_account_limit", "lofar", "QOS=TAPE", 1)
    try:
        with pytest.raises(NoSpace, match="leaves 0 MB at POZNAN"):
            ingest.ingest(astronomer, [file], IngestParameters(dataset=f"lofar:{name}", rse="POZNAN", replicate_to=""))
    finally:
        administrator.call("delete_global_account_limit", "lofar", "QOS=TAPE")


def test_where_a_site_wants_rules_to_end_they_do(astronomer, administrator, tmp_path, name):
    (tmp_path / f"{name}.dat").write_bytes(b"x" * 1000)
    did = f"lofar:{name}"
    administrator.call("add_rse_attribute", "POZNAN", "maximum_rule_lifetime", 14 * 86400)
    try:
        for lifetime in ("", "15 d"):
            to = IngestParameters(dataset=did, rse="POZNAN", replicate_to="", lifetime=lifetime)
            with pytest.raises(LakeRefused, match="Rules at POZNAN end after 14 d at most: give a lifetime"):
                ingest.ingest(astronomer, [tmp_path / f"{name}.dat"], to)
        to = IngestParameters(dataset=did, rse="POZNAN", replicate_to="", lifetime="14 d")
        [rule] = ingest.ingest(astronomer, [tmp_path / f"{name}.dat"], to).rules
        with pytest.raises(LakeRefused, match="14 d"):  # by an expression that leads there, too
            rules.replicate(astronomer, did, "QOS=TAPE")
        for longer in (None, 15 * 86400):
            with pytest.raises(LakeRefused, match="14 d"):
                astronomer.call("update_replication_rule", rule, {"lifetime": longer})
        administrator.call("update_replication_rule", rule, {"lifetime": 15 * 86400})
        astronomer.call("update_replication_rule", rule, {"lifetime": 3600})
        administrator.call("add_replication_rule", [{"scope": "lofar", "name": name}], 1, "POZNAN", account="root")
    finally:
        administrator.call("delete_rse_attribute", "POZNAN", "maximum_rule_lifetime")
    ends = datetime.fromisoformat(f"{rules.state(astronomer, rule).ends}+00:00")
    assert timedelta(minutes=50) < ends - datetime.now(UTC) < timedelta(minutes=61)


def test_the_owner_changes_and_ends_a_rule_and_nobody_elses(astronomer, administrator, replica):
    did = {"scope": "lofar", "name": replica["name"]}
    astronomer.call("add_replicas", "SARA", [replica])
    own = astronomer.call("add_replication_rule", [did], copies=1, rse_expression="SARA")[0]
    other = administrator.call("add_replication_rule", [did], copies=1, rse_expression="SARA")[0]
    astronomer.call("update_replication_rule", own, {"lifetime": 3600})
    assert astronomer.call("get_replication_rule", own)["expires_at"] is not None
    for options in ({"lifetime": 3600}, {"account": "lofar"}):
        with pytest.raises(LakeRefused):
            astronomer.call("update_replication_rule", other, options)
    with pytest.raises(LakeRefused):  # a rule of one's own can't be given to another
        astronomer.call("update_replication_rule", own, {"account": "root"})
    with pytest.raises(LakeRefused):
        astronomer.call("delete_replication_rule", other)
    astronomer.call("delete_replication_rule", own)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("add_scope", ("lofar", "another")),
        ("add_rse", ("MINE",)),
        ("set_local_account_limit", ("lofar", "SARA", -1)),
        ("add_account_attribute", ("lofar", "admin", True)),
        ("add_did", ("root", "notmine", "DATASET")),
    ],
)
def test_what_stays_with_administrators_is_refused(astronomer, method, arguments):
    with pytest.raises((LakeRefused, LakeError), match="(?i)not|refuse"):
        astronomer.call(method, *arguments)


def test_a_bad_replica_is_for_administrators_and_suspicion_for_all(astronomer, administrator, replica):
    astronomer.call("add_replicas", "SARA", [replica])
    did = {"scope": "lofar", "name": replica["name"]}
    [found] = astronomer.call("list_replicas", [did])
    address = found["rses"]["SARA"][0]
    with pytest.raises(LakeRefused):
        astronomer.call("declare_bad_file_replicas", [address], "wrong bytes")
    astronomer.call("declare_suspicious_file_replicas", [address], "wrong bytes")
    assert administrator.call("declare_bad_file_replicas", [address], "wrong bytes") == {}
