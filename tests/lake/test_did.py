import pytest

from lofarlake_nb.errors import InvalidDID, UsageError
from lofarlake_nb.lake.did import DID


def test_a_did_is_read_and_written():
    did = DID.parse("lofar:L667520_SAP000_SB000_uv.MS_7d4aa18f.tar")
    assert (did.scope, did.name) == ("lofar", "L667520_SAP000_SB000_uv.MS_7d4aa18f.tar")
    assert str(did) == "lofar:L667520_SAP000_SB000_uv.MS_7d4aa18f.tar"
    assert DID.parse(did) is did
    assert did.parts == {"scope": "lofar", "name": did.name}


@pytest.mark.parametrize(
    "text",
    ["", "lofar", "lofar:", ":name", "lofar:a b", "lofar:größe", "lofar:-a", "lo far:a", "a:b:c", "x" * 26 + ":a"],
)
def test_what_rucio_would_refuse_is_a_usage_error_that_names_it(text):
    with pytest.raises(InvalidDID, match="expected") as refused:
        DID.parse(text)
    assert isinstance(refused.value, UsageError)


def test_how_a_name_may_begin_is_said():
    with pytest.raises(InvalidDID, match="the first a letter, a digit or /"):
        DID("lofar", "_L667520")


def test_names_have_a_greatest_length():
    assert DID("a", "x" * 250)
    with pytest.raises(InvalidDID, match="250"):
        DID("a", "x" * 251)
