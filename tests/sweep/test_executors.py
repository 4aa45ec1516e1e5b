"""Worker processes: one call each, replaced when they die, ended when they hang or when their parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

from gradproof.errors import UsageError
from gradproof.execution import executors
from gradproof.execution.processes import Processes, WorkerLost
from gradproof.sweep.running.shard_task import run_shard
from tests.architecture.imports import ROOT
from tests.sweep import works
from tests.sweep.conftest import jobs

GONE_WITHIN = 30.0
"""Seconds within which a process that ends itself must have done so."""


@pytest.fixture
def two() -> object:
    """Two worker processes."""
    made = Processes(2)
    yield made
    made.shutdown(cancel_futures=True)


def test_calls_are_answered_and_errors_come_back(two: Processes) -> None:
    assert [f.result() for f in [two.submit(pow, 2, n) for n in range(5)]] == [1, 2, 4, 8, 16]
    with pytest.raises(ZeroDivisionError):
        two.submit(divmod, 1, 0).result()
    assert two.submit(pow, 3, 2).result() == 9


def test_a_function_that_cannot_be_pickled_is_an_error_of_its_own_call(two: Processes) -> None:
    with pytest.raises((AttributeError, TypeError, Exception), match=r"pickle|local"):
        two.submit(lambda: 1).result()
    assert two.submit(pow, 2, 2).result() == 4


def test_a_lost_worker_costs_its_own_call_alone(two: Processes) -> None:
    calls = [two.submit(pow, 2, n) for n in range(3)]
    lost = two.submit(os._exit, 7)
    calls += [two.submit(pow, 2, n) for n in range(3, 6)]
    with pytest.raises(WorkerLost, match="exit code 7"):
        lost.result()
    assert [f.result() for f in calls] == [1, 2, 4, 8, 16, 32]


def test_the_signal_that_ended_a_worker_is_named(two: Processes) -> None:
    with pytest.raises(WorkerLost, match="SIGSEGV"):
        two.submit(signal.raise_signal, signal.SIGSEGV).result()


def test_a_call_beyond_the_time_limit_is_ended() -> None:
    workers = Processes(1, time_limit=5.0)
    try:
        hung = workers.submit(time.sleep, 600)
        after = workers.submit(pow, 2, 3)
        with pytest.raises(WorkerLost, match="no answer within 5 seconds"):
            hung.result()
        assert after.result() == 8
    finally:
        workers.shutdown(cancel_futures=True)


def test_ending_at_once_waits_for_nobody() -> None:
    workers = Processes(1)
    workers.submit(pow, 2, 2).result()
    hung, waiting = workers.submit(time.sleep, 600), workers.submit(pow, 2, 3)
    while not hung.running():
        time.sleep(0.001)
    begun = time.monotonic()
    workers.shutdown(cancel_futures=True)
    assert time.monotonic() - begun < 60
    wait([hung, waiting], timeout=60)
    assert isinstance(hung.exception(timeout=0), WorkerLost)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        workers.submit(pow, 2, 2)


def test_ending_in_order_does_all_that_was_asked() -> None:
    workers = Processes(1)
    calls = [workers.submit(pow, 2, n) for n in range(4)]
    workers.shutdown()
    assert [f.result(timeout=0) for f in calls] == [1, 2, 4, 8]


def test_a_worker_runs_on_one_thread_and_the_parent_keeps_its_own(
    two: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (job,) = jobs("relu", shards=1)
    from gradproof.sweep.plan import shards

    (shard,) = shards(job.target, job.first, job.last)
    answer = two.submit(run_shard, shard, f"{works.__name__}:environment").result()
    assert answer["result"]["threads"] == "1"
    assert answer["result"]["process"] != os.getpid()
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_the_module_loads_neither_numpy_nor_a_framework() -> None:
    program = (
        "import sys, gradproof.execution.executors, gradproof.sweep.running.shard_task; "
        "print(sorted({'numpy', 'torch', 'jax', 'distributed'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_script_without_a_guard_is_told_at_once(marks: Path) -> None:
    script = marks / "unguarded.py"
    script.write_text(
        "from gradproof.execution.processes import Processes\n"
        "workers = Processes(1)\nworkers.submit(pow, 2, 2).result()\n",
        encoding="utf-8",
    )
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=100)
    assert told.returncode == 1
    assert 'a script that uses worker processes needs if __name__ == "__main__":' in told.stderr


@pytest.mark.parametrize("call", ["time.sleep(600)", "collections.deque(itertools.repeat(0), 0)"])
def test_workers_end_when_their_parent_is_killed(marks: Path, call: str) -> None:
    """A worker in the middle of a long call has nobody left to answer to, and may let no other thread have a turn."""
    program = f"""
import os, sys, time
from gradproof.execution.processes import Processes
if __name__ == "__main__":
    workers = Processes(1)
    print(workers.submit(os.getpid).result(), flush=True)
    workers.submit(exec, "import collections, itertools, time; {call}")
    time.sleep(0.5)
    os.kill(os.getpid(), 9)
"""
    script = marks / "parent.py"
    script.write_text(program, encoding="utf-8")
    told = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert told.returncode == -signal.SIGKILL
    worker = int(told.stdout)
    deadline = time.monotonic() + GONE_WITHIN
    while _runs(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(worker)


def _runs(process: int) -> bool:
    """Whether a process is alive; one that ended and that nobody waited for is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(UsageError, match=r"at least 0 and at most .* got -1"), executors.local(-1):
        pass


def test_a_cluster_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    monkeypatch.setattr(executors, "CONNECT_LIMIT", 0.5)
    with pytest.raises(UsageError, match="none answers"), executors.cluster("tcp://127.0.0.1:9"):
        pass


def test_without_distributed_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'gradproof\[cluster\]'"), executors.cluster("tcp://127.0.0.1:9"):
        pass
