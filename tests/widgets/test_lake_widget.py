"""The lake browser: what is clicked asks the lake, shows it, and shows the line that does the same."""

import html
import re
import time
from threading import Event, Thread
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from lofarlake_nb.errors import DIDNotFound, LakeNotRunning
from lofarlake_nb.lake import browse, client, ingest
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.listing import PAGE, Listing
from lofarlake_nb.lake.ticks import Tick
from lofarlake_nb.lake.tree import Entry
from lofarlake_nb.widgets import landing, variable
from lofarlake_nb.widgets.lake import LakeBrowser, lake_browser
from lofarlake_nb.widgets.lake_actions import Actions
from lofarlake_nb.widgets.lake_search import Question
from lofarlake_nb.widgets.outline import Outline
from lofarlake_nb.widgets.work import Work

RESULT = "lofar:widget_result"


@pytest.fixture(scope="module")
def lake(lake_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    (folder / "summary.json").write_text('{"rms": 0.25}')
    fits.writeto(folder / "cube.fits", np.zeros(3))
    connected = client.connect(lake_home)
    ingest.ingest_products(connected, sorted(folder.iterdir()), RESULT, {"x": 1}, replicate_to="", close=True)
    connected.call("add_container", "lofar", "widget_all")
    connected.call("attach_dids", "lofar", "widget_all", [{"scope": "lofar", "name": "widget_result"}])
    return lake_home


@pytest.fixture
def clicked(lake, tmp_path):
    made = LakeBrowser(browse.connect(lake), str(lake), folder=str(tmp_path / "here"))
    yield made
    made.wait()


def choose(clicked, *ends: str) -> None:
    """Click the rows whose keys end so, one after the other; of many, which the lake of the tests may have, by name."""
    for end in ends:
        if not any(key[-1] == end for _, key in clicked.tree.options):
            clicked.filter.value = end.partition(":")[2]
            clicked.wait()
        clicked.tree.value = next(key for _, key in clicked.tree.options if key[-1] == end)
        clicked.wait()


def browser_of(**answers) -> SimpleNamespace:
    """A browser of a lake with one scope, that answers so."""
    empty = {"scopes": lambda: ["lofar"], "sites": lambda: [], "listing": lambda *_, **__: Listing(list)}
    return SimpleNamespace(**empty | answers)


def eventually(is_so) -> bool:
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def texts(clicked) -> list[str]:
    return [text.strip("\u00a0") for text, _ in clicked.tree.options]


def line(clicked) -> str:
    return html.unescape(clicked.code.value).removeprefix("<code>").removesuffix("</code>")


def words(shown: str) -> str:
    return html.unescape(re.sub("<[^>]*>", " ", shown))


def test_only_scopes_are_read_at_first(clicked):
    assert "▸ lofar\u2003scope" in texts(clicked)
    assert clicked.outline.levels == {}
    assert all(button.disabled for button in clicked.actions.buttons.values())


def test_each_level_opens_below_what_it_is_in(clicked):
    choose(clicked, "lofar", "lofar:widget_all", RESULT)
    shown = texts(clicked)
    at = shown.index("▾ widget_all\u2003container")
    assert re.match("▾ widget_result\u2003dataset", shown[at + 1])
    assert re.match("· cube.fits\u2003", shown[at + 2])
    assert shown[at + 3] == "· summary.json\u200313 B"
    assert clicked.did == RESULT


def test_a_file_says_where_it_is_and_the_line_says_the_same(clicked):
    choose(clicked, "lofar", RESULT, f"{RESULT}.summary.json")
    shown = words(clicked.shown.value)
    about = eval(line(clicked), {"browse": browse})
    assert f"adler32 {about.entry.adler32}" in shown
    assert "● SARA: green, has it" in shown.replace("  ", " ")
    assert "SARA: OK, 2 of 2 files are there" in shown
    assert f"in {RESULT}" in shown


def test_names_are_filtered(clicked):
    choose(clicked, "lofar", RESULT)
    clicked.filter.value = "SUMMARY"
    clicked.wait()
    assert [t for t in texts(clicked) if t.startswith("·")] == ["· summary.json\u200313 B"]
    page = eval(line(clicked), {"browse": browse})
    assert [str(row.did) for row in page.rows] == [f"{RESULT}.summary.json"]
    clicked.filter.value = "no such"
    clicked.wait()
    assert "nothing like no such" in texts(clicked)


def test_a_level_is_closed(clicked):
    before = texts(clicked)
    choose(clicked, "lofar", RESULT)
    choose(clicked, "lofar")
    clicked.close.click()
    assert texts(clicked) == before


def test_a_search_by_name_replaces_the_tree_until_all_scopes_are_wanted(clicked):
    clicked.search.name.value = "widget_res*"
    clicked.search.look.click()
    clicked.wait()
    assert [key for _, key in clicked.tree.options] == [(RESULT,)]
    assert [row.did for row in eval(line(clicked), {"browse": browse})] == [RESULT]
    choose(clicked, RESULT)
    assert "· summary.json\u200313 B" in texts(clicked)
    clicked.search.back.click()
    assert "▸ lofar\u2003scope" in texts(clicked)


def test_what_a_search_finds_is_shown_a_page_at_a_time_while_it_goes_on():
    found, goes_on = [Entry(DID("lofar", f"L{n:04d}"), "file", 1) for n in range(3 * PAGE)], Event()

    def ask():
        yield from found[: 2 * PAGE]
        goes_on.wait(20)
        yield from found[2 * PAGE :]

    clicked = LakeBrowser(browser_of(found=lambda **_: Listing(ask)), "")
    clicked.search.wanted["target"].value = "3C196"
    clicked.search.look.click()
    assert eventually(lambda: f"{2 * PAGE} found; searching" in clicked.shown.value)
    assert len([text for text in texts(clicked) if text.startswith("·")]) == PAGE
    assert f"… {2 * PAGE} were read so far" in texts(clicked)
    goes_on.set()
    clicked.wait()
    assert words(clicked.shown.value) == f" {3 * PAGE} found "
    assert f"↓ more: 1 to {PAGE} of {3 * PAGE} are shown" in texts(clicked)
    choose(clicked, ">")
    assert f"· lofar:L{PAGE:04d}\u20031 B" in texts(clicked)
    clicked.close.click()
    assert f"· lofar:L{PAGE:04d}\u20031 B" in texts(clicked)


def test_a_search_that_is_given_up_does_not_replace_the_tree():
    goes_on = Event()
    clicked = LakeBrowser(browser_of(found=lambda **_: Listing(lambda: goes_on.wait(20) and [])), "")
    clicked.search.wanted["target"].value = "3C196"
    clicked.search.look.click()
    clicked.search.back.click()
    clicked.wait()
    goes_on.set()
    assert texts(clicked) == ["▸ lofar\u2003scope"]


def test_a_click_counts_while_a_thread_draws_the_tree():
    clicked = LakeBrowser(browser_of(), "")
    pressed = Thread(target=lambda: setattr(clicked.tree, "value", ("lofar",)))

    def while_drawing(_change):
        if not pressed.ident:
            pressed.start()
            pressed.join(20)

    clicked.tree.observe(while_drawing, "options")
    clicked.outline.roots = ["lofar", "other"]
    clicked._draw()
    clicked.wait()
    assert "▾ lofar\u2003scope" in texts(clicked)


def test_a_search_without_result_says_so(clicked):
    clicked.search.name.value = "lofar:no_such_*"
    clicked.search.look.click()
    clicked.wait()
    assert "nothing in the lake matches" in clicked.shown.value


def test_a_search_by_metadata_that_is_not_understood_says_why(clicked):
    clicked.search.wanted["cone"].value = "here"
    clicked.search.look.click()
    clicked.wait()
    assert "cone: 'here' is not a right ascension" in words(clicked.shown.value)


def test_what_the_lake_refuses_is_said_in_the_widget(clicked):
    clicked.outline.roots = ["lofar:gone_meanwhile"]
    clicked._draw()
    choose(clicked, "lofar:gone_meanwhile")
    assert "lofar:gone_meanwhile" in words(clicked.shown.value)
    assert any(text.startswith("✖") for text in texts(clicked))


def test_a_search_by_metadata_and_name_is_told_with_both():
    asked = Question("L66*", "dataset", {"target": "3C196"})
    assert asked.line("home") == "browse.like(browse.connect('home').find(kind='dataset', target='3C196'), 'L66*')"


def test_the_newest_six_works_are_shown(clicked):
    for n in range(8):
        clicked.actions._begin(f"work {n}", "work()", lambda sink: "done")
    clicked.wait()
    assert [words(one.children[0].value).split(":")[0][-6:] for one in clicked.actions.log.children] == [
        f"work {n}" for n in (7, 6, 5, 4, 3, 2)
    ]


def test_retrieve_brings_it_here(clicked, tmp_path):
    choose(clicked, "lofar", RESULT)
    clicked.actions.buttons["retrieve"].click()
    clicked.wait()
    assert (tmp_path / "here" / "widget_result.summary.json").read_text() == '{"rms": 0.25}'
    assert "2 files are in" in words(clicked.actions.works[0].state.value)
    assert line(clicked).endswith(f".retrieve({RESULT!r}, {str(tmp_path / 'here')!r})")


def test_open_shows_a_text(clicked):
    choose(clicked, "lofar", RESULT, f"{RESULT}.summary.json")
    clicked.actions.buttons["open"].click()
    clicked.wait()
    assert "&quot;rms&quot;: 0.25" in clicked.actions.opened.children[0].value


def test_open_says_what_is_no_image(clicked):
    choose(clicked, "lofar", RESULT, f"{RESULT}.cube.fits")
    clicked.actions.buttons["open"].click()
    clicked.wait()
    assert "expected an image" in words(clicked.actions.opened.children[0].value)


def test_replicate_waits_for_the_copy_and_shows_it(clicked):
    choose(clicked, "lofar", RESULT)
    assert {"JUELICH", "POZNAN", "SARA"} <= set(clicked.actions.site.options)  # other tests may have made sites
    clicked.actions.site.value = "JUELICH"
    clicked.actions.buttons["replicate"].click()
    clicked.wait()
    assert "2 files are at JUELICH" in words(clicked.actions.works[0].state.value)
    assert "JUELICH: green, has all 2 files" in words(clicked.shown.value)


def test_verify_counts_the_copies_that_are_right(clicked):
    choose(clicked, "lofar", RESULT)
    clicked.actions.buttons["verify"].click()
    clicked.wait()
    assert "copies of 2 files are right" in words(clicked.actions.works[0].state.value)


def test_process_opens_the_form_of_stage_2_with_the_dataset(clicked):
    choose(clicked, "lofar", RESULT)
    clicked.actions.buttons["process"].click()
    assert "stage_form('2_process', dataset='lofar:widget_result'" in line(clicked)
    assert len(clicked.actions.opened.children) == 1


def test_a_chosen_dataset_becomes_a_variable(clicked):
    choose(clicked, "lofar", RESULT)
    clicked.variable.name.value = "my dataset"
    clicked.variable.button.click()
    assert "a name that Python takes" in clicked.variable.said.value
    clicked.variable.name.value = "dataset"
    clicked.variable.button.click()
    assert line(clicked) == f"dataset = {RESULT!r}"


def test_work_that_fails_says_what_to_do():
    def do(sink):
        sink(Tick("retrieve", 1, 2, 0, 0.0))
        raise LakeNotRunning("no lake answers", "start it: lofarlake lake start")

    work = Work("retrieve x", do)
    assert work.wait(5)
    assert "no lake answers; start it: lofarlake lake start" in words(work.state.value)
    assert "1 of 2 files" in words(work.figures.value)


def test_work_that_fails_in_an_unknown_way_is_not_under_way_for_ever():
    def do(_sink):
        raise KeyError("adler32")

    work = Work("verify", do)
    assert work.wait(10)
    assert (work.error, words(work.state.value).split()[-2:]) == ("KeyError: 'adler32'", ["KeyError:", "'adler32'"])


def test_a_click_that_fails_in_an_unknown_way_says_so():
    def about(_name):
        raise KeyError("adler32")

    rows = [Entry(DID("lofar", "L001"), "dataset", None)]
    clicked = LakeBrowser(browser_of(listing=lambda *_, **__: Listing(lambda: rows), about=about), "")
    choose(clicked, "lofar", "lofar:L001")
    assert "KeyError: 'adler32'" in words(clicked.shown.value)


@pytest.mark.parametrize("slow", [False, True])
def test_what_is_chosen_is_asked_for_before_its_level_but_not_waited_for_long(slow, monkeypatch):
    monkeypatch.setattr("lofarlake_nb.widgets.lake._FIRST", 0.1 if slow else 20)
    order, goes_on = [], Event()

    def about(name):
        if slow:
            goes_on.wait(20)
        order.append("about")
        raise DIDNotFound(f"{name} is gone")

    def listing(name, after):
        def ask():
            after()
            order.append(name)
            yield Entry(DID("lofar", "L001" if name == "lofar" else "file"), "dataset", None)

        return Listing(ask)

    clicked = LakeBrowser(browser_of(listing=listing, about=about), "")
    choose(clicked, "lofar")
    clicked.tree.value = ("lofar", "lofar:L001")
    shown = eventually(lambda: any("file" in text for text in texts(clicked)))
    goes_on.set()
    clicked.wait()
    assert shown
    assert order == ["lofar", *(("lofar:L001", "about") if slow else ("about", "lofar:L001"))]
    assert "is gone" in words(clicked.shown.value)


def test_open_says_that_nothing_is_in_a_dataset():
    browser = SimpleNamespace(sites=lambda: [], retrieve=lambda *_: SimpleNamespace(paths=(), files=0))
    actions = Actions(browser, "", lambda: "lofar:empty", lambda line: None, lambda: None, "here")
    actions.buttons["open"].click()
    actions.wait()
    assert "nothing is in it" in words(actions.works[0].state.value)


def test_no_page_is_turned_where_there_is_none():
    rows = [Entry(DID("lofar", f"L{n:03d}"), "dataset", None) for n in range(PAGE + 1)]
    outline = Outline(lambda name: Listing(lambda: rows), ["lofar"])
    level = outline.open(("lofar",))
    assert level.listing.wait(5)
    for _ in range(3):
        outline.turn(("lofar", ">"))
    assert (level.page, level.now().rows[0].did.name) == (1, f"L{PAGE:03d}")
    for _ in range(2):
        outline.turn(("lofar", "<"))
    assert level.page == 0


def test_a_word_of_python_is_no_name_for_a_variable():
    said = []
    use = variable.Use(lambda: "lofar:L1", "class", said.append)
    use.use()
    assert ("a name that Python takes" in use.said.value, said) == (True, [])


def test_no_lake_no_widget(tmp_path):
    with pytest.raises(LakeNotRunning, match="lofarlake lake start"):
        lake_browser(tmp_path)


def test_the_landing_page_shows_the_lake(lake):
    assert "answers; your account is lofar" in landing.status(lake)._repr_html_()
    assert "lofar:widget_result" in [row.did for row in landing.newest(lake)]


def test_the_landing_page_says_what_to_do_without_a_lake(tmp_path):
    assert "lofarlake lake start" in landing.status(tmp_path)._repr_html_()
    assert "lofarlake lake start" in landing.newest(tmp_path)._repr_html_()
