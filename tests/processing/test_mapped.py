"""Arrays in files, asked for by several threads at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lofarlake_nb.processing.mapped import mapped


def test_headers_are_read_one_after_the_other(tmp_path, monkeypatch):
    """CPython 3.11 spoils `ast.literal_eval`, which reads them, where two threads are in it at once."""
    np.save(tmp_path / "array.npy", np.arange(4))
    reading, most, count = 0, 0, threading.Lock()
    really = np.lib.format.open_memmap

    def watched(*arguments, **options):
        nonlocal reading, most
        with count:
            reading += 1
            most = max(most, reading)
        time.sleep(0.01)
        try:
            return really(*arguments, **options)
        finally:
            with count:
                reading -= 1

    monkeypatch.setattr(np.lib.format, "open_memmap", watched)
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(lambda _: mapped(tmp_path / "array.npy").tolist(), range(8)))
    assert read == [[0, 1, 2, 3]] * 8
    assert most == 1


def test_what_is_written_is_there(tmp_path):
    np.save(tmp_path / "array.npy", np.arange(4))
    mapped(tmp_path / "array.npy", "r+")[1] = 9
    assert mapped(tmp_path / "array.npy").tolist() == [0, 9, 2, 3]
    assert not mapped(tmp_path / "array.npy").flags.writeable
