import random

import pytest

from lofarlake_nb.lake import ingest, names, retrieve
from lofarlake_nb.lake.did import DID
from lofarlake_nb.parameters import IngestParameters

ODD = [
    "3C 196.fits",
    "größe 日本.txt",
    ".hidden",
    "-dash",
    "a__20b",
    "x" * 200 + " é.fits",
    "é" * 100,
    "a,b;c%d#e?.txt",
]


def test_different_names_stay_different_and_are_read_back():
    choose = random.Random(1)
    seen = {}
    for _ in range(20_000):
        name = "".join(choose.choice("_ab05fcut- é.") for _ in range(choose.randint(1, 9)))
        written = names.encode(name)
        assert names.decode(written) == name
        assert seen.setdefault(written, name) == name
        DID("lofar", written)  # the lake takes it


@pytest.mark.parametrize("name", ["image.fits", "L1_SAP000_SB000_uv.MS_0123abcd.tar", "a_b__c-d.e"])
def test_what_the_lake_takes_stays(name):
    assert names.encode(name) == name


def test_a_name_that_is_too_long_keeps_its_beginning_and_its_kind():
    one, other = names.encode("é" * 100 + "1.tar.gz"), names.encode("é" * 100 + "2.tar.gz")
    assert one != other
    for written in (one, other):
        assert names.is_cut(written)
        assert len(written) == 230
        assert written.startswith("0__00__c3__a9")
        assert written.endswith(".tar.gz")
        DID("lofar", written)


def test_odd_names_there_and_back(lake, tmp_path, number):
    sources = tmp_path / "sources"
    sources.mkdir()
    files = []
    for name in ODD:
        files.append(sources / f"{name[:4]}{number}{name[4:]}")  # no two runs share a file
        files[-1].write_bytes(name.encode())
    parameters = IngestParameters(dataset=f"lofar:L{number}", replicate_to="")
    assert ingest.ingest(lake, files, parameters).files == len(ODD)
    assert ingest.ingest(lake, files, parameters).bytes == 0
    retrieve.retrieve(lake, parameters.dataset, tmp_path / "back")
    back = {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir() if path.is_file()}
    assert back == {path.name: path.read_bytes() for path in files}


def test_a_name_in_the_catalogue_that_is_not_the_file_s_is_not_taken(lake, tmp_path, number, unique):
    (tmp_path / f"{unique} a").write_bytes(b"1")
    parameters = IngestParameters(dataset=f"lofar:L{number}", replicate_to="")
    done = ingest.ingest(lake, [tmp_path / f"{unique} a"], parameters)
    lake.call("set_metadata", "lofar", done.entries[0].name, names.ORIGINAL, "../../elsewhere")
    [path] = retrieve.retrieve(lake, parameters.dataset, tmp_path / "back").paths
    assert path == tmp_path / "back" / f"{unique}__20a"
