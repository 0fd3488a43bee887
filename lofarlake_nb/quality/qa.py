"""Quality figures of a run as JSON, under the names that readers of LINC's and Rapthor's figures know."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import astropy.units as u
import h5py
import numpy as np
from astropy.coordinates import SkyCoord

from lofarlake_nb.observation import measurement_set
from lofarlake_nb.processing.ateam.deciding import CLIPPED, AteamVerdict
from lofarlake_nb.processing.averaging import Averaged
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.imaging import Imaged
from lofarlake_nb.processing.windows import windows
from lofarlake_nb.quality.comparison import Comparison
from lofarlake_nb.quality.finding import Found
from lofarlake_nb.quality.provenance import Provenance

PIPELINE = "lofarlake"
# The strongest sources of the sky at these frequencies, J2000 degrees.
A_TEAM: Mapping[str, tuple[float, float]] = {
    "CasA": (350.8664, 58.8117),
    "CygA": (299.8682, 40.7339),
    "TauA": (83.6332, 22.0144),
    "VirA": (187.7059, 12.3911),
    "HerA": (252.7840, 4.9925),
    "HydraA": (139.5236, -12.0956),
}
# LINC warns of those that are nearer than this.
CLOSE_DEG = 30.0


def of_calibration(
    flagged: Flagged, averaged: Averaged, calibrated: Calibrated, provenance: Provenance
) -> dict[str, Any]:
    """Figures of the data and of the solutions, laid out as LINC's ``*_summary.json``.

    Parameters
    ----------
    flagged : Flagged
        What flagging found.
    averaged : Averaged
        What averaging did, and decided about the A-team.
    calibrated : Calibrated
        With the verdict.
    provenance : Provenance

    Returns
    -------
    dict
        ``metrics``, with ``stations`` (percentages are fractions, 0 to 1, by state of the data and by table of the
        solutions), ``close_sources``, ``removed_stations``, ``software_versions`` and the verdict.

    Examples
    --------
    >>> figures = of_calibration(flagged, averaged, calibrated, came)["metrics"]["lofarlake"]
    >>> figures["verdict"], len(figures["stations"]), len(figures["removed_stations"])
    ('good', 20, 2)
    """
    layout = measurement_set.layout(calibrated.measurement_sets[0])
    removed = {station.name: station for station in (*flagged.bad_stations, *calibrated.bad_stations)}
    last, solutions = _flagged_at_last(calibrated), flagged_solutions(calibrated.solution_files)
    stations = []
    for name in sorted(flagged.station_fractions):
        states = {"flagged": flagged.station_fractions[name], "calibrated": last.get(name)}
        row: dict[str, Any] = {"station": name, "removed": "yes" if name in removed else "no"}
        row["percentage_flagged"] = {state: value for state, value in states.items() if value is not None}
        row["percentage_flagged_solutions"] = solutions.get(name, {})
        if name in removed:
            row["reason"] = removed[name].reason
        stations.append(row)
    figures = {
        "run_type": "target",
        "field_name": provenance.observation.get("target", ""),
        "stations": stations,
        "removed_stations": sorted(removed),
        "refant": calibrated.reference_station,
        "cross_hand_phase_deg": calibrated.cross_hand_phase_deg,
        "close_sources": close_sources(layout.phase_centre, averaged.ateam),
        "averaging": _averaging(averaged),
        "verdict": calibrated.verdict,
        "verdict_reasons": list(calibrated.reasons),
        "calibration_notes": list(calibrated.notes),
        "held_out_phase_rms_deg": calibrated.held_out_phase_rms_deg,
        "thermal_phase_rms_deg": calibrated.thermal_phase_rms_deg,
        "observation": dict(provenance.observation),
        "directions": [asdict(one) for one in calibrated.directions],
        "direction_notes": list(calibrated.direction_notes),
        "input_dataset": provenance.dataset or None,
        "inputs": list(provenance.inputs),
        "command": provenance.command(),
        "parameters": provenance.parameters(),
        "software_versions": dict(provenance.versions),
    }
    return {"metrics": {PIPELINE: figures}}


def of_image(imaged: Imaged, calibrated: Calibrated, found: Found, compared: Sequence[Comparison]) -> dict[str, Any]:
    """Figures of the image, under the names of Rapthor's ``*.image_diagnostics.json``.

    Parameters
    ----------
    imaged : Imaged
    calibrated : Calibrated
    found : Found
        The source list.
    compared : sequence of Comparison
        The first one's ratios and offsets stand beside the others; all are listed below ``comparisons``.

    Returns
    -------
    dict
        Null where a figure is not known: the true-sky ones need the primary beam.

    Examples
    --------
    >>> found = Found(None, None, 0, False, 0.05, 0.1, None, None, "no source above 5 sigma")
    >>> figures = of_image(imaged, calibrated, found, [])
    >>> figures["dynamic_range_global_flat_noise"] == imaged.peak_jy_per_beam / 0.05, figures["min_rms_true_sky"]
    (True, None)
    """
    low, true_low = found.min_rms_jy_per_beam, found.min_true_rms_jy_per_beam
    figures: dict[str, Any] = {
        "theoretical_rms": imaged.thermal_rms_jy_per_beam,
        "residual_rms": imaged.rms_jy_per_beam,
        "min_rms_flat_noise": low,
        "median_rms_flat_noise": found.median_rms_jy_per_beam,
        "dynamic_range_global_flat_noise": imaged.peak_jy_per_beam / low if low else None,
        "min_rms_true_sky": true_low,
        "median_rms_true_sky": found.median_true_rms_jy_per_beam,
        "dynamic_range_global_true_sky": imaged.peak_jy_per_beam / true_low if true_low else None,
        "nsources": found.count,
        "freq": imaged.frequency_hz,
        "beam_fwhm": [imaged.beam_arcsec[0] / 3600, imaged.beam_arcsec[1] / 3600, imaged.beam_pa_deg],
        "unflagged_data_fraction": 1 - calibrated.flagged_fraction,
        "note": found.note,
    }
    statistics = [one.statistics() for one in compared]
    return {**figures, **(statistics[0] if statistics else {}), "comparisons": statistics}


def close_sources(phase_centre: tuple[float, float], decided: Sequence[AteamVerdict] = ()) -> list[dict[str, Any]]:
    """Strong sources that are near a field, or that something was decided about.

    Parameters
    ----------
    phase_centre : tuple of float
        Rad, J2000.
    decided : sequence of AteamVerdict
        What averaging decided.

    Returns
    -------
    list of dict
        Nearest first: ``source``, ``distance`` in degrees, ``mitigation`` (``clip`` or ``none``, as LINC calls it);
        of what was decided also ``elevation`` in degrees, and ``reason``.

    Examples
    --------
    >>> [(one["source"], round(one["distance"], 1)) for one in close_sources(tuple(np.deg2rad([80.0, 25.0])))]
    [('TauA', 4.5)]
    """
    if decided:
        rows = [
            {
                "source": one.name,
                "distance": one.distance_deg,
                "elevation": one.elevation_deg,
                "mitigation": "clip" if one.decision == CLIPPED else "none",
                "reason": f"{one.decision}: {one.reason}",
            }
            for one in decided
        ]
        return sorted(rows, key=lambda one: float(one["distance"]))  # type: ignore[arg-type]
    centre = SkyCoord(phase_centre[0] * u.rad, phase_centre[1] * u.rad)
    found = []
    for name, (ra, dec) in A_TEAM.items():
        distance = float(centre.separation(SkyCoord(ra * u.deg, dec * u.deg)).deg)
        if distance < CLOSE_DEG:
            found.append({"source": name, "distance": distance, "mitigation": "none"})
    return sorted(found, key=lambda one: one["distance"])


def _averaging(averaged: Averaged) -> dict[str, Any]:
    """What averaging did, in numbers and words."""
    smearing = asdict(averaged.smearing) if averaged.smearing else None
    return {
        "interval_s": averaged.interval_s,
        "channel_width_hz": averaged.channel_width_hz,
        "unflagged_fraction": averaged.unflagged_fraction,
        "smearing_at_the_edge": smearing,
        "bytes": averaged.bytes,
        "notes": list(averaged.notes),
    }


def _flagged_at_last(calibrated: Calibrated) -> dict[str, float]:
    """Fraction of each station's samples that no image is made from."""
    counts: dict[str, tuple[float, float]] = {}
    for path in calibrated.measurement_sets:
        layout = measurement_set.layout(path)
        per_baseline = np.zeros(len(layout.antenna1))
        for window in windows(layout):
            per_baseline += measurement_set.read(path, layout, ["FLAG"], window)["FLAG"].mean(axis=(2, 3)).sum(axis=0)
        for index, name in enumerate(layout.stations):
            its = layout.cross & ((layout.antenna1 == index) | (layout.antenna2 == index))
            flagged, total = counts.get(name, (0.0, 0.0))
            counts[name] = (flagged + per_baseline[its].sum(), total + its.sum() * len(layout.times))
    return {name: float(flagged / total) for name, (flagged, total) in counts.items() if total}


def flagged_solutions(files: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Fraction of solutions without weight.

    Parameters
    ----------
    files : sequence of Path
        h5parm.

    Returns
    -------
    dict
        By station, then by table, over all files.

    Examples
    --------
    >>> found = flagged_solutions(calibrated.solution_files)
    >>> found[flagged.bad_stations[0].name], len(found)
    ({'amplitude000': 1.0, 'phase000': 1.0}, 20)
    """
    counts: dict[str, dict[str, list[float]]] = {}
    for path in files:
        with h5py.File(path) as file:
            for name, table in file["sol000"].items():
                if not isinstance(table, h5py.Group) or "weight" not in table or "ant" not in table:
                    continue  # lists of stations and directions, or a table that is not per station
                axes = table["weight"].attrs["AXES"].decode().split(",")
                weight = np.moveaxis(table["weight"][:], axes.index("ant"), 0)
                for station, its in zip(table["ant"][:], weight, strict=True):
                    counts.setdefault(station.decode(), {}).setdefault(name, []).append(float(np.mean(its == 0)))
    return {station: {name: float(np.mean(v)) for name, v in its.items()} for station, its in counts.items()}
