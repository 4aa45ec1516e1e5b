"""A campaign: everything counts once, whatever dies, is damaged or is stopped in between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from gradproof.errors import GradproofError, UsageError, WriteError
from gradproof.execution import executors
from gradproof.execution.executors import Crew, LocalExecutor
from gradproof.sweep.plan import Target
from gradproof.sweep.running import campaign
from gradproof.sweep.running.campaign import CampaignProgress, SilentObserver, Swept, sweep
from tests.architecture.imports import ROOT
from tests.sweep import works
from tests.sweep.conftest import SHARDS, jobs


class Heard(SilentObserver):
    """Remembers what a campaign tells."""

    def __init__(self) -> None:
        self.progress: list[CampaignProgress] = []
        self.warnings: list[str] = []
        self.ended: list[tuple[str, str]] = []

    def advanced(self, progress: CampaignProgress) -> None:
        self.progress.append(progress)

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def settled(self, target: Target, status: str, reason: str) -> None:
        self.ended.append((target.function, status))


def here() -> Crew:
    return Crew(LocalExecutor(), lambda: 1)


def swept(root: Path, *functions: str, crew: Crew | None = None, work: str = "counted", **more: Any) -> list[Swept]:
    return sweep(
        jobs(*(functions or ("tanh",))),
        crew or here(),
        root=root,
        work=f"{works.__name__}:{work}",
        merge=works.merged,
        **more,
    )


def expected(function: str = "tanh") -> dict[str, Any]:
    """The result of a sweep, from the shards' work alone, through JSON as every result goes."""
    from gradproof.sweep.plan import shards

    (job,) = jobs(function)
    parts = [works.digest(shard) for shard in shards(job.target, job.first, job.last)]
    return works.merged(json.loads(json.dumps(parts)))


def times_worked(marks: Path, function: str = "tanh") -> list[int]:
    """How often each shard was worked on."""
    files = [marks / f"worked-{function}-{index}" for index in range(SHARDS)]
    return [file.stat().st_size if file.exists() else 0 for file in files]


def text(found: Swept) -> str:
    assert found.status == "swept", found.reason
    return json.dumps(found.result, sort_keys=True)


def test_every_shard_is_worked_on_once(tmp_path: Path, marks: Path) -> None:
    (found,) = swept(tmp_path)
    assert text(found) == json.dumps(expected(), sort_keys=True)
    assert times_worked(marks) == [1] * SHARDS
    assert found.finished == found.job.points
    assert found.kept == 0


def test_a_second_call_works_on_nothing(tmp_path: Path, marks: Path) -> None:
    (first,), (second,) = swept(tmp_path), swept(tmp_path)
    assert text(first) == text(second)
    assert times_worked(marks) == [1] * SHARDS
    assert second.kept == second.finished == first.finished
    assert (second.seconds, second.processors) == (first.seconds, first.processors)


def test_fresh_works_on_everything_again(tmp_path: Path, marks: Path) -> None:
    swept(tmp_path)
    swept(tmp_path, fresh=True)
    assert times_worked(marks) == [2] * SHARDS


@pytest.mark.parametrize("workers", [1, 3])
def test_the_result_does_not_depend_on_the_workers(tmp_path: Path, workers: int) -> None:
    with executors.local(workers) as crew:
        (found,) = swept(tmp_path, crew=crew)
    assert text(found) == json.dumps(expected(), sort_keys=True)


def test_any_executor_will_do(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        (found,) = swept(tmp_path / "threads", crew=Crew(threads, lambda: 3))
    assert text(found) == json.dumps(expected(), sort_keys=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        (found,) = swept(tmp_path / "processes", crew=Crew(processes, lambda: 2))
    assert text(found) == json.dumps(expected(), sort_keys=True)


def test_an_executor_that_breaks_keeps_what_is_finished(tmp_path: Path, marks: Path) -> None:
    broken = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with broken, pytest.raises(GradproofError, match="what is finished is kept"):
        swept(tmp_path, crew=Crew(broken, lambda: 1), work="deadly")
    assert times_worked(marks) == [1, 1, 0, 0, 0, 0]
    (found,) = swept(tmp_path)
    assert times_worked(marks) == [1] * SHARDS
    assert text(found) == json.dumps(expected(), sort_keys=True)


def test_a_worker_that_dies_costs_nothing_but_time(tmp_path: Path, marks: Path) -> None:
    heard = Heard()
    with executors.local(2) as crew:
        (found,) = swept(tmp_path, crew=crew, work="deadly_once", observer=heard)
    assert text(found) == json.dumps(expected(), sort_keys=True)
    assert times_worked(marks) == [1] * SHARDS
    assert ["SIGKILL" in line and "worked on again" in line for line in heard.warnings] == [True]


def test_a_shard_that_kills_every_worker_is_given_up_and_the_rest_goes_on(tmp_path: Path, marks: Path) -> None:
    with executors.local(2) as crew:
        tanh, relu = swept(tmp_path, "tanh", "relu", crew=crew, work="deadly")
    assert (tanh.status, relu.status) == ("error", "error")
    assert "0x02000000..0x02ffffff" in tanh.reason
    assert "SIGKILL" in tanh.reason
    assert (marks / "killed").stat().st_size == 6
    assert times_worked(marks) == times_worked(marks, "relu") == [1, 1, 0, 1, 1, 1]


def test_a_shard_that_hangs_is_given_up(tmp_path: Path, marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "STRIKES", 1)
    with executors.local(2, time_limit=4.0) as crew:
        (found,) = swept(tmp_path, crew=crew, work="hanging")
    assert found.status == "error"
    assert "no answer within 4 seconds" in found.reason
    assert times_worked(marks) == [0, 1, 1, 1, 1, 1]


def test_a_function_that_cannot_be_swept_does_not_end_the_others(tmp_path: Path, marks: Path) -> None:
    found = swept(tmp_path, "relu", "silu", "gelu", "tanh", work="faulty")
    assert [f.status for f in found] == ["unsupported", "error", "error", "swept"]
    assert found[0].reason == "there is no such derivative"
    assert "ValueError" in found[1].reason
    assert found[2].reason == "ZeroDivisionError: a slip of ours"
    assert [f.internal for f in found] == [False, False, True, False]
    assert times_worked(marks) == [1] * SHARDS


def test_a_damaged_shard_is_computed_again(tmp_path: Path, marks: Path) -> None:
    (first,) = swept(tmp_path)
    assert first.folder is not None
    file = first.folder / "shard-00004.json"
    file.write_bytes(file.read_bytes()[:-3])
    heard = Heard()
    (second,) = swept(tmp_path, observer=heard)
    assert text(second) == text(first)
    assert times_worked(marks) == [1, 1, 1, 1, 2, 1]
    assert len(heard.warnings) == 1


def test_a_disk_that_fills_up_stops_the_sweep_and_loses_nothing(
    tmp_path: Path, marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []

    def full_after_three(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:  # the manifest and three shards
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("gradproof.files.writing.os.fsync", full_after_three)
        with pytest.raises(WriteError, match="No space left on device"):
            swept(tmp_path)
    (found,) = swept(tmp_path)
    assert text(found) == json.dumps(expected(), sort_keys=True)
    assert times_worked(marks) == [1, 1, 1, 2, 1, 1]


def test_progress_counts_up_to_everything(tmp_path: Path) -> None:
    heard = Heard()
    found = swept(tmp_path, "tanh", "relu", observer=heard)
    total = sum(f.job.points for f in found)
    done = [p.done for p in heard.progress]
    assert done == sorted(done)
    assert (done[-1], {p.total for p in heard.progress}) == (total, {total})
    assert heard.progress[-1].left == 0.0
    assert heard.ended == [("tanh", "swept"), ("relu", "swept")]


def test_other_versions_do_not_go_on_with_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept(tmp_path)
    from gradproof.sweep.running import environment

    monkeypatch.setattr(environment, "PACKAGES", (*environment.PACKAGES, "click"))
    environment._backend_environment.cache_clear()
    try:
        with pytest.raises(UsageError, match="versions click is nothing there"):
            swept(tmp_path)
    finally:
        environment._backend_environment.cache_clear()


PROGRAM = """
import sys
from pathlib import Path
from gradproof.engine.surroundings import sources
from gradproof.execution import executors
from gradproof.sweep.running.campaign import sweep
from tests.sweep import works
from tests.sweep.conftest import jobs

sources.source = lambda: ""
if __name__ == "__main__":
    with executors.local(2) as crew:
        work = f"{works.__name__}:slow"
        for found in sweep(jobs("tanh"), crew, root=Path(sys.argv[1]), work=work, merge=works.merged):
            print(found.status, found.finished)
"""


@pytest.fixture
def program(marks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that sweeps tanh into the folder that it is given."""
    script = marks / "sweeping.py"
    script.write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return script


def started(program: Path, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(program), str(root)], stdout=subprocess.PIPE, text=True)


def finished_files(root: Path) -> int:
    return len(list(root.glob("*/shard-*.json")))


def test_killed_at_any_moment_it_goes_on_to_the_same_result(tmp_path: Path, program: Path) -> None:
    """SIGKILL after a random while, again and again, until a run comes through."""
    chance = random.Random(6)
    root = tmp_path / "killed"
    kept: list[int] = []
    for attempt in range(4):
        running = started(program, root)
        wanted = min(attempt + chance.randrange(2), SHARDS - 1)
        deadline = time.monotonic() + 60
        while finished_files(root) < wanted and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.03)
        running.kill()
        running.communicate()
        kept.append(finished_files(root))
    assert kept == sorted(kept)
    heard = Heard()
    (found,) = swept(root, observer=heard)
    assert text(found) == json.dumps(expected(), sort_keys=True)
    assert found.finished == found.job.points
    assert heard.warnings == []  # written whole or not at all


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_so_and_keeps_what_is_finished(
    tmp_path: Path, program: Path, marks: Path, number: signal.Signals
) -> None:
    root = tmp_path / "stopped"
    running = started(program, root)
    deadline = time.monotonic() + 60
    while finished_files(root) < 1 and time.monotonic() < deadline:
        time.sleep(0.002)
    running.send_signal(number)
    told, _ = running.communicate(timeout=60)
    status, finished = told.split()
    assert running.returncode == 0
    if status == "swept":  # it was faster than the signal
        assert finished_files(root) == SHARDS
    else:
        assert status == "stopped"
        assert 0 < int(finished) < jobs("tanh")[0].points
    before = times_worked(marks)
    kept = {file.name for file in root.glob("*/shard-*.json")}
    (found,) = swept(root)
    assert text(found) == json.dumps(expected(), sort_keys=True)
    again = [after - was for after, was in zip(times_worked(marks), before, strict=True)]
    assert again == [0 if f"shard-{index:05d}.json" in kept else 1 for index in range(SHARDS)]


def test_long_silence_is_told_less_and_less_often(tmp_path: Path, marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of 8 seconds or more: its silence is told after 1, 2 and 4 (and perhaps once or twice more)."""
    monkeypatch.setattr(campaign, "QUIET", 1.0)
    heard = Heard()
    with executors.local(1, time_limit=8.0) as crew:
        monkeypatch.setattr(campaign, "STRIKES", 1)
        (found,) = swept(tmp_path, crew=crew, work="hanging", observer=heard)
    assert found.status == "error"
    silent = [w for w in heard.warnings if "no shard finished for" in w]
    assert 2 <= len(silent) <= 6
    assert found.job.target.id in silent[0]
