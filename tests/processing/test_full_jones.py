"""Jones matrices that were put in bring the model to the data."""

from dataclasses import replace

import numpy as np
import pytest

from lofarlake_nb.processing.gains import solving
from lofarlake_nb.processing.gains.block import Block
from lofarlake_nb.processing.gains.correcting import corrected

N = 10
P, Q = np.triu_indices(N, 1)


def made(polarised, noise=0.01):
    """Block of two intervals of three slots, and the Jones matrices (station, 2, 2) behind it."""
    rng = np.random.default_rng(6)
    shape = (6, len(P), 2)
    jones = np.eye(2) + 0.3 * (rng.normal(size=(N, 2, 2)) + 1j * rng.normal(size=(N, 2, 2)))
    intensity = 40 * np.exp(2j * np.pi * rng.random(shape))
    model = np.zeros((*shape, 2, 2), complex)
    model[..., 0, 0] = model[..., 1, 1] = intensity
    if polarised:
        model[..., 0, 1] = 8 * np.exp(2j * np.pi * rng.random(shape))
        model[..., 1, 0] = 6 * np.exp(2j * np.pi * rng.random(shape))
        model[..., 0, 0] *= 1.2
    data = np.einsum("bij,tbfjk,blk->tbfil", jones[P], model, jones[Q].conj()).reshape(*shape, 4)
    data = data + noise * (rng.normal(size=data.shape) + 1j * rng.normal(size=data.shape))
    kept = model.reshape(*shape, 4) if polarised else model[..., 0, 0][..., None]
    block = Block(
        data=data.astype(np.complex64),
        model=kept.astype(np.complex64),
        flag=np.zeros(shape, bool),
        weight=np.ones((*shape, 4), np.float32),
        long=np.ones(shape, bool),
        interval=np.arange(6) // 3,
        channel_block=np.zeros(2, int),
        scan=np.zeros(6, int),
        antenna1=P,
        antenna2=Q,
        n_station=N,
        exposure=1e5,
    )
    return block, jones


@pytest.mark.parametrize("polarised", [False, True])
def test_corrected_data_are_the_model(polarised):
    block, _ = made(polarised)
    found = solving.solve(block, "full")
    assert found.gains.shape == (2, 1, N, 4)
    assert found.solvable.all()
    data = corrected(block.data, found.gains[block.interval][:, block.channel_block], P, Q)
    expected = block.model if polarised else block.model * np.array([1, 0, 0, 1])
    np.testing.assert_allclose(data, expected, atol=0.2)


def test_a_polarised_model_leaves_only_a_phase_free():
    block, jones = made(True)
    found = solving.solve(block, "full").gains[0, 0].reshape(N, 2, 2)
    turn = np.vdot(jones[0], found[0])
    np.testing.assert_allclose(found * np.conj(turn) / abs(turn), jones, atol=0.02)


def test_an_unpolarised_model_keeps_the_hands_apart():
    """The unitary that is free is the one that leaves no leakage on the whole."""
    block, _ = made(False)
    found = solving.solve(block, "full").gains[0, 0].reshape(N, 2, 2)
    trace = np.trace(found, axis1=1, axis2=2)
    mean = (found * np.exp(-1j * np.angle(trace))[:, None, None]).mean(axis=0)
    np.testing.assert_allclose(mean, mean.conj().T, atol=5e-3)


def test_held_out_slots_agree():
    found = solving.solve(made(True)[0], "full")
    phase2, _, weight, error = found.held_out.sum(axis=2)
    assert np.rad2deg(np.sqrt(phase2 / weight)).max() < 0.5
    assert np.sqrt(error / weight).max() < 0.01


def test_a_block_of_time_without_data_tells_nothing_of_the_others():
    block, _ = made(True)
    found = solving.solve(block, "diagonal")
    empty = solving.solve(replace(block, flag=np.ones_like(block.flag)), "diagonal")
    assert np.isfinite(found.held_out).all()
    np.testing.assert_array_equal(solving.joined([found, empty]).held_out, found.held_out)
