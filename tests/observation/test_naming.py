import pytest

from lofarlake_nb.errors import ObservationError
from lofarlake_nb.observation import naming
from lofarlake_nb.observation.naming import SubbandName


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("L667520_SAP000_SB000_uv.MS_7d4aa18f.tar", SubbandName("L667520", 0, 0, "7d4aa18f")),
        ("L667520_SAP001_SB243_uv.MS", SubbandName("L667520", 243, 1)),
        ("L246403_SB000_uv.MS_7D4AA18F.tar", SubbandName("L246403", 0, 0, "7d4aa18f")),
        ("L102085_SB080_uv.MS.tar", SubbandName("L102085", 80)),
        ("L102085_SAP000_SB080_uv.dppp.MS", SubbandName("L102085", 80)),
        ("L102085_SB080.MS", SubbandName("L102085", 80)),
    ],
)
def test_every_form_is_read(name, expected):
    assert naming.parse(name) == expected


@pytest.mark.parametrize("name", ["", "data.MS", "L1_SB000_uv.MS_7d4aa18.tar", "L1_SB000_uv.MS\n", "L1_SB1234_uv.MS"])
def test_what_is_no_such_name_is_none(name):
    assert naming.parse(name) is None


def test_one_form_is_written_and_read_back():
    name = SubbandName("L667520", subband=3, contents_hash="0123abcd")
    assert name.tar == "L667520_SAP000_SB003_uv.MS_0123abcd.tar"
    assert name.measurement_set == "L667520_SAP000_SB003_uv.MS"
    assert naming.parse(name.tar) == name


@pytest.mark.parametrize(
    "parts", [("667520", 0), ("L667520", 1000), ("L667520", -1), ("L667520", 0, 1000), ("L667520", 0, 0, "xyz")]
)
def test_parts_that_have_no_place_in_a_name_are_refused(parts):
    with pytest.raises(ObservationError, match="expected"):
        SubbandName(*parts)


@pytest.mark.parametrize(
    ("tar", "folder"),
    [
        ("L246403_SB007_uv.MS_7d4aa18f.tar", "L246403_SAP000_SB007_uv.MS"),
        ("L102085_3C295_131MHz_2ts.tar", "L102085_3C295_131MHz_2ts"),
        ("my.MS_7d4aa18f.tar", "my.MS"),
        ("my.ms.tar.gz", "my.ms"),
        ("my.tgz", "my"),
    ],
)
def test_a_tar_is_unpacked_into_a_folder_named_after_it(tar, folder):
    assert naming.is_tar(tar)
    assert naming.folder_name(tar) == folder


def test_what_is_no_tar():
    assert not naming.is_tar("image.fits")
    assert not naming.is_tar("star")
