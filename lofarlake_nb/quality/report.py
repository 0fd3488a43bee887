"""A report that opens in a browser and needs no other file: pictures are embedded, nothing is asked of other hosts."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

_PAGE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Fact:
    """A figure of the report: a label, the value, a remark below; `mark` is good, doubtful or failed.

    Examples
    --------
    >>> fact = Fact("calibration", "good", "held-out phase rms 7.3°", mark="good")
    >>> '<b class="good">good</b>held-out' in write(Path("f.html"), title="", subtitle="", facts=[fact]).read_text()
    True
    """

    label: str
    value: str
    remark: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report; a long one is `folded` until it is clicked on.

    Examples
    --------
    >>> part = Section("Data", tables=[Table("Stations", ("name", "flagged"), [["CS001", "3 %"]], folded=True)])
    >>> page = write(Path("folded.html"), title="", subtitle="", facts=[], sections=[part]).read_text()
    >>> "<summary>Stations (1)</summary>" in page
    True
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG file and what it shows; left out where the file does not exist.

    Examples
    --------
    >>> part = Section("Image", ["Here:"], [Picture("the field", Path("nowhere.png"))])
    >>> page = write(Path("pictured.html"), title="", subtitle="", facts=[], sections=[part]).read_text()
    >>> "Here:" in page, "the field" in page
    (True, False)
    """

    caption: str
    file: Path


@dataclass(frozen=True)
class Section:
    """A part of the report: words, then pictures, then tables, then lines to type.

    Examples
    --------
    >>> parts = [Section("Nothing"), Section("How", commands=["lofarlake process a.MS"])]
    >>> page = write(Path("parts.html"), title="", subtitle="", facts=[], sections=parts).read_text()
    >>> "Nothing" in page, "<pre>lofarlake process a.MS</pre>" in page
    (False, True)
    """

    title: str
    words: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    commands: Sequence[str] = ()


def write(
    path: Path,
    *,
    title: str,
    subtitle: str,
    facts: Sequence[Fact],
    sections: Sequence[Section] = (),
    links: Sequence[str] = (),
) -> Path:
    """Write a report as one HTML file.

    Parameters
    ----------
    path : Path
        File to write.
    title, subtitle : str
        Its head.
    facts : sequence of Fact
        The figures at the top.
    sections : sequence of Section
        In order; those without anything in them are left out.
    links : sequence of str
        Files beside the report, relative to it.

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> write(Path("report.html"), title="3C196", subtitle="by hand", facts=[Fact("noise", "12 mJy/beam")]).exists()
    True
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = _embedded
    shown = [section for section in sections if _has_something(section)]
    page = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    partial = path.with_name(path.name + ".part")
    text = page.render(title=title, subtitle=subtitle, facts=facts, sections=shown, links=links)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return path


def _embedded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _has_something(section: Section) -> bool:
    tables = any(table.rows for table in section.tables)
    return bool(section.words or section.commands or tables or any(p.file.is_file() for p in section.pictures))
