"""Gains in h5parm files, the layout that LoSoTo and DP3 read: of all directions alike, or one set a direction.

Gains of directions are what is left towards them once the gains of all directions are corrected for: a visibility of
``CORRECTED_DATA`` is the sum over directions d of ``g_pd M_pqd conj(g_qd)``, so that an image of direction d alone is
made of ``CORRECTED_DATA / (g_pd conj(g_qd))``.

What amplitudes hold of the stations' beams towards the phase centre is in attributes of their table, which other
programs leave alone: ``RESPONSE`` (moment, station, X and Y) at ``RESPONSE_TIME``. Without these nobody knows.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.gains.response import Response

VERSION = "1.0"
POLARIZATIONS = {1: (b"I",), 2: (b"XX", b"YY"), 4: (b"XX", b"XY", b"YX", b"YY")}
POINTING = "pointing"
AXES = ("dir", "time", "freq", "ant", "pol")


@dataclass(frozen=True)
class Direction:
    """Where a set of gains holds: towards a group of sources.

    Parameters
    ----------
    name : str
        Of its brightest source, without brackets.
    ra, dec : float
        J2000, rad; the group's centre, each source weighted by its flux squared.
    error : float
        Thermal error of its phases, rad; 0 where it is not known.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> two = Direction("J0813+4813", 2.15, 0.84), Direction("J0816+4823", 2.16, 0.845, error=0.1)
    >>> gains = Gains(np.ones((2, 1, 1, 3, 1)), np.array([5e9]), np.array([135e6]), two)
    >>> [(one.name, round(one.error, 3)) for one in read(write(Path("two.h5"), gains, layout)).directions]
    [('J0813+4813', 0.0), ('J0816+4823', 0.1)]
    """

    name: str
    ra: float
    dec: float
    error: float = 0.0


@dataclass(frozen=True)
class Gains:
    """Gains of one Measurement Set.

    Parameters
    ----------
    values : (interval, block, station, polarization) complex128, or (direction, interval, block, station, polarization)
        Polarizations: 1, the same for X and Y; 2, X and Y; or 4, the Jones matrix XX, XY, YX, YY. NaN where there is
        no solution that may be used. With a direction axis where there are `directions`.
    times : (interval,) float64
        Centre of each interval, MJD s.
    frequencies : (block,) float64
        Centre of each block of channels, Hz.
    directions : tuple of Direction
        Empty where one set of gains holds for all directions.
    response : Response or None
        What the amplitudes hold of the stations' beams towards the phase centre; None where that is not known.

    Examples
    --------
    >>> gains = read(Path("gains.h5"))
    >>> gains.values.shape, np.diff(gains.times).tolist(), (gains.frequencies / 1e6).tolist()
    ((5, 2, 3, 2), [2.0, 2.0, 2.0, 2.0], [135.0, 136.0])
    """

    values: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray
    directions: tuple[Direction, ...] = ()
    response: Response | None = None


def write(path: Path, gains: Gains, layout: Layout) -> Path:
    """Write gains as an h5parm.

    Parameters
    ----------
    path : Path
        The file; replaced when there.
    gains : Gains
    layout : Layout
        For the stations and, where there is one set for all directions, the phase centre.

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> layout = measurement_set.layout(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> gains = Gains(np.full((1, 1, 3, 2), 2j), np.array([5e9]), np.array([135e6]))
    >>> with h5py.File(write(Path("written.h5"), gains, layout)) as file:
    ...     file["sol000/phase000/val"].shape, round(float(file["sol000/phase000/val"][0, 0, 0, 0]), 3)
    ((1, 1, 3, 2), 1.571)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    directions = gains.directions or (Direction(POINTING, *layout.phase_centre),)
    values = gains.values if gains.directions else gains.values[None]
    values = np.moveaxis(values, 0, 3)  # time, freq, ant, dir, pol: as DP3 writes them
    axes = "time,freq,ant,dir,pol"
    names = [f"[{d.name}]".encode()[:127] for d in directions]
    if not gains.directions:
        values, axes = values[:, :, :, 0], "time,freq,ant,pol"
    good = np.isfinite(values)
    with h5py.File(path, "w") as file:
        solutions = file.create_group("sol000")
        solutions.attrs["h5parm_version"] = np.bytes_(VERSION)
        station = np.dtype([("name", "S16"), ("position", np.float32, 3)])
        pairs = zip(layout.stations, layout.positions, strict=True)
        solutions["antenna"] = np.array([(n.encode()[:15], p) for n, p in pairs], dtype=station)
        source = np.dtype([("name", "S128"), ("dir", np.float32, 2)])
        places = [(name, (d.ra, d.dec)) for name, d in zip(names, directions, strict=True)]
        solutions["source"] = np.array(places, dtype=source)
        for name, numbers in (("amplitude", np.abs(values)), ("phase", np.angle(values))):
            table = solutions.create_group(f"{name}000")
            table.attrs["TITLE"] = np.bytes_(name)
            table["time"] = gains.times
            table["freq"] = gains.frequencies
            # DP3 takes names as C strings: they need room for a zero at the end.
            table["ant"] = np.array([n.encode()[:15] for n in layout.stations], dtype="S16")
            if gains.directions:
                table["dir"] = np.array(names, dtype="S128")
            table["pol"] = np.array(POLARIZATIONS[values.shape[-1]], dtype="S4")
            # LoSoTo and DP3 take 1 and 0 for what has no weight.
            table["val"] = np.where(good, numbers, 1.0 if name == "amplitude" else 0.0)
            table["weight"] = good.astype(np.float32)
            if gains.directions:
                # 1 / σ² where the error is known: what is between directions is estimated with it.
                table["weight"][...] *= _weights(directions)[:, None]
            for dataset in ("val", "weight"):
                table[dataset].attrs["AXES"] = np.bytes_(axes)
        if gains.response is not None:
            solutions["amplitude000"].attrs["RESPONSE"] = gains.response.amplitude.astype(np.float32)
            solutions["amplitude000"].attrs["RESPONSE_TIME"] = gains.response.times
    return path


def read(path: Path) -> Gains:
    """Read gains: what `write` wrote, or other programs, which may have the axes in another order.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Gains
        NaN where the amplitude or the phase has no weight.

    Raises
    ------
    ValueError
        When the values have axes that gains don't.

    Examples
    --------
    >>> read(Path("gains.h5")).values[0, 0, :, 0].round(6).tolist()
    [(2+0j), 4j, (2+0j)]
    """
    with h5py.File(path) as file:
        amplitude, phase = file["sol000/amplitude000"], file["sol000/phase000"]
        values = _ordered(amplitude, "val") * np.exp(1j * _ordered(phase, "val"))
        weight = _ordered(phase, "weight")
        values[(_ordered(amplitude, "weight") == 0) | (weight == 0)] = np.nan
        times, frequencies, response = amplitude["time"][:], amplitude["freq"][:], _response(amplitude)
        if "dir" not in amplitude:
            return Gains(values[0], times, frequencies, response=response)
        places = {bytes(name): where for name, where in file["sol000/source"][:]}
        directions = tuple(
            Direction(bytes(n).decode().strip("[]"), float(places[bytes(n)][0]), float(places[bytes(n)][1]), _error(w))
            for n, w in zip(phase["dir"][:], weight.max(axis=(1, 2, 3, 4)), strict=True)
        )
    return Gains(values, times, frequencies, directions, response)


def _response(amplitude: h5py.Group) -> Response | None:
    held = amplitude.attrs.get("RESPONSE")
    if held is None or held.shape[1:] != (len(amplitude["ant"]), 2):
        return None  # another program's, or one has taken stations out since
    return Response(amplitude.attrs["RESPONSE_TIME"], held.astype(float))


def _ordered(table: h5py.Group, name: str) -> np.ndarray:
    """(direction, interval, block, station, polarization) of a table's values or weights; axes that lack are 1 long."""
    values, axes = table[name][:], bytes(np.bytes_(table[name].attrs["AXES"])).decode().split(",")
    if unknown := set(axes) - set(AXES):
        raise ValueError(f"axes {', '.join(axes)}, expected {', '.join(AXES)}: {', '.join(sorted(unknown))} is none")
    values = values.transpose([axes.index(axis) for axis in AXES if axis in axes])
    return np.expand_dims(values, [i for i, axis in enumerate(AXES) if axis not in axes])


def _weights(directions: tuple[Direction, ...]) -> np.ndarray:
    return np.array([1 / d.error**2 if d.error > 0 else 1.0 for d in directions], dtype=np.float32)


def _error(weight: float) -> float:
    return float(1 / np.sqrt(weight)) if weight > 0 and weight != 1 else 0.0


def stations(path: Path) -> tuple[str, ...]:
    """Names of the stations of a file, in the order of its gains.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> stations(Path("gains.h5"))
    ('CS001HBA0', 'CS002HBA0', 'CS003HBA0')
    """
    with h5py.File(path) as file:
        return tuple(bytes(name).decode().rstrip("\0") for name in file["sol000/amplitude000/ant"][:])
