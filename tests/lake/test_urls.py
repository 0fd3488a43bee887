"""How paths of the lake are written; what they lead to is in `test_filesystem`."""

import pytest

from lofarlake_nb.errors import NotInTheLake
from lofarlake_nb.lake import urls
from lofarlake_nb.lake.did import DID

DATASET = DID("lofar", "L1")


def written(*names: str, parent: DID | None = DATASET) -> list[str]:
    return urls.names([DID.parse(name) for name in names], parent)


def test_a_file_is_written_without_what_its_dataset_is_called():
    assert written("lofar:L1.image.fits", "lofar:other.fits") == ["image.fits", "other.fits"]


def test_what_is_left_out_of_a_name_does_not_make_it_another_s():
    assert written("lofar:L1.image.fits", "lofar:image.fits") == ["L1.image.fits", "image.fits"]
    assert written("lofar:L1._hidden") == ["L1._hidden"]


def test_a_file_of_another_scope_is_written_with_it():
    assert written("user.a:L1.image.fits") == ["user.a:L1.image.fits"]


def test_slashes_in_a_name_are_no_parts_of_the_path():
    assert written("lofar:a/b") == written("lofar:a/b", parent=None) == ["a%2Fb"]


@pytest.mark.parametrize("path", ["lofar//x", "lofar/x//y"])
def test_two_slashes_in_a_row_are_named_and_how_to_write_it(path):
    with pytest.raises(NotInTheLake, match=f"rucio://{path} has nothing between two slashes") as caught:
        urls.entry(None, path)
    assert caught.value.hint == f"leave one out: rucio://{path.replace('//', '/')}; a slash in a name is written %2F"
