"""The summary of a run: one JSON object whose keys are always there, and null where nothing is known."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.quality.sources import MeasuredSource
from lofarlake_nb.wording import counted

KEYS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("files", "bytes", "seconds", "rate_mb_s", "catalogue_calls"),
    "flags": ("fraction", "bad_stations"),
    "calibration": ("verdict", "held_out_phase_rms_deg", "bad_stations"),
    "image": (
        "file",
        "peak_jy_per_beam",
        "peak_ra_deg",
        "peak_dec_deg",
        "rms_jy_per_beam",
        "thermal_rms_jy_per_beam",
        "beam_arcsec",
        "beam_pa_deg",
    ),
}
SOURCE_KEYS = ("name", "ra_deg", "dec_deg", "flux_jy", "flux_error_jy", "true_flux_jy")


def empty() -> dict[str, Any]:
    """Summary of which nothing is known yet: every key, each null, and no sources.

    Examples
    --------
    >>> empty()["calibration"], empty()["sources"]
    ({'verdict': None, 'held_out_phase_rms_deg': None, 'bad_stations': None}, [])
    """
    return {**{part: dict.fromkeys(keys) for part, keys in KEYS.items()}, "sources": []}


def with_part(summary: Mapping[str, Any], part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Summary with one part filled in.

    Parameters
    ----------
    summary : mapping
        From `empty`, or read.
    part : str
        ``ingest``, ``flags``, ``calibration`` or ``image``.
    values : mapping
        Its values; more keys than the summary's own are welcome. What is not finite becomes null.

    Returns
    -------
    dict
        A new summary.

    Examples
    --------
    >>> with_part(empty(), "flags", {"fraction": float("nan"), "notes": []})["flags"]
    {'fraction': None, 'bad_stations': None, 'notes': []}
    """
    return {**summary, part: {**dict.fromkeys(KEYS[part]), **plain(values)}}


def with_sources(summary: Mapping[str, Any], sources: Sequence[MeasuredSource]) -> dict[str, Any]:
    """Summary with the measured sources.

    Examples
    --------
    >>> with_sources(empty(), [MeasuredSource("3C196", 123.4, 48.2, 83.0, 0.5, None)])["sources"][0]["flux_jy"]
    83.0
    """
    return {**summary, "sources": [plain(asdict(source)) for source in sources]}


def write(path: Path, summary: Mapping[str, Any]) -> Path:
    """Write a summary as JSON, whole or not at all.

    Examples
    --------
    >>> read(write(Path("nothing_yet.json"), empty())) == empty()
    True
    """
    return steps.write_json(path, summary)


def read(path: Path) -> dict[str, Any]:
    """Read a summary, with every key there.

    Raises
    ------
    ProcessingError
        When the file holds none.

    Examples
    --------
    >>> read(place / "summary.json")["calibration"]["verdict"]
    'good'
    """
    try:
        found = json.loads(path.read_text())
        parts = {part: {**dict.fromkeys(keys), **(found.get(part) or {})} for part, keys in KEYS.items()}
        return {**found, **parts, "sources": found.get("sources") or []}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ProcessingError(f"{path}: no summary of a run ({error})", "run the notebook that writes it") from error


def in_words(summary: Mapping[str, Any]) -> str:
    """Summary as lines for the terminal.

    Examples
    --------
    >>> "good" in in_words(recorded.value)
    True
    """
    ingest, flags, calibration, image = (summary[part] for part in KEYS)
    lines = []
    if ingest["files"] is not None:
        rate = "" if ingest["rate_mb_s"] is None else f" ({ingest['rate_mb_s']:.0f} MB/s)"
        calls = counted(ingest["catalogue_calls"], "call")
        lines.append(
            f"ingest       {counted(ingest['files'], 'file')} verified, {ingest['bytes'] / 1e6:.0f} MB sent in "
            f"{ingest['seconds']:.1f} s{rate}, {calls} to the catalogue"
        )
    if flags["fraction"] is not None:
        lines.append(f"flags        {flags['fraction']:.2%}, bad stations: {_names(flags['bad_stations'])}")
    if calibration["verdict"] is not None:
        phase = calibration["held_out_phase_rms_deg"]
        held_out = "unknown" if phase is None else f"{phase:.1f} deg"
        lines.append(
            f"calibration  {calibration['verdict']}, held-out phase rms {held_out}, "
            f"bad stations: {_names(calibration['bad_stations'])}"
        )
    lines += [f"self-calibration, {line}" for line in calibration.get("self_calibration") or []]
    if image["file"] is not None:
        thermal = _known(image["thermal_rms_jy_per_beam"], "{:.2f}", 1e3)
        major, minor = (_known(axis, "{:.1f}") for axis in image["beam_arcsec"] or (None, None))
        lines.append(
            f"image        {image['file']}: peak {_known(image['peak_jy_per_beam'], '{:.2f} Jy/beam')}, "
            f"rms {_known(image['rms_jy_per_beam'], '{:.2f} mJy/beam', 1e3)} (thermal {thermal}), "
            f"beam {major} x {minor} arcsec"
        )
    for source in summary["sources"]:
        true = source["true_flux_jy"]
        against = "" if true is None else f" (true {true:.2f}, {source['flux_jy'] / true - 1:+.1%})"
        lines.append(f"source       {source['name']}: {source['flux_jy']:.2f} Jy{against}")
    return "\n".join(lines)


def _known(value: float | None, form: str, factor: float = 1.0) -> str:
    return "unknown" if value is None else form.format(value * factor)


def _names(stations: Sequence[Any] | None) -> str:
    return ", ".join(map(str, stations)) if stations else "none"


def plain(value: Any) -> Any:
    """Value as JSON can hold it: what is not finite is null, paths are text.

    Examples
    --------
    >>> plain({"rms": float("nan"), "image": Path("image.fits")})
    {'rms': None, 'image': 'image.fits'}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, np.generic):
        return plain(value.item())
    return str(value) if isinstance(value, Path) else value
