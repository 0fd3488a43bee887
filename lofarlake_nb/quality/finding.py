"""A list of the sources in an image, by PyBDSF, in a process of its own: what it allocates goes with it."""

import json
import logging
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from lofarlake_nb import steps
from lofarlake_nb.errors import ProcessingError
from lofarlake_nb.processing import cluster, results

logger = logging.getLogger(__name__)

# As Rapthor asks PyBDSF: islands of 3 times the local noise around peaks of 5, that noise in smaller boxes near what is
# bright, and no sky between the sources, for clean images have none.
THRESHOLDS = {"thresh": "hard", "thresh_pix": 5.0, "thresh_isl": 3.0}
NOISE = {"rms_map": True, "adaptive_rms_box": True, "adaptive_thresh": 75.0, "mean_map": "zero"}
# Where the primary beam is weaker, there is no saying what a source's flux is.
FAINTEST_BEAM = 0.02
# What PyBDSF takes for each pixel: 0.66 GB at 3072².
PIXEL_BYTES = 70
# PyBDSF on 32768² pixels takes this long on a slow core.
LONGEST_S = 4 * 3600
# Where Linux says what a container has taken: version 2, and below it version 1.
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Found:
    """Sources in an image.

    Parameters
    ----------
    catalogue : Path or None
        FITS table with PyBDSF's columns; None where there are no sources, or none could be sought.
    regions : Path or None
        The same for DS9 and CARTA.
    count : int
    beam_corrected : bool
        Whether fluxes in the list are corrected for the primary beam.
    min_rms_jy_per_beam, median_rms_jy_per_beam : float or None
        Of the local noise over the image.
    min_true_rms_jy_per_beam, median_true_rms_jy_per_beam : float or None
        The same over the primary beam; None where that is not known.
    note : str
        Why there is no list; empty where there is one.

    Examples
    --------
    >>> last = refined.imaged
    >>> found = find(last.image, place / "work" / "sources", last.key, beam=last.primary_beam)
    >>> found.regions.name, found.note, found.min_rms_jy_per_beam < found.median_rms_jy_per_beam
    ('sources.reg', '', True)
    """

    catalogue: Path | None
    regions: Path | None
    count: int
    beam_corrected: bool
    min_rms_jy_per_beam: float | None
    median_rms_jy_per_beam: float | None
    min_true_rms_jy_per_beam: float | None
    median_true_rms_jy_per_beam: float | None
    note: str


@dataclass(frozen=True)
class SourceList:
    """The sources of a catalogue that PyBDSF wrote, strongest first; each array is (source,).

    Examples
    --------
    >>> found = read(place / "sources.fits")
    >>> found.flux_jy.shape == found.ra_deg.shape, bool((np.diff(found.flux_jy) <= 0).all())
    (True, True)
    """

    ra_deg: np.ndarray
    dec_deg: np.ndarray
    flux_jy: np.ndarray
    flux_error_jy: np.ndarray
    peak_jy_per_beam: np.ndarray
    rms_jy_per_beam: np.ndarray
    ra_error_deg: np.ndarray
    dec_error_deg: np.ndarray


def find(image: Path, folder: Path, step_key: str, *, beam: Path | None = None) -> Found:
    """Seek sources with PyBDSF.

    Parameters
    ----------
    image : Path
        FITS image of even noise, not corrected for the primary beam.
    folder : Path
        For ``sources.fits`` and ``sources.reg``.
    step_key : str
        Of the image: the same list is not made twice.
    beam : Path, optional
        FITS image of the primary beam, 1 at the phase centre: fluxes in the list are divided by it.

    Returns
    -------
    Found
        With a note where PyBDSF fails: the image is no worse without a list.

    Examples
    --------
    >>> last = refined.imaged
    >>> found = find(last.image, place / "work" / "sources", last.key, beam=last.primary_beam)
    >>> found.catalogue.name, found.count == len(read(found.catalogue).flux_jy), found.beam_corrected
    ('sources.fits', True, True)
    """
    key = steps.key("find", step_key, image.name, beam is not None, str(THRESHOLDS), str(NOISE))

    def run() -> Found:
        return _run(image, folder, beam)

    def products(made: Found) -> list[Path]:
        return [place for place in (made.catalogue, made.regions) if place is not None]

    record = folder / "found.json"
    found = results.once(Found, record, key, run, products=products)
    if found.median_rms_jy_per_beam is None:
        record.unlink(missing_ok=True)  # PyBDSF failed: the next run may try again
    return found


def read(catalogue: Path) -> SourceList:
    """Sources of a catalogue that `find` made.

    Parameters
    ----------
    catalogue : Path

    Returns
    -------
    SourceList

    Raises
    ------
    ProcessingError
        When it is none.

    Examples
    --------
    >>> found = read(place / "sources.fits")
    >>> float(found.ra_deg[0].round(1)), float(found.dec_deg[0].round(1))  # 3C196 is the strongest
    (123.4, 48.2)
    """
    columns = ("RA", "DEC", "Total_flux", "E_Total_flux", "Peak_flux", "Isl_rms", "E_RA", "E_DEC")
    try:
        with fits.open(catalogue, memmap=False) as hdus:
            table = hdus[1].data
            values = [np.array(table[name], dtype=np.float64) for name in columns]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ProcessingError(f"{catalogue}: no source list ({error})", "run the notebook that writes it") from error
    order = np.argsort(-values[2], kind="stable")  # a source outside the primary beam has no flux, and is left out
    return SourceList(*(v[order][np.isfinite(values[2][order])] for v in values))


def _run(image: Path, folder: Path, beam: Path | None) -> Found:
    folder.mkdir(parents=True, exist_ok=True)
    wanted, free = PIXEL_BYTES * _pixels(image), _free_bytes()
    if wanted > free:
        return _without(f"no source list: PyBDSF would take {wanted / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    # Whole paths: PyBDSF works in the folder.
    given = [str(path.absolute()) for path in (image, folder, beam) if path is not None]
    asked = [sys.executable, "-m", __name__, *given]
    try:
        done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return _without(f"PyBDSF did not end within {LONGEST_S / 3600:.0f} h")
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        return _without(f"PyBDSF made no source list: {last}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    count = int(said["count"])
    logger.info("%d sources in %s", count, image.name)
    (low, middle), (true_low, true_middle) = said["rms"], said["true_rms"]
    return Found(
        catalogue=folder / "sources.fits" if count else None,
        regions=folder / "sources.reg" if count else None,
        count=count,
        beam_corrected=beam is not None,
        min_rms_jy_per_beam=low,
        median_rms_jy_per_beam=middle,
        min_true_rms_jy_per_beam=true_low,
        median_true_rms_jy_per_beam=true_middle,
        note="" if count else "no source above 5 sigma",
    )


def _pixels(image: Path) -> int:
    """Pixels of an image; 0 where that can't be told: PyBDSF then says why."""
    try:
        header = fits.getheader(image)
    except OSError:
        return 0
    return int(header.get("NAXIS1", 0)) * int(header.get("NAXIS2", 0))


def _free_bytes() -> int:
    """Memory that may be taken without pushing others out, of the machine or of the container."""
    lines = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    machine = {words[0]: 1024 * int(words[1]) for words in lines}
    free = machine["MemAvailable:"]
    return min(free, max(0, cluster.MEMORY - _used_bytes())) if machine["MemTotal:"] > cluster.MEMORY else free


def _used_bytes() -> int:
    """Memory that the container has taken, without files that it has read and the kernel may let go of."""
    for folder, name, files in (
        (CGROUP, "memory.current", "inactive_file"),
        (CGROUP / "memory", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return int((folder / name).read_text()) - int(statistics.get(files, 0))
    return 0


def _without(note: str) -> Found:
    logger.warning("%s", note)
    return Found(None, None, 0, False, None, None, None, None, note)


def _main(image: str, folder: str, beam: str = "") -> None:
    """In the process that is PyBDSF's own: write the lists, and say the figures as the last line."""
    import bdsf  # here: only this process is to load it

    found = bdsf.process_image(image, quiet=True, ncores=1, outdir=folder, **THRESHOLDS, **NOISE)
    count = int(getattr(found, "nsrc", 0) or 0)
    if count:
        for name, form in (("sources.fits", "fits"), ("sources.reg", "ds9")):
            found.write_catalog(outfile=f"{folder}/{name}", format=form, catalog_type="srl", clobber=True)
    rms = np.asarray(found.rms_arr, dtype=np.float64)
    response = fits.getdata(beam).squeeze().astype(np.float64) if beam else None
    true_rms: tuple[float | None, float | None] = (None, None)
    if response is not None:
        usable = np.where(response > FAINTEST_BEAM, response, np.nan)
        true_rms = _figures(rms / usable.T)  # PyBDSF's arrays are (x, y)
        if count:
            _correct(Path(folder) / "sources.fits", usable, WCS(fits.getheader(beam)).celestial)
    print(json.dumps({"count": count, "rms": _figures(rms), "true_rms": true_rms}))


def _figures(rms: np.ndarray) -> tuple[float | None, float | None]:
    """Least and median of a noise map; None where there is none."""
    good = rms[np.isfinite(rms) & (rms > 0)]
    return (float(good.min()), float(np.median(good))) if good.size else (None, None)


def _correct(catalogue: Path, response: np.ndarray, wcs: WCS) -> None:
    """Divide the fluxes of a list by the primary beam (y, x) where the sources are, and add that as a column."""
    with fits.open(catalogue, memmap=False) as hdus:
        table = Table(hdus[1].data)
        header = hdus[1].header
        units = {
            header[f"TTYPE{i}"].strip(): header.get(f"TUNIT{i}", "").strip() for i in range(1, len(table.columns) + 1)
        }
    x, y = wcs.all_world2pix(table["RA"], table["DEC"], 0)
    beam = map_coordinates(response, [y, x], order=1, mode="nearest")
    for name, unit in units.items():
        if unit.startswith("Jy"):
            table[name] = table[name] / beam
        if unit:
            table[name].unit = unit
    table["Beam"] = beam
    table.write(catalogue, format="fits", overwrite=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
