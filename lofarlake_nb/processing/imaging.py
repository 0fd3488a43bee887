"""Image: all subbands together, gridded in chunks on Dask, cleaned, restored, written as FITS."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import CalibrationFailed, UsageError
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing import cluster, engines, results
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flags.searching import Source
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.processing.images import circular, fits_image, image_figures
from lofarlake_nb.processing.images.bands import bands
from lofarlake_nb.processing.images.cleaning import clean, cut_out
from lofarlake_nb.processing.images.deconvolution import Deconvolved
from lofarlake_nb.processing.images.fits_image import Products
from lofarlake_nb.processing.images.geometry import Geometry, cutout, geometry, matched
from lofarlake_nb.processing.images.held import Held, seen_by
from lofarlake_nb.processing.images.loading import load
from lofarlake_nb.processing.images.memory import Need, need
from lofarlake_nb.processing.images.parts import pairs
from lofarlake_nb.processing.images.primary_beam import corrected
from lofarlake_nb.processing.images.restoring import Beam, convolve, fit_beam
from lofarlake_nb.processing.images.station_beams import KeptBeams, kept
from lofarlake_nb.processing.layouts import read_layouts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Imaged:
    """An image of total intensity and its figures.

    Parameters
    ----------
    image, residual, model, psf, dirty : Path
        FITS: restored image, what the model leaves, the model (Jy / pixel), the point spread function, and the image
        before cleaning.
    primary_beam, corrected : Path or None
        FITS: average primary beam, 1 at the phase centre, and the restored image divided by it; None where EveryBeam
        doesn't know the telescope.
    circular : Path or None
        FITS: Stokes V, not cleaned; None where it can't be had.
    cutout : Path or None
        FITS: a part of the field at full resolution, restored; None where none was asked for.
    npix : int
    cell_arcsec : float
    frequency_hz, bandwidth_hz : float
        Mean of all channels, that fluxes are brought to, and their span.
    channels, facets : int
        Images over frequency that were cleaned together, and patches with beams and gains of their own.
    beam_arcsec : tuple of float
        Restoring beam, FWHM, major and minor.
    beam_pa_deg : float
        Of the major axis, north to east.
    peak_jy_per_beam : float
    peak_ra_deg, peak_dec_deg : float
        ICRS.
    rms_jy_per_beam : float
        Of the residual, away from bright sources.
    thermal_rms_jy_per_beam : float or None
        √(Σw²σ²)/Σw with the imaging weights w and the measured noise σ; None where the noise isn't known.
    circular_rms_jy_per_beam, circular_thermal_rms_jy_per_beam : float or None
        Of Stokes V.
    model_flux_jy : float
        In all clean components.
    major_cycles : int
    gridder_accuracy : float
        Relative, as the dynamic range asks for it.
    visibilities : int
        That were imaged.
    memory_bytes_a_worker : int
        Bound that was planned.
    key : str
        Of this result.

    Examples
    --------
    >>> imaged.npix, round(imaged.cell_arcsec, 1), round(imaged.peak_ra_deg, 2)
    (960, 11.4, 123.4)
    """

    image: Path
    residual: Path
    model: Path
    psf: Path
    dirty: Path
    primary_beam: Path | None
    corrected: Path | None
    circular: Path | None
    cutout: Path | None
    npix: int
    cell_arcsec: float
    frequency_hz: float
    bandwidth_hz: float
    channels: int
    facets: int
    beam_arcsec: tuple[float, ...]
    beam_pa_deg: float
    peak_jy_per_beam: float
    peak_ra_deg: float
    peak_dec_deg: float
    rms_jy_per_beam: float
    thermal_rms_jy_per_beam: float | None
    circular_rms_jy_per_beam: float | None
    circular_thermal_rms_jy_per_beam: float | None
    model_flux_jy: float
    major_cycles: int
    gridder_accuracy: float
    visibilities: int
    memory_bytes_a_worker: int
    key: str


def image(calibrated: Calibrated, parameters: ImageParameters, *, work: Path, client: distributed.Client) -> Imaged:
    """Image calibrated Measurement Sets.

    Parameters
    ----------
    calibrated : Calibrated
        From `calibration.calibrate`.
    parameters : ImageParameters
    work : Path
        Folder for the images, below ``images``.
    client : distributed.Client
        Holds the visibilities and grids them.

    Returns
    -------
    Imaged

    Raises
    ------
    CalibrationFailed
        When the calibration's verdict is ``failed``.
    ProcessingError
        When no visibility is left to image.
    UsageError
        When the parameters contradict each other, or the mask is not there.

    Examples
    --------
    >>> imaged = image(calibrated, chosen.image, work=work, client=session.client)
    >>> imaged.image.name
    'image.fits'
    """
    if calibrated.verdict == "failed":
        raise CalibrationFailed(
            f"calibration failed: {'; '.join(calibrated.reasons)}",
            "check the data, and whether the sky model is theirs",
        )
    mask = [Path(parameters.mask)] if parameters.mask else []
    if not all(file.is_file() for file in mask):
        raise UsageError(f"mask: no file {parameters.mask}", "give a FITS image of the same size, or leave it empty")
    step_key = steps.key("image", parameters, calibrated.key, *mask)
    folder = Path(work) / "images"

    @cluster.deaths_told()
    def run() -> Imaged:
        return _image(calibrated, parameters, folder, client, step_key)

    def products(made: Imaged) -> list[Path]:
        found = [made.image, made.residual, made.model, made.psf, made.dirty]
        return found + [p for p in (made.primary_beam, made.corrected, made.circular, made.cutout) if p is not None]

    return results.once(Imaged, folder / "imaged.json", step_key, run, products=products)


@dataclass(frozen=True)
class _Cleaned:
    """What was made of the visibilities."""

    held: Held
    found: Deconvolved
    made: Products
    dirty: Path
    psf: Path
    primary_beam: Path | None
    circular: distributed.Future | None
    cutout: Path | None


def _image(
    calibrated: Calibrated, parameters: ImageParameters, folder: Path, client: distributed.Client, step_key: str
) -> Imaged:
    layouts = read_layouts([Source(path) for path in calibrated.measurement_sets], client)
    work = folder / "work"
    try:
        held, needed, beams = _held(calibrated.measurement_sets, layouts, parameters, work, client)
        try:
            cleaned = _cleaned(calibrated, layouts, held, needed, beams, folder)
            engines.give_back()
            return _imaged(cleaned, calibrated.weights_are_noise, needed, step_key)
        finally:
            held.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cleaned(
    calibrated: Calibrated, layouts: list[Layout], held: Held, needed: Need, beams: KeptBeams | None, folder: Path
) -> _Cleaned:
    """Images of visibilities that are held by the workers."""
    paths, parameters, size = calibrated.measurement_sets, held.parameters, held.geometry
    origin = fits_image.origin(paths[0], layouts, held.frequency)
    wide = None
    if beams is not None:
        held, wide = seen_by(beams, held)
    begun = circular.begin(held, layouts)
    dirty, psfs = held.dirty_and_psf()
    beam = fit_beam(held.bands.mean(psfs), size.cell)
    made = Products(folder, size, origin, beam)
    # Written before the clean, which needs the memory.
    seen = None if wide is None else made.write("primary-beam", wide, unit="")
    first = made.write("dirty", held.bands.mean(dirty)), made.write("psf", held.bands.mean(psfs))
    del wide
    gains = [solutions.read(path) for path in calibrated.direction_files]
    # Gains that were solved without beams in the model have what beams do in themselves.
    facet_beams = beams if calibrated.beam_in_model or not gains else None
    found, held = clean(held, dirty, psfs, beam, facet_beams, gains)
    del dirty, psfs
    detail = None
    if parameters.cutout:
        its_size, its_beam, pixels = cut_out(held, found.model, paths, layouts, needed, beams)
        detail = Products(folder, its_size, origin, its_beam).write("cutout", pixels)
    return _Cleaned(held, found, made, *first, seen, begun, detail)


def _imaged(cleaned: _Cleaned, noise_is_known: bool, needed: Need, step_key: str) -> Imaged:
    """The restored image, and the figures of all."""
    held, found, made = cleaned.held, cleaned.found, cleaned.made
    size, beam, seen = made.geometry, made.beam, cleaned.primary_beam
    model, residual = held.bands.mean(found.model), held.bands.mean(found.residual)
    smooth = convolve(model, beam, size.cell)
    restored = (smooth + residual).astype(np.float32)
    rms = image_figures.residual_rms(residual, smooth, beam, size.cell)
    thermal = held.thermal if noise_is_known else None
    brightest = image_figures.peak(restored, size)
    _log(size, beam, rms, thermal)
    pixels = {"image": (restored, "JY/BEAM"), "residual": (residual, "JY/BEAM"), "model": (model, "JY/PIXEL")}
    files = {name: made.write(name, values, unit=unit) for name, (values, unit) in pixels.items()}
    in_true_flux = None if seen is None else made.write("image-pb", corrected(restored, fits_image.read(seen)))
    its_v = circular.finish(cleaned.circular, held, made)  # last: the workers may still be at it
    return Imaged(
        **files,
        psf=cleaned.psf,
        dirty=cleaned.dirty,
        primary_beam=seen,
        corrected=in_true_flux,
        circular=None if its_v is None else its_v[0],
        cutout=cleaned.cutout,
        npix=size.npix,
        cell_arcsec=_arcsec(size.cell),
        frequency_hz=made.origin.frequency,
        bandwidth_hz=made.origin.bandwidth,
        channels=len(found.model),
        facets=len(held.facets),
        beam_arcsec=(_arcsec(beam.major), _arcsec(beam.minor)),
        beam_pa_deg=float(np.rad2deg(beam.position_angle)),
        peak_jy_per_beam=brightest.flux,
        peak_ra_deg=brightest.ra_deg,
        peak_dec_deg=brightest.dec_deg,
        rms_jy_per_beam=rms,
        thermal_rms_jy_per_beam=thermal,
        circular_rms_jy_per_beam=None if its_v is None else its_v[1],
        circular_thermal_rms_jy_per_beam=its_v[2] if its_v is not None and noise_is_known else None,
        model_flux_jy=float(model.sum(dtype=np.float64)),
        major_cycles=found.major_cycles,
        gridder_accuracy=held.accuracy,
        visibilities=held.count,
        memory_bytes_a_worker=needed.bytes_a_worker,
        key=step_key,
    )


def _held(
    paths: tuple[Path, ...],
    layouts: list[Layout],
    parameters: ImageParameters,
    folder: Path,
    client: distributed.Client,
) -> tuple[Held, Need, KeptBeams | None]:
    """Visibilities on the workers, for an image as large as they deserve, and their stations' beams."""
    edges = bands(parameters, layouts)
    size = geometry(parameters, layouts)
    # A cut-out is held beside the wide field's visibilities, before and after these are subtracted.
    copies = 3 if parameters.cutout else 1
    fine = cutout(parameters, layouts) if parameters.cutout else None
    engines.give_back()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    beams, chunks = None, folder / "chunks"
    if parameters.primary_beam:
        frequency = float(np.mean([layout.frequencies.mean() for layout in layouts]))
        beams = client.submit(kept, paths[0], layouts[0], size, frequency, folder, pure=False).result()
    its = () if beams is None else beams.classes
    kinds = len(pairs(its))
    needed = need(size, layouts, client, copies=copies, cutout=fine, pairs=kinds)
    held = load(paths, layouts, parameters, size, client, need=needed, folder=chunks, edges=edges, classes=its)
    if (parameters.resolution, parameters.cell, parameters.npix) == ("auto", "auto", 0):
        try:
            wider = matched(size, held.preview())
        except BaseException:  # nobody else knows of what is held
            held.close()
            raise
        if wider is not size:
            held.close()
            size, needed = wider, need(wider, layouts, client, copies=copies, cutout=fine, pairs=kinds)
            held = load(paths, layouts, parameters, size, client, need=needed, folder=chunks, edges=edges, classes=its)
    return held, needed, beams


def _log(size: Geometry, beam: Beam, rms: float, thermal: float | None) -> None:
    logger.info(
        "%d × %d pixels of %.2f arcsec, beam %.1f × %.1f arcsec, rms %.2f mJy/beam, thermal %s",
        size.npix,
        size.npix,
        _arcsec(size.cell),
        _arcsec(beam.major),
        _arcsec(beam.minor),
        1e3 * rms,
        "not known" if thermal is None else f"{1e3 * thermal:.2f} mJy/beam",
    )


def _arcsec(angle: float) -> float:
    return float(np.rad2deg(angle) * 3600)
