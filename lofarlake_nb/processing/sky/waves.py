"""Waves from channel to channel: sines, cosines, exponentials that the compiler can take several of at once.

As it can't take the C library's.
"""

import numba
import numpy as np

# exp(x) is exp(x / 2^SQUARINGS), which a short series gives, squared so many times.
SQUARINGS = 12
# Beyond it exp(-x) counts as nothing.
LARGEST = 700.0


@numba.njit(nogil=True, cache=True, fastmath=True)
def turned(angle: float) -> tuple[float, float]:
    """Cosine and sine of an angle in rad, to 1e-9 for less than a million turns.

    Examples
    --------
    >>> [round(float(value), 8) for value in turned(100 * np.pi + np.pi / 6)]
    [0.8660254, 0.5]
    """
    half = 0.5 * (angle - 2 * np.pi * np.rint(angle / (2 * np.pi)))
    square = half * half
    # Taylor's series of the half angle, which is within a quarter of a turn.
    sine = 1 - square / 210 * (1 - square / 272)
    sine = 1 - square / 72 * (1 - square / 110 * (1 - square / 156 * sine))
    sine = half * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * sine)))
    cosine = 1 - square / 132 * (1 - square / 182 * (1 - square / 240))
    cosine = 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90 * cosine))))
    return 1 - 2 * sine * sine, 2 * sine * cosine


@numba.njit(nogil=True, cache=True, fastmath=True)
def exponential(x: float) -> float:
    """exp(x), to 1e-8 of itself; 0 or so for less than -700.

    Examples
    --------
    >>> round(float(exponential(-1.0)), 8), float(exponential(-1e4)) < 1e-300
    (0.36787944, True)
    """
    part = min(max(x, -LARGEST), LARGEST) / (1 << SQUARINGS)
    series = 1 + part / 5 * (1 + part / 6 * (1 + part / 7 * (1 + part / 8)))
    result = 1 + part * (1 + part / 2 * (1 + part / 3 * (1 + part / 4 * series)))
    for _ in range(SQUARINGS):
        result *= result
    return result


@numba.njit(nogil=True, cache=True)
def spacing(wave: np.ndarray) -> tuple[float, bool]:
    """Mean step of wave numbers (frequency,), and whether all are alike.

    Examples
    --------
    >>> [float(of) for of in spacing(np.array([3.0, 3.5, 4.0]))], bool(spacing(np.array([3.0, 3.1, 4.0]))[1])
    ([0.5, 1.0], False)
    """
    step = (wave[-1] - wave[0]) / max(1, len(wave) - 1)
    return step, np.abs(wave - (wave[0] + step * np.arange(len(wave)))).max() < 1e-6 * abs(wave[0])


@numba.njit(nogil=True, cache=True, fastmath=True)
def turn_on(now: np.ndarray, turn: np.ndarray) -> None:
    """Multiply complex numbers by others, in place; real and imaginary parts apart: (2, number) float64.

    Examples
    --------
    >>> now = np.array([[1.0], [2.0]])
    >>> turn_on(now, np.array([[0.0], [1.0]]))  # a quarter of a turn
    >>> now.ravel().tolist()
    [-2.0, 1.0]
    """
    for k in range(now.shape[1]):
        real = now[0, k] * turn[0, k] - now[1, k] * turn[1, k]
        now[1, k] = now[0, k] * turn[1, k] + now[1, k] * turn[0, k]
        now[0, k] = real
