"""A report that opens in a browser and needs no other file."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

_PAGE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Fact:
    """A figure of the report: a label, the value, a remark below; `mark` is good, doubtful or failed."""

    label: str
    value: str
    remark: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def write(
    path: Path,
    *,
    title: str,
    subtitle: str,
    facts: Sequence[Fact],
    pictures: Mapping[str, Path],
    tables: Sequence[Table] = (),
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
    pictures : mapping
        PNG files by caption; they are embedded, those that do not exist are left out.
    tables : sequence of Table
        Tables below.
    links : sequence of str
        Files beside the report, relative to it.

    Returns
    -------
    Path
        `path`.
    """
    shown = [
        {"caption": caption, "data": base64.b64encode(file.read_bytes()).decode()}
        for caption, file in pictures.items()
        if file.is_file()
    ]
    page = Environment(autoescape=True).from_string(_PAGE.read_text())
    text = page.render(title=title, subtitle=subtitle, facts=facts, pictures=shown, tables=tables, links=links)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text)
    os.replace(partial, path)
    return path


def facts_of(summary: Mapping[str, Any]) -> list[Fact]:
    """Figures for the top of a report, of what a summary knows."""
    ingest, flags, calibration, image = (summary[part] for part in ("ingest", "flags", "calibration", "image"))
    facts = []
    if ingest["files"] is not None:
        rate = "" if ingest["rate_mb_s"] is None else f", {ingest['rate_mb_s']:.0f} MB/s"
        facts.append(
            Fact(
                "sent into the lake",
                f"{ingest['bytes'] / 1e6:.0f} MB",
                f"{ingest['files']} files verified{rate}",
            )
        )
    if flags["fraction"] is not None:
        facts.append(Fact("flagged", f"{flags['fraction']:.1%}", f"bad stations: {len(flags['bad_stations'] or [])}"))
    if calibration["verdict"] is not None:
        phase = calibration["held_out_phase_rms_deg"]
        remark = "held-out phase rms " + ("unknown" if phase is None else f"{phase:.1f}°")
        facts.append(Fact("calibration", calibration["verdict"], remark, calibration["verdict"]))
    if image["file"] is not None:
        thermal = image["thermal_rms_jy_per_beam"]
        facts.append(
            Fact(
                "residual noise",
                f"{image['rms_jy_per_beam'] * 1e3:.2f} mJy/beam",
                "thermal " + ("unknown" if thermal is None else f"{thermal * 1e3:.2f} mJy/beam"),
            )
        )
        beam = image["beam_arcsec"]
        facts.append(Fact("peak", f"{image['peak_jy_per_beam']:.2f} Jy/beam", f"beam {beam[0]:.1f}″ × {beam[1]:.1f}″"))
    return facts


def table_of_sources(summary: Mapping[str, Any]) -> Table:
    """Table of a summary's sources: flux, error, and the truth where it is known."""
    rows = []
    for source in summary["sources"]:
        true, flux = source["true_flux_jy"], source["flux_jy"]
        rows.append(
            [
                source["name"],
                f"{source['ra_deg']:.4f}",
                f"{source['dec_deg']:.4f}",
                f"{flux:.3f}",
                "" if true is None else f"{true:.3f}",
                "" if true is None else f"{flux / true - 1:+.2%}",
            ]
        )
    columns = ("source", "RA (deg)", "Dec (deg)", "flux (Jy, apparent)", "true flux (Jy)", "difference")
    return Table("Sources", columns, rows)
