"""Clean: radler, WSClean's deconvolution, between subtractions from the visibilities."""

import ctypes
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import IO

import numpy as np
import radler
from astropy.io import fits

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.images.bands import Bands
from lofarlake_nb.processing.images.geometry import Geometry

logger = logging.getLogger(__name__)

LOOP_GAIN = 0.1
# How far each major cycle goes down from its peak before the visibilities are asked again.
MAJOR_GAIN = 0.9
# Another round is worth it where the last one brought the residual's rms below this part of what it was.
FALLING = 0.95


@dataclass(frozen=True)
class Deconvolved:
    """What was found in dirty images.

    Parameters
    ----------
    model : (group, npix, npix) float32
        Jy / pixel.
    residual : (group, npix, npix) float32
        Jy / beam, exact: the model was subtracted from the visibilities.
    major_cycles : int
        Subtractions that were done.

    Examples
    --------
    >>> dirty, psf = np.zeros((2, 1, 64, 64), np.float32)
    >>> dirty[0, 40, 20], psf[0, 32, 32] = 3, 1
    >>> size, bands = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), Bands(np.array([1e8, 2e8]), np.ones(1))
    >>> found = deconvolve(dirty, psf, lambda model: dirty, ImageParameters(iterations=0), size, 2e-4, bands)
    >>> found.major_cycles, float(found.model.max()), float(found.residual.max())  # a dirty image
    (0, 0.0, 3.0)
    """

    model: np.ndarray
    residual: np.ndarray
    major_cycles: int


def deconvolve(
    dirty: np.ndarray,
    psf: np.ndarray,
    subtract: Callable[[np.ndarray], np.ndarray],
    parameters: ImageParameters,
    geometry: Geometry,
    beam: float,
    bands: Bands,
    start: np.ndarray | None = None,
) -> Deconvolved:
    """Clean images.

    Parameters
    ----------
    dirty, psf : (group, npix, npix) float32
        Jy / beam; the psf's peak is 1, in pixel npix / 2. `dirty` becomes the residual, in place: images are large.
    subtract : callable
        From models (group, npix, npix) in Jy / pixel, the residual images of the visibilities less the models.
    parameters : ImageParameters
    geometry : Geometry
    beam : float
        FWHM of the psf's main lobe, rad.
    bands : Bands
    start : (group, npix, npix) float32, optional
        A model that `dirty` is the residual of; it becomes the model, in place.

    Returns
    -------
    Deconvolved

    Raises
    ------
    UsageError
        When the mask can't be read, or is of another size.

    Examples
    --------
    >>> sky, psf = np.zeros((2, 1, 64, 64), np.float32)
    >>> sky[0, 40, 20], psf[0, 32, 32] = 3, 1
    >>> size, bands = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8)), Bands(np.array([1e8, 2e8]), np.ones(1))
    >>> found = deconvolve(sky.copy(), psf, lambda clean: sky - clean, ImageParameters(), size, 2e-4, bands)
    >>> round(float(found.model[0, 40, 20]), 1), bool(np.abs(found.residual).max() < 0.01)
    (3.0, True)
    """
    if parameters.mask:
        _check(parameters.mask, geometry.npix)
    residual = np.ascontiguousarray(dirty, np.float32)
    model = np.zeros_like(residual) if start is None else np.ascontiguousarray(start, np.float32)
    cycles, least = 0, bands.mean(residual).std()
    # Radler stops at a few times the noise that it saw when it began. What is cleaned takes its sidelobes with it and
    # the noise falls, so it begins anew while that helps; what made it worse (sidelobes taken for sources) is undone.
    with tempfile.TemporaryFile() as before:
        while parameters.iterations and cycles < parameters.major_cycles:
            _keep(before, model, residual)
            most = parameters.major_cycles - cycles
            cycles += _round(residual, model, psf, subtract, parameters, geometry, beam, bands, most)
            rms = bands.mean(residual).std()
            if not rms < least:
                _restore(before, model, residual)
            if not rms < FALLING * least:  # an image of nothing, or of NaN, ends here too
                break
            least = rms
    return Deconvolved(model, residual, cycles)


def _check(mask: str, npix: int) -> None:
    try:
        with fits.open(mask) as file:
            shape = file[0].shape[-2:]
    except OSError as error:
        raise UsageError(f"mask: {mask} can't be read: {error}", "give a FITS image, or none") from error
    if shape != (npix, npix):
        raise UsageError(
            f"mask: {mask} has {' × '.join(map(str, shape)) or 'no'} pixels, the image {npix} × {npix}",
            "give one of the image's size, or set npix and cell to its",
        )


def _keep(file: IO[bytes], *arrays: np.ndarray) -> None:
    """Write arrays into a file, where they take no memory."""
    file.seek(0)
    for array in arrays:
        file.write(array.data)


def _restore(file: IO[bytes], *arrays: np.ndarray) -> None:
    """Fill arrays with what `_keep` wrote of them."""
    file.seek(0)
    for array in arrays:
        file.readinto(array.data.cast("B"))  # type: ignore[attr-defined]


def _round(
    residual: np.ndarray,
    model: np.ndarray,
    psf: np.ndarray,
    subtract: Callable[[np.ndarray], np.ndarray],
    parameters: ImageParameters,
    geometry: Geometry,
    beam: float,
    bands: Bands,
    most: int,
) -> int:
    """Clean until radler is content, or the residual grows; the number of subtractions.

    `residual` and `model` are changed in place: radler keeps views of them.
    """
    cycles = 0
    more = True
    rms = bands.mean(residual).std()
    with _quiet():
        cleaner = _cleaner(residual, model, psf, parameters, geometry, beam, bands)
        while more and cycles < most:
            before = _digest(model)
            more = cleaner.perform(cycles)
            if _digest(model) == before:
                break
            cycles += 1
            residual[:] = subtract(model)
            mean = bands.mean(residual)
            if mean.std() > rms:
                break
            flux = bands.mean(model).sum()
            logger.info("major cycle: %.2f Jy cleaned, residual peak %.4f Jy/beam", flux, np.abs(mean).max())
    return cycles


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(array.data).digest()


def _cleaner(
    residual: np.ndarray,
    model: np.ndarray,
    psf: np.ndarray,
    parameters: ImageParameters,
    geometry: Geometry,
    beam: float,
    bands: Bands,
) -> radler.Radler:
    settings = _settings(parameters, geometry)
    stokes_i = radler.Polarization.stokes_i
    if len(residual) == 1:
        return radler.Radler(settings, psf[0], residual[0], model[0], beam, polarization=stokes_i)
    settings.channels_out = len(residual)
    settings.spectral_fitting.mode = radler.SpectralFittingMode.polynomial
    settings.spectral_fitting.terms = 2  # a straight line: a spectral index over a small part of its frequency
    return radler.Radler(
        settings,
        psf,
        residual,
        model,
        beam,
        n_deconvolution_groups=len(residual),
        frequencies=np.stack([bands.edges[:-1], bands.edges[1:]], axis=1),
        weights=bands.weights,
        polarization=stokes_i,
    )


def _settings(parameters: ImageParameters, geometry: Geometry) -> radler.Settings:
    settings = radler.Settings()
    settings.trimmed_image_width = settings.trimmed_image_height = geometry.npix
    settings.pixel_scale.x = settings.pixel_scale.y = geometry.cell
    kinds = radler.AlgorithmType
    settings.algorithm_type = kinds.multiscale if parameters.multiscale else kinds.generic_clean
    settings.minor_iteration_count = parameters.iterations
    settings.minor_loop_gain = LOOP_GAIN
    settings.major_loop_gain = MAJOR_GAIN
    settings.major_iteration_count = parameters.major_cycles
    settings.auto_mask_sigma = parameters.mask_sigma
    settings.auto_threshold_sigma = parameters.threshold_sigma
    settings.thread_count = engines.cores()
    if parameters.mask:
        settings.fits_mask = parameters.mask
    return settings


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what radler prints off standard output, where a command's JSON goes, and out of notebooks.

    It prints from C++ and through Python, whose standard output is another one in a notebook.
    """
    sys.stdout.flush()
    buffered = ctypes.CDLL(None)  # what C and C++ print waits in a buffer of their own
    buffered.fflush(None)
    kept = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        with open(os.devnull, "w") as unread, redirect_stdout(unread):
            yield
    finally:
        buffered.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)
