"""Runs on executors of the caller's and on a cluster: the same bytes as on this machine, and what lost workers cost."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import gradproof as gp
from gradproof.cli.app import program
from gradproof.engine.running import executor_judge, unit
from gradproof.errors import GradproofError, OracleDisagreement, UsageError
from gradproof.execution.executors import ClusterLost, Crew
from gradproof.execution.processes import Processes
from gradproof.results.io import dumps
from gradproof.results.model import RunResult

ASKED: dict[str, Any] = {
    "function": ["relu", "tanh"], "backend": "numpy", "format": ["float16", "bfloat16"], "order": [0, 1],
    "property": ["accuracy", "special-values", "zero-input"], "profile": "quick",
}  # fmt: skip


def text(result: RunResult) -> str:
    """A result without the times and the number of workers."""
    document = json.loads(dumps(result))
    document["run"] |= {"started": "", "seconds": 0}
    document["run"]["settings"].pop("jobs")
    for cell in document["cells"]:
        cell["seconds"] = 0
    return json.dumps(document)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The result of this process."""
    return text(gp.run(**ASKED, jobs=0, folder=tmp_path_factory.mktemp("alone")))


@contextlib.contextmanager
def executor(kind: str) -> Iterator[Executor]:
    """Two workers."""
    made: Executor
    match kind:
        case "threads":
            made = ThreadPoolExecutor(2)
        case "processes":
            made = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        case _:
            made = Processes(2)
    try:
        yield made
    finally:
        made.shutdown(wait=True, cancel_futures=True)


@pytest.mark.parametrize("kind", ["threads", "processes", "ours"])
def test_an_executor_gives_the_same_bytes_as_this_process(kind: str, alone: str, tmp_path: Path) -> None:
    with executor(kind) as made:
        result = gp.run(**ASKED, executor=made, folder=tmp_path)
        assert made.submit(pow, 2, 3).result() == 8  # it is not shut down
    assert text(result) == alone
    assert not list(tmp_path.iterdir())


FILE = """
import os
import numpy as np
import gradproof as gp

def step(x):
    return (x > 0).astype(x.dtype)

@gp.implements("relu", backend="numpy", formats=["float16"], derivative=step)
def right(x):
    return np.maximum(x, 0)

@gp.implements("relu", backend="numpy", formats=["float16"], derivative=step)
def wrong(x):
    {body}
"""


def checked(folder: Path, body: str, **more: Any) -> RunResult:
    file = folder / "mine.py"
    file.write_text(FILE.format(body=body))
    asked = {"order": [0, 1], "property": ["accuracy"], "profile": "quick", "time_limit": 5.0}
    return gp.run(files=file, **asked, folder=folder / "run", **more)


def test_files_of_the_users_are_judged_as_on_this_machine(tmp_path: Path) -> None:
    body = "return np.where(x > 1, x, x.dtype.type(0))"
    with executor("processes") as made:
        there = checked(tmp_path, body, executor=made)
    assert text(there) == text(checked(tmp_path, body, jobs=1))
    assert there.counts()["fail"] >= 1


def test_a_cell_that_ends_every_worker_is_given_up_and_no_other(tmp_path: Path) -> None:
    with executor("ours") as made:
        result = checked(tmp_path, "os._exit(7)", executor=made)
    found = {(c.implementation, c.order): c for c in result.cells}
    assert {c.status for (name, _), c in found.items() if name == "mine:right"} == {"pass"}
    wrong = [found["mine:wrong", order] for order in (0, 1)]
    assert wrong[0].status == "error"
    assert wrong[0].measured["fault"] == "crashed"
    assert "no worker got through the cell" in wrong[0].reason
    assert wrong[1].status == "pass" or wrong[1].why == "gave-up"


def test_a_worker_lost_by_chance_costs_nothing_but_time(tmp_path: Path) -> None:
    body = """
    try:
        open(__file__ + ".once", "x").close()
        os._exit(7)
    except FileExistsError:
        return np.maximum(x, 0)"""
    with executor("ours") as made:
        result = checked(tmp_path, body, executor=made)
    assert {c.status for c in result.cells} == {"pass"}


def test_an_executor_that_breaks_ends_the_run_and_what_is_finished_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    with executor("processes") as made, pytest.raises(GradproofError, match="executor broke"):
        checked(tmp_path, "os._exit(7)", executor=made, in_flight=1)
    result = checked(tmp_path, "os._exit(7)", jobs=1, resume=True, say=said.append)
    assert result.run.complete
    assert said[0].startswith(("resumed: ", "started anew"))


class Elsewhere(Executor):
    """Workers whose answers come from a machine that is not like this one."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        answer = fn(*args, **kwargs)
        if fn is unit.judge:
            answer["surroundings"] = {**answer["surroundings"], **self.changes}
        future: Future[Any] = Future()
        future.set_result(answer)
        return future


def test_a_worker_of_another_version_judges_nothing(tmp_path: Path) -> None:
    versions = {"gradproof": "999"}
    result = gp.run(**ASKED, executor=Elsewhere(versions=versions), folder=tmp_path)
    assert {c.status for c in result.cells} == {"error"}
    assert "a worker is not like the others: gradproof is 999 there" in result.cells[0].reason


def test_other_processors_are_counted_in_the_results(tmp_path: Path) -> None:
    result = gp.run(**ASKED, executor=Elsewhere(processor="Analytical Engine, none"), folder=tmp_path)
    assert result.run.environment["judged_on"] == {"Analytical Engine, none": len(result.cells)}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        executor("threads") as made,
        pytest.raises(UsageError, match=r"nowhere.py.*cannot be read"),
    ):
        gp.run(files=tmp_path / "nowhere.py", executor=made, folder=tmp_path)


def test_a_contradiction_of_the_oracle_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def contradict(*_: Any) -> Any:
        raise OracleDisagreement("at x = 2")

    monkeypatch.setattr("gradproof.engine.running.worker.decide", contradict)
    with executor("threads") as made, pytest.raises(OracleDisagreement, match="at x = 2"):
        gp.run(**ASKED, executor=made, folder=tmp_path)


class Gone:
    """A cluster whose scheduler is lost after two looks at it."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        if self.looks > 2:
            raise ClusterLost("what is finished is kept")
        return 1


def test_a_lost_scheduler_ends_the_run_and_what_is_finished_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: str
) -> None:
    crew = Crew(ThreadPoolExecutor(1), Gone())
    with monkeypatch.context() as patched:
        patched.setattr("gradproof.engine.running.api.elsewhere", lambda *_: contextlib.nullcontext(crew))
        with pytest.raises(ClusterLost):
            gp.run(**ASKED, folder=tmp_path)
    said: list[str] = []
    assert text(gp.run(**ASKED, jobs=0, folder=tmp_path, resume=True, say=said.append)) == alone
    assert said[0].startswith("resumed: ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jobs": 2, "cluster": "tcp://h:1"}, "expected one of executor, jobs, cluster, got jobs and cluster"),
        ({"executor": ThreadPoolExecutor(1), "in_flight": 0}, "in_flight as a whole number above 0, got 0"),
        ({"executor": ThreadPoolExecutor(1), "in_flight": 1.5}, "in_flight as a whole number above 0, got 1.5"),
    ],
)
def test_what_cannot_be_is_told(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        gp.run(**ASKED, folder=tmp_path, **given)


# -- a cluster ---------------------------------------------------------------------------------------------

WORKERS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler and two worker processes with one thread each."""
    distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    with distributed.LocalCluster(
        n_workers=WORKERS,
        processes=True,
        threads_per_worker=1,
        dashboard_address=None,
        host="127.0.0.1",
        silence_logs=50,
    ) as made:
        yield made


@pytest.mark.filterwarnings("ignore")  # of Dask's own about ports, sockets and killed processes
class TestCluster:
    def test_it_gives_the_same_bytes_as_this_process(self, cluster: Any, alone: str, tmp_path: Path) -> None:
        assert text(gp.run(**ASKED, cluster=cluster.scheduler_address, folder=tmp_path)) == alone

    def test_workers_of_another_version_are_refused(
        self, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gradproof.engine.running.provenance.__version__", "999")
        with pytest.raises(UsageError, match="999 here"):
            gp.run(**ASKED, cluster=cluster.scheduler_address, folder=tmp_path)

    def test_check_takes_a_cluster(self, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.py").write_text(FILE.format(body="return np.maximum(x, 0)"))
        done = CliRunner(env={"COLUMNS": "2000"}).invoke(
            program, ["check", "mine.py", "--property", "accuracy", "--cluster", cluster.scheduler_address]
        )
        assert done.exit_code == 0, done.output
        assert "4 pass" in done.stdout

    def test_a_file_that_the_workers_do_not_have_is_told(
        self, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from gradproof.engine.running import executor_judge

        file = tmp_path / "mine.py"
        file.write_text(FILE.format(body="return np.maximum(x, 0)"))
        real = executor_judge.digest_of
        monkeypatch.setattr(executor_judge, "digest_of", lambda path: real(path) or "as it is here")
        monkeypatch.setattr(executor_judge.Path, "resolve", lambda _: tmp_path / "only_here.py")
        with pytest.raises(UsageError, match=r"only_here\.py cannot be read for a worker"):
            gp.run(files=file, cluster=cluster.scheduler_address, folder=tmp_path / "run")

    def test_jobs_beside_a_cluster_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        done = CliRunner(env={"COLUMNS": "2000"}).invoke(
            program, ["run", "--jobs", "1", "--cluster", "tcp://127.0.0.1:9"]
        )
        assert done.exit_code == 4
        assert "expected one of jobs, cluster, got jobs and cluster" in done.stderr

    def test_a_worker_that_dies_over_a_cell_costs_that_one(self, cluster: Any, tmp_path: Path) -> None:
        result = checked(tmp_path, "os._exit(7)", cluster=cluster.scheduler_address)
        found = {(c.implementation, c.order): c for c in result.cells}
        assert {c.status for (name, _), c in found.items() if name == "mine:right"} == {"pass"}
        assert "no worker got through the cell" in found["mine:wrong", 0].reason


def test_a_hang_ends_the_process_where_nobody_else_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a cluster, whose scheduler does not end a worker: the process ends itself, and that is a lost worker."""
    monkeypatch.setattr(executor_judge, "cell_limit", lambda _: 3.0)
    body = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n    while True: pass"

    class Ending(executor_judge.ExecutorJudge):
        def _survey(self) -> None:
            """Nobody to ask."""

    monkeypatch.setattr("gradproof.engine.running.pool.ExecutorJudge", Ending)
    workers = Processes(1)
    crew = Crew(workers, lambda: 1, cluster=object())  # type: ignore[arg-type]
    monkeypatch.setattr("gradproof.engine.running.api.elsewhere", lambda *_: contextlib.nullcontext(crew))
    try:
        result = checked(tmp_path, body, cluster="tcp://stands-for-one:1")
    finally:
        workers.shutdown(cancel_futures=True)
    found = {(c.implementation, c.order): c.status for c in result.cells}
    assert found["mine:right", 0] == "pass"
    assert found["mine:wrong", 0] == "error"
