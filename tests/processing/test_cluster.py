import os
import socket
import time

import dask
import distributed
import pytest
import requests

from lofarlake_nb.errors import ProcessingError, UsageError
from lofarlake_nb.processing import cluster, engines


def thread_settings():
    return {name: os.environ.get(name) for name in engines.VARIABLES}


def test_workers_are_processes_of_one_thread_that_the_engines_agree_with(client):
    workers = client.scheduler_info(n_workers=-1)["workers"]
    assert len(workers) == 2
    assert all(worker["nthreads"] == 1 for worker in workers.values())
    assert os.getpid() not in client.run(os.getpid).values()
    assert all(found == engines.VARIABLES for found in client.run(thread_settings).values())


def test_a_running_scheduler_is_used_and_left_running(client):
    with cluster.start(scheduler=client.scheduler.address) as other:
        assert other.submit(sum, [1, 2]).result() == 3
    assert client.submit(sum, [2, 2]).result() == 4


def test_no_scheduler_there():
    with (
        pytest.raises(ProcessingError, match="no Dask scheduler answers"),
        cluster.start(scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_a_scheduler_that_no_worker_comes_to(monkeypatch):
    monkeypatch.setattr(cluster, "COME", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty,
        pytest.raises(ProcessingError, match="no worker of tcp.* came in 0.5 s"),
        cluster.start(scheduler=empty.scheduler_address),
    ):
        pass


def test_the_dashboard_is_where_dasks_configuration_wants_it():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with dask.config.set({cluster.DASHBOARD: port}), cluster.start(1) as first:
        assert f":{port}/" in first.dashboard_link
        assert "Dask" in requests.get(f"http://127.0.0.1:{port}/status", timeout=10).text


def test_negative_workers():
    with pytest.raises(UsageError, match="workers"), cluster.start(-1):
        pass


@pytest.mark.parametrize("memory", ["much", "1 MB", "1e400 GB"])
def test_memory_that_is_no_size(memory):
    with pytest.raises(UsageError, match="memory"), cluster.start(1, memory=memory):
        pass


def test_a_container_that_may_use_half_a_core_has_one(monkeypatch):
    """Kubernetes and Docker limit the time on the processors, not which of them are used."""
    monkeypatch.setattr("dask.system._try_extract_cgroup_cpu_quota", lambda: (50_000, 100_000))
    assert engines.cores() == 1


def test_workers_that_die_of_a_task_are_told():
    with cluster.start(1) as client:
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 1))
        # After a moment, as of memory: Dask can't close while a worker that died as it came is begun anew.
        dies = client.submit(lambda: (time.sleep(0.2), os._exit(1)))
        with pytest.raises(ProcessingError, match="workers died of a task, 2 times.*memory"), cluster.deaths_told():
            dies.result()
