"""The folder of a run's products: what goes into it, and the summary that says what it is worth."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb import steps
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.flags.flag_statistics import BadStation
from lofarlake_nb.processing.imaging import Imaged
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.quality import known, sources, summary


@dataclass(frozen=True)
class Recorded:
    """A summary that was written."""

    path: Path
    value: dict[str, Any]

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
    """
    name = dataset.partition(":")[2] or (Path(paths[0]).name if paths else "nothing")
    place = Path(output).expanduser() if output else Path("results") / re.sub(r"[^A-Za-z0-9._-]", "_", name)
    place.mkdir(parents=True, exist_ok=True)
    return place.absolute()


def record_calibration(place: Path, flagged: Flagged, calibrated: Calibrated) -> Recorded:
    """Write what is known once the calibration is judged; there is no image yet, and none stays from an earlier run.

    Parameters
    ----------
    place : Path
        Folder of the products.
    flagged : Flagged
        What flagging found.
    calibrated : Calibrated
        With the verdict.

    Returns
    -------
    Recorded
        ``summary.json``.
    """
    for name in ("image.fits", "image.png"):
        (place / name).unlink(missing_ok=True)
    value = _with_calibration(summary.empty(), flagged, calibrated)
    return Recorded(summary.write(place / "summary.json", value), value)


def record_image(
    place: Path, flagged: Flagged, calibrated: Calibrated, imaged: Imaged, model: SkyModel, truth: str = ""
) -> Recorded:
    """Bring the images into the folder of the products and write the whole summary.

    Parameters
    ----------
    place : Path
        Folder of the products.
    flagged : Flagged
        What flagging found.
    calibrated : Calibrated
        With the verdict.
    imaged : Imaged
        The images.
    model : SkyModel
        That the observation was calibrated on.
    truth : str
        File with the truth of a simulation; empty where there is none.

    Returns
    -------
    Recorded
        ``summary.json``.
    """
    for source, name in ((imaged.image, "image"), (imaged.residual, "residual"), (imaged.model, "model")):
        _copy(source, place / f"{name}.fits")
    for source in calibrated.solution_files:
        _copy(source, place / source.name)
    expected = known.of_truth(Path(truth)) if truth else known.of_model(model)
    found = sources.measure(sources.read_picture(place / "image.fits"), expected)
    image = {
        "file": "image.fits",
        **{key: getattr(imaged, key) for key in summary.KEYS["image"] if key != "file"},
        "npix": imaged.npix,
        "cell_arcsec": imaged.cell_arcsec,
        "frequency_hz": imaged.frequency_hz,
        "bandwidth_hz": imaged.bandwidth_hz,
        "model_flux_jy": imaged.model_flux_jy,
        "visibilities": imaged.visibilities,
    }
    value = _with_calibration(summary.empty(), flagged, calibrated)
    value = summary.with_sources(summary.with_part(value, "image", image), found)
    return Recorded(summary.write(place / "summary.json", value), value)


def files(place: Path) -> list[Path]:
    """Products in the folder that are worth keeping: images, pictures, solutions, the summary."""
    kinds = (".fits", ".png", ".h5", ".json")
    return sorted(path for path in place.iterdir() if path.is_file() and path.suffix in kinds)


def _with_calibration(value: dict[str, Any], flagged: Flagged, calibrated: Calibrated) -> dict[str, Any]:
    flags = {
        "fraction": flagged.fraction,
        "bad_stations": _names(flagged.bad_stations),
        "reasons": _reasons(flagged.bad_stations),
        "known_fraction": flagged.known_fraction,
        "station_fractions": flagged.station_fractions,
        "notes": flagged.notes,
    }
    calibration = {
        "verdict": calibrated.verdict,
        "held_out_phase_rms_deg": calibrated.held_out_phase_rms_deg,
        "bad_stations": _names(calibrated.bad_stations),
        "reasons": calibrated.reasons,
        "bad_station_reasons": _reasons(calibrated.bad_stations),
        "thermal_phase_rms_deg": calibrated.thermal_phase_rms_deg,
        "reference_station": calibrated.reference_station,
        "model": calibrated.model,
        "flagged_fraction": calibrated.flagged_fraction,
    }
    return summary.with_part(summary.with_part(value, "flags", flags), "calibration", calibration)


def _names(stations: Sequence[BadStation]) -> list[str]:
    return sorted({station.name for station in stations})


def _reasons(stations: Sequence[BadStation]) -> dict[str, str]:
    return {station.name: station.reason for station in stations}


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".part")
    shutil.copyfile(source, partial)
    os.replace(partial, target)
