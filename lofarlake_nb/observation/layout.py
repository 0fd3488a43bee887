"""How the rows of a Measurement Set map to time and baseline, and what its axes are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lofarlake_nb.errors import NotAMeasurementSet, ObservationError
from lofarlake_nb.observation.rows import in_any_order, in_order
from lofarlake_nb.observation.tables import Selection, ask, text_of

# Stokes codes of casacore.
CORRELATIONS = {
    1: "I",
    2: "Q",
    3: "U",
    4: "V",
    5: "RR",
    6: "RL",
    7: "LR",
    8: "LL",
    9: "XX",
    10: "XY",
    11: "YX",
    12: "YY",
}
# Phase centres so near each other are one.
SAME_ARCSEC = 1.0


@dataclass(frozen=True)
class Layout:
    """How the rows of a Measurement Set map to time and baseline.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> layout.cross.tolist()
    [False, True, True, False, True, False]
    >>> layout.brief().rows.shape, layout.brief().whole().rows.shape
    ((0, 6), (4, 6))
    """

    times: np.ndarray  # (time,) MJD UTC seconds, centre of the slot, ascending
    antenna1: np.ndarray  # (baseline,) int, in the order of first appearance
    antenna2: np.ndarray  # (baseline,) int
    rows: np.ndarray  # (time, baseline) int64, -1 where the row is missing
    frequencies: np.ndarray  # (frequency,) Hz, as stored
    stations: tuple[str, ...]
    positions: np.ndarray  # (station, 3) m, ITRF
    phase_centre: tuple[float, float]  # ra, dec in rad, J2000
    interval: float  # s
    channel_width: float  # Hz
    correlations: tuple[str, ...] = ("XX", "XY", "YX", "YY")
    window: int = 0  # rows of SPECTRAL_WINDOW, FIELD and OBSERVATION
    field: int = 0
    observation: int = 0

    @property
    def cross(self) -> np.ndarray:
        """(baseline,) bool, True where the two stations differ."""
        return self.antenna1 != self.antenna2

    def brief(self) -> "Layout":
        """To be sent to a task: without `rows` where all are there, one slot after the other; see `whole`."""
        in_order = np.array_equal(self.rows.reshape(-1), np.arange(self.rows.size))
        return replace(self, rows=self.rows[:0]) if in_order else self

    def whole(self) -> "Layout":
        """As it was before it was `brief`."""
        shape = len(self.times), len(self.antenna1)
        return self if len(self.rows) else replace(self, rows=np.arange(shape[0] * shape[1]).reshape(shape))

    def distance(self, direction: tuple[float, float]) -> float:
        """Angle between a direction (rad, J2000) and the phase centre, in deg."""
        (ra, dec), (ra0, dec0) = direction, self.phase_centre
        half = np.sin((dec - dec0) / 2) ** 2 + np.cos(dec) * np.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
        return float(np.rad2deg(2 * np.arcsin(np.sqrt(half))))


def require_one_direction(found: Iterable[tuple[Path, Layout]]) -> None:
    """Refuse Measurement Sets of several pointings, as two beams of one observation, for one image.

    Parameters
    ----------
    found : iterable of (Path, Layout)

    Raises
    ------
    ObservationError
        When two phase centres are more than an arcsecond apart.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> require_one_direction([(path, measurement_set.layout(path))] * 2)
    """
    first: tuple[Path, Layout] | None = None
    for path, layout in found:
        first = first or (path, layout)
        if (away := first[1].distance(layout.phase_centre)) > SAME_ARCSEC / 3600:
            here, there = (np.rad2deg(one.phase_centre) for one in (first[1], layout))
            raise ObservationError(
                f"{path.name} has its phase centre at {there[0]:.4f}° {there[1]:+.4f}°, {away:.3g}° from "
                f"{first[0].name}'s at {here[0]:.4f}° {here[1]:+.4f}°, expected one pointing",
                "process them apart",
            )


def layout_of(ms: Any, path: Path, chosen: Selection) -> Layout:
    """Layout of the chosen rows of an open Measurement Set, in whatever order they are stored.

    Parameters
    ----------
    ms : casacore.tables.table
        From `tables.opened`.
    path : Path
        Its folder, for errors.
    chosen : Selection
        Of one spectral window and field.

    Returns
    -------
    Layout
        Baselines in the order of their first appearance.

    Raises
    ------
    NotAMeasurementSet
        When stations, times or frequencies make no sense.
    ObservationError
        When a baseline is twice in one slot, or baselines have different intervals.

    Examples
    --------
    >>> from lofarlake_nb.observation.tables import opened, selected
    >>> path = Path("observation/L990100_SAP000_SB000_uv.MS")
    >>> with opened(path) as ms:
    ...     layout_of(ms, path, selected(ms)).rows[:2].tolist()
    [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    """
    found = in_order(ms, path) if chosen.rows is None else None
    found = found or in_any_order(ms, chosen.rows, path)
    if min(found.antenna1.min(), found.antenna2.min()) < 0:
        raise NotAMeasurementSet(f"{path}: a row names a station below 0")
    stations, positions = _stations(ms, int(max(found.antenna1.max(), found.antenna2.max())))
    frequencies, width = _frequencies(ms, chosen.window)
    centre = np.asarray(ask(ms, "FIELD", lambda t: t.getcell("PHASE_DIR", chosen.field))).reshape(-1, 2)[0]
    return Layout(
        times=found.times,
        antenna1=found.antenna1.astype(np.int64),
        antenna2=found.antenna2.astype(np.int64),
        rows=found.rows,
        frequencies=frequencies,
        stations=stations,
        positions=positions,
        phase_centre=(float(centre[0]), float(centre[1])),
        interval=found.interval,
        channel_width=width,
        correlations=_correlations(ms, chosen.description),
        window=chosen.window,
        field=chosen.field,
        observation=chosen.observation,
    )


def _stations(ms: Any, last: int) -> tuple[tuple[str, ...], np.ndarray]:
    names, positions = ask(ms, "ANTENNA", lambda t: (t.getcol("NAME"), t.getcol("POSITION")))
    if last >= len(names):
        raise NotAMeasurementSet(f"{ms.name()}: rows name station {last}, the ANTENNA table has {len(names)}")
    named = [text_of(name) or f"station{i:03d}" for i, name in enumerate(names)]
    # Two of one name (a telescope's pads, say) must not be taken for one.
    unique = [f"{name}_{i}" if named.count(name) > 1 else name for i, name in enumerate(named)]
    return tuple(unique), np.asarray(positions, dtype=np.float64)


def _frequencies(ms: Any, window: int) -> tuple[np.ndarray, float]:
    frequencies, widths = ask(
        ms, "SPECTRAL_WINDOW", lambda t: (t.getcell("CHAN_FREQ", window), t.getcell("CHAN_WIDTH", window))
    )
    frequencies = np.asarray(frequencies, dtype=np.float64)
    if frequencies.size == 0 or not (np.isfinite(frequencies).all() and (frequencies > 0).all()):
        raise NotAMeasurementSet(f"{ms.name()}: channel frequencies that are no positive numbers")
    return frequencies, float(abs(np.median(widths)))


def _correlations(ms: Any, description: int) -> tuple[str, ...]:
    setup = int(ask(ms, "DATA_DESCRIPTION", lambda t: t.getcell("POLARIZATION_ID", description)))
    codes = ask(ms, "POLARIZATION", lambda t: t.getcell("CORR_TYPE", setup))
    return tuple(CORRELATIONS.get(int(code), str(int(code))) for code in codes)
