"""The image of the benchmark observation against its truth: noise, fluxes, positions; ``make bench-field``.

The observation is the preset ``benchmark`` of the simulator; it is calibrated with an imperfect model: 3C196 as
published, and the brighter half of the other sources, without an ionosphere; then once more on what its image shows.
The image has 4096² pixels of 4 arcsec, tapered to 12.
"""

import argparse
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from benchmarks import field_truth
from benchmarks.rows import HEADER, Row, compared, in_words, write
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import averaging, calibration, cluster, flagging, imaging, settings, sky_model
from lofarlake_nb.processing.calibration import Calibrated
from lofarlake_nb.processing.flagging import Flagged
from lofarlake_nb.processing.imaging import Imaged
from lofarlake_nb.processing.settings import Settings
from lofarlake_nb.processing.simulate import Truth, load_truth, simulate
from lofarlake_nb.processing.simulate import in_words as observation_in_words
from lofarlake_nb.processing.simulate.sky import COMPONENTS_3C196
from lofarlake_nb.quality import self_calibration

WIDE = {"field": "4.5511 deg", "npix": 4096, "cell": "4 arcsec", "resolution": "12 arcsec"}
OTHERS = ("interval=5 s", "model_beam=always", "cutout=2 arcmin", "rounds=1")
# Fluxes are sums within this many pixels; sources with peaks above so many times the noise are compared.
REACH = 12
LEAST_SIGMA = 50.0


@dataclass(frozen=True)
class Compared:
    """A source in the image and in the truth."""

    name: str
    flux: float  # Jy, true
    ratio: float  # found over true
    error: float  # of the ratio
    sigma: float  # peak over noise
    offset: float  # arcsec

    @property
    def right(self) -> bool:
        """Within 3 % or 3 σ."""
        return abs(self.ratio - 1) < max(0.03, 3 * self.error)


def imperfect(sky: Path, path: Path) -> Path:
    """Write a sky model without the fainter half of a true one's sources, and 3C196 as it is published."""
    lines = sky.read_text().splitlines()
    flux = {line: float(line.split(",")[4]) for line in lines[2:] if line}
    scale = COMPONENTS_3C196[0][3] / next(f for line, f in flux.items() if line.startswith("3C196_"))
    published = []
    for line in (line for line in flux if line.startswith("3C196_")):
        fields = line.split(",")
        fields[4] = f" {flux[line] * scale:.6f}"
        published.append(",".join(fields))
    others = [line for line in flux if not re.match(r"(Cas|Cyg|Tau|Vir)_A|3C196_", line)]
    others.sort(key=lambda line: -flux[line])
    path.write_text("\n".join([lines[0], "", *published, *others[: len(others) // 2]]) + "\n")
    return path


def made(paths: list[Path], model: Path, chosen: Settings, work: Path) -> tuple[Flagged, Calibrated, list[Imaged]]:
    """All of stage 2; the image before self-calibration and after it."""
    session = cluster.Session()
    try:
        flagged = flagging.flag(paths, chosen.flag, work=work, client=session.client)
        averaged = averaging.average(flagged, chosen.average, work=work, client=session.client)
        sky = sky_model.load_for(paths, str(model), chosen.flag)
        calibrated = calibration.calibrate(averaged, sky, chosen.calibrate, work=work, client=session.client)
        imaged = imaging.image(calibrated, chosen.image, work=work, client=session.client)
        refined = self_calibration.refine(calibrated, averaged, imaged, sky, chosen, work=work, session=session)
        print(refined, flush=True)
        return flagged, refined.calibrated, [imaged, refined.imaged]
    finally:
        session.close()


def sources(imaged: Imaged, truth: Truth) -> list[Compared]:
    """Bright sources that stand alone, in the image and in the truth."""
    assert imaged.primary_beam is not None
    header = fits.getheader(imaged.image)
    image, beam = (np.squeeze(fits.getdata(path)) for path in (imaged.image, imaged.primary_beam))
    x, y = WCS(header).celestial.world_to_pixel_values(np.rad2deg(truth.ra), np.rad2deg(truth.dec))
    area = np.pi / (4 * np.log(2)) * np.prod(imaged.beam_arcsec) / imaged.cell_arcsec**2
    inside = truth.in_field & (np.minimum(x, y) > 2 * REACH) & (np.maximum(x, y) < len(image) - 2 * REACH)
    found = []
    for i in np.flatnonzero(inside):
        near = np.hypot(x - x[i], y - y[i]) < 2 * REACH
        if (truth.flux[near & truth.in_field] > 0.02 * truth.flux[i]).sum() > 1:
            continue
        column, row = round(float(x[i])), round(float(y[i]))
        cut = image[row - REACH : row + REACH + 1, column - REACH : column + REACH + 1].astype(float)
        down, across = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
        used = np.hypot(across - (x[i] - column), down - (y[i] - row)) <= REACH
        true = truth.flux[i] * beam[row, column]
        core = np.where(cut > 0.3 * cut.max(), cut, 0)
        east, north = ((core * axis).sum() / core.sum() for axis in (across, down))
        found.append(
            Compared(
                str(truth.source_names[i]),
                float(truth.flux[i]),
                float(cut[used].sum() / area / true),
                float(imaged.rms_jy_per_beam * np.sqrt(used.sum() / area) / true),
                float(cut.max() / imaged.rms_jy_per_beam),
                float(np.hypot(east + column - x[i], north + row - y[i]) * imaged.cell_arcsec),
            )
        )
    return sorted((one for one in found if one.sigma >= LEAST_SIGMA), key=lambda one: -one.sigma)


def circular(imaged: Imaged, compared_sources: list[Compared], truth: Truth) -> tuple[float, float, float]:
    """Of Stokes V, which has no sources: the largest over the noise where sources are, and anywhere; 3C196's part."""
    assert imaged.circular is not None
    header, image = fits.getheader(imaged.circular), np.squeeze(fits.getdata(imaged.circular))
    x, y = WCS(header).celestial.world_to_pixel_values(np.rad2deg(truth.ra), np.rad2deg(truth.dec))
    names = [str(name) for name in truth.source_names]
    beam = int(np.ceil(imaged.beam_arcsec[1] / 2 / imaged.cell_arcsec))
    peaks = []
    for i in (names.index(one.name) for one in compared_sources):
        column, row = round(float(x[i])), round(float(y[i]))
        cut = image[row - beam : row + beam + 1, column - beam : column + beam + 1]
        peaks.append(float(np.abs(cut).max()))
    noise = float(image.std())
    return max(peaks) / noise, float(np.abs(image).max()) / noise, peaks[0] / imaged.peak_jy_per_beam


def rows(imaged: Imaged, compared_sources: list[Compared], truth: Truth) -> list[Row]:
    """Figures, each with its bound."""
    central, *others = compared_sources
    thermal, noise = imaged.thermal_rms_jy_per_beam, imaged.circular_rms_jy_per_beam
    assert thermal
    assert noise
    assert imaged.circular_thermal_rms_jy_per_beam
    there, anywhere, part = circular(imaged, compared_sources, truth)
    figures = [
        ("residual away from bright sources / thermal", imaged.rms_jy_per_beam / thermal, "", 1.4),
        ("Stokes V / thermal", noise / imaged.circular_thermal_rms_jy_per_beam, "", None),
        ("Stokes V at the sources: largest / noise", there, "", 5.0),
        ("Stokes V anywhere: largest / noise", anywhere, "", None),
        ("Stokes V at 3C196: part of its peak", 100 * part, "%", None),
        ("3C196: flux off by", 100 * abs(central.ratio - 1), "%", 1.0),
        (f"others, {len(others)}: off by more than 3 % and 3 sigma", sum(not one.right for one in others), "", 0.0),
        ("others: median ratio", float(np.median([one.ratio for one in others])), "", None),
        (
            "positions: largest offset",
            max(one.offset for one in compared_sources),
            "arcsec",
            imaged.beam_arcsec[1] / 10,
        ),
    ]
    return [compared(name, float(ours), None, unit, bound, faster=False) for name, ours, unit, bound in figures]


def detail(imaged: Imaged, sky: Path) -> list[Row]:
    """Figures of 3C196 at full resolution."""
    assert imaged.cutout is not None
    ratio, error = field_truth.cut_out(imaged.cutout, sky)
    figures = [("cut-out of 3C196: flux off by", abs(ratio - 1), 1.0), ("cut-out: largest error / peak", error, None)]
    return [compared(name, 100 * ours, None, "%", bound, faster=False) for name, ours, bound in figures]


def before(flagged: Flagged, calibrated: Calibrated, truth: Truth, subbands: list[int]) -> list[Row]:
    """Figures of flags and gains."""
    layouts = [measurement_set.layout(path) for path in flagged.measurement_sets]
    seen, noticed, clean = field_truth.flagged(flagged.flag_files, layouts, truth, subbands)
    phase, amplitude = field_truth.gain_error(calibrated.solution_files, truth, subbands)
    figures = [
        ("interference of 10 sigma in all: missed", 100 * (1 - seen), "%", 5.0),
        ("interference of 1 sigma a sample: missed", 100 * (1 - noticed), "%", None),
        ("clean samples flagged", 100 * clean, "%", 1.0),
        ("gains over 30 s: phase error", phase, "deg", 1.0),
        ("gains over 30 s: amplitude error", 100 * amplitude, "%", 1.0),
    ]
    return [compared(name, float(ours), None, unit, bound, faster=False) for name, ours, unit, bound in figures]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subbands", type=int, default=10, help="of the observation's ten")
    parser.add_argument("--scratch", type=Path, help="folder that is kept, and used again (default: a temporary one)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-field-") as temporary:
        scratch = chosen.scratch or Path(temporary)
        parameters = SimulationParameters.preset("benchmark")
        print(observation_in_words(parameters), flush=True)
        observation = simulate(scratch / "observation", parameters)
        every = sorted(observation.measurement_sets)
        paths = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, chosen.subbands + 2).astype(int)[1:-1])]
        paths = every if chosen.subbands >= len(every) else paths
        model = imperfect(observation.sky_model, scratch / "imperfect.skymodel")
        work, truth = scratch / f"work-{len(paths)}", load_truth(observation.truth)
        flagged, calibrated, (first, imaged) = made(paths, model, settings.of({**WIDE, "more": OTHERS}), work)
        found = sources(imaged, truth)
        for one in found:
            print(f"{one.name:<24} {one.flux:8.3f} Jy  × {one.ratio:.3f} ± {one.error:.3f}  {one.offset:.2f} arcsec")
        print(HEADER)
        told = before(flagged, calibrated, truth, [every.index(path) for path in paths]) + rows(imaged, found, truth)
        told += detail(imaged, observation.sky_model)
        told += [
            replace(row, name=f"before the round: {row.name}", bound=None, met=None)
            for row in rows(first, sources(first, truth), truth)
            if not row.name.startswith("Stokes V")
        ]
        for row in told:
            print(in_words(row))
        write(chosen.output, told)


if __name__ == "__main__":
    main()
