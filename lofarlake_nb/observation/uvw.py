"""Baseline coordinates by casacore's measures, to which LOFAR's own correlator agrees within a millimetre."""

from functools import cache
from typing import Any

import numpy as np
from casacore.measures import measures
from casacore.quanta import quantity

from lofarlake_nb.observation.measures import use_packaged_data, without_alarm

SIDEREAL_DAY = 86164.0905  # s


def station_uvw(times: np.ndarray, positions: np.ndarray, phase_centre: tuple[float, float]) -> np.ndarray:
    """Coordinates of stations, of which baselines are the differences.

    Parameters
    ----------
    times : (time,) MJD UTC seconds
    positions : (station, 3) m, ITRF
    phase_centre : ra, dec in rad, J2000

    Returns
    -------
    (time, station, 3) m
        The first station is 0. A baseline's uvw is that of its second station minus that of its first.

    Examples
    --------
    >>> core = np.array([3826577.0, 461022.0, 5064892.0])
    >>> uvw = station_uvw(np.array([5.0e9]), core + [[0, 0, 0], [0, 0, 1000.0]], (0.0, np.pi / 2))
    >>> round(float(uvw[0, 1, 2]))  # m towards the pole
    1000
    """
    frame = _frame(positions[0], phase_centre)
    offsets = positions - positions[0]
    ra, dec = phase_centre
    to_uvw = np.array(
        [
            [-np.sin(ra), np.cos(ra), 0.0],
            [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)],
            [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)],
        ]
    )
    return np.stack([offsets @ _itrf_to_j2000(frame, time).T @ to_uvw.T for time in times])


def baseline_uvw(stations: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> np.ndarray:
    """uvw of baselines from those of stations.

    Parameters
    ----------
    stations : (time, station, 3) m
    antenna1, antenna2 : (baseline,) int

    Returns
    -------
    (time, baseline, 3) m

    Examples
    --------
    >>> stations = np.array([[[0.0, 0.0, 0.0], [30.0, 40.0, 50.0]]])
    >>> baseline_uvw(stations, np.array([1]), np.array([0])).tolist()
    [[[-30.0, -40.0, -50.0]]]
    """
    return stations[:, antenna2] - stations[:, antenna1]


def directions(
    times: np.ndarray, position: np.ndarray, phase_centre: tuple[float, float], ra: np.ndarray, dec: np.ndarray
) -> np.ndarray:
    """Where directions on the sky lie as seen from the turning Earth.

    Parameters
    ----------
    times : (time,) MJD UTC seconds
    position : (3,) m, ITRF
    phase_centre : ra, dec in rad, J2000
    ra, dec : (direction,) rad, J2000

    Returns
    -------
    (time, direction, 3)
        Unit vectors in ITRF.

    Examples
    --------
    >>> core = np.array([3826577.0, 461022.0, 5064892.0])
    >>> found = directions(np.array([5.0e9]), core, (0.0, 0.0), np.array([0.0]), np.array([np.pi / 2]))
    >>> round(float(found[0, 0, 2]), 3)  # the pole lies along the Earth's axis
    1.0
    """
    frame = _frame(position, phase_centre)
    towards = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return np.stack([towards @ _itrf_to_j2000(frame, time) for time in times])


def transit(after: float, position: np.ndarray, phase_centre: tuple[float, float]) -> float:
    """When a direction next crosses the meridian of a place.

    Parameters
    ----------
    after : float
        MJD UTC seconds.
    position : (3,) m, ITRF
    phase_centre : ra, dec in rad, J2000

    Returns
    -------
    float
        MJD UTC seconds, to a second.

    Examples
    --------
    >>> core, centre = np.array([3826577.0, 461022.0, 5064892.0]), (2.1537, 0.8415)
    >>> first = transit(5.0e9, core, centre)
    >>> round(transit(first + 60, core, centre) - first)  # s: a sidereal day later
    86164
    """
    frame = _frame(position, phase_centre)
    time = after
    for _ in range(3):
        frame.do_frame(frame.epoch("UTC", quantity(time, "s")))
        direction = frame.direction("J2000", quantity(phase_centre[0], "rad"), quantity(phase_centre[1], "rad"))
        hour_angle = frame.measure(direction, "HADEC")["m0"]["value"] / (2 * np.pi)
        step = -hour_angle % 1.0 if time == after else (0.5 - hour_angle) % 1.0 - 0.5
        time += step * SIDEREAL_DAY
    return time


def elevations(times: np.ndarray, position: np.ndarray, direction: tuple[float, float]) -> np.ndarray:
    """Height of a direction above the horizon.

    Parameters
    ----------
    times : (time,) MJD UTC seconds
    position : (3,) m, ITRF
    direction : ra, dec in rad, J2000

    Returns
    -------
    (time,) rad

    Examples
    --------
    >>> core, centre = np.array([3826577.0, 461022.0, 5064892.0]), (2.1537, 0.8415)
    >>> times = np.array([transit(5.0e9, core, centre)])
    >>> np.rad2deg(elevations(times, core, centre)).round(1).tolist()
    [85.2]
    """
    frame = _frame(position, direction)
    towards = frame.direction("J2000", quantity(direction[0], "rad"), quantity(direction[1], "rad"))
    found = []
    for time in times:
        frame.do_frame(frame.epoch("UTC", quantity(float(time), "s")))
        found.append(frame.measure(towards, "AZELGEO")["m1"]["value"])  # AZEL is of a round Earth
    return np.array(found)


def _frame(position: np.ndarray, phase_centre: tuple[float, float]) -> Any:
    _read_tables()
    frame = measures()
    frame.do_frame(frame.position("ITRF", *(quantity(float(x), "m") for x in position)))
    frame.do_frame(frame.direction("J2000", quantity(phase_centre[0], "rad"), quantity(phase_centre[1], "rad")))
    return frame


@cache
def _read_tables() -> None:
    """Let casacore read what it knows of leap seconds, once a process."""
    use_packaged_data()
    frame = measures()
    with without_alarm():
        frame.measure(frame.epoch("UTC", quantity(51544.5, "d")), "TAI")


def _itrf_to_j2000(frame: Any, time: float) -> np.ndarray:
    """(3, 3), what turns an Earth-fixed baseline into the celestial frame, aberration included."""
    frame.do_frame(frame.epoch("UTC", quantity(float(time), "s")))
    columns = []
    for axis in np.eye(3) * 1e3:
        turned = frame.measure(frame.baseline("ITRF", *(quantity(float(x), "m") for x in axis)), "J2000")
        longitude, latitude, length = (turned[m]["value"] for m in ("m0", "m1", "m2"))
        columns.append(
            np.array(
                [
                    np.cos(latitude) * np.cos(longitude),
                    np.cos(latitude) * np.sin(longitude),
                    np.sin(latitude),
                ]
            )
            * (length / 1e3)
        )
    return np.stack(columns, axis=1)
