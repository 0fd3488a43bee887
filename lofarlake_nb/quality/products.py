"""The folder of a run's products: what goes into it, and the summary that says what it is worth."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from astropy.io import fits

from lofarlake_nb import steps
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.imaging import Imaged
from lofarlake_nb.processing.sky.components import Model
from lofarlake_nb.quality import comparison, finding, known, qa, sources, summary
from lofarlake_nb.quality.comparison import Comparison
from lofarlake_nb.quality.finding import Found
from lofarlake_nb.quality.known import References
from lofarlake_nb.quality.provenance import Provenance, write_history
from lofarlake_nb.quality.self_calibration import Refined

# Images that become products, where they were made; what `Imaged` calls otherwise.
IMAGES = ("image", "image-pb", "primary-beam", "residual", "model", "psf", "stokes-v", "cutout")
CALLED = {"primary_beam": "primary-beam", "corrected": "image-pb", "circular": "stokes-v"}
PICTURES_OF_IMAGES = ("image.png", "residual.png", "fluxes.png")


@dataclass(frozen=True)
class Recorded:
    """What is known of a run, as it was written.

    Parameters
    ----------
    path : Path
        ``summary.json``.
    value : dict
        What it holds.
    quality : dict
        What ``qa.json`` holds.
    comparisons : tuple of Comparison
        Found sources beside known ones.

    Examples
    --------
    >>> recorded.path.name, recorded.value["calibration"]["verdict"], str(recorded).splitlines()[-1][:19]
    ('summary.json', 'good', 'source       3C196:')
    """

    path: Path
    value: dict[str, Any]
    quality: dict[str, Any]
    comparisons: tuple[Comparison, ...] = ()

    def __repr__(self) -> str:
        return summary.in_words(self.value)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), steps.MADE_MIME: {"files": [str(self.path.parent.absolute())]}}


def folder(output: str, dataset: str, paths: Sequence[str]) -> Path:
    """Folder for the products of a run.

    Parameters
    ----------
    output : str
        As wanted; empty for ``results/`` and the name of the input.
    dataset : str
        DID of the input, or empty.
    paths : sequence of str
        Input on disk, or empty.

    Returns
    -------
    Path
        It exists.

    Examples
    --------
    >>> folder("", "lofar:L990100", []).name
    'L990100'
    """
    name = dataset.partition(":")[2] or (Path(os.path.abspath(paths[0])).name if paths else "nothing")
    place = Path(output).expanduser() if output else Path("results") / re.sub(r"[^A-Za-z0-9._-]", "_", name)
    place.mkdir(parents=True, exist_ok=True)
    return place.absolute()


def record_calibration(
    place: Path, flagged: Flagged, averaged: Averaged, calibrated: Calibrated, provenance: Provenance
) -> Recorded:
    """Write what is known once the calibration is judged; there is no image yet, and none stays from an earlier run.

    Parameters
    ----------
    place : Path
        Folder of the products.
    flagged : Flagged
        What flagging found.
    averaged : Averaged
        What averaging did, and decided about the A-team.
    calibrated : Calibrated
        With the verdict.
    provenance : Provenance
        Inputs, parameters, versions.

    Returns
    -------
    Recorded
        With ``summary.json`` and ``qa.json``; the solutions are there too.

    Examples
    --------
    >>> judged = record_calibration(place, flagged, averaged, calibrated, came)
    >>> judged.value["calibration"]["verdict"]
    'good'
    """
    for name in (*(f"{name}.fits" for name in IMAGES), "sources.fits", "sources.reg", *PICTURES_OF_IMAGES):
        (place / name).unlink(missing_ok=True)
    _bring_solutions(place, calibrated)
    value = _with_calibration(summary.empty(), flagged, calibrated)
    quality = qa.of_calibration(flagged, averaged, calibrated, provenance)
    return _written(place, value, quality, ())


def record_image(
    place: Path,
    flagged: Flagged,
    averaged: Averaged,
    refined: Refined,
    model: Model,
    references: References,
    provenance: Provenance,
) -> Recorded:
    """Bring the images into the folder of the products, list their sources, and write the whole summary.

    Parameters
    ----------
    place : Path
        Folder of the products.
    flagged : Flagged
        What flagging found.
    averaged : Averaged
        What averaging did.
    refined : Refined
        The images, and the calibration that they are of.
    model : SkyModel, ModelColumn or NoModel
        That the observation was calibrated on.
    references : References
        Truth and catalogue to compare with.
    provenance : Provenance
        Inputs, parameters, versions: they go into the headers too.

    Returns
    -------
    Recorded
        With ``summary.json``, ``qa.json`` and what the comparison found.

    Examples
    --------
    >>> from lofarlake_nb.quality import known
    >>> recorded = record_image(place, flagged, averaged, refined, model, known.references("", ""), came)
    >>> recorded.value["calibration"]["verdict"]
    'good'
    """
    calibrated, imaged = refined.calibrated, refined.imaged
    recorded = record_calibration(place, flagged, averaged, calibrated, provenance)
    made = _images(imaged)
    for name, source in made.items():
        _write_image(source, place / f"{name}.fits", provenance)
    found = finding.find(imaged.image, place / "work" / "sources", imaged.key, beam=made.get("primary-beam"))
    for listed in (found.catalogue, found.regions):
        if listed is not None:
            _copy(listed, place / listed.name)
    compared = _compared(found, imaged, references)
    truth, seen = references.truth, "image-pb" if "image-pb" in made else "image"
    expected = known.of_truth(truth, apparent=seen == "image") if truth else known.of_model(model)
    measured = sources.measure(sources.read_picture(place / f"{seen}.fits"), expected)
    value = summary.with_part(recorded.value, "image", _image_figures(imaged, found))
    value["calibration"]["self_calibration"] = list(refined.said)
    value = summary.with_sources(value, measured)
    quality = {**recorded.quality, "image_diagnostics": qa.of_image(imaged, calibrated, found, compared)}
    return _written(place, value, quality, compared)


def _written(place: Path, value: dict[str, Any], quality: dict[str, Any], compared: Sequence[Comparison]) -> Recorded:
    path = summary.write(place / "summary.json", value)
    quality = summary.plain(quality)
    steps.write_json(place / "qa.json", quality)
    return Recorded(path, value, quality, tuple(compared))


def _images(imaged: Imaged) -> dict[str, Path]:
    """FITS files by the name that they get among the products."""
    there = {CALLED.get(f.name, f.name): getattr(imaged, f.name) for f in fields(imaged)}
    return {name: there[name] for name in IMAGES if isinstance(there.get(name), Path)}


def _compared(found: Found, imaged: Imaged, references: References) -> list[Comparison]:
    if found.catalogue is None:
        return []
    listed = finding.read(found.catalogue)
    beam, frequency = imaged.beam_arcsec[0], imaged.frequency_hz
    wanted = references.catalogues(apparent=not found.beam_corrected)
    return [comparison.compare(listed, one, beam_arcsec=beam, frequency_hz=frequency) for one in wanted]


def _image_figures(imaged: Imaged, found: Found) -> dict[str, Any]:
    figures = {f.name: getattr(imaged, f.name) for f in fields(imaged) if f.name != "key"}
    numbers = {name: value for name, value in figures.items() if not isinstance(value, Path)}
    return {"file": "image.fits", **numbers, "source_list": found.catalogue.name if found.catalogue else None}


def files(place: Path) -> list[Path]:
    """Products in the folder that are worth keeping: images, pictures, solutions, source lists, figures, the report.

    Examples
    --------
    >>> "summary.json" in [path.name for path in files(place)]
    True
    """
    kinds = (".fits", ".png", ".h5", ".json", ".reg", ".html")
    return sorted(path for path in place.iterdir() if path.is_file() and path.suffix in kinds)


def _bring_solutions(place: Path, calibrated: Calibrated) -> None:
    """Copy the solutions; an earlier run's go to ``work/earlier``, but for those that somebody has changed since."""
    record, earlier = place / "work" / "solutions.json", place / "work" / "earlier"
    brought = {source.name: source for source in (*calibrated.solution_files, *calibrated.direction_files)}
    before = json.loads(record.read_text()) if record.is_file() else {}
    for name, stamp in before.items():
        path = place / Path(name).name
        if path.name not in brought and path.is_file() and _stamp(path) == stamp:
            earlier.mkdir(parents=True, exist_ok=True)
            path.replace(earlier / path.name)
    for source in calibrated.solution_files:
        if (stale := place / f"{source.stem}_directions.h5").name not in brought:
            stale.unlink(missing_ok=True)
    for name, source in brought.items():
        _copy(source, place / name)
        os.utime(place / name, ns=2 * (source.stat().st_mtime_ns,))  # the same whenever it is copied
    if (now := {name: _stamp(place / name) for name in brought}) != before:
        steps.write_json(record, now)


def _stamp(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _with_calibration(value: dict[str, Any], flagged: Flagged, calibrated: Calibrated) -> dict[str, Any]:
    flags = {
        "fraction": flagged.fraction,
        "bad_stations": _names(flagged.bad_stations),
        "reasons": _reasons(flagged.bad_stations),
        "known_fraction": flagged.known_fraction,
        "station_fractions": flagged.station_fractions,
        "notes": flagged.notes,
        "swapped_stations": _names(flagged.swapped_stations),
        "swapped_reasons": _reasons(flagged.swapped_stations),
    }
    calibration = {
        "verdict": calibrated.verdict,
        "held_out_phase_rms_deg": calibrated.held_out_phase_rms_deg,
        "bad_stations": _names(calibrated.bad_stations),
        "reasons": calibrated.reasons,
        "bad_station_reasons": _reasons(calibrated.bad_stations),
        "thermal_phase_rms_deg": calibrated.thermal_phase_rms_deg,
        "reference_station": calibrated.reference_station,
        "cross_hand_phase_deg": calibrated.cross_hand_phase_deg,
        "model": calibrated.model,
        "flagged_fraction": calibrated.flagged_fraction,
        "held_out_error": calibrated.held_out_error,
        "flux_scale": calibrated.flux_scale,
        "gain_scale": calibrated.gain_scale,
        "beam_in_model": calibrated.beam_in_model,
    }
    return summary.with_part(summary.with_part(value, "flags", flags), "calibration", calibration)


def _names(stations: Sequence[BadStation]) -> list[str]:
    return sorted({station.name for station in stations})


def _reasons(stations: Sequence[BadStation]) -> dict[str, str]:
    return {station.name: station.reason for station in stations}


def _write_image(source: Path, target: Path, provenance: Provenance) -> None:
    """Copy an image, with how it came to be in its header."""
    partial = target.with_name(target.name + ".part")
    with fits.open(source, memmap=False) as hdus:
        hdus[0].header.set("EQUINOX", 2000.0, "for readers that do not know RADESYS", after="RADESYS")
        write_history(hdus[0].header, provenance)
        hdus.writeto(partial, overwrite=True)
    os.replace(partial, target)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".part")
    shutil.copyfile(source, partial)
    os.replace(partial, target)
