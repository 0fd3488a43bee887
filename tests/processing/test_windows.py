from types import SimpleNamespace

import numpy as np

from lofarlake_nb.processing import windows

TIMES = np.concatenate([np.arange(5.0), 100 + np.arange(7.0), 300 + np.arange(1.0)])


def layout(times=TIMES, baselines=10, channels=4):
    return SimpleNamespace(
        times=times, antenna1=np.zeros(baselines), frequencies=np.zeros(channels), correlations=("XX", "XY", "YX", "YY")
    )


def test_scans_end_at_pauses():
    assert windows.scans(TIMES, 1.0) == [slice(0, 5), slice(5, 12), slice(12, 13)]


def test_groups_never_reach_over_a_pause():
    starts = windows.groups(TIMES, 1.0, 3)
    assert starts.tolist() == [0, 2, 5, 7, 9, 12]


def test_windows_hold_every_slot_once_within_the_bound():
    found = windows.windows(layout(), limit=3 * 10 * 4 * 4 * 8)
    assert [i for w in found for i in range(w.start, w.stop)] == list(range(13))
    assert max(w.stop - w.start for w in found) <= 3


def test_a_slot_larger_than_the_bound_is_a_window():
    assert len(windows.windows(layout(), limit=1)) == 13


def test_blocks_hold_whole_groups():
    starts = windows.groups(TIMES, 1.0, 3)
    found = windows.blocks(layout(), starts, limit=5 * 10 * 4 * 4 * 8)
    assert [g for a, b in found for g in range(a, b)] == list(range(len(starts)))
    ends = [*starts[1:].tolist(), 13]
    assert all(ends[b - 1] - starts[a] <= 5 for a, b in found)
