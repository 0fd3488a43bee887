"""What is counted agrees with its number, in each message."""

import pytest

from lofarlake_nb.lake import live
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.keeping import Shared
from lofarlake_nb.lake.rules import Held, Rule
from lofarlake_nb.lake.ticks import Site, Tick
from lofarlake_nb.processing.gains.verdict import Evidence, judge
from lofarlake_nb.quality import run_report, summary
from lofarlake_nb.widgets import describing
from lofarlake_nb.wording import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 files are"), (1, "1 file is"), (2, "2 files are")])
def test_nouns_and_verbs_agree_with_the_count(count, said):
    assert counted(count, "file is") == said


def test_one_file_is_one_file_in_what_is_said_of_a_lake():
    assert Shared("lofar:a", ("rucio://lofar/a/b",))._repr_mimebundle_()["text/plain"].startswith("1 file is in the")
    assert live.headline(Tick("ingest", 1, 1, 0, 0.0, "done")) == "ingest: 1 of 1 file (done)"
    assert live.site_words(Site("SARA", done=1)).endswith(": green, 1 file done")
    rule = Rule("1", DID("lofar", "a"), "SARA", "OK", 1, 0, 0, "", "lofar", "")
    assert "OK, 1 of 1 file is there" in describing._rule(Held(rule, ()))


def test_one_file_is_one_file_in_what_is_said_of_a_run():
    ingest = {"files": 1, "bytes": 8_000_000, "seconds": 2.0, "rate_mb_s": 4.0, "catalogue_calls": 1}
    made = summary.with_part(summary.empty(), "ingest", ingest)
    assert (
        summary.in_words(made) == "ingest       1 file verified, 8 MB sent in 2.0 s (4 MB/s), 1 call to the catalogue"
    )
    assert run_report.facts(made)[0].remark == "1 file verified, 4 MB/s"
    assert judge(None, Evidence(n_good=1, n_bad=2, failed_fraction=0.1, distance_deg=0.0)).reasons == (
        "1 station has solutions",
    )
