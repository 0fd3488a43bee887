"""Flags and gains of the benchmark observation against its truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy import ndimage

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.simulate import Truth
from lofarlake_nb.processing.sky import sky_model_file

# Interference that has so many times the noise in all its samples of a baseline can be seen by somebody who knows it.
SEEN = 10.0
# Gains are compared over intervals of so many seconds.
INTERVAL = 30.0


def interference(flag: np.ndarray, layout: Layout, truth: Truth, subband: int) -> np.ndarray:
    """What is flagged, of what.

    Parameters
    ----------
    flag : (time, baseline, frequency) bool
    layout : Layout
    truth : Truth
    subband : int

    Returns
    -------
    (3, 2) int
        Flagged, and all: samples of events that are 10 σ in all on their baseline; of more than 1 σ; without any.
    """
    bad = truth.dead | truth.noisy | truth.swapped
    wanted = layout.cross & ~bad[layout.antenna1] & ~bad[layout.antenna2]
    first, second, flag = layout.antenna1[wanted], layout.antenna2[wanted], flag[:, wanted]
    strength = truth.rfi_strength[subband]
    lengths = np.linalg.norm(truth.positions[second] - truth.positions[first], axis=1)
    seen = truth.interference(subband).attenuation(lengths) / truth.sigma(subband, first, second)
    events, count = ndimage.label(strength > 0, np.ones((3, 3)))
    power = ndimage.sum(strength.astype(float) ** 2, events, np.arange(count + 1))
    strong = (np.sqrt(power)[:, None] * seen > SEEN)[events].transpose(0, 2, 1) & (strength > 0)[:, None]
    noticed = strength[:, None] * seen[:, None] > 1
    clean = np.broadcast_to((strength == 0)[:, None], flag.shape)
    return np.array([[(flag & what).sum(), what.sum()] for what in (strong, noticed, clean)])


def flagged(files: Sequence[Path], layouts: Sequence[Layout], truth: Truth, subbands: Sequence[int]) -> np.ndarray:
    """Fractions (3,) that are flagged, of all subbands; see `interference`."""
    counts = sum(
        interference(flag_store.get(file, slice(None), len(layout.frequencies)), layout, truth, subband)
        for file, layout, subband in zip(files, layouts, subbands, strict=True)
    )
    return counts[:, 0] / counts[:, 1]  # type: ignore[no-any-return]


def gain_error(files: Sequence[Path], truth: Truth, subbands: Sequence[int]) -> tuple[float, float]:
    """Rms error of gains towards the phase centre, of means over 30 s and a subband.

    Parameters
    ----------
    files : sequence of Path
        h5parm of each subband, solved with beams in the model.
    truth : Truth
    subbands : sequence of int

    Returns
    -------
    tuple of float
        Degrees, after the reference; of the amplitude, the scale of all stations together taken out.
    """
    phases, sizes = [], []
    for file, subband in zip(files, subbands, strict=True):
        found = solutions.read(file)
        names = list(solutions.stations(file))
        here = np.array([names.index(str(name)) for name in truth.stations])
        true = truth.gains(subband).transpose(0, 2, 1, 3)  # (time, frequency, station, polarization)
        slots, channels = (len(axis) // n for axis, n in zip((true, true[0]), found.values.shape, strict=False))
        true = true[: slots * len(found.times)].reshape(-1, slots, *true.shape[1:]).mean(axis=1)
        true = true.reshape(len(true), -1, channels, *true.shape[2:]).mean(axis=2)
        ratio = found.values[:, :, here] / true
        ratio[..., truth.dead | truth.swapped, :] = np.nan
        reference = np.flatnonzero(np.isfinite(ratio).any(axis=(0, 1, 3)))[0]
        # Before anything is averaged: the phase of all stations together is nobody's.
        ratio = ratio * np.exp(-1j * np.angle(ratio[:, :, reference : reference + 1]))
        together = max(1, round(INTERVAL / float(np.median(np.diff(found.times)))))
        whole = ratio[: len(ratio) // together * together].reshape(-1, together, *ratio.shape[1:])
        count = np.isfinite(whole).sum(axis=(1, 2))
        mean = np.where(count > 0, np.nansum(whole, axis=(1, 2)) / np.maximum(count, 1), np.nan)
        phases.append(np.nanmean(np.angle(np.delete(mean, reference, axis=1)) ** 2))
        size = np.abs(mean)
        sizes.append(np.nanmean((size / np.nanmedian(size) - 1) ** 2))
    return float(np.rad2deg(np.sqrt(np.mean(phases)))), float(np.sqrt(np.mean(sizes)))


def cut_out(image: Path, sky: Path) -> tuple[float, float]:
    """Flux of the source in the middle of a restored image over its true one, and the image's largest error.

    Parameters
    ----------
    image : Path
        FITS, Jy / beam.
    sky : Path
        The true sky model.

    Returns
    -------
    tuple of float
        Flux over flux, both where the true source is brighter than 1e-4 of its peak; the largest difference of two
        pixels, over the peak.
    """
    header, found = fits.getheader(image), np.squeeze(fits.getdata(image)).astype(float)
    place, cell = WCS(header).celestial, np.deg2rad(header["CDELT2"])
    model = sky_model_file.read(sky)
    x, y = place.world_to_pixel_values(np.rad2deg(model.ra), np.rad2deg(model.dec))
    rows, columns = np.mgrid[: len(found), : len(found)]
    beam = _covariance(*np.deg2rad([header["BMAJ"], header["BMIN"], header["BPA"]]))
    true = np.zeros_like(found)
    for i in np.flatnonzero((np.minimum(x, y) > 0) & (np.maximum(x, y) < len(found))):
        wide = beam + _covariance(model.major[i], model.minor[i], model.position_angle[i])
        offset = np.stack([(x[i] - columns) * cell, (rows - y[i]) * cell], axis=-1)
        square = (offset @ np.linalg.inv(wide) * offset).sum(axis=-1)
        flux = model.fluxes(np.array([header["CRVAL3"]]))[i, 0]
        true += flux * np.sqrt(np.linalg.det(beam) / np.linalg.det(wide)) * np.exp(-0.5 * square)
    its = true > 1e-4 * true.max()
    return float(found[its].sum() / true[its].sum()), float(np.abs(found - true).max() / true.max())


def _covariance(major: float, minor: float, position_angle: float) -> np.ndarray:
    """Of a Gaussian, (east, north), from its FWHM and the angle of its major axis, north to east, rad."""
    turn = np.array(
        [[np.sin(position_angle), np.cos(position_angle)], [np.cos(position_angle), -np.sin(position_angle)]]
    )
    return turn.T @ np.diag(np.square([major, minor])) @ turn / (8 * np.log(2))
