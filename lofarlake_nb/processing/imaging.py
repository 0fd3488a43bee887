"""Image: all subbands together, gridded in chunks on Dask, cleaned, restored, written as FITS."""

import logging
from dataclasses import dataclass
from pathlib import Path

import distributed
import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import CalibrationFailed
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing import results
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.gains.held import load
from lofarlake_nb.processing.images import fits_image, image_figures
from lofarlake_nb.processing.images.deconvolution import deconvolve
from lofarlake_nb.processing.images.geometry import Geometry, geometry, matched
from lofarlake_nb.processing.images.restoring import Beam, convolve, fit_beam

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Imaged:
    """An image of total intensity and its figures.

    Parameters
    ----------
    image, residual, model, psf, dirty : Path
        FITS: restored image, what the model leaves, the model (Jy / pixel), the point spread function, and the image
        before cleaning.
    npix : int
    cell_arcsec : float
    frequency_hz, bandwidth_hz : float
        Weighted mean, and the span of all channels.
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
    model_flux_jy : float
        In all clean components.
    major_cycles : int
    visibilities : int
        That were imaged.
    key : str
        Of this result.
    """

    image: Path
    residual: Path
    model: Path
    psf: Path
    dirty: Path
    npix: int
    cell_arcsec: float
    frequency_hz: float
    bandwidth_hz: float
    beam_arcsec: tuple[float, ...]
    beam_pa_deg: float
    peak_jy_per_beam: float
    peak_ra_deg: float
    peak_dec_deg: float
    rms_jy_per_beam: float
    thermal_rms_jy_per_beam: float | None
    model_flux_jy: float
    major_cycles: int
    visibilities: int
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
        When the parameters contradict each other.
    """
    if calibrated.verdict == "failed":
        raise CalibrationFailed(
            f"calibration failed: {'; '.join(calibrated.reasons)}",
            "check the data, and whether the sky model is theirs",
        )
    step_key = steps.key("image", parameters, calibrated.key)
    folder = Path(work) / "images"

    def run() -> dict:
        return results.to_json(_image(calibrated, parameters, folder, client, step_key))

    names = ("image", "residual", "model", "psf", "dirty")
    kept = steps.once(folder / "imaged.json", step_key, run, products=lambda r: [Path(r[n]) for n in names])
    return results.from_json(Imaged, kept)


def _image(
    calibrated: Calibrated, parameters: ImageParameters, folder: Path, client: distributed.Client, step_key: str
) -> Imaged:
    layouts = [measurement_set.layout(path) for path in calibrated.measurement_sets]
    paths = calibrated.measurement_sets
    size = geometry(parameters, layouts)
    visibilities = load(paths, layouts, parameters, size, client)
    wider = matched(parameters, size, visibilities.preview())
    if wider is not size:
        size = wider
        visibilities = load(paths, layouts, parameters, size, client)
    dirty, psf = visibilities.dirty_and_psf()
    beam = fit_beam(psf, size.cell)
    found = deconvolve(dirty, psf, visibilities.subtract, parameters, size, beam.major)
    smooth = convolve(found.model, beam, size.cell)
    restored = (smooth + found.residual).astype(np.float32)
    origin = _origin(paths[0], layouts, visibilities.frequency)
    files = {
        name: fits_image.write(folder / f"{name}.fits", pixels, size, origin, unit=unit, beam=its_beam)
        for name, pixels, unit, its_beam in (
            ("image", restored, "JY/BEAM", beam),
            ("residual", found.residual, "JY/BEAM", beam),
            ("model", found.model, "JY/PIXEL", None),
            ("psf", psf, "JY/BEAM", beam),
            ("dirty", dirty, "JY/BEAM", beam),
        )
    }
    brightest = image_figures.peak(restored, size)
    rms = image_figures.residual_rms(found.residual, smooth, beam, size.cell)
    thermal = visibilities.thermal if calibrated.weights_are_noise else None
    _log(size, beam, rms, thermal)
    return Imaged(
        **files,
        npix=size.npix,
        cell_arcsec=_arcsec(size.cell),
        frequency_hz=origin.frequency,
        bandwidth_hz=origin.bandwidth,
        beam_arcsec=(_arcsec(beam.major), _arcsec(beam.minor)),
        beam_pa_deg=float(np.rad2deg(beam.position_angle)),
        peak_jy_per_beam=brightest.flux,
        peak_ra_deg=brightest.ra_deg,
        peak_dec_deg=brightest.dec_deg,
        rms_jy_per_beam=rms,
        thermal_rms_jy_per_beam=thermal,
        model_flux_jy=float(found.model.sum(dtype=np.float64)),
        major_cycles=found.major_cycles,
        visibilities=visibilities.count,
        key=step_key,
    )


def _origin(path: Path, layouts: list[Layout], frequency: float) -> fits_image.Origin:
    described = measurement_set.describe(path)
    low = min(layout.frequencies.min() - 0.5 * layout.channel_width for layout in layouts)
    high = max(layout.frequencies.max() + 0.5 * layout.channel_width for layout in layouts)
    return fits_image.Origin(described.target, described.telescope, described.start, frequency, float(high - low))


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
