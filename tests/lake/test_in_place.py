"""Files that lie at a site already are registered where they are, and stay their owner's."""

import os
import signal
from types import SimpleNamespace

import faults
import pytest

from lofarlake_nb.errors import ChecksumMismatch, LakeError, NotAMeasurementSet, UsageError
from lofarlake_nb.lake import client, housekeeping, ingest, repair, retrieve, rules, verify
from lofarlake_nb.lake import in_place as registered
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.embedded import in_place
from lofarlake_nb.lake.storage import Storages
from lofarlake_nb.parameters import IngestParameters

NAMES = ["3C 196 é.fits", "L667520_SB003_uv.MS_0123abcd.tar", "notes.txt"]


@pytest.fixture(scope="module")
def archive(lake_home, tmp_path_factory):
    """A folder of somebody's, which is the site ARCHIVE."""
    folder = tmp_path_factory.mktemp("shared") / "our disk"
    folder.mkdir()
    in_place.add(lake_home, "ARCHIVE", folder)
    return folder


@pytest.fixture(scope="module")
def lake(lake_home, archive):
    return client.connect(lake_home)


@pytest.fixture
def files(archive, unique):
    """Three files in a folder of their own."""
    made = [archive / unique / "deep" / f"{unique}.{name}" for name in NAMES]
    made[0].parent.mkdir(parents=True)
    for file in made:
        file.write_bytes(os.urandom(50_000))
    return made


@pytest.fixture
def parameters(unique):
    return IngestParameters(dataset=f"lofar:{unique}", rse="ARCHIVE", replicate_to="", in_place=True)


def contents(folder):
    """Every file's name, bytes and times."""
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_files_are_known_where_they_lie(lake, archive, files, parameters, tmp_path):
    before = contents(archive)
    done = ingest.ingest(lake, [files[0].parent], parameters)
    assert (done.files, done.bytes, {entry.state for entry in done.entries}) == (3, 0, {"registered"})
    assert contents(archive) == before
    assert verify.verify(lake, parameters.dataset, deep=True).ok
    assert [rule.rule.state for rule in rules.of(lake, parameters.dataset)] == ["OK"]
    got = retrieve.retrieve(lake, parameters.dataset, tmp_path / "here", unpack=False)
    assert {p.name: p.read_bytes() for p in got.paths} == {f.name: f.read_bytes() for f in files}


def test_the_same_again_reads_nothing(lake, files, parameters, monkeypatch):
    ingest.ingest(lake, files, parameters)
    monkeypatch.setattr("lofarlake_nb.lake.plan.Item.blocks", lambda item: pytest.fail(f"{item.did} was read"))
    again = ingest.ingest(lake, files, parameters)
    assert (again.files, {entry.state for entry in again.entries}) == (3, {"already there"})


def test_it_goes_to_another_site_by_rule_from_where_it_lies(lake, files, parameters):
    ingest.ingest(lake, files, parameters)
    rules.wait(lake, rules.replicate(lake, parameters.dataset, "SARA"), timeout=60)
    rows = verify.verify(lake, parameters.dataset, deep=True)
    assert rows.ok
    assert sorted({row.rse for row in rows.rows}) == ["ARCHIVE", "SARA"]


def test_another_lake_registers_and_reads_by_https(remote_lake, archive, files, parameters, tmp_path):
    fresh = client.connect(remote_lake.configuration)  # which has not yet asked for the site's settings
    with pytest.raises(LakeError, match="ARCHIVE is not mounted here"):
        ingest.ingest(fresh, files, parameters)
    [protocol] = [p for p in fresh.rse("ARCHIVE")["protocols"] if p["scheme"] == "https"]
    start = f"https://{protocol['hostname']}:{protocol['port']}/ARCHIVE"
    addresses = [f"{start}/{file.relative_to(archive)}" for file in files]
    done = ingest.ingest(fresh, addresses, parameters)
    assert [entry.name for entry in done.entries][-1] == files[2].name
    assert ingest.ingest(fresh, addresses, parameters).files == 3
    got = retrieve.retrieve(fresh, parameters.dataset, tmp_path / "here", unpack=False)
    assert {p.read_bytes() for p in got.paths} == {f.read_bytes() for f in files}
    with pytest.raises(UsageError, match="no such file at ARCHIVE"):
        ingest.ingest(fresh, [f"{start}/nothing"], parameters)
    with pytest.raises(UsageError, match="is no address at ARCHIVE"):
        ingest.ingest(fresh, [f"{start}/../SARA/x"], parameters)
    for wrong in ("https://host:80a/x", "https://[host/x"):
        with pytest.raises(UsageError, match="is no address: "):
            ingest.ingest(fresh, [wrong], parameters)


@pytest.mark.parametrize("host", ["Store.Example.ORG", "store.example.org"])
def test_large_and_small_letters_of_a_host_are_the_same(host):
    protocol = {"scheme": "https", "hostname": "Store.Example.org", "port": 443, "prefix": "/Data/"}
    lake = SimpleNamespace(rse=lambda rse: {"protocols": [protocol]})
    assert registered._below_address(lake, "ARCHIVE", f"https://{host}/Data/A.fits") == "A.fits"
    with pytest.raises(UsageError, match="is no address at ARCHIVE"):
        registered._below_address(lake, "ARCHIVE", f"https://{host}/data/A.fits")


def test_a_site_may_have_all_of_a_storage():
    protocol = {"scheme": "https", "hostname": "store", "port": 443, "prefix": "/", "domains": {"wan": {"write": 1}}}
    lake = SimpleNamespace(rse=lambda rse: {"protocols": [protocol]})
    assert registered._below_address(lake, "ARCHIVE", "https://store/data/a.fits") == "data/a.fits"
    assert registered._start(lake, "ARCHIVE") + "data/a.fits" == "https://store:443/data/a.fits"


def test_a_file_whose_bytes_nobody_says_is_not_registered():
    storage = SimpleNamespace(size=lambda _: -1)
    storages = SimpleNamespace(best=lambda rse, pfns: pfns[0], of=lambda _: storage)
    with pytest.raises(LakeError, match="does not say how many bytes"):
        registered._remote(storages, "ARCHIVE", "https://store/data/a.fits")


def test_what_does_not_lie_there_is_refused(lake, archive, files, parameters, tmp_path, measurement_set, number):
    outside = tmp_path / "outside.fits"
    outside.write_bytes(b"x")
    link = files[0].parent / "link.fits"
    link.symlink_to(outside)
    with pytest.raises(UsageError, match="lies outside ARCHIVE's folder"):
        ingest.ingest(lake, [outside], parameters)
    with pytest.raises(UsageError, match="is a link to .*outside.fits, which lies outside"):
        ingest.ingest(lake, [link], parameters)
    with pytest.raises(LakeError, match="SARA has its files under paths of Rucio's making") as refused:
        ingest.ingest(lake, files, IngestParameters(dataset=parameters.dataset, in_place=True, replicate_to=""))
    assert "ARCHIVE" in refused.value.hint
    folder = measurement_set(number, folder=archive / f"sets{number}")
    with pytest.raises(NotAMeasurementSet, match="which is a folder") as refused:
        ingest.ingest(lake, [folder], parameters)
    assert "tar -cf" in refused.value.hint
    with pytest.raises(LakeError, match="takes no files") as refused:
        ingest.ingest(lake, files, IngestParameters(dataset=parameters.dataset, rse="ARCHIVE", replicate_to=""))
    assert "--in-place" in refused.value.hint
    assert lake.find(DID.parse(parameters.dataset)) is None


def test_a_file_that_changed_or_moved_is_named(lake, files, parameters):
    ingest.ingest(lake, files, parameters)
    kept = files[0].read_bytes()
    files[0].write_bytes(kept[::-1])
    with pytest.raises(ChecksumMismatch, match="3C__20196"):
        ingest.ingest(lake, files, parameters)
    files[0].write_bytes(kept)
    assert ingest.ingest(lake, files, parameters).files == 3
    files[2].rename(moved := files[2].parent.parent / files[2].name)
    with pytest.raises(LakeError, match=f"{files[2].name} is registered at ARCHIVE as .*/deep/.*, and not as"):
        ingest.ingest(lake, [moved], parameters)


@pytest.mark.parametrize("point", ["before the replica", "before the attachment", "before the rule"])
def test_killed_and_run_again(lake, lake_home, files, parameters, point):
    assert faults.killed_at(point, lake_home, files, parameters) == -signal.SIGKILL
    assert ingest.ingest(lake, files, parameters).files == 3
    assert verify.verify(lake, parameters.dataset, deep=True).ok
    assert len(lake.call("list_content", "lofar", parameters.dataset.split(":")[1])) == 3


def test_retired_files_are_forgotten_and_stay(lake, archive, files, parameters):
    ingest.ingest(lake, files, parameters)
    rules.wait(lake, rules.replicate(lake, parameters.dataset, "SARA"), timeout=60)
    before = contents(archive)
    done = housekeeping.retire(lake, parameters.dataset, timeout=60)
    assert (done.ok, done.replicas, done.in_place, len(done.rules)) == (True, 0, 0, 2)
    assert contents(archive) == before
    ingest.ingest(lake, files, parameters)  # and they can be registered anew


def test_nothing_there_is_dark_and_nothing_is_removed(lake_home, archive, files, parameters):
    administrator = client.connect(lake_home, administrator=True)
    ingest.ingest(administrator, files[:1], parameters)
    (files[0].parent / "of nobody's business").write_bytes(b"x")
    before = contents(archive)
    found = housekeeping.audit(administrator, older_than=0, remove_dark=True)
    assert not [row for row in found.dark if row[0] == "ARCHIVE"]
    assert contents(archive) == before
    files[0].unlink()
    lost = housekeeping.audit(administrator, older_than=0).lost
    assert [site for site, did in lost if "3C__20196" in did and parameters.dataset[6:] in did] == ["ARCHIVE"]


def test_the_storage_itself_refuses_to_change_it(lake, archive, files):
    [protocol] = [p for p in lake.rse("ARCHIVE")["protocols"] if p["scheme"] == "https"]
    address = f"https://127.0.0.1:{protocol['port']}/ARCHIVE/{files[2].relative_to(archive)}"
    https, before = Storages(lake).https, contents(archive)
    for change in (https.remove, https.set_aside, lambda a: https.write(a, [b"y" * 10], 10)):
        with pytest.raises(LakeError, match="403"):
            change(address)
    assert contents(archive) == before


def test_a_bad_file_is_not_mended_but_its_owner_told(lake_home, lake, archive, files, parameters):
    administrator = client.connect(lake_home, administrator=True)
    ingest.ingest(lake, files, parameters)
    rules.wait(lake, rules.replicate(lake, parameters.dataset, "SARA"), timeout=60)
    kept = files[2].read_bytes()
    files[2].write_bytes(kept[::-1])
    found = verify.verify(administrator, parameters.dataset, deep=True)
    assert [(row.rse, row.bad) for row in found.problems] == [("ARCHIVE", True)]
    [outcome] = repair.repair(administrator, found, timeout=1).outcomes
    assert (outcome.outcome, outcome.mended) == (repair.OWNED, False)
    assert files[2].read_bytes() == kept[::-1]
    files[2].write_bytes(kept)
    assert verify.verify(administrator, parameters.dataset, deep=True).ok


def test_where_the_lake_deletes_it_says_so_first(lake_home, lake, archive, files, parameters):
    """As a production lake may have it: nobody's files go unknowingly."""
    administrator = client.connect(lake_home, administrator=True)
    ingest.ingest(lake, files, parameters)
    administrator.call("update_rse", "ARCHIVE", {"availability_delete": True})
    try:
        fresh = client.connect(lake_home)
        with pytest.raises(UsageError, match="the files themselves would go"):
            housekeeping.retire(fresh, parameters.dataset)
        with pytest.raises(UsageError, match="your own files would go after 30 d"):
            ingest.ingest(fresh, files, IngestParameters(**{**vars(parameters), "lifetime": "30 d"}))
    finally:
        administrator.call("update_rse", "ARCHIVE", {"availability_delete": False})
    assert len(rules.of(lake, parameters.dataset)) == 1


@pytest.mark.parametrize(
    ("name", "where", "why"),
    [
        ("SARA", "x", "can't be the name of a site"),
        ("my disk", "x", "can't be the name of a site"),
        ("MINE", "nothing", "is no folder"),
        ("MINE", "50%", "a character that addresses can't carry"),
    ],
)
def test_what_can_be_no_site(lake_home, tmp_path, name, where, why):
    for folder in ("x", "50%"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UsageError, match=why):
        in_place.add(lake_home, name, tmp_path / where)
    with pytest.raises(UsageError, match="lie in each other"):
        in_place.add(lake_home, "MINE", lake_home / "storage")
