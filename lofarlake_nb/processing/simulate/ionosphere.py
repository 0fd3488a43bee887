"""A turbulent ionosphere: a thin screen of electrons that drifts over the array without changing (frozen flow).

The screen is a sum of plane waves with a Kolmogorov spectrum between an inner and an outer scale, as measured at LOFAR
above 3C196 (Mevius et al. 2016, Radio Science 51, 927: phase structure functions of index 1.67 to 2, diffractive scales
of 3.5 to 30 km at 150 MHz). What a station sees of it depends on the station and on the direction. There is no Faraday
rotation, no scintillation in amplitude, and no mean electron content, whose gradients a good night's model takes out.
"""

from dataclasses import dataclass

import numpy as np

# Phase in rad of 1 TECU at 1 Hz.
TECU_PHASE = -8.4479745e9
REFERENCE_HZ = 150e6
EARTH_KM = 6371.0
INNER_KM, OUTER_KM = 1.0, 2000.0
WAVES = 200
# Directions below this elevation pierce the screen where one at it does: what comes from there is below the horizon.
LOWEST = np.deg2rad(2.0)


@dataclass(frozen=True)
class Screen:
    """Waves of electrons in a plane above the array, in its p (about east) and q (about north) coordinates.

    Examples
    --------
    >>> screen = Screen(np.array([[2 * np.pi / 10, 0.0]]), np.array([0.1]), np.zeros(1), np.zeros(2))  # a wave of 10 km
    >>> places, overhead = np.array([[0.0, 0.0], [5.0, 0.0]]), np.array([[[0.0, 0.0, 1.0]]])
    >>> screen.tec(np.zeros(1), places, overhead).astype(float).round(3).ravel().tolist()
    [0.1, -0.1]
    """

    wave: np.ndarray  # (wave, 2) rad/km
    strength: np.ndarray  # (wave,) TECU, amplitude
    turn: np.ndarray  # (wave,) rad at the first time
    velocity: np.ndarray  # (2,) km/s, of the whole screen

    def tec(self, since: np.ndarray, ground: np.ndarray, pierce: np.ndarray) -> np.ndarray:
        """Electrons along the lines of sight.

        Parameters
        ----------
        since : (time,) s from the first time
        ground : (station, 2) km
            Where the stations stand.
        pierce : (time, direction, 3)
            Where, from the array's middle, a direction pierces the screen, km, and by how much the path is slanted:
            `pierce_points`. The same for all stations: the screen is as flat as the array.

        Returns
        -------
        (time, station, direction) float32, TECU
        """
        stations = np.exp(1j * (ground @ self.wave.T)).astype(np.complex64)  # station, wave
        drift = pierce[..., :2] - self.velocity * since[:, None, None]
        directions = (self.strength * np.exp(1j * (drift @ self.wave.T + self.turn))).astype(np.complex64)
        slant = pierce[..., 2].astype(np.float32)
        found = [(stations @ one.T).real * steep for one, steep in zip(directions, slant, strict=True)]
        return np.asarray(found, dtype=np.float32)

    def structure(self, distance: float) -> float:
        """Mean square difference in TECU² of vertical paths this many km apart, over all directions and times."""
        turns = np.linspace(0, np.pi, 181)
        phase = np.linalg.norm(self.wave, axis=1)[:, None] * distance * np.cos(turns)
        return float(self.strength**2 @ (1 - np.cos(phase)).mean(axis=1))


def draw(diffractive_km: float, speed: float, rng: np.random.Generator) -> Screen:
    """Screen of a night.

    Parameters
    ----------
    diffractive_km : float
        Distance over which phases at 150 MHz differ by 1 rad rms, looking up: larger is calmer.
    speed : float
        km/s, of the drift; its direction is random.
    rng : Generator

    Returns
    -------
    Screen

    Examples
    --------
    >>> screen = draw(20.0, 0.2, np.random.default_rng(1))
    >>> round(float(np.sqrt(screen.structure(20.0))) * abs(TECU_PHASE) / REFERENCE_HZ, 6)  # rad, over 20 km
    1.0
    """
    # One wave in each of equal steps of the logarithm: the power in each falls as scale^(5/3).
    step = np.arange(WAVES) + rng.uniform(0, 1, WAVES)
    scale = INNER_KM * (OUTER_KM / INNER_KM) ** (step / WAVES)
    heading = rng.uniform(0, 2 * np.pi, WAVES)
    towards = rng.uniform(0, 2 * np.pi)
    screen = Screen(
        wave=(2 * np.pi / scale)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1),
        strength=scale ** (5 / 6),
        turn=rng.uniform(0, 2 * np.pi, WAVES),
        velocity=speed * np.array([np.cos(towards), np.sin(towards)]),
    )
    radian = REFERENCE_HZ / abs(TECU_PHASE)  # TECU
    factor = radian / np.sqrt(screen.structure(diffractive_km))
    return Screen(screen.wave, screen.strength * factor, screen.turn, screen.velocity)


def pierce_points(directions: np.ndarray, axes: np.ndarray, height_km: float) -> np.ndarray:
    """Where directions pierce a shell above the array's middle.

    Parameters
    ----------
    directions : (..., 3)
        Unit vectors in ITRF.
    axes : (3, 3)
        The array's p, q and r axes in ITRF, one a row.
    height_km : float

    Returns
    -------
    (..., 3) float64
        p and q in km along the shell, and the slant: path within the shell relative to a vertical one.

    Examples
    --------
    >>> up, aslant = [0.0, 0.0, 1.0], [0.6, 0.0, 0.8]
    >>> pierce_points(np.array([up, aslant]), np.eye(3), 300.0).round(2).tolist()
    [[0.0, 0.0, 1.0], [222.26, 0.0, 1.22]]
    """
    p, q, r = np.moveaxis(directions @ axes.T, -1, 0)
    zenith = np.arccos(np.clip(r, np.sin(LOWEST), 1.0))
    at_shell = np.arcsin(EARTH_KM / (EARTH_KM + height_km) * np.sin(zenith))
    reach = (EARTH_KM + height_km) * (zenith - at_shell) / np.maximum(np.hypot(p, q), 1e-12)
    return np.stack([p * reach, q * reach, 1 / np.cos(at_shell)], axis=-1)


def ground(positions: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Stations in the array's plane.

    Parameters
    ----------
    positions : (station, 3) m, ITRF
    axes : (3, 3)
        As for `pierce_points`; of the first station.

    Returns
    -------
    (station, 2) km from the first station

    Examples
    --------
    >>> ground(np.array([[10.0, 0.0, 0.0], [1010.0, 500.0, 0.0]]), np.eye(3)).tolist()
    [[0.0, 0.0], [1.0, 0.5]]
    """
    return (positions - positions[0]) @ axes[:2].T / 1e3
