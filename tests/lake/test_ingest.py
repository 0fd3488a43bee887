import os
import shutil
import zlib

import pytest

from lofarlake_nb.errors import (
    ChecksumMismatch,
    InvalidDID,
    LakeError,
    LakeRefused,
    NotAMeasurementSet,
    ObservationError,
    UsageError,
)
from lofarlake_nb.lake import ingest, metadata, plan, registration, rules
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import archive
from lofarlake_nb.parameters import IngestParameters


def at(lake_home, site: str, name: str) -> bytes | None:
    found = list((lake_home / "storage" / site).rglob(name))
    return found[0].read_bytes() if found else None


def held_by(lake, did: str) -> set[str]:
    scope, name = did.split(":")
    return {row["name"] for row in lake.call("list_content", scope, name)}


@pytest.fixture
def parameters(number):
    return IngestParameters(
        dataset=f"lofar:L{number}", container=f"lofar:C{number}", rse="SARA", replicate_to="JUELICH"
    )


@pytest.fixture
def observation(measurement_set, number):
    """A folder with two subbands."""
    measurement_set(number, 0)
    return measurement_set(number, 1).parent


def test_an_observation_is_at_both_sites_byte_by_byte(lake, lake_home, observation, parameters, number):
    ticks = []
    done = ingest.ingest(lake, [observation], parameters, progress=ticks.append)
    packings = [archive.pack(observation / f"L{number}_SAP000_SB00{subband}_uv.MS") for subband in (0, 1)]
    tars = {
        f"L{number}_SAP000_SB00{i}_uv.MS_{p.contents_hash}.tar": b"".join(map(bytes, p.blocks()))
        for i, p in enumerate(packings)
    }
    assert {e.name: (e.bytes, e.adler32, e.state) for e in done.entries} == {
        name: (len(data), f"{zlib.adler32(data):08x}", "new") for name, data in tars.items()
    }
    assert (done.files, done.bytes) == (2, sum(map(len, tars.values())))
    assert done.rate_mb_s == pytest.approx(done.bytes / done.seconds / 1e6)
    assert done.catalogue_calls < 25
    assert (ticks[-1].state, ticks[-1].done, ticks[-1].bytes) == ("done", 2, done.bytes)
    for rule, site in zip(done.rules, ("SARA", "JUELICH"), strict=True):
        assert rules.wait(lake, rule, 60).ok == 2
        assert {name: at(lake_home, site, name) for name in tars} == tars
    assert held_by(lake, parameters.dataset) == set(tars)
    assert held_by(lake, parameters.container) == {parameters.dataset.partition(":")[2]}


def test_again_sends_nothing_and_ends_well(lake, observation, parameters):
    first = ingest.ingest(lake, [observation], parameters)
    again = ingest.ingest(lake, [observation], parameters)
    assert (again.files, again.bytes, again.rate_mb_s) == (2, 0, None)
    assert {entry.state for entry in again.entries} == {"already there"}
    assert (again.rules, again.dataset) == (first.rules, first.dataset)


def test_a_file_more_joins_later(lake, observation, measurement_set, parameters, number):
    ingest.ingest(lake, [observation / f"L{number}_SAP000_SB000_uv.MS"], parameters)
    more = ingest.ingest(lake, [observation], parameters)
    assert [entry.state for entry in more.entries] == ["already there", "new"]
    assert len(held_by(lake, parameters.dataset)) == 2


def test_what_joins_later_is_told_of_the_dataset_with_what_was_there(
    lake, observation, measurement_set, parameters, number
):
    ingest.ingest(
        lake, [observation / f"L{number}_SAP000_SB000_uv.MS"], parameters, metadata={"campaign_name": "first"}
    )
    before = metadata.read(lake, parameters.dataset)
    assert (before["subbands"], before["sap"]) == ([0], 0)
    ingest.ingest(lake, [observation / f"L{number}_SAP000_SB001_uv.MS"], parameters)
    whole = metadata.read(lake, parameters.dataset)
    assert (whole["subbands"], whole["n_rows"]) == ([0, 1], 2 * before["n_rows"])
    assert (
        whole["min_frequency_hz"] == before["min_frequency_hz"] < before["max_frequency_hz"] < whole["max_frequency_hz"]
    )
    assert (whole["campaign_name"], whole["target"]) == ("first", "3C196")


def test_what_the_files_no_longer_share_is_no_longer_told_of_the_dataset(lake, tmp_path, parameters, number):
    names = [f"L{number}_SAP000_SB007_uv.MS_0123abcd.tar", f"L{number}_SAP001_SB008_uv.MS_0123abcd.tar"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
        ingest.ingest(lake, [tmp_path / name], parameters)
    about = metadata.read(lake, parameters.dataset)
    assert (about["subbands"], about["observation_id"], "sap" in about) == ([7, 8], f"L{number}", False)


def test_by_https_it_is_the_same_file(remote_lake, lake, lake_home, observation, parameters):
    sent = ingest.ingest(remote_lake, [observation], parameters)
    assert all(f"{zlib.adler32(at(lake_home, 'SARA', entry.name)):08x}" == entry.adler32 for entry in sent.entries)
    assert ingest.ingest(lake, [observation], parameters).bytes == 0


def test_ready_files_go_as_they_are(lake, lake_home, tmp_path, parameters, number):
    name = f"L{number}_SB007_uv.MS_0123abcd.tar"
    (tmp_path / name).write_bytes(b"whatever")
    ingest.ingest(lake, [tmp_path / name], parameters)
    assert at(lake_home, "SARA", name) == b"whatever"
    assert metadata.read(lake, f"lofar:{name}")["subband"] == 7


def test_what_the_catalogue_knows_of_an_observation(lake, observation, parameters, number):
    done = ingest.ingest(lake, [observation], parameters, metadata={"campaign_name": "first"})
    file = metadata.read(lake, f"lofar:{done.entries[1].name}")
    assert file["telescope"] == "LOFAR"
    assert file["target"] == "3C196"
    assert file["observation_id"] == f"L{number}"
    assert (file["subband"], file["n_stations"]) == (1, 3)
    assert (file["ra_deg"], file["dec_deg"]) == (pytest.approx(123.4), pytest.approx(48.2))
    dataset = metadata.read(lake, parameters.dataset)
    assert dataset["subbands"] == [0, 1]
    assert dataset["max_frequency_hz"] - dataset["min_frequency_hz"] == pytest.approx(2 * 0.1953125e6)
    assert (dataset["campaign_name"], dataset["target"]) == ("first", "3C196")


def test_other_bytes_under_the_same_name_name_both(lake, lake_home, observation, parameters, number):
    first = ingest.ingest(lake, [observation / f"L{number}_SAP000_SB000_uv.MS"], parameters)
    changed = observation / f"L{number}_SAP000_SB000_uv.MS"
    data = max(changed.glob("*_TSM*"), key=lambda path: path.stat().st_size)
    with open(data, "r+b") as file:
        file.write(b"changed")
    with pytest.raises(ChecksumMismatch) as refused:
        ingest.ingest(lake, [changed], parameters)
    assert f"lofar:{first.entries[0].name} in the lake has" in refused.value.message
    assert first.entries[0].adler32 in refused.value.message
    assert str(changed) in refused.value.message
    assert f"{zlib.adler32(at(lake_home, 'SARA', first.entries[0].name)):08x}" == first.entries[0].adler32


def test_another_size_is_refused_before_anything_is_read(lake, tmp_path, parameters, unique):
    (tmp_path / unique).write_bytes(b"12")
    ingest.ingest(lake, [tmp_path / unique], parameters)
    (tmp_path / unique).write_bytes(b"123")
    with pytest.raises(ChecksumMismatch, match="has 2 bytes .* has 3 bytes"):
        ingest.ingest(lake, [tmp_path / unique], parameters)


def test_a_source_that_changes_or_vanishes_is_named_and_the_others_are_sent(
    lake, lake_home, tmp_path, parameters, unique, monkeypatch
):
    files = [tmp_path / f"{unique}.{n}" for n in range(4)]
    for file in files:
        file.write_bytes(os.urandom(100))
    items = plan.observation(files, "lofar")
    with open(files[1], "ab") as file:
        file.write(b"more")
    files[2].unlink()
    monkeypatch.setattr(plan, "observation", lambda *given: items)  # between the plan and the first byte
    with pytest.raises(ObservationError, match=r"2 of 4 files are at the site; missing: .*\.1 and 1 more") as failed:
        ingest.ingest(lake, files, parameters)
    assert "changed while it was read" in str(failed.value) or "can't be read" in str(failed.value)
    assert held_by(lake, parameters.dataset) == {f"{unique}.0", f"{unique}.3"}
    assert at(lake_home, "SARA", f"{unique}.1") is None


def test_a_replica_that_another_client_left_half_done_is_finished(lake, lake_home, tmp_path, parameters, unique):
    (tmp_path / unique).write_bytes(b"whole")
    file = {"scope": "lofar", "name": unique, "bytes": 5, "adler32": f"{zlib.adler32(b'whole'):08x}", "state": "C"}
    lake.call("add_replicas", "SARA", [file])
    assert ingest.ingest(lake, [tmp_path / unique], parameters).entries[0].state == "new"
    replicas = lake.call("list_replicas", [{"scope": "lofar", "name": unique}], all_states=True)
    assert replicas[0]["states"]["SARA"] == "AVAILABLE"
    assert at(lake_home, "SARA", unique) == b"whole"


def test_a_file_that_the_site_lost_is_sent_again(lake, lake_home, tmp_path, parameters, unique):
    (tmp_path / unique).write_bytes(b"whole")
    ingest.ingest(lake, [tmp_path / unique], parameters)
    next((lake_home / "storage" / "SARA").rglob(unique)).unlink()
    assert ingest.ingest(lake, [tmp_path / unique], parameters).entries[0].state == "new"
    assert at(lake_home, "SARA", unique) == b"whole"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"rse": "NOWHERE"}, LakeError, "no such site"),
        ({"replicate_to": "NOWHERE"}, LakeError, "no such site"),
        ({"replicate_to": "SARA"}, LakeError, "no site but SARA fits 'SARA'"),
        ({"dataset": "nobody:a"}, LakeRefused, "scope nobody"),
        ({"dataset": "L1"}, InvalidDID, "expected scope:name"),
        ({"container": "L1"}, InvalidDID, "expected scope:name"),
    ],
)
def test_what_is_wrong_is_said_before_a_byte_is_sent(lake, lake_home, tmp_path, unique, change, error, says):
    (tmp_path / unique).write_bytes(b"x")
    parameters = IngestParameters(**{"dataset": f"lofar:{unique}.dataset", **change})
    with pytest.raises(error, match=says):
        ingest.ingest(lake, [tmp_path / unique], parameters)
    assert at(lake_home, "SARA", unique) is None


def test_what_can_t_be_ingested(lake, tmp_path, observation, parameters, number):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAMeasurementSet, match="holds no Measurement Set"):
        ingest.ingest(lake, [tmp_path / "empty"], parameters)
    with pytest.raises(NotAMeasurementSet, match="nothing"):
        ingest.ingest(lake, [tmp_path / "nothing"], parameters)
    with pytest.raises(UsageError, match="nothing to ingest"):
        ingest.ingest(lake, [], parameters)
    shutil.copytree(observation, tmp_path / "copy")
    with pytest.raises(UsageError, match="would both be lofar:L"):
        ingest.ingest(lake, [observation, tmp_path / "copy"], parameters)


def test_names_that_are_taken_by_something_else(lake, tmp_path, parameters, unique):
    (tmp_path / unique).write_bytes(b"x")
    ingest.ingest(lake, [tmp_path / unique], parameters)
    with pytest.raises(UsageError, match="is a file in the lake, not a dataset"):
        ingest.ingest(lake, [tmp_path / unique], IngestParameters(dataset=f"lofar:{unique}"))
    with pytest.raises(UsageError, match="is a dataset in the lake, not a container"):
        ingest.ingest(
            lake, [tmp_path / unique], IngestParameters(dataset=f"lofar:{unique}.2", container=parameters.dataset)
        )


@pytest.mark.parametrize("ask", [registration.close, registration.closed])
def test_a_file_is_never_closed(lake, tmp_path, unique, ask):
    (tmp_path / "image.fits").write_bytes(b"image")
    ingest.ingest_products(lake, [tmp_path / "image.fits"], f"lofar:{unique}", {}, replicate_to="")
    with pytest.raises(UsageError, match=f"{unique}.image.fits is a file in the lake, not a dataset"):
        ask(lake, f"lofar:{unique}.image.fits")


def test_products_carry_their_lineage_and_the_dataset_is_closed_at_the_end(lake, lake_home, tmp_path, unique):
    dataset = f"lofar:{unique}"
    lineage = {"inputs": ["lofar:L1"], "parameters": {"cell": "4 arcsec"}}
    for name in ("image.fits", "summary.json", "2_process.ipynb"):
        (tmp_path / name).write_bytes(name.encode())
    first = ingest.ingest_products(lake, [tmp_path / "image.fits", tmp_path / "summary.json"], dataset, lineage)
    assert [entry.name for entry in first.entries] == [f"{unique}.image.fits", f"{unique}.summary.json"]
    assert not registration.closed(lake, dataset)
    last = ingest.ingest_products(lake, [tmp_path / "2_process.ipynb"], dataset, lineage, close=True)
    assert registration.closed(lake, dataset)
    assert held_by(lake, dataset) == {e.name for e in (*first.entries, *last.entries)}
    assert metadata.read(lake, f"{dataset}.image.fits") == {"filename": "image.fits", "lofarlake": lineage}
    assert metadata.read(lake, dataset) == {"lofarlake": lineage}
    assert at(lake_home, "SARA", f"{unique}.image.fits") == b"image.fits"
    # Again, whole: nothing is sent. Something new: refused, in words.
    assert ingest.ingest_products(lake, [tmp_path / "image.fits"], dataset, lineage, close=True).bytes == 0
    (tmp_path / "new.txt").write_bytes(b"")
    with pytest.raises(LakeRefused, match=f"{dataset} is closed and does not hold {dataset}.new.txt"):
        ingest.ingest_products(lake, [tmp_path / "new.txt"], dataset, lineage)


def test_a_product_that_is_not_there(lake, tmp_path, unique):
    with pytest.raises(UsageError, match="no such file"):
        ingest.ingest_products(lake, [tmp_path / "image.fits"], f"lofar:{unique}", {})
    assert lake.find(DID("lofar", unique)) is None
