"""Compiled loops over the samples of a chunk, for the cells of patches."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def runs(uvw, antenna1, antenna2, stations, reach, tilt):  # type: ignore[no-untyped-def]  # compiled
    """Run of each row: a baseline's rows, in their order, that lie within `reach` (m) of the first of them."""
    of_row = np.empty(len(uvw), np.int32)
    current = np.full(stations * stations, -1, np.int32)
    start = np.zeros((stations * stations, 3))
    count = 0
    for row in range(len(uvw)):
        baseline = np.int64(antenna1[row]) * stations + antenna2[row]
        u, v, w = uvw[row, 0] - start[baseline, 0], uvw[row, 1] - start[baseline, 1], uvw[row, 2] - start[baseline, 2]
        way = np.sqrt(u * u + v * v) + tilt * abs(w)
        if current[baseline] < 0 or way > reach:
            current[baseline] = count
            start[baseline] = uvw[row]
            count += 1
        of_row[row] = current[baseline]
    return of_row, count


@numba.njit(nogil=True, cache=True, fastmath=True)
def places(uvw, weight, waves, of_row, edges, count):  # type: ignore[no-untyped-def]
    """Weighted means of u, v, w (run * group, 3) in wavelengths; 0 where nothing has weight."""
    groups = len(edges) - 1
    sums = np.zeros((count * groups, 3))
    weights = np.zeros(count * groups)
    for row in range(len(uvw)):
        for group in range(groups):
            cell = of_row[row] * groups + group
            total = 0.0
            turned = 0.0
            for channel in range(edges[group], edges[group + 1]):
                total += weight[row, channel]
                turned += weight[row, channel] * waves[channel]
            weights[cell] += total
            for axis in range(3):
                sums[cell, axis] += turned * uvw[row, axis]
    for cell in range(len(sums)):
        if weights[cell] > 0:
            sums[cell] /= weights[cell]
    return sums


@numba.njit(nogil=True, cache=True, fastmath=True, inline="always")
def _seen(jones, slot, p, q):  # type: ignore[no-untyped-def]
    """Part of an unpolarised source that a baseline sees in Stokes I."""
    total = np.complex64(0)
    for k in range(4):
        total += jones[slot, p, k] * np.conj(jones[slot, q, k])
    return np.complex64(0.5) * total


@numba.njit(nogil=True, cache=True, fastmath=True, inline="always")
def _phasor(turns):  # type: ignore[no-untyped-def]
    """exp(2π i turns) to 3e-7: series in half the angle, that is within a quarter of a turn."""
    x = np.float32(np.pi) * np.float32(turns - np.rint(turns))
    y = x * x
    a = np.float32(-1 / 39916800) * y + np.float32(1 / 362880)
    a = ((a * y - np.float32(1 / 5040)) * y + np.float32(1 / 120)) * y - np.float32(1 / 6)
    s = x * (a * y + np.float32(1))
    b = np.float32(1 / 479001600) * y - np.float32(1 / 3628800)
    b = ((b * y + np.float32(1 / 40320)) * y - np.float32(1 / 720)) * y + np.float32(1 / 24)
    c = (b * y - np.float32(0.5)) * y + np.float32(1)
    return np.complex64(complex(np.float32(1) - np.float32(2) * s * s, np.float32(2) * s * c))


@numba.njit(nogil=True, cache=True, fastmath=True)
def walk(  # type: ignore[no-untyped-def]
    subtracting,
    data,
    weight,
    cells,
    of_row,
    edges,
    uvw,
    lmn,
    slot,
    antenna1,
    antenna2,
    jones,
    turns,
    waves,
    slower,
    most,
):
    """Take cells (run, group), as samples see them, off the data; or add the weighted data, turned back, to them.

    Data that see more than `most` of the patch are added as if they saw that much.
    """
    for row in range(len(data)):
        at, p, q = slot[row], antenna1[row], antenna2[row]
        seen = _seen(jones, at, p, q)
        if not subtracting:  # turned only: weights, and so noise and point spread function, stay those of the image
            size = abs(seen)
            seen = seen * (min(size, most) / (size * size)) if size > 0 else seen
        turn = np.float64(turns[at, p] - turns[at, q])
        path = uvw[row, 0] * lmn[0] + uvw[row, 1] * lmn[1] + uvw[row, 2] * lmn[2]
        for group in range(len(edges) - 1):
            first, last = edges[group], edges[group + 1] - 1
            start = path * waves[first] + turn * slower[first]
            wave = seen * _phasor(start)
            # From one channel to the next the same angle: over so few the ionosphere's 1 / frequency is straight.
            step = np.complex64(1)
            if last > first:
                step = _phasor((path * waves[last] + turn * slower[last] - start) / (last - first))
            if subtracting:
                wave *= cells[of_row[row], group]
                for channel in range(first, last + 1):
                    data[row, channel] -= wave
                    wave *= step
            else:
                total = np.complex64(0)
                for channel in range(first, last + 1):
                    total += weight[row, channel] * (data[row, channel] * np.conj(wave))
                    wave *= step
                cells[of_row[row], group] += total


@numba.njit(nogil=True, cache=True, fastmath=True)
def mean(weight, slot, antenna1, antenna2, jones):  # type: ignore[no-untyped-def]
    """Sum of weight × amplitude of what is seen."""
    total = 0.0
    for row in range(len(weight)):
        total += weight[row] * abs(_seen(jones, slot[row], antenna1[row], antenna2[row]))
    return total
