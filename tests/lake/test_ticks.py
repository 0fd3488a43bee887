from lofarlake_nb.lake.ticks import Progress, Tick


def test_bytes_and_files_are_counted_and_the_end_is_always_told():
    ticks: list[Tick] = []
    progress = Progress("ingest", 2, ticks.append)
    for _ in range(2):
        assert list(progress.count([b"123", b"4567"])) == [b"123", b"4567"]
        progress.finished()
    progress.end()
    last = ticks[-1]
    assert (last.stage, last.done, last.total, last.bytes, last.state) == ("ingest", 2, 2, 14, "done")
    assert last.rate > 0
    assert len(ticks) < 5  # not one for each block


def test_nobody_needs_to_listen():
    progress = Progress("verify", 1)
    list(progress.count([b"123"]))
    progress.end("failed")
    assert progress.bytes == 3
