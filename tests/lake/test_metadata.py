import pytest

from lofarlake_nb.errors import DIDNotFound
from lofarlake_nb.lake import metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import measurement_set as observed


def test_every_number_of_a_measurement_set_can_be_searched_for(lake, measurement_set, number, unique):
    about = metadata.of_measurement_set(observed.describe(measurement_set(number, 4)))
    assert about["observation_id"] == f"L{number}"
    assert about["max_frequency_hz"] - about["min_frequency_hz"] == pytest.approx(195312.5)
    assert (about["subband"], about["sap"], about["n_channels"]) == (4, 0, 4)
    did = DID("lofar", unique)
    lake.call("add_dataset", did.scope, did.name)
    metadata.write(lake, {did: about})
    assert metadata.read(lake, did) == about
    # A key that is a column of Rucio's own would be lost here.
    filters = {"observation_id": f"L{number}", "subband": 4}
    assert lake.call("list_dids", "lofar", filters) == [unique]


def test_a_dataset_shares_what_its_files_share_and_spans_what_they_span():
    files = [
        {"target": "3C196", "subband": 1, "min_frequency_hz": 2.0, "max_frequency_hz": 3.0, "n_rows": 5, "start": "b"},
        {"target": "3C196", "subband": 0, "min_frequency_hz": 1.0, "max_frequency_hz": 2.0, "n_rows": 6, "start": "a"},
        {},
    ]
    assert metadata.of_dataset(files) == {
        "target": "3C196",
        "subbands": [0, 1],
        "min_frequency_hz": 1.0,
        "max_frequency_hz": 3.0,
        "n_rows": 11,
        "start": "a",
    }
    assert metadata.of_dataset([]) == {}


def test_a_dataset_lasts_from_the_first_slot_of_its_files_to_the_last():
    morning = {"start": "2018-09-01T10:00:00.000Z", "duration_s": 3600.0}
    evening = {"start": "2018-09-01T20:00:00.000Z", "duration_s": 600.0}
    about = metadata.of_dataset([evening, morning, morning])
    assert about == {"start": morning["start"], "duration_s": 10 * 3600.0 + 600.0}
    assert metadata.of_dataset([morning, morning]) == morning


def test_what_somebody_else_wrote_of_a_file_is_no_obstacle():
    theirs = {"n_rows": "many", "start": "once", "duration_s": None, "subband": "first", "target": "3C196"}
    ours = {"n_rows": 5, "start": "2018-09-01T10:00:00.000Z", "duration_s": 60.0, "subband": 1, "target": "3C196"}
    about = metadata.of_dataset([theirs, ours])
    assert (about["target"], about["duration_s"], about["subbands"]) == ("3C196", 60.0, [1])


def test_what_a_name_tells():
    assert metadata.of_name("L2_SAP001_SB003_uv.MS_0123abcd.tar") == {"observation_id": "L2", "subband": 3, "sap": 1}
    assert metadata.of_name("data.tar") == {}


def test_a_did_that_is_not_there(lake):
    with pytest.raises(DIDNotFound):
        metadata.read(lake, "lofar:nothing")
