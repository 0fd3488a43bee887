"""How an image's data are cut, by frequency, time and kind of baseline, and how beams are averaged."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import made_sets
import numpy as np
import pytest
from astropy.io import fits

from lofarlake_nb.errors import ProcessingError, UsageError
from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing import imaging
from lofarlake_nb.processing.images import (
    chunks,
    facet_tasks,
    fits_image,
    held,
    loading,
    memory,
    parts,
    primary_beam,
    station_beams,
)
from lofarlake_nb.processing.images.bands import Bands, bands
from lofarlake_nb.processing.images.geometry import Geometry, cutout, geometry, matched
from lofarlake_nb.processing.images.image_figures import direction
from lofarlake_nb.processing.images.restoring import Beam
from lofarlake_nb.processing.images.station_beams import STEP, StationBeams

SIZE = Geometry(512, np.deg2rad(20 / 3600), 0.0, 3000.0, 0.0, (2.1, 0.8))


def layout(low, n_time=20):
    p, q = np.triu_indices(5, 1)
    return Layout(
        times=np.arange(n_time) * 8.0,
        antenna1=p,
        antenna2=q,
        rows=np.arange(n_time * 10).reshape(n_time, 10),
        frequencies=low + np.arange(4) * 5e4,
        stations=tuple("abcde"),
        positions=np.arange(15.0).reshape(5, 3) * 1000,
        phase_centre=(2.1, 0.8),
        interval=8.0,
        channel_width=5e4,
    )


@pytest.mark.parametrize("most", [100, 1000, 10**6])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_visibility_is_in_one_chunk(most, channels):
    layouts = [layout(130e6), layout(135e6), layout(140e6, 12)]
    paths = [Path("a"), Path("b"), Path("c")]
    edges = bands(ImageParameters(channels=channels), layouts)
    assert len(edges) == channels + 1
    counts = [np.zeros((len(x.times), 4), int) for x in layouts]
    for part in parts.plan(paths, layouts, most=most, edges=edges):
        assert part.visibilities <= max(1.5 * most, 40)
        for path in part.paths:
            i = paths.index(path)
            kept = (layouts[i].frequencies >= part.band[0]) & (layouts[i].frequencies < part.band[1])
            counts[i][part.times] += kept
    assert all((count == 1).all() for count in counts)


def test_a_wide_band_gets_several_images_and_their_mean_is_weighted():
    narrow, wide = ([layout(130e6), layout(130e6 + d)] for d in (2e6, 20e6))
    assert len(bands(ImageParameters(), narrow)) == 2
    assert len(bands(ImageParameters(), wide)) > 2
    images = np.stack([np.zeros((4, 4)), np.ones((4, 4))]).astype(np.float32)
    np.testing.assert_allclose(Bands(np.array([1.0, 2, 3]), np.array([1.0, 3])).mean(images), 0.75)


def test_a_cutout_without_weight_in_one_band_has_the_wide_image_s_chunks(tmp_path, monkeypatch):
    """As where it is tapered, so that all that is left of the band is too long for it."""
    client = SimpleNamespace(submit=lambda task, *given, pure: task(*given), gather=list)
    layouts = [layout(130e6), layout(135e6), layout(140e6)]
    asked = ImageParameters(channels=3)
    edges = bands(asked, layouts)

    def load(name, weights):
        monkeypatch.setattr(loading, "_weighed", lambda parts, *given: (list(parts), None))
        weight = dict(zip("abc", weights, strict=True))
        monkeypatch.setattr(chunks, "sums", lambda part: np.array([sum(weight[p.name] for p in part.paths), 1, 1, 1.0]))
        where = {"need": memory.Need(10**6, False, 0, 0), "folder": tmp_path / name, "edges": edges}
        return loading.load([Path(n) for n in "abc"], layouts, asked, SIZE, client, **where)

    wide, fine = load("wide", [1.0, 2.0, 3.0]), load("fine", [0.0, 2.0, 3.0])
    assert np.unique([part.band for part in wide.parts]).tolist() == edges.tolist()
    assert (wide.groups, fine.groups) == ([0, 1, 2], [0, 0, 1])
    np.testing.assert_allclose(fine.bands.edges, edges[[0, 2, 3]])
    assert fine.bands.weights.tolist() == [2.0, 3.0]
    assert load("last", [1.0, 2.0, 0.0]).groups == [0, 1, 1]
    assert load("alone", [0.0, 0.0, 4.0]).groups == [0, 0, 0]
    monkeypatch.setattr(facet_tasks, "less", lambda part, *given: (part.paths[0].name, given[-1]))
    monkeypatch.setattr(held.distributed, "wait", list)
    assert fine.less(wide, np.zeros((3, 1, 1))).chunks == [("a", 0), ("b", 1), ("c", 2)]


def test_chunks_are_few_where_transforms_cost_much():
    small, large = (replace(SIZE, npix=n) for n in (512, 8192))
    assert memory.chunk_size(large, 10**8) > memory.chunk_size(small, 10**8)
    assert memory.chunk_size(large, 10**7) <= 5 * 10**6  # two at least
    assert memory.chunk_size(large, 10**7, pairs=3) == 10**7  # which pairs of classes are by themselves
    plenty = 8 * large.planes * large.npix**2 // memory.PIXELS_A_VISIBILITY
    assert memory.chunk_size(large, plenty, pairs=3) == memory.chunk_size(large, plenty)


def test_pixels_grow_with_the_beam_as_long_as_they_hold_the_baselines():
    fine = replace(SIZE, npix=2048, cell=1e-5, maximum_uv=15_000.0)
    wider = matched(fine, Beam(6e-5, 5e-5, 0.0))
    assert (wider.cell, wider.maximum_uv) == (pytest.approx(5e-5 / 3.5), 15_000.0)
    assert wider.npix * wider.cell == pytest.approx(fine.npix * fine.cell, rel=0.01)
    holding = replace(fine, maximum_uv=40_000.0)
    assert matched(holding, Beam(6e-5, 4.5e-5, 0.0)).maximum_uv == pytest.approx(40_000.0)
    assert matched(fine, Beam(4e-5, 3.6e-5, 0.0)) is fine  # a few per cent


def test_memory_is_planned_for_a_cutout_with_more_pixels_than_the_image(caplog, monkeypatch):
    def client(limit):
        return SimpleNamespace(scheduler_info=lambda n_workers: {"workers": {"one": {"memory_limit": limit}}})

    caplog.set_level("INFO")
    layouts, fine = [layout(130e6)], replace(SIZE, npix=4096)
    planned = memory.need(SIZE, layouts, client(4e9), cutout=fine)
    assert planned.bytes_a_worker >= memory.peak(fine, planned.chunk, 2)
    assert "4096² pixels of the cut-out" in caplog.text
    assert memory.need(SIZE, layouts, client(4e9), cutout=replace(SIZE, npix=64)) == memory.need(
        SIZE, layouts, client(4e9)
    )
    with pytest.raises(ProcessingError, match="4096² pixels of the cut-out take .* a smaller cutout"):
        memory.need(SIZE, layouts, client(1e9), cutout=fine)
    asked = ImageParameters(npix=64, primary_beam=False, cutout="2 deg")
    monkeypatch.setattr(imaging, "load", lambda *given, **more: None)
    _, planned, _ = imaging._held((), layouts, asked, Path("work"), client(1e12))
    assert planned.bytes_a_worker >= memory.peak(cutout(asked, layouts), planned.chunk, 2)


def beams():
    """Gaussian beams of three wide stations and two narrow ones, that don't change."""
    axis = (np.arange(24) - 12) * STEP
    square = axis[:, None] ** 2 + axis**2
    jones = np.zeros((2, 5, 24, 24, 4), np.complex64)
    for station, width in enumerate(np.deg2rad([5.0, 5.0, 5.0, 3.5, 3.5])):
        jones[:, station, :, :, 0] = jones[:, station, :, :, 3] = np.exp(-2 * np.log(2) * square / width**2)
    return StationBeams(np.array([0.0, 600.0]), STEP, jones, 135e6)


def test_stations_of_one_size_are_of_one_class():
    assert station_beams.classes(beams()) == (0, 0, 0, 1, 1)
    assert parts.Part((), slice(0, 1), classes=(0, 0, 0, 1, 1)).pairs == [(0, 0), (0, 1), (1, 1)]


def test_the_average_beam_is_that_of_the_baselines_with_weight():
    weights = np.zeros((2, 5, 5))
    weights[:, 0, 1] = 1  # wide with wide
    wide = primary_beam.average(beams(), weights, 135e6)
    assert wide[12, 12] == pytest.approx(1)
    place = np.deg2rad(1.6)
    assert wide[12, 12 + 8] == pytest.approx(np.exp(-4 * np.log(2) * (place / np.deg2rad(5)) ** 2), rel=1e-4)
    weights[:, 3, 4] = 1
    both = primary_beam.average(beams(), weights, 135e6)
    ratios, mean = primary_beam.ratios(np.stack([wide, 2 * both - wide]), np.ones(2))
    np.testing.assert_allclose(mean, both)
    assert ratios[0][12, 20] > 1.05 > 0.95 > ratios[1][12, 20]
    over = primary_beam.over_image(wide, STEP, replace(SIZE, centre=(-place, 0.0)))
    assert over[256, 256] == pytest.approx(wide[12, 20], rel=1e-3)  # west is to the right


def test_a_cutout_is_fine_and_where_it_is_asked_for():
    asked = ImageParameters(field="5 deg", npix=512, cutout="10 arcmin", cutout_centre="122.0d +46.5d")
    layouts = [layout(130e6)]
    fine = cutout(asked, layouts)
    assert fine.cell < 0.25 * geometry(asked, layouts).cell
    assert fine.npix * fine.cell == pytest.approx(np.deg2rad(10 / 60), rel=0.1)
    assert direction(*fine.centre, layouts[0].phase_centre) == pytest.approx((122.0, 46.5))
    with pytest.raises(UsageError, match="not in the sky"):
        cutout(replace(asked, cutout_centre="300d -46.5d"), layouts)


def test_a_beam_is_narrower_at_a_higher_frequency():
    seen, weights, place = beams(), np.zeros((2, 5, 5)), np.deg2rad(1.6)
    weights[:, 0, 1] = 1
    higher = primary_beam.average(seen, weights, 1.05 * 135e6)
    power = np.exp(-4 * np.log(2) * (1.05 * place / np.deg2rad(5)) ** 2)
    assert higher[12, 12 + 8] == pytest.approx(power, rel=1e-3)
    at, slope = (what(np.array([-place]), np.array([0.0]))[0, 0, 0, 0] for what in (seen.at, seen.slope))
    assert (at + np.log(1.05) * slope) ** 2 == pytest.approx(power, rel=3e-3)
    assert abs(slope) > 0.1 * abs(at)


def test_a_field_may_have_any_name(tmp_path):
    about = fits_image.Origin("Perseus–A", "LOFAR", "2018-09-01T10:00:00", 135e6, 2e6)
    path = fits_image.write(tmp_path / "image.fits", np.zeros((512, 512)), SIZE, about, unit="JY/BEAM")
    assert fits.getheader(path)["OBJECT"] == "Perseus?A"


def test_bands_end_where_the_channels_do():
    edges = bands(ImageParameters(channels=2), [layout(130e6)])
    np.testing.assert_allclose(edges, 130e6 + 5e4 * np.array([-0.5, 1.5, 3.5]), rtol=1e-12)


def test_bands_are_as_many_as_asked_for_where_most_data_are_at_one_frequency():
    every = layout(130e6)
    edges = bands(ImageParameters(channels=4), [every] + [replace(every, frequencies=every.frequencies[:1])] * 8)
    np.testing.assert_allclose(edges, 130e6 + 5e4 * (np.arange(5) - 0.5), rtol=1e-12)
    edges = bands(ImageParameters(channels=4), [every] + [replace(every, frequencies=every.frequencies[3:])] * 8)
    np.testing.assert_allclose(edges, 130e6 + 5e4 * (np.arange(5) - 0.5), rtol=1e-12)


def test_what_is_held_is_let_go_of_where_the_preview_fails(monkeypatch):
    closed = []

    def preview():
        raise MemoryError

    held = SimpleNamespace(preview=preview, close=lambda: closed.append(True))
    monkeypatch.setattr(imaging, "load", lambda *given, **more: held)
    monkeypatch.setattr(imaging, "need", lambda *given, **more: None)
    with pytest.raises(MemoryError):
        imaging._held((), [layout(130e6)], ImageParameters(primary_beam=False), Path("work"), None)
    assert closed == [True]


def test_a_mask_that_was_changed_is_imaged_with_anew(tmp_path, monkeypatch):
    mask, work, keys = tmp_path / "mask.fits", tmp_path / "work", []
    nothing = dict.fromkeys(imaging.Imaged.__annotations__)
    there = dict.fromkeys(("image", "residual", "model", "psf", "dirty"), work / "images")

    def made(*given):
        keys.append(given[-1])
        return imaging.Imaged(**{**nothing, **there})

    monkeypatch.setattr(imaging, "_image", made)
    calibrated, parameters = SimpleNamespace(verdict="good", key="a"), ImageParameters(mask=str(mask))
    with pytest.raises(UsageError, match="mask"):
        imaging.image(calibrated, parameters, work=work, client=None)
    mask.write_text("one")
    for _ in range(2):
        imaging.image(calibrated, parameters, work=work, client=None)
    assert len(keys) == 1
    mask.write_text("another")
    imaging.image(calibrated, parameters, work=work, client=None)
    assert len(keys) == 2


def test_a_row_that_one_measurement_set_lacks_is_imaged_where_the_others_have_it(tmp_path):
    """Of two subbands in one chunk, each is without a row that the other has."""
    like = made_sets.plain(tmp_path / "like.MS", shape=(4, 5, 2))
    base = measurement_set.layout(like)
    paths = tuple(tmp_path / f"{name}.MS" for name in "ab")
    uvw = measurement_set.read(like, base, ["UVW"], slice(0, 4))["UVW"]
    lacking = ((1, 2), (3, 7))  # slot, baseline
    for n, (path, lacks) in enumerate(zip(paths, lacking, strict=True)):
        subband = replace(base, frequencies=base.frequencies + 2e5 * n)
        data = np.full((*uvw.shape[:2], 2, 4), 3 + 0j, np.complex64)
        its, flag = uvw.copy(), np.zeros(data.shape, bool)
        its[lacks], flag[lacks] = 0, True
        with writer.create(path, subband, like=like, columns=("CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM")) as out:
            out.write(0, its, CORRECTED_DATA=data, FLAG=flag, WEIGHT_SPECTRUM=np.ones(data.shape, np.float32))
    (chunk,) = chunks.load(parts.Part(paths, slice(0, 4)), replace(SIZE, maximum_uv=np.inf))
    cross = base.antenna1 != base.antenna2
    np.testing.assert_array_equal(chunk.uvw[chunk.antenna1 != chunk.antenna2], uvw[:, cross].reshape(-1, 3))
