"""The report of a run of stage 2: what was observed, what was done, what it is worth, and how to repeat it."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb.quality import products, report
from lofarlake_nb.quality.products import Recorded
from lofarlake_nb.quality.qa import PIPELINE
from lofarlake_nb.quality.report import Fact, Picture, Section, Table
from lofarlake_nb.wording import counted

VERDICTS = {
    "good": "The solutions describe data that they were not made from.",
    "doubtful": "The data can't tell whether the solutions are right: use the image with care.",
    "failed": "The solutions do not describe the data: no image is made from them.",
}


@dataclass(frozen=True)
class Written:
    """A report that was written, for a cell to show where it is.

    Examples
    --------
    >>> Written(Path("report.html"))._repr_html_()
    'the report: <a href="report.html" target="_blank">report.html</a>'
    """

    path: Path

    def _repr_html_(self) -> str:
        name = html.escape(self.path.name)
        return f'the report: <a href="{name}" target="_blank">{name}</a>'


def write(place: Path, recorded: Recorded) -> Written:
    """Write ``report.html``.

    Parameters
    ----------
    place : Path
        Folder of the products, with the pictures.
    recorded : Recorded
        What is known of the run, with an image or yet without.

    Returns
    -------
    Written

    Examples
    --------
    >>> page = write(place, recorded).path.read_text(encoding="utf-8")
    >>> "<title>3C196: flagged, calibrated, imaged</title>" in page, page.count("<h2")
    (True, 8)
    """
    figures = recorded.quality["metrics"][PIPELINE]
    observed = figures["observation"]
    where = f"from the lake: {figures['input_dataset']}" if figures["input_dataset"] else "from files on disk"
    words = [observed.get("telescope"), observed.get("frequencies"), observed.get("start"), where]
    report.write(
        place / "report.html",
        title=f"{observed.get('target') or 'A field'}: flagged, calibrated, imaged",
        subtitle=", ".join(word for word in words if word),
        facts=facts(recorded.value),
        sections=sections(place, recorded.value, recorded.quality),
        links=[path.name for path in products.files(place) if path.suffix not in (".png", ".html")],
    )
    return Written(place / "report.html")


def facts(summary: Mapping[str, Any]) -> list[Fact]:
    """Figures for the top of a report, of what a summary knows.

    Examples
    --------
    >>> [(fact.label, fact.mark) for fact in facts(recorded.value)]
    [('flagged', ''), ('calibration', 'good'), ('residual noise', ''), ('peak', '')]
    """
    ingest, flags, calibration, image = (summary[part] for part in ("ingest", "flags", "calibration", "image"))
    found = []
    if ingest["files"] is not None:
        rate = "" if ingest["rate_mb_s"] is None else f", {ingest['rate_mb_s']:.0f} MB/s"
        remark = f"{counted(ingest['files'], 'file')} verified{rate}"
        found.append(Fact("sent into the lake", f"{ingest['bytes'] / 1e6:.0f} MB", remark))
    if flags["fraction"] is not None:
        found.append(Fact("flagged", f"{flags['fraction']:.1%}", f"bad stations: {len(flags['bad_stations'] or [])}"))
    if calibration["verdict"] is not None:
        phase = calibration["held_out_phase_rms_deg"]
        remark = "held-out phase rms " + ("unknown" if phase is None else f"{phase:.1f}°")
        found.append(Fact("calibration", calibration["verdict"], remark, calibration["verdict"]))
    if image["file"] is not None:
        noise, thermal = image["rms_jy_per_beam"], image["thermal_rms_jy_per_beam"]
        remark = "thermal unknown" if thermal is None else "" if noise is None else f"{noise / thermal:.2f} × thermal"
        found.append(Fact("residual noise", _milli(noise), remark))
        peak = _number(image["peak_jy_per_beam"], "{:.2f} Jy/beam") or "unknown"
        major, minor = (_number(axis, "{:.1f}″") or "unknown" for axis in image["beam_arcsec"] or (None, None))
        found.append(Fact("peak", peak, f"beam {major} × {minor}"))
    return found


def sections(place: Path, summary: Mapping[str, Any], quality: Mapping[str, Any]) -> list[Section]:
    """Parts of the report.

    Parameters
    ----------
    place : Path
        Folder with the pictures.
    summary, quality : mapping
        What ``summary.json`` and ``qa.json`` hold.

    Returns
    -------
    list of Section

    Examples
    --------
    >>> [part.title for part in sections(place, recorded.value, recorded.quality)]
    ['Observed', 'Verdict', 'Image', 'Sources', 'Data', 'Gains', 'How it came to be']
    """
    figures, image = quality["metrics"][PIPELINE], quality.get("image_diagnostics")
    return [
        Section("Observed", tables=[_pairs("", figures["observation"])]),
        _verdict(summary, figures),
        _image(place, summary, image),
        _sources(place, summary, image),
        _data(place, summary, figures),
        _gains(place, figures),
        _done(figures),
    ]


def _verdict(summary: Mapping[str, Any], figures: Mapping[str, Any]) -> Section:
    verdict = figures["verdict"]
    words = [f"{verdict}. {VERDICTS.get(verdict, '')}", *figures["verdict_reasons"]]
    words += [f"Self-calibration, {line}." for line in summary["calibration"].get("self_calibration") or []]
    return Section("Verdict", words)


def _image(place: Path, summary: Mapping[str, Any], image: Mapping[str, Any] | None) -> Section:
    if image is None:
        return Section("Image", ["No image was made."])
    shown = {
        "residual noise": _milli(image["residual_rms"]),
        "thermal noise, with the imaging weights": _milli(image["theoretical_rms"]),
        "local noise, least and median": _two(image, "rms_flat_noise"),
        "local noise after the primary beam": _two(image, "rms_true_sky"),
        "dynamic range (peak over least noise)": _number(image["dynamic_range_global_flat_noise"], "{:.0f}"),
        "visibilities that are unflagged": _number(image["unflagged_data_fraction"], "{:.1%}"),
        "pixels": f"{summary['image']['npix']}² of {summary['image']['cell_arcsec']:.2f}″",
    }
    pictures = [
        Picture(
            "The field, and its brightest source enlarged. The colours are linear up to a few times the noise and "
            "logarithmic above; circles: the sources of the table below; white ellipse: the beam.",
            place / "image.png",
        ),
        Picture(
            "What the model leaves (and Stokes V, where only noise is expected); dashed: thermal noise.",
            place / "residual.png",
        ),
    ]
    return Section("Image", pictures=pictures, tables=[_pairs("", shown)])


def _sources(place: Path, summary: Mapping[str, Any], image: Mapping[str, Any] | None) -> Section:
    if image is None:
        return Section("Sources")
    listed = f"PyBDSF finds {counted(image['nsources'], 'source')} (sources.fits, and sources.reg for DS9 and CARTA)."
    corrected = image["min_rms_true_sky"] is not None
    words = [image["note"] or listed, "Fluxes are " + ("" if corrected else "not ") + "corrected for the primary beam."]
    statistics = [
        [
            one["comparison"],
            f"{one['ncompared']} of {one['nmatched']}",
            _spread(one["meanClippedRatio"], one["stdClippedRatio"], "{:.3f}"),
            _spread(one["meanClippedRAOffsetDeg"], one["stdClippedRAOffsetDeg"], "{:.2f}″", 3600),
            _spread(one["meanClippedDecOffsetDeg"], one["stdClippedDecOffsetDeg"], "{:.2f}″", 3600),
        ]
        for one in image["comparisons"]
    ]
    columns = ("against", "compared, of those matched", "flux, found / known", "right ascension", "declination")
    tables = [
        table_of_sources(summary),
        Table("Found against known (peak above 10 σ; mean ± standard deviation, clipped at 3 σ)", columns, statistics),
    ]
    caption = "Fluxes and positions of the found sources against the known ones."
    return Section("Sources", words, [Picture(caption, place / "fluxes.png")], tables)


def table_of_sources(summary: Mapping[str, Any]) -> Table:
    """Table of a summary's sources: flux, error, and the truth where it is known.

    Examples
    --------
    >>> source = {"name": "a", "ra_deg": 1.0, "dec_deg": 2.0, "flux_jy": 1.1, "flux_error_jy": 0.1, "true_flux_jy": 1.0}
    >>> table_of_sources({"sources": [source]}).rows
    [['a', '1.0000', '2.0000', '1.100 ± 0.100', '1.000', '+10.00%']]
    """
    rows = []
    for source in summary["sources"]:
        true, flux = source["true_flux_jy"], source["flux_jy"]
        rows.append(
            [
                source["name"],
                f"{source['ra_deg']:.4f}",
                f"{source['dec_deg']:.4f}",
                f"{flux:.3f} ± {source['flux_error_jy']:.3f}",
                "" if true is None else f"{true:.3f}",
                "" if true is None else f"{flux / true - 1:+.2%}",
            ]
        )
    columns = ("source", "RA (deg)", "Dec (deg)", "flux (Jy)", "true flux (Jy)", "difference")
    return Table("Known sources, measured in apertures", columns, rows)


def _data(place: Path, summary: Mapping[str, Any], figures: Mapping[str, Any]) -> Section:
    stations = [
        [
            one["station"],
            one.get("reason", "removed") if one["removed"] == "yes" else "",
            *(_number(one["percentage_flagged"].get(state), "{:.1%}") for state in ("flagged", "calibrated")),
            _number(one["percentage_flagged_solutions"].get("phase000"), "{:.1%}"),
        ]
        for one in figures["stations"]
    ]
    removed = [row[:2] for row in stations if row[1]]
    close = [
        [one["source"], f"{one['distance']:.1f}°", one.get("reason", one["mitigation"])]
        for one in figures["close_sources"]
    ]
    tables = [
        Table("Stations left out", ("station", "why"), removed),
        Table("Strong sources near the field", ("source", "distance", "what was done"), close),
        Table(
            "Flagged, by station", ("station", "left out", "flagged", "not imaged", "solutions"), stations, folded=True
        ),
    ]
    pictures = [
        Picture("What was flagged, per station, baseline, channel and time slot.", place / "flags.png"),
        Picture("Amplitudes over time and frequency, before and after flagging.", place / "spectra.png"),
        Picture("Where the observation samples the uv plane.", place / "coverage.png"),
    ]
    notes = [*(summary["flags"].get("notes") or []), *figures["averaging"]["notes"]]
    return Section("Data", [_averaged(figures["averaging"]), *notes], pictures, tables)


def _averaged(averaging: Mapping[str, Any]) -> str:
    slot, channel = averaging["interval_s"], averaging["channel_width_hz"] / 1e3
    said = f"Averaged to slots of {slot:.3g} s and channels of {channel:.4g} kHz."
    smeared = averaging["smearing_at_the_edge"]
    if smeared is None:
        return said
    losses = f"{smeared['time_loss']:.1%} of its peak by the slots and {smeared['bandwidth_loss']:.1%} by the channels"
    return f"{said} A source {smeared['radius_deg']:.2f}° from the phase centre loses {losses}."


def _gains(place: Path, figures: Mapping[str, Any]) -> Section:
    pictures = [
        Picture("Amplitudes and phases of all stations over time.", place / "gains.png"),
        Picture("Phases of each station over time.", place / "phases.png"),
    ]
    if not any(picture.file.is_file() for picture in pictures):
        return Section("Gains")
    rows = [
        [one["direction"], f"{one['flux_jy']:.2f}", f"{one['gain']:.1%}", "used" if one["used"] else one["reason"]]
        for one in figures["directions"]
    ]
    columns = ("group of sources", "flux (Jy, apparent)", "residual power that they take away", "")
    table = Table("Phases of their own, judged on held-out slots", columns, rows)
    notes = [f"Phases of directions: {note}." for note in figures["direction_notes"]]
    said = [f"Phases are against {figures['refant']}.", *figures["calibration_notes"], *notes]
    return Section("Gains", said, pictures, [table])


def _done(figures: Mapping[str, Any]) -> Section:
    parameters = [
        [step, name, str(value)]
        for step, values in figures["parameters"].items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    ]
    came = [["input", figures["input_dataset"] or "files on disk"], ["sky model", figures["parameters"]["sky_model"]]]
    tables = [
        Table("", ("", ""), came),
        Table("Measurement Sets", ("name",), [[name] for name in figures["inputs"]], folded=True),
        Table("Parameters", ("step", "parameter", "value"), parameters, folded=True),
        Table("Versions", ("package", "version"), list(figures["software_versions"].items()), folded=True),
    ]
    words = [
        "In the lake, the products of a run are a dataset that is named after the input and their content; its "
        "metadata names inputs, parameters, versions and the executed notebook. The same can be done again by:"
    ]
    return Section("How it came to be", words, tables=tables, commands=[figures["command"]])


def _pairs(title: str, values: Mapping[str, str]) -> Table:
    return Table(title, ("", ""), [[name, value] for name, value in values.items()])


def _milli(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 1e3:.2f} mJy/beam"


def _two(image: Mapping[str, Any], name: str) -> str:
    return f"{_milli(image[f'min_{name}'])}, {_milli(image[f'median_{name}'])}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _spread(mean: float | None, deviation: float | None, form: str, factor: float = 1.0) -> str:
    if mean is None or deviation is None:
        return "too few"
    return f"{form.format(mean * factor)} ± {form.format(deviation * factor)}"
