"""Whether ours and the peer's results are the same, before their times are compared."""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

from benchmarks import field_truth
from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.processing.flags import flag_store
from lofarlake_nb.processing.simulate import load_truth

BLOCK = 60
EDGE = 8


def clear_flags(path: Path) -> None:
    """As it came: nothing flagged."""
    layout = measurement_set.layout(path)
    shape = (len(layout.antenna1), len(layout.frequencies), len(layout.correlations))
    for start in range(0, len(layout.times), BLOCK):
        count = min(BLOCK, len(layout.times) - start)
        writer.put(path, layout, "FLAG", start, np.zeros((count, *shape), dtype=bool))


def flags(peers: Sequence[Path], ours: Sequence[Path]) -> float:
    """Share of the samples of cross-correlations on which both agree.

    Parameters
    ----------
    peers : sequence of Path
        Measurement Sets that a peer flagged.
    ours : sequence of Path
        Flag files.

    Returns
    -------
    float
    """
    same = count = 0
    for path, file in zip(peers, ours, strict=True):
        layout = measurement_set.layout(path)
        found = measurement_set.read(path, layout, ("FLAG",), slice(None))["FLAG"].any(axis=-1)
        mine = flag_store.get(file, slice(None), len(layout.frequencies))
        equal = (found == mine)[:, layout.cross]
        same, count = same + int(equal.sum()), count + equal.size
    return same / count


def calibrator_model(sky_model: Path, path: Path) -> Path:
    """The components of 3C196 alone, of a sky model file."""
    lines = sky_model.read_text().splitlines()
    path.write_text("\n".join([lines[0], "", *(line for line in lines if line.startswith("3C196_"))]) + "\n")
    return path


def field_model(sky_model: Path, path: Path, count: int) -> Path:
    """3C196, its neighbours, and as many sources of the field as make up a number, of a sky model file."""
    lines = sky_model.read_text().splitlines()
    sources = [line for line in lines[2:] if line and not re.match(r"(Cas|Cyg|Tau|Vir)_A", line)]
    path.write_text("\n".join([lines[0], "", *sources[:count]]) + "\n")
    return path


def interference(truth: Path, peers: Sequence[Path], ours: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """What is missed of interference, and what else is flagged: ours, and a peer's in Measurement Sets."""
    known, counts = load_truth(truth), []
    for subband, (path, file) in enumerate(zip(peers, ours, strict=True)):
        layout = measurement_set.layout(path)
        theirs = measurement_set.read(path, layout, ("FLAG",), slice(None))["FLAG"].any(axis=3)
        mine = flag_store.get(file, slice(None), len(layout.frequencies))
        counts.append([field_truth.interference(flag, layout, known, subband) for flag in (mine, theirs)])
    flagged, there = np.moveaxis(np.sum(counts, axis=0), -1, 0)
    part = (flagged / there).T
    return {
        "interference of 10 sigma in all that is missed": (1 - part[0, 0], 1 - part[0, 1]),
        "interference of 1 sigma a sample that is missed": (1 - part[1, 0], 1 - part[1, 1]),
        "clean samples that are flagged": (part[2, 0], part[2, 1]),
    }


def gain_error(truth: Path, files: Sequence[Path]) -> tuple[float, float]:
    """How far solutions are from the truth: rms of the phase in degrees after the reference, and of the amplitude.

    Parameters
    ----------
    truth : Path
    files : sequence of Path
        h5parm, one for each subband, in their order.

    Returns
    -------
    tuple of float
        Medians over stations, of X and Y; the first station is the reference.
    """
    known = load_truth(truth)
    phases, amplitudes = [], []
    for subband, file in enumerate(files):
        with h5py.File(file) as solutions:
            amplitude, phase = (solutions[f"sol000/{name}000"] for name in ("amplitude", "phase"))
            axes = amplitude["val"].attrs["AXES"].decode().split(",")
            order = [axes.index(name) for name in ("time", "freq", "ant", "pol")]
            more = [i for i in range(len(axes)) if i not in order]
            gain = amplitude["val"][:] * np.exp(1j * phase["val"][:])
            gain = gain.transpose(*order, *more).reshape([gain.shape[i] for i in order])
            names = [name.decode() for name in amplitude["ant"][:]]
            weight = amplitude["weight"][:].transpose(*order, *more).reshape(gain.shape)
        where = [names.index(str(name)) for name in known.stations]
        gain = np.where(weight > 0, gain, np.nan)[:, :, where]
        true = np.diagonal(known.centre_gains(subband), axis1=-2, axis2=-1)  # time, station, channel, pol
        true = true.reshape(*true.shape[:2], gain.shape[1], -1, 2).mean(axis=3).transpose(0, 2, 1, 3)
        true = true.reshape(gain.shape[0], -1, *true.shape[1:]).mean(axis=1)
        ratio = gain / true
        turned = np.angle(ratio * np.exp(-1j * np.angle(ratio[:, :, :1])))
        phases.append(np.ma.masked_invalid(turned).std(axis=(0, 1)).filled(np.nan))
        # The dipoles' response is not diagonal: what is common to all stations is left out of the amplitudes.
        size = np.ma.masked_invalid(np.abs(ratio))
        amplitudes.append((size / np.ma.median(size, axis=2, keepdims=True)).std(axis=(0, 1)).filled(np.nan))
    return float(np.rad2deg(np.nanmedian(phases))), float(np.nanmedian(amplitudes))


def model_difference(ours: Path, peer: Path) -> float:
    """Rms of the difference of XX and YY of MODEL_DATA, as a part of their rms."""
    layout = measurement_set.layout(ours)
    one, two = (
        measurement_set.read(path, layout, ("MODEL_DATA",), slice(None))["MODEL_DATA"][..., [0, 3]]
        for path in (ours, peer)
    )
    return float(np.sqrt((np.abs(one - two) ** 2).mean() / (np.abs(two) ** 2).mean()))


def images(ours: Path, peer: Path) -> float:
    """Largest difference of two images but for their edges, as a part of the peak."""
    one, two = (np.squeeze(fits.getdata(path)).astype(np.float64) for path in (ours, peer))
    return float(np.abs(one - two)[EDGE:-EDGE, EDGE:-EDGE].max() / np.abs(two).max())


def cleaned(image: Path, residual: Path, peer: Path) -> dict[str, tuple[float, float, str]]:
    """Peak, and the residual's noise (from its median), ours and WSClean's."""
    pairs = [(image, f"{peer}-image.fits"), (residual, f"{peer}-residual.fits")]
    restored, left = ([np.squeeze(fits.getdata(path)).astype(np.float64) for path in pair] for pair in pairs)
    noise = [1.4826 * float(np.median(np.abs(x - np.median(x)))) * 1e3 for x in left]
    rms = [float(x.std()) * 1e3 for x in left]
    return {
        "peak": (float(restored[0].max()), float(restored[1].max()), "Jy/beam"),
        "noise of the residual": (noise[0], noise[1], "mJy/beam"),
        "rms of the residual": (rms[0], rms[1], "mJy/beam"),
    }
