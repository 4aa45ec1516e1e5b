"""A real Dask cluster of several worker processes on this machine; one of them is killed in mid-run."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gradproof.errors import UsageError
from gradproof.execution import executors
from gradproof.execution.executors import ClusterLost
from gradproof.sweep.running import environment
from gradproof.sweep.running.campaign import CampaignProgress, SilentObserver
from tests.sweep import works
from tests.sweep.conftest import SHARDS
from tests.sweep.test_campaign import Heard, expected, swept, text, times_worked

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own about ports, sockets and killed processes

WORKERS = 3


@pytest.fixture
def cluster(marks: Path) -> Iterator[Any]:
    """A scheduler and three worker processes with one thread each."""
    with distributed.LocalCluster(
        n_workers=WORKERS,
        processes=True,
        threads_per_worker=1,
        dashboard_address=None,
        host="127.0.0.1",
        silence_logs=50,
    ) as made:
        # They share their source with this process, which its own tests may change; see the conftest.
        with distributed.Client(made.scheduler_address, set_as_default=False) as client:
            client.run(works.one_source)
        yield made


def processes(cluster: Any) -> list[int]:
    """The process of each worker."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_cluster_gives_the_same_result_as_this_process(cluster: Any, tmp_path: Path, marks: Path) -> None:
    with executors.cluster(cluster.scheduler_address) as crew:
        assert crew.capacity() == WORKERS
        (found,) = swept(tmp_path / "cluster", crew=crew)
    assert times_worked(marks) == [1] * SHARDS
    (alone,) = swept(tmp_path / "alone")
    assert text(found) == text(alone)
    assert found.processors


def test_a_worker_killed_in_mid_run_costs_nothing_but_time(cluster: Any, tmp_path: Path, marks: Path) -> None:
    """The process is killed by SIGKILL while it works on a shard; that shard is worked on again, and counts once."""
    victim, *_ = processes(cluster)
    killed = threading.Event()

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not killed.is_set() and time.monotonic() < deadline:
            if (marks / f"working-{victim}").exists():
                os.kill(victim, signal.SIGKILL)
                killed.set()
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    with executors.cluster(cluster.scheduler_address) as crew:
        (found,) = swept(tmp_path, crew=crew, work="lingering")
    killer.join()
    assert killed.is_set()
    assert text(found) == json.dumps(expected(), sort_keys=True)
    assert found.finished == found.job.points
    assert victim not in processes(cluster)


def test_a_shard_that_kills_every_worker_is_given_up(cluster: Any, tmp_path: Path, marks: Path) -> None:
    heard = Heard()
    with executors.cluster(cluster.scheduler_address) as crew:
        (found,) = swept(tmp_path, crew=crew, work="deadly", observer=heard)
    assert found.status == "error"
    assert "0x02000000..0x02ffffff" in found.reason
    counts = times_worked(marks)
    assert counts[2] == 0
    assert all(n >= 1 for index, n in enumerate(counts) if index != 2)


def test_workers_with_other_versions_are_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "__version__", "999")
    environment._backend_environment.cache_clear()
    try:
        with executors.cluster(cluster.scheduler_address) as crew, pytest.raises(UsageError) as refused:
            swept(tmp_path, crew=crew)
    finally:
        environment._backend_environment.cache_clear()
    assert "999 here" in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


class Closer(SilentObserver):
    """Ends the cluster after the first shard."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster

    def advanced(self, progress: CampaignProgress) -> None:
        self.cluster.close()


def test_a_scheduler_that_goes_away_is_told_and_keeps_what_is_finished(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "CONNECT_LIMIT", 2.0)
    dask = pytest.importorskip("dask", reason="the extra 'cluster' is not installed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        executors.cluster(cluster.scheduler_address) as crew,
        pytest.raises(ClusterLost, match="what is finished is kept"),
    ):
        swept(tmp_path, crew=crew, observer=Closer(cluster))
    with (
        executors.local(1) as crew,
        pytest.raises(UsageError, match="processor simd is each cluster worker's own there"),
    ):
        swept(tmp_path, crew=crew)
    assert 1 <= len(list(tmp_path.glob("*/shard-*.json"))) <= WORKERS


@pytest.mark.parametrize("address", ["nowhere", "tcp://nowhere", "abc://here:8786"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UsageError, match="expected a Dask scheduler"), executors.cluster(address):
        pass
    assert time.monotonic() - begun < executors.CONNECT_LIMIT / 2
