"""What the steps of an image hold at once, against what they would hold if they were written as they are thought of."""

import gc
import signal
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
import scipy.ndimage

from lofarlake_nb.processing import engines
from lofarlake_nb.processing.images import facet_tasks, facets, gridding, held, image_figures, summing
from lofarlake_nb.processing.images.chunks import Chunk
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.held import Held
from lofarlake_nb.processing.images.restoring import Beam
from lofarlake_nb.processing.images.station_beams import STEP, StationBeams

SIZE = Geometry(64, 1e-4, 0.0, np.inf, 0.0, (0.0, 0.8))


@contextmanager
def watched():
    """Bytes that Python and NumPy took at the most."""
    found = SimpleNamespace(most=0)
    tracemalloc.start()
    try:
        yield found
    finally:
        found.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_beams_towards_patches_are_not_all_in_double_precision_at_once():
    rng = np.random.default_rng(1)
    jones = (rng.normal(size=(12, 20, 24, 24, 4)) + 1j).astype(np.complex64)
    beams = StationBeams(np.arange(12.0), STEP, jones, 135e6)
    l, m = rng.uniform(-8, 8, (2, 20)) * STEP  # noqa: E741
    with watched() as took:
        found = beams.at(l, m)
    assert took.most < jones.nbytes
    axis = STEP * (np.arange(24) - 12)
    spline = scipy.interpolate.RectBivariateSpline(axis, axis, jones[5, 7, :, :, 2].real)
    np.testing.assert_allclose(found[5, 7, :, 2].real, spline.ev(m, -l), atol=1e-5)


def test_noise_away_from_bright_sources_is_that_of_whole_distances():
    rng = np.random.default_rng(2)
    smooth = np.where(rng.random((700, 700)) > 0.9995, 5.0, 0.0).astype(np.float32)
    residual = rng.normal(size=smooth.shape).astype(np.float32)
    with watched() as took:
        found = image_figures.residual_rms(residual, smooth, Beam(2e-4, 1e-4, 0.0), 1e-4)
    away = scipy.ndimage.distance_transform_edt(smooth == 0) > image_figures.BEAMS_AWAY * 2
    assert found == np.sqrt(np.mean(residual[away].astype(float) ** 2))
    assert took.most < 8 * residual.nbytes


class InOrder:
    """A Dask client whose one worker makes images in their order, and takes sums as soon as it can."""

    def __init__(self):
        self.waiting, self.most = set(), 0

    def submit(self, add, first, second, **_):
        return SimpleNamespace(of=(first, second), value=add(first.value, second.value))

    def needs(self, future):
        """Images below a sum, in their order, and sums that can be taken once each of them is there."""
        first, second = future.of or (None, None)
        if first is None:
            self.waiting.add(id(future))
        else:
            self.needs(first)
            self.needs(second)
            self.most = max(self.most, len(self.waiting))
            self.waiting -= {id(first), id(second)}
            self.waiting.add(id(future))


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 2), (8, 2), (9, 3), (64, 3), (65, 4)])
def test_few_images_wait_for_their_sum(count, most):
    client = InOrder()
    total = summing.tree_sum([SimpleNamespace(of=None, value=i) for i in range(count)], client)
    client.needs(total)
    assert total.value == sum(range(count))
    assert client.most <= most


@pytest.mark.parametrize("in_facets", [False, True])
def test_a_model_is_not_mapped_any_more_when_its_residual_is_imaged(tmp_path, monkeypatch, in_facets):
    mapped = []

    def image_of(left, *_):
        mapped.append(Path("/proc/self/maps").read_text().count(str(tmp_path)))
        return np.zeros((64, 64), np.float32)

    monkeypatch.setattr(facet_tasks if in_facets else gridding, "image_of", image_of)
    weight, stations = np.ones((6, 1), np.float32), np.array(6 * [[0, 1]], np.int16).T
    chunk = Chunk(np.zeros((6, 3)), np.array([150e6]), 1j * weight, weight, np.zeros(6), *stations, np.zeros(4))
    file = tmp_path / "model.npy"
    np.save(file, np.ones((1, 64, 64), np.float32))
    if in_facets:
        facet = Facet(16, 16, 32, 0.0, 0.0, np.zeros(1), np.ones((1, 2, 4), np.complex64))
        facet_tasks.residual(chunk, None, file, SIZE, 1e-4, facets.put(tmp_path, [facet], 64), 0)
    else:
        gridding.residual(chunk, None, file, SIZE, 1e-4, 0)
    assert mapped == [0]


def test_memory_is_given_back_before_the_clean_goes_on(tmp_path, monkeypatch):
    """By the client, which cleans, and by the workers, which wait."""
    gave = []
    monkeypatch.setattr(engines, "trim", lambda: gave.append("client"))

    def run(what, on_error):  # Dask refuses, unseen, to run a function without waiting for it
        assert what is engines.trim
        gave.append("workers")

    client = SimpleNamespace(run=run)
    image = np.zeros((1, 64, 64), np.float32)
    monkeypatch.setattr(held.Held, "_sums", lambda self, task, *_, grouped=False: [])
    monkeypatch.setattr(held.Held, "_means", lambda self, sums: image)
    one = Held([], [], [], None, [], None, SIZE, None, client, tmp_path, np.ones((1, 4)), None, 1e-4)
    one.subtract(image)
    assert sorted(gave) == ["client", "workers"]


def test_an_interrupt_is_not_lost_while_memory_is_given_back():
    """Dask looks on at each collection: what is raised there is told, and goes no further."""

    def interrupt(phase, info):
        if phase == "stop" and interrupt in gc.callbacks:
            gc.callbacks.remove(interrupt)
            signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupt)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        engines.give_back()
    assert signal.getsignal(signal.SIGINT) is before


RUNNING, AT_ONCE = set(), [0]


def _image(chunk, beam, group):
    RUNNING.add(chunk)
    AT_ONCE.append(len(RUNNING))
    time.sleep(0.02)
    RUNNING.remove(chunk)
    return np.random.default_rng(chunk).normal(size=9).astype(np.float32)


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_a_worker_with_a_core_to_spare_sums_to_the_same_bits(tmp_path, monkeypatch, count):
    """In float32 the order of a sum is seen."""
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        chunks = client.scatter(list(range(count)), hash=False)
        given = [chunks, [0] * count, [None] * count, None, [], None, SIZE, None, client, tmp_path, np.ones((1, 4))]
        sums = []
        for cores in (1, 2):
            AT_ONCE.clear()
            monkeypatch.setattr(engines, "cores", lambda cores=cores: cores)
            (futures,) = held.Held(*given, None, 1e-4)._submit(_image, grouped=True)
            sums.append(summing.tree_sum(futures, client).result())
            assert max(AT_ONCE) == min(cores, count)
        assert held.Held(*given, None, 5e-5)._at_once() == 1  # a finer grid takes more memory
    np.testing.assert_array_equal(*sums)
    assert count < 9 or not np.array_equal(sums[0], sum(_image(i, None, 0) for i in range(count)[::-1]))


class Alive:
    """A partial image, which counts how many of them there are."""

    now = most = 0

    def __init__(self):
        Alive.now += 1
        Alive.most = max(Alive.most, Alive.now)

    def __del__(self):
        Alive.now -= 1


def _made(chunk, beam):
    time.sleep(0.05)  # many wait by the time that the first is done
    return Alive()


def test_partial_images_do_not_pile_up_on_a_worker(tmp_path):
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        chunks = client.scatter(list(range(12)))
        what = {"chunks": chunks, "groups": [0] * 12, "beams": [None] * 12, "sums": np.ones((1, 4)), "client": client}
        one = SimpleNamespace(**what, _by_group=lambda: [list(range(12))])
        sums = [summing.tree_sum(f, client, lambda *_: Alive()) for f in Held._submit(one, _made, grouped=False)]
        distributed.wait(sums)
    assert Alive.most <= 5  # two that are summed, their sum, that of a group before, and one that was begun
